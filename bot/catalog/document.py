"""A YAML file as plain data that remembers where each value stands.

The YAML is 1.2's core schema: only `true` and `false` are booleans, `1:30` is text, `no` can be a name.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bot.catalog.problems import CatalogInvalid, Problem

Loc = tuple[str | int, ...]
_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)(?=\{)|\{(?P<name>[^}]*)\})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"(?i)pass|token|secret|key|credential|environment|database_url|webhook")
_NAMED = re.compile(r"(alias|anchor|tag handle|directive name) (?:'[^']*'|\"[^\"]*\")")
_DEEPEST = 40
_MOST = 20_000  # values; aliases of aliases multiply


class _Loader(yaml.SafeLoader):
    """YAML 1.2 core: what a plain scalar may be, by its first character."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))

_SCALARS: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
    "tag:yaml.org,2002:null": lambda _: None,
}


@dataclass
class Document:
    """`data` is None for an empty file. `problems` are duplicates, unknown tags, missing variables."""

    name: str
    data: Any = None
    places: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    key_places: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    written: dict[Loc, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, loc: Loc, sentence: str, *, key: bool = False) -> Problem:
        """A problem at `loc` (with `key` at its name), or at the nearest name above it that is in the file."""
        if key and loc in self.key_places:
            line, column = self.key_places[loc]
        elif loc in self.places:
            line, column = self.places[loc]
        else:
            above = loc[:-1]
            while above and above not in self.key_places and above not in self.places:
                above = above[:-1]
            line, column = self.key_places.get(above) or self.places.get(above, (1, 1))
        return Problem(self.name, line, column, dotted(loc), sentence)

    def leave_out_others(self, service: str) -> None:
        """Forget every other service with its problems; nothing where there is no service of that name."""
        listed = self.data.get("services") if isinstance(self.data, dict) else None
        if not isinstance(listed, dict) or service not in listed:
            return
        others = tuple(f"services.{name}" for name in listed if name != service)
        self.data["services"] = {service: listed[service]}
        self.problems = [
            problem
            for problem in self.problems
            if not any(problem.path == other or problem.path.startswith(f"{other}.") for other in others)
        ]


def may_be_secret(loc: Loc) -> bool:
    """Whether what stands at `loc` is never to be shown, by the names that lead there."""
    return any(isinstance(part, str) and _SECRET.search(part) for part in loc)


def dotted(loc: Loc) -> str:
    """`services.shop.health.critical[1]`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(path: Path, environ: Mapping[str, str] | None = None) -> Document:
    """Read `path`, putting in the environment's values for `${NAME}` (`$${` stands for itself).

    Raises CatalogInvalid where the file cannot be read or is not YAML at all.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise _unreadable(
            path, "there is no such file. Copy kaeru.example.yml, or set KAERU_CONFIG."
        ) from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, "this is not a text file in UTF-8.") from error
    except OSError as error:
        raise _unreadable(path, f"it cannot be read ({error.strerror}).") from error
    return parse_document(text, name=str(path), environ=os.environ if environ is None else environ)


def parse_document(text: str, *, name: str, environ: Mapping[str, str]) -> Document:
    """The same for a text. Raises CatalogInvalid where it is not YAML."""
    document = Document(name)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise CatalogInvalid([Problem(name, *place, "", _syntax(error))]) from error
    except yaml.reader.ReaderError as error:
        raise CatalogInvalid([Problem(name, 0, 0, "", f"this is not YAML: {error.reason}")]) from error
    if node is not None:
        document.data = _Construction(document, environ).value(node, (), ())
    return document


def _unreadable(path: Path, sentence: str) -> CatalogInvalid:
    return CatalogInvalid([Problem(str(path), 0, 0, "", sentence)])


def _syntax(error: yaml.MarkedYAMLError) -> str:
    # A password that begins with * or & is an alias or an anchor to YAML: its name is not repeated.
    said = _NAMED.sub(r"\1 (in quotes it is a text)", error.problem or "it cannot be parsed")
    if "'\\t'" in said:
        return "this is not YAML: a tab is used to indent; use spaces."
    if "'#'" in said or "'@'" in said or "'`'" in said:
        return f"this is not YAML: {said}. Put the text in quotes."
    if "but got '{'" in said:
        return f"this is not YAML: {said}. Put a text with `${{…}}` in quotes."
    if "mapping values are not allowed" in said:
        return "this is not YAML: a second `:` on one line. Put the text in quotes, or mind the indentation."
    if "expected a single document" in (error.context or ""):
        return "there is a second document after `---`; kaeru reads one only."
    return f"this is not YAML: {said}."


class _Construction:
    """Makes data of nodes, once per place (an anchor's node is visited at every alias)."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self.document = document
        self.environ = environ

    def value(self, node: yaml.Node, loc: Loc, above: tuple[yaml.Node, ...]) -> Any:
        self.document.places[loc] = _place(node)
        if len(self.document.places) > _MOST:
            sentence = f"aliases make this file larger than {_MOST} values."
            raise CatalogInvalid([self.document.problem(loc, sentence)])
        if node in above or len(above) > _DEEPEST:
            self._say(loc, "this refers to itself, or is nested too deeply.")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(n, (*loc, i), (*above, node)) for i, n in enumerate(node.value)]
        return self._scalar(node, loc)

    def _mapping(self, node: yaml.MappingNode, loc: Loc, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.document.problems.append(
                    Problem(
                        self.document.name, *_place(key_node), dotted(loc), "a name must be a plain text."
                    )
                )
                continue
            key = str(key_node.value)
            if key == "<<" and key_node.style is None:
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                continue
            here = (*loc, key)
            if key in own:
                first = self.document.key_places[here][0]
                sentence = f"this name is used twice in the same place; the first is on line {first}."
                self.document.problems.append(
                    Problem(self.document.name, *_place(key_node), dotted(here), sentence)
                )
                continue
            self.document.key_places[here] = _place(key_node)
            own[key] = self.value(value_node, here, above)
            if not key.startswith("x-"):
                self._say_if_empty(value_node, here)
        for base in merged:
            self._merge(base, own, loc, above)
        return own

    def _say_if_empty(self, node: yaml.Node, loc: Loc) -> None:
        """`channel: #incidents` is a comment to YAML: silence would turn the setting off."""
        if isinstance(node, yaml.ScalarNode) and node.style is None and node.value == "":
            sentence = (
                "nothing is written here. Remove the line, or put a value that begins with # in quotes."
            )
            self._say(loc, sentence)

    def _merge(self, base: yaml.Node, own: dict[str, Any], loc: Loc, above: tuple[yaml.Node, ...]) -> None:
        if not isinstance(base, yaml.MappingNode) or base in above:
            sentence = "`<<` takes an alias of a mapping, such as `<<: *defaults`."
            self.document.problems.append(Problem(self.document.name, *_place(base), dotted(loc), sentence))
            return
        aside = _Construction(Document(self.document.name), self.environ)
        inherited = aside.value(base, loc, above)
        self.document.problems += aside.document.problems
        for key, value in inherited.items():
            if key in own:
                continue
            own[key] = value
            here = (*loc, key)
            for mine, theirs in (
                (self.document.places, aside.document.places),
                (self.document.key_places, aside.document.key_places),
            ):
                mine.update({at: place for at, place in theirs.items() if at[: len(here)] == here})
            self.document.written.update(
                {at: text for at, text in aside.document.written.items() if at[: len(here)] == here}
            )

    def _scalar(self, node: yaml.Node, loc: Loc) -> Any:
        make = _SCALARS.get(node.tag)
        if make is None:
            tag = "this tag" if may_be_secret(loc) else f"the tag {node.tag}"
            self._say(loc, f"{tag} is not known here; write a plain value, in quotes if it begins with !.")
            return None
        value = make(str(node.value))
        self.document.written[loc] = str(node.value)
        return self._interpolated(value, loc) if isinstance(value, str) else value

    def _interpolated(self, text: str, loc: Loc) -> str:
        def put_in(match: re.Match[str]) -> str:
            if match["escaped"]:
                return "$"
            name = match["name"]
            if not _NAME.fullmatch(name):
                # Part of a password, maybe: it is not repeated.
                sentence = (
                    "`${…}` does not hold the name of an environment variable. For a plain `${` write `$${`."
                )
                self._say(loc, sentence)
                return ""
            if name not in self.environ:
                self._say(
                    loc, f"the environment variable {name} is not set. Set it, or write the value here."
                )
                return ""
            return self.environ[name]

        return _VARIABLE.sub(put_in, text)

    def _say(self, loc: Loc, sentence: str) -> None:
        self.document.problems.append(self.document.problem(loc, sentence))


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
