"""The schema and the reference say what the code does."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bot.catalog import catalog_schema
from integrations import registry
from tests.unit.test_catalog import KINDS, PROJECT, SHOP


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", PROJECT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_files_are_in_step() -> None:
    for path, expected in generator().generated().items():
        assert path.read_text(encoding="utf-8") == expected, f"run: python docs/{Path('generate.py')}"


def validator(kinds: Any = KINDS) -> jsonschema.Draft202012Validator:
    schema = catalog_schema(kinds)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_example_fits_the_schema() -> None:
    example = yaml.safe_load((PROJECT / "kaeru.example.yml").read_text(encoding="utf-8"))
    assert [error.message for error in validator(registry.kinds()).iter_errors(example)] == []


@pytest.mark.parametrize(
    "text",
    [
        SHOP.replace("folder", "foldr"),
        SHOP.replace("root: /srv/shop", "rot: /srv/shop"),
        SHOP.replace("shop: {", "shop: { watch: soon,"),
        SHOP.replace("shop: {", "shop: { owner: [alice],"),
        "{}",
        "x: 1\n" + SHOP,
    ],
)
def test_the_schema_sees_mistakes_too(text: str) -> None:
    assert list(validator().iter_errors(yaml.safe_load(text)))


def test_the_schema_allows_what_the_file_allows() -> None:
    text = "x-mine: 1\n" + SHOP.replace(
        "shop: {",
        "shop: { watch: 90, health: { url: 'http://x', version: { path: /v }, critical: [/a, { path: /b }] },",
    )
    assert [error.message for error in validator().iter_errors(yaml.safe_load(text))] == []


def _settings(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from (("kaeru.yml", schema), *schema["$defs"].items())


def test_every_setting_of_the_file_is_described_and_has_an_example() -> None:
    schema = catalog_schema(KINDS)
    for name, node in _settings(schema):
        if "." in name and name != "kaeru.yml":
            continue  # an adapter's own
        whole = next((a for a in node.get("anyOf", []) if "properties" in a), node)
        for key, value in whole.get("properties", {}).items():
            target = value.get("$ref", "").removeprefix("#/$defs/")
            assert value.get("description") or schema["$defs"][target]["description"], f"{name}.{key}"
            assert target or value.get("examples"), f"{name}.{key}"


def test_examples_are_valid() -> None:
    """What an error message suggests has to be accepted by the place it suggests it for."""
    schema = catalog_schema(registry.kinds())
    for _name, node in _settings(schema):
        whole = next((a for a in node.get("anyOf", []) if "properties" in a), node)
        for value in whole.get("properties", {}).values():
            for example in value.get("examples", []):
                shortened = isinstance(example, dict)  # part of a mapping shows the idea, not the whole
                fits = jsonschema.Draft202012Validator({**value, "$defs": schema["$defs"]}).is_valid(example)
                assert shortened or fits, json.dumps(value)
