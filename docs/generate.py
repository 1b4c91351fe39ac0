"""Writes docs/kaeru.schema.json and the generated parts of docs/configuration.md. Run: python docs/generate.py."""  # noqa: INP001 - a script beside the pages it writes, not a package

import json
import sys
from pathlib import Path
from typing import Any

from bot.catalog import catalog_schema
from bot.catalog.reference import reference
from bot.settings import Settings, variable_of
from integrations import registry

DOCS = Path(__file__).resolve().parent
BEGIN, END = "<!-- generated: {} -->", "<!-- end: {} -->"


def generated() -> dict[Path, str]:
    """Every generated file and what should stand in it."""
    schema = catalog_schema(registry.kinds())
    page = DOCS / "configuration.md"
    text = page.read_text(encoding="utf-8")
    for name, part in (("environment", environment()), ("kaeru.yml", reference(schema))):
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n\n{part.strip()}\n\n{end}{after}"
    return {DOCS / "kaeru.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n", page: text}


def environment() -> str:
    """The table of environment variables."""
    lines = ["| variable | what it is | default | example |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        plain: Any = None if field.default_factory or field.default is None else field.default
        default = f"`{plain}`" if plain is not None and not field.is_required() else ""
        example = f"`{field.examples[0]}`" if field.examples else ""
        about = " ".join((field.description or "").split())
        lines.append(f"| `{variable_of(name)}` | {about} | {default} | {example} |")
    return "\n".join(lines)


def main() -> None:
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.name} written\n")


if __name__ == "__main__":
    main()
