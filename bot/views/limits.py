"""Slack's limits, once: the numbers, how to stay below them, and how to see whether something does.

The numbers are those of Slack's Block Kit reference; the total of 13,200 characters is what
`msg_blocks_too_long` answers at.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
SECTION_TEXT = 3000
FIELDS = 10
FIELD_TEXT = 2000
HEADER_TEXT = 150
CONTEXT_ELEMENTS = 10
CONTEXT_TEXT = 2000
ACTIONS = 25
BUTTON_LABEL = 75
BUTTON_VALUE = 2000
INPUT_LABEL = 2000
IDENTIFIER = 255
VIEW_TITLE = 24
VIEW_METADATA = 3000
OPTIONS = 100
BOXES = 10
OPTION_LABEL = 75
OPTION_VALUE = 150
PLACEHOLDER = 150
INPUT_TEXT = 3000
CONFIRM_TITLE = 100
CONFIRM_TEXT = 300
CONFIRM_BUTTON = 30
FALLBACK_TEXT = 3000
MESSAGE_TEXT = 12_000
"""Of all texts of a message together, with room to spare below Slack's own."""
TOPIC = 250
CHANNEL_NAME = 80

_WHOLE = re.compile(r"<[^<>\n]*>|&(?:amp|lt|gt);")


def clip(text: str, most: int) -> str:
    """`text`, or its beginning and an ellipsis, `most` characters in all. Entities and mentions stay whole."""
    if len(text) <= most:
        return text
    if most <= 0:
        return ""
    cut = most - 1
    for token in _WHOLE.finditer(text):
        if token.start() >= cut:
            break
        if token.end() > cut:
            cut = token.start()
    return text[:cut].rstrip() + "…"


def total_text(thing: Any) -> int:
    """Characters of all the texts within blocks or a view."""
    if isinstance(thing, Mapping):
        return sum(
            len(value) if key == "text" and isinstance(value, str) else total_text(value)
            for key, value in thing.items()
        )
    if isinstance(thing, (list, tuple)):
        return sum(total_text(item) for item in thing)
    return 0


_LEFT_OUT = "Some details did not fit here; `/incident export` has all of them."
_DROPPABLE = ("section", "context", "divider", "image")


def fit(blocks: Iterable[Mapping[str, Any]], *, most: int = MESSAGE_BLOCKS) -> tuple[dict[str, Any], ...]:
    """The blocks as they are, or without the details that are too much, which is said.

    The first block and everything one can press stay. Too much text costs the longest details, too many
    blocks the last ones.
    """
    kept = [dict(block) for block in blocks]
    if len(kept) <= most and total_text(kept) <= MESSAGE_TEXT:
        return tuple(kept)
    place = len(kept)
    while len(kept) + 1 > most or total_text(kept) + len(_LEFT_OUT) > MESSAGE_TEXT:
        spare = [i for i, b in enumerate(kept) if i > 0 and b["type"] in _DROPPABLE and "accessory" not in b]
        if not spare:
            break
        place = spare[-1] if len(kept) + 1 > most else max(spare, key=lambda i: total_text(kept[i]))
        del kept[place]
    note = {"type": "mrkdwn", "text": _LEFT_OUT, "verbatim": True}
    kept.insert(place, {"type": "context", "elements": [note]})
    return tuple(kept)


def validate(thing: BaseModel | Mapping[str, Any]) -> list[str]:
    """What Slack would object to, in words; nothing where all is well.

    `thing` is a view, or a message as an operation or a mapping with `text` and `blocks`.
    """
    data = thing.model_dump() if isinstance(thing, BaseModel) else dict(thing)
    if data.get("type") in ("modal", "home"):
        return _Inspection().view(data)
    return _Inspection().message(data)


class _Inspection:
    """Collects findings while walking through one message or view."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.action_ids: set[str] = set()
        self.block_ids: set[str] = set()

    def message(self, data: Mapping[str, Any]) -> list[str]:
        text, blocks = data.get("text", ""), data.get("blocks", ())
        self.length("fallback text", text, FALLBACK_TEXT)
        self.count("blocks", blocks, MESSAGE_BLOCKS)
        if total_text(blocks) > MESSAGE_TEXT:
            self.found.append(f"blocks: {total_text(blocks)} characters in all, at most {MESSAGE_TEXT}")
        self.blocks(blocks)
        return self.found

    def view(self, data: Mapping[str, Any]) -> list[str]:
        if data["type"] == "modal":
            for name in ("title", "submit", "close"):
                if name in data:
                    self.text(name, data[name], VIEW_TITLE, plain=True)
                elif name == "title":
                    self.found.append("title: missing")
            inputs = any(b.get("type") == "input" for b in data["blocks"])
            if inputs and "submit" not in data:
                self.found.append("submit: missing, though there is something to fill in")
        self.length("private_metadata", data.get("private_metadata", "-") or "-", VIEW_METADATA)
        self.length("callback_id", data.get("callback_id", "-"), IDENTIFIER)
        self.count("blocks", data["blocks"], VIEW_BLOCKS)
        self.blocks(data["blocks"])
        return self.found

    def blocks(self, blocks: Sequence[Mapping[str, Any]]) -> None:
        for number, block in enumerate(blocks):
            if "block_id" in block:
                self.unique(f"blocks[{number}].block_id", block["block_id"], self.block_ids)
            self.block(f"blocks[{number}]", block)

    def block(self, where: str, block: Mapping[str, Any]) -> None:
        match block.get("type"):
            case "header":
                self.text(where, block["text"], HEADER_TEXT, plain=True)
            case "section":
                self.section(where, block)
            case "context":
                self.count(where, block["elements"], CONTEXT_ELEMENTS, least=1)
                for element in block["elements"]:
                    self.text(where, element, CONTEXT_TEXT)
            case "actions":
                self.count(where, block["elements"], ACTIONS, least=1)
                for element in block["elements"]:
                    self.element(where, element)
            case "input":
                self.input(where, block)
            case "divider":
                pass
            case other:
                self.found.append(f"{where}: {other} is not a block that kaeru draws")

    def input(self, where: str, block: Mapping[str, Any]) -> None:
        self.text(where, block["label"], INPUT_LABEL, plain=True)
        if "hint" in block:
            self.text(where, block["hint"], INPUT_LABEL, plain=True)
        self.element(where, block["element"])

    def section(self, where: str, block: Mapping[str, Any]) -> None:
        if "text" not in block and "fields" not in block:
            self.found.append(f"{where}: neither text nor fields")
        if "text" in block:
            self.text(where, block["text"], SECTION_TEXT)
        if "fields" in block:
            self.count(where, block["fields"], FIELDS, least=1)
            for field in block["fields"]:
                self.text(where, field, FIELD_TEXT)
        if "accessory" in block:
            self.element(where, block["accessory"])

    def element(self, where: str, element: Mapping[str, Any]) -> None:
        self.unique(f"{where}.action_id", element.get("action_id", ""), self.action_ids)
        if "placeholder" in element:
            self.text(f"{where}.placeholder", element["placeholder"], PLACEHOLDER, plain=True)
        if element["type"] == "button":
            self.text(f"{where}.label", element["text"], BUTTON_LABEL, plain=True)
            self.length(f"{where}.value", element.get("value", "-"), BUTTON_VALUE)
        if "initial_value" in element:
            self.length(f"{where}.initial_value", element["initial_value"], INPUT_TEXT)
        if "options" in element:
            most = BOXES if element["type"] in ("checkboxes", "radio_buttons") else OPTIONS
            self.count(f"{where}.options", element["options"], most, least=1)
            values = [option["value"] for option in element["options"]]
            if len(set(values)) != len(values):
                self.found.append(f"{where}.options: the same value twice")
            for option in element["options"]:
                self.text(f"{where}.option", option["text"], OPTION_LABEL)
                self.length(f"{where}.option.value", option["value"], OPTION_VALUE)
                if "description" in option:
                    self.text(f"{where}.option.description", option["description"], OPTION_LABEL)
            first = element.get("initial_option")
            if first is not None and first not in element["options"]:
                self.found.append(f"{where}: the chosen option is not among the options")
        if "confirm" in element:
            self.confirm(f"{where}.confirm", element["confirm"])

    def confirm(self, where: str, confirm: Mapping[str, Any]) -> None:
        self.text(where, confirm["title"], CONFIRM_TITLE, plain=True)
        self.text(where, confirm["text"], CONFIRM_TEXT)
        self.text(where, confirm["confirm"], CONFIRM_BUTTON, plain=True)
        self.text(where, confirm["deny"], CONFIRM_BUTTON, plain=True)

    def text(self, where: str, thing: Mapping[str, Any], most: int, *, plain: bool = False) -> None:
        if plain and thing["type"] != "plain_text":
            self.found.append(f"{where}: must be plain text")
        self.length(where, thing["text"], most)

    def length(self, where: str, text: str, most: int) -> None:
        if not text.strip():
            self.found.append(f"{where}: empty")
        elif len(text) > most:
            self.found.append(f"{where}: {len(text)} characters, at most {most}")

    def count(self, where: str, things: Sequence[Any], most: int, *, least: int = 0) -> None:
        if not least <= len(things) <= most:
            self.found.append(f"{where}: {len(things)} items, between {least} and {most} are allowed")

    def unique(self, where: str, identifier: str, seen: set[str]) -> None:
        self.length(where, identifier, IDENTIFIER)
        if identifier in seen:
            self.found.append(f"{where}: {identifier} is there twice")
        seen.add(identifier)
