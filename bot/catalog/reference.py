"""The reference of every setting in kaeru.yml, as Markdown, made of the same schema that editors use."""

from collections.abc import Iterator
from typing import Any

from bot.catalog.sentences import as_yaml

_HEAD = "| setting | what it is | default | example |\n|---|---|---|---|\n"
_KINDS = {
    "target": "Deploy targets",
    "changes": "Change sources",
    "backup": "Backups",
    "migrations": "Migrations",
    "traffic": "Traffic",
    "cache": "Caches",
    "metric": "Metrics",
    "log": "Logs",
    "notice": "Notices",
    "on_call": "On-call",
    "tracker": "Trackers",
    "paper": "Papers",
}


def reference(schema: dict[str, Any]) -> str:
    """One table per part of the file, then one per adapter. `schema` is `catalog_schema`'s."""
    definitions = schema["$defs"]
    parts = [_section("The file", schema, definitions)]
    parts += [
        _section(f"`{path}`", definitions[name], definitions) for path, name in _parts(schema, definitions)
    ]
    for role, heading in _KINDS.items():
        parts.append(f"### {heading}\n")
        for name in sorted(n for n in definitions if n.startswith(f"{role}.") and n.count(".") == 1):
            kind = name.partition(".")[2]
            parts.append(_section(f"`{role}: {{ kind: {kind} }}`", definitions[name], definitions, level=4))
    return "\n".join(parts)


def _parts(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every definition of the catalog's own, once, under the path where it is found first."""
    seen: set[str] = set()

    def walk(node: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
        for key, value in node.get("properties", {}).items():
            for name, suffix in _references(value):
                if name in seen or "." in name:
                    continue
                seen.add(name)
                here = f"{path}.{key}{suffix}".lstrip(".")
                yield here, name
                inner = definitions[name]
                yield from walk(next((a for a in inner.get("anyOf", []) if "properties" in a), inner), here)

    yield from walk(schema, "")


def _references(value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The definitions that a property leads to, with `.NAME` for a mapping's and `[]` for a list's."""
    for each in (value, *value.get("anyOf", [])):
        if "$ref" in each:
            yield each["$ref"].removeprefix("#/$defs/"), ""
        for key, suffix in (("additionalProperties", ".NAME"), ("items", "[]")):
            inner = each.get(key)
            if isinstance(inner, dict) and "$ref" in inner:
                yield inner["$ref"].removeprefix("#/$defs/"), suffix
        for pattern in each.get("patternProperties", {}).values():
            if "$ref" in pattern:
                yield pattern["$ref"].removeprefix("#/$defs/"), ".NAME"


def _section(title: str, node: dict[str, Any], definitions: dict[str, Any], *, level: int = 3) -> str:
    whole = next((a for a in node.get("anyOf", []) if "properties" in a), node)
    needed = set(whole.get("required", []))
    about = _one_line(node.get("description", ""))
    lines = [
        _line(key, value, definitions, needed=key in needed)
        for key, value in whole.get("properties", {}).items()
        if key != "kind"
    ]
    return f"{'#' * level} {title}\n\n{about}\n\n{_HEAD}{''.join(lines)}"


def _line(key: str, value: dict[str, Any], definitions: dict[str, Any], *, needed: bool) -> str:
    default = "**needed**" if needed else _default(value.get("default"))
    examples = value.get("examples") or []
    example = f"`{_cell(as_yaml(examples[0]))}`" if examples else ""
    about = value.get("description") or next(
        (definitions[name].get("description", "") for name, _ in _references(value) if name in definitions),
        "",
    )
    return f"| `{key}` | {_cell(_one_line(about))} | {default} | {example} |\n"


def _default(value: Any) -> str:
    return "" if value in (None, {}, [], "") else f"`{_cell(as_yaml(value))}`"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
