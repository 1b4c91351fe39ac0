"""What pydantic found wrong, said to a tired person: what was expected, and what is there."""

import json
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bot.catalog.document import Document, Loc, may_be_secret
from bot.catalog.durations import format_duration
from bot.catalog.problems import Problem, did_you_mean

_EXPECTED = {
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "string_too_long": "a text of at most {max_length} characters",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
    "dataclass_type": "a mapping of names to values",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "path_type": "a path",
    "url_type": "an address",
    "url_parsing": "an address",
    "url_scheme": "an address that begins with {expected_schemes}",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "time_delta_type": "a duration",
    "time_delta_parsing": "a duration",
    "expected": "{expected}",
}
_VARIABLES = re.compile(r"(?:\$\{[A-Za-z_][A-Za-z0-9_]*\})+")
_USER_INFO = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)")
_NAME_RULE = "a name of lowercase letters, digits, - and _, at most 40 characters"


@dataclass(frozen=True)
class Setting:
    """What the models know of one place in the file."""

    model: type[BaseModel] | None  # what a mapping at this place is made of
    field: FieldInfo | None
    is_secret: bool = False  # what stands here, or below, is never shown

    @property
    def example(self) -> str:
        """An example as it would be written in YAML, or nothing."""
        examples = (self.field.examples if self.field else None) or []
        return as_yaml(examples[0]) if examples else ""

    @property
    def is_path(self) -> bool:
        """Whether a file's or a folder's path belongs here."""
        return self.field is not None and Path in _alternatives(self.field.annotation)


def problems_of(error: ValidationError, document: Document, at: Loc, model: type[BaseModel]) -> list[Problem]:
    """Every finding of `error`, which came of validating the data at `at` with `model`."""
    return [_problem(details, document, at, model) for details in error.errors(include_url=False)]


def _problem(details: ErrorDetails, document: Document, at: Loc, model: type[BaseModel]) -> Problem:
    loc = details["loc"]
    is_key = bool(loc) and loc[-1] == "[key]"
    if is_key:
        loc = loc[:-1]
    inner = _in_file(loc, _at(document.data, at), missing=details["type"] == "missing")
    place = (*at, *inner)
    if is_key:
        return document.problem(place, f"expected {_NAME_RULE}, got {inner[-1]!r}.", key=True)
    if details["type"] == "extra_forbidden":
        owner = setting_at(model, inner[:-1]).model
        hint = did_you_mean(str(inner[-1]), names_of(owner)) if owner else ""
        return document.problem(place, f"there is no setting of this name. {hint}".strip(), key=True)
    if details["type"] == "missing":
        example = setting_at(model, inner).example
        such_as = f", such as {inner[-1]}: {example}" if example else ""
        return document.problem(place, f"this is missing; it is needed{such_as}.")
    if empty := _empty_variables(document, place):
        return document.problem(place, empty)
    setting = setting_at(model, inner)
    sentence = _sentence(details, setting, got(document, place, hidden=setting.is_secret))
    return document.problem(place, sentence)


def _empty_variables(document: Document, loc: Loc) -> str:
    """What to do where the wrong text is only that of environment variables that are empty; else nothing."""
    written = document.written.get(loc, "")
    if _at(document.data, loc) != "" or not _VARIABLES.fullmatch(written):
        return ""
    names = written.removeprefix("${").removesuffix("}").split("}${")
    if len(names) == 1:
        return f"the environment variable {names[0]} is empty. Set it, or write the value here."
    return f"the environment variables {' and '.join(names)} are empty. Set them, or write the value here."


def _sentence(details: ErrorDetails, setting: Setting, found: str) -> str:
    context: Mapping[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "sentence":
            return str(context["sentence"])
        case "value_error" | "assertion_error":
            said = str(context["error"]).rstrip(".")
            return f"{said}."
        case "string_too_short" if context["min_length"] > 1:
            expected = f"a text of at least {context['min_length']} characters"
            if setting.example:
                expected += f", such as {setting.example}"
        case "too_short":
            least = context["min_length"]
            expected = f"at least {least} {'entry' if least == 1 else 'entries'}"
        case "string_pattern_mismatch" if setting.example:
            expected = f"a text like {setting.example}"
        case "string_pattern_mismatch":
            expected = f"a text that matches {context['pattern']}"
        case kind if kind in _EXPECTED:
            expected = _expected(kind, context, setting.example)
        case _:
            expected = f"something else ({details['msg'][:1].lower()}{details['msg'][1:]})"
    return f"expected {expected}, got {found}."


def _expected(kind: str, context: Mapping[str, Any], example: str) -> str:
    said = _EXPECTED[kind]
    if any(isinstance(limit, timedelta) for limit in context.values()):
        said = said.replace("a number", "a duration")
    said = said.format(
        **{k: format_duration(v) if isinstance(v, timedelta) else v for k, v in context.items()}
    )
    if kind in ("literal_error", "enum"):
        return said.replace("'", "")
    if kind in ("expected", "bool_type", "bool_parsing") or not example:
        return said
    return f"{said} such as {example}"


def got(document: Document, loc: Loc, *, hidden: bool = False) -> str:
    """What stands at `loc`, as it is written there: the value of an environment variable is never shown.

    Only what kind of thing it is, where it is `hidden` or its name sounds like a secret.
    """
    value, written = _at(document.data, loc), document.written.get(loc, "")
    return _kind(value, written) if hidden or may_be_secret(loc) else _shown(value, written)


def _shown(value: Any, written: str) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return f"a mapping ({_shortened(', '.join(value))})" if value else "an empty mapping"
        case list():
            return f"a list of {len(value)}" if value else "an empty list"
        case str():
            return f'the text "{_shortened(written)}"' if written else "an empty text"
        case _:
            return f"the number {written or value}"


def _kind(value: Any, written: str) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case dict() | list():
            return f"a {'mapping' if isinstance(value, dict) else 'list'} (its values are not shown)"
        case str() if _VARIABLES.fullmatch(written):
            return f'the text "{written}"'
        case str():
            return "a text (it is not shown)" if written else "an empty text"
        case _:
            return "a number (it is not shown); put a text in quotes"


def _shortened(text: str) -> str:
    text = _USER_INFO.sub(r"\1…", " ".join(text.split()))
    return text if len(text) <= 60 else f"{text[:59]}…"


def as_yaml(value: Any) -> str:
    """`value` on one line, as a person would write it."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {as_yaml(inner)}" for key, inner in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(as_yaml(inner) for inner in value) + "]"
        case str():
            plain = bool(value) and value[0] not in "@`&*!|>%{}[]#'\",?:-" and ": " not in value
            return value if plain else json.dumps(value, ensure_ascii=False)
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def names_of(model: type[BaseModel]) -> list[str]:
    """The settings of `model` as they are written in the file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def setting_at(model: type[BaseModel], loc: Loc) -> Setting:
    """What `model` knows of the place `loc` below it."""
    annotation: Any = model
    field: FieldInfo | None = None
    is_secret = False
    for part in loc:
        owner = _model_in(annotation)
        if owner is not None and isinstance(part, str):
            field = next((f for n, f in owner.model_fields.items() if part in (n, f.alias)), None)
            annotation = field.annotation if field else None
        else:
            annotation, field = _inner(annotation)
        is_secret = is_secret or _holds_secret(annotation)
    return Setting(model=_model_in(annotation), field=field, is_secret=is_secret)


def _holds_secret(annotation: Any) -> bool:
    """Whether it is a SecretStr, or a list or mapping of them."""
    return annotation is SecretStr or any(_holds_secret(inner) for inner in typing.get_args(annotation))


def _alternatives(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [a for inner in typing.get_args(annotation) for a in _alternatives(inner)]
    return [annotation]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for each in _alternatives(annotation):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _inner(annotation: Any) -> tuple[Any, FieldInfo | None]:
    """What the values of a mapping or the entries of a list are."""
    for each in _alternatives(annotation):
        origin, args = typing.get_origin(each), typing.get_args(each)
        inner = args[1] if origin is dict and len(args) == 2 else args[0] if args else None
        if inner is not None:
            extras = [x for x in getattr(inner, "__metadata__", ()) if isinstance(x, FieldInfo)]
            return inner, extras[0] if extras else None
    return None, None


def _at(data: Any, loc: Loc) -> Any:
    for part in loc:
        found, data = _step(data, part)
        if not found:
            return None
    return data


def _step(data: Any, part: str | int) -> tuple[bool, Any]:
    """Whether `data` has `part`, and what that is."""
    if isinstance(data, dict) and part in data:
        return True, data[part]
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return True, data[part]
    return False, None


def _in_file(loc: tuple[int | str, ...], data: Any, *, missing: bool) -> Loc:
    """`loc` without the parts that pydantic adds for its own (a union's member, a validator's name)."""
    kept: list[int | str] = []
    for place, part in enumerate(loc):
        found, inner = _step(data, part)
        if found:
            kept.append(part)
            data = inner
        elif missing and place == len(loc) - 1:
            kept.append(part)
    return tuple(kept)
