"""The services file as a JSON Schema, for editors that complete and check while one types."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from bot.catalog.durations import format_duration
from bot.catalog.loading import Kinds
from bot.catalog.spec import FileSpec


class _Generate(GenerateJsonSchema):
    """Defaults as people write them: `5m`, and nothing for what only has defaults itself."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return format_duration(dft)
        if isinstance(dft, BaseModel):
            return dft.model_dump(mode="json", exclude_defaults=True)
        return super().encode_default(dft)


def catalog_schema(kinds: Kinds) -> dict[str, Any]:
    """JSON Schema (2020-12) of the whole file, with the settings of the adapters in `kinds`."""
    schema = FileSpec.model_json_schema(schema_generator=_Generate)
    definitions = schema.setdefault("$defs", {})
    unions = {
        "target": _union(kinds.targets, "target", definitions),
        "changes": _union(kinds.changes, "changes", definitions),
        "backup": _union(kinds.backups, "backup", definitions),
        "migrations": _union(kinds.migrations, "migrations", definitions),
        "traffic": _union(kinds.traffic, "traffic", definitions),
        "cache": _union(kinds.caches, "cache", definitions),
        "metric": _union(kinds.metrics, "metric", definitions),
        "log": _union(kinds.logs, "log", definitions),
        "notice": _union(kinds.notices, "notice", definitions),
        "on_call": _union(kinds.on_call, "on_call", definitions),
        "tracker": _union(kinds.trackers, "tracker", definitions),
        "paper": _union(kinds.papers, "paper", definitions),
    }
    filled = _fill(schema, unions)
    assert isinstance(filled, dict)  # noqa: S101 - _fill keeps the type; this tells the type checker
    filled["patternProperties"] = {"^x-": {"description": "Yours; kaeru does not look at it."}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **filled, "title": "kaeru.yml"}


def _union(models: Mapping[str, type[BaseModel]], role: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """One alternative per kind, told apart by `kind`; their own definitions move up under their kind's name."""
    choices = []
    for kind, model in sorted(models.items()):
        name = f"{role}.{kind}"
        own = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}", schema_generator=_Generate)
        definitions.update({f"{name}.{key}": inner for key, inner in own.pop("$defs", {}).items()})
        label = {"const": kind, "type": "string", "description": "Which adapter this is."}
        own["properties"] = {
            "kind": label,
            **{k: v for k, v in own.get("properties", {}).items() if k != "kind"},
        }
        own["required"] = ["kind", *(r for r in own.get("required", []) if r != "kind")]
        definitions[name] = own
        choices.append({"$ref": f"#/$defs/{name}"})
    if not choices:
        return {"type": "object"}
    mapping = {kind: f"#/$defs/{role}.{kind}" for kind in sorted(models)}
    return {"oneOf": choices, "discriminator": {"propertyName": "kind", "mapping": mapping}}


def _fill(node: Any, unions: Mapping[str, dict[str, Any]]) -> Any:
    match node:
        case {"$kaeru": str(role), **rest}:
            return {**unions[role], **{k: _fill(v, unions) for k, v in rest.items()}}
        case dict():
            return {key: _fill(value, unions) for key, value in node.items()}
        case list():
            return [_fill(value, unions) for value in node]
        case _:
            return node
