"""Changelogs as documents: XML, YAML and JSON, made into the same changesets."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import yaml

from integrations.migrations.liquibase_changes import Change, ChangeSet
from integrations.migrations.python import NotUnderstood

LARGEST = 500_000  # characters
_XML = (".xml",)
_YAML = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Include:
    """Another changelog, or with `folder` all of a folder."""

    path: str
    folder: bool = False


def is_document(path: str, text: str) -> bool:
    return path.endswith((*_XML, *_YAML)) and "databaseChangeLog" in text


def entries_of(path: str, text: str) -> list[ChangeSet | Include]:
    """What a changelog holds, in its order. Raises NotUnderstood for what is no changelog of the known form."""
    if len(text) > LARGEST:
        raise NotUnderstood
    try:
        return list(_of_xml(text) if path.endswith(_XML) else _of_yaml(text))
    except (
        ET.ParseError,
        yaml.YAMLError,
        RecursionError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as e:
        raise NotUnderstood from e


def _of_xml(text: str) -> Iterator[ChangeSet | Include]:
    # Without a document type there are no entities, neither external nor ones that grow.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise NotUnderstood
    root = ET.fromstring(text)  # noqa: S314 - see above
    if _tag(root) != "databaseChangeLog":
        raise NotUnderstood
    for node in root:
        kind = _tag(node)
        if kind == "include":
            yield Include(node.attrib["file"])
        elif kind == "includeAll":
            yield Include(node.attrib["path"].rstrip("/"), folder=True)
        elif kind == "changeSet":
            parts = [_xml_change(child) for child in node if _tag(child) not in ("comment", "validCheckSum")]
            yield _change_set(dict(node.attrib), parts, ET.tostring(node, encoding="unicode"))
        elif kind not in ("property", "preConditions"):
            raise NotUnderstood


def _tag(node: ET.Element) -> str:
    return node.tag.rpartition("}")[2]


def _xml_change(node: ET.Element) -> Change:
    return Change(
        kind=_tag(node),
        settings=dict(node.attrib),
        parts=tuple(_xml_change(child) for child in node),
        text=(node.text or "").strip() if len(node) == 0 else "".join(node.itertext()).strip(),
    )


def _of_yaml(text: str) -> Iterator[ChangeSet | Include]:
    entries = yaml.safe_load(text)["databaseChangeLog"]
    for entry in entries:
        ((kind, value),) = entry.items()
        if kind == "include":
            yield Include(str(value["file"]))
        elif kind == "includeAll":
            yield Include(str(value["path"]).rstrip("/"), folder=True)
        elif kind == "changeSet":
            parts = [_named(one) for one in value.get("changes") or []]
            if "rollback" in value:
                parts.append(_rollback(value["rollback"]))
            parts += [Change(kind=one) for one in value if one == "preConditions"]
            settings = {
                key: _said(one) for key, one in value.items() if isinstance(one, (str, int, float, bool))
            }
            yield _change_set(settings, parts, json.dumps(value, default=str, sort_keys=True))
        elif kind not in ("property", "preConditions"):
            raise NotUnderstood


def _rollback(value: Any) -> Change:
    if isinstance(value, list):
        return Change(kind="rollback", parts=tuple(_named(one) for one in value))
    return (
        Change(kind="rollback", parts=(_named(value),))
        if isinstance(value, dict)
        else Change("rollback", text=str(value or ""))
    )


def _named(entry: Any) -> Change:
    """`{"addColumn": {…}}` as a change."""
    ((kind, value),) = entry.items()
    if not isinstance(value, dict):
        return Change(kind=kind, text=_said(value))
    settings = {key: _said(one) for key, one in value.items() if not isinstance(one, (dict, list))}
    parts: list[Change] = []
    for key, one in value.items():
        if isinstance(one, dict):
            parts.append(_named({key: one}))
        elif isinstance(one, list):
            parts += [_named(inner) for inner in one]
    return Change(kind=kind, settings=settings, parts=tuple(parts), text=settings.get("sql", ""))


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _change_set(settings: dict[str, str], parts: list[Change], content: str) -> ChangeSet:
    return ChangeSet(
        id=settings["id"],
        author=settings.get("author", ""),
        changes=tuple(one for one in parts if one.kind not in ("rollback", "preConditions")),
        rollback=next((one for one in parts if one.kind == "rollback"), None),
        content=content,
        repeatable=settings.get("runOnChange") == "true",
    )
