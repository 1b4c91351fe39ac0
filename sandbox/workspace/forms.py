"""How a Slack client reads Block Kit: texts, buttons, choices, and the state of a form."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sandbox.workspace.model import Json


def texts(thing: Any) -> Iterator[str]:
    if isinstance(thing, dict):
        for key, value in thing.items():
            if key in {"text", "title", "alt_text", "fallback", "name"} and isinstance(value, str):
                yield value
            elif key not in {"metadata", "bot_profile", "root"}:
                yield from texts(value)
    elif isinstance(thing, list):
        for item in thing:
            yield from texts(item)


def text_of(thing: Json) -> str:
    """Everything there is to read in a message or view, one text per line."""
    return "\n".join(texts(thing))


def fits(message: Json, matching: str | Callable[[Json], bool]) -> bool:
    return matching in text_of(message) if isinstance(matching, str) else matching(message)


def elements(thing: Json) -> Iterator[tuple[Json, Json]]:
    """Every element of a message or view that can act, with its block."""
    for block in thing.get("blocks", []):
        for key in ("accessory", "element"):
            if isinstance(block.get(key), dict):
                yield block, block[key]
        if block.get("type") in {"actions", "context_actions"}:
            for element in block["elements"]:
                yield block, element


def label(element: Json) -> str:
    text = element.get("text") or element.get("placeholder") or {}
    return str(text.get("text", "")) if isinstance(text, dict) else ""


def find(thing: Json, wanted: str) -> tuple[Json, Json]:
    """The element whose action_id, text, placeholder, block_id or block label is `wanted`.

    If there is none, the one whose text contains it. Raises LookupError.
    """
    found = list(elements(thing))
    for block, element in found:
        block_label = block.get("label", {}).get("text")
        if wanted in (element.get("action_id"), label(element), block.get("block_id"), block_label):
            return block, element
    for block, element in found:
        if wanted in label(element):
            return block, element
    there = [f"{element.get('action_id')} ({label(element)})" for _, element in found]
    raise LookupError(
        f"There is nothing called {wanted!r} to use here, only: {', '.join(there) or 'nothing'}."
    )


def button_action(thing: Json, wanted: str) -> Json:
    block, element = find(thing, wanted)
    if element["type"] != "button":
        raise LookupError(f"{wanted!r} is a {element['type']}, not a button: use select.")
    kept: Json = {key: element[key] for key in ("text", "value", "style") if key in element}
    return {"type": "button", "action_id": element["action_id"], "block_id": block["block_id"], **kept}


def select_action(thing: Json, wanted: str, choice: Any) -> Json:
    block, element = find(thing, wanted)
    return {"action_id": element["action_id"], "block_id": block["block_id"], **value_of(element, choice)}


def choose(element: Json, choice: str) -> Json:
    """The option of an element, by text or value. Raises LookupError."""
    options: list[Json] = list(element.get("options", []))
    for group in element.get("option_groups", []):
        options += group["options"]
    for option in options:
        if choice in (option["text"]["text"], option.get("value")):
            return option
    for option in options:
        if choice in option["text"]["text"]:
            return option
    raise LookupError(
        f"There is no option {choice!r}, only: {', '.join(one['text']['text'] for one in options)}."
    )


PLAIN = {
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
}
ONE_OPTION = frozenset({"static_select", "radio_buttons", "overflow"})
OPTIONS = frozenset({"multi_static_select", "checkboxes"})


def value_of(element: Json, choice: Any) -> Json:
    """What the state holds for an element when somebody entered `choice`."""
    kind = element["type"]
    if kind in PLAIN:
        return {"type": kind, PLAIN[kind]: choice}
    if kind in ONE_OPTION:
        return {"type": kind, "selected_option": None if choice is None else choose(element, choice)}
    if kind in OPTIONS:
        wanted = [choice] if isinstance(choice, str) else choice or []
        return {"type": kind, "selected_options": [choose(element, one) for one in wanted]}
    return {"type": kind, "value": choice}


def initial(element: Json) -> Json | None:
    """The state of an element nobody touched; None for what holds no state (buttons)."""
    kind = element["type"]
    if kind in {"button", "overflow", "image"}:
        return None
    if kind in PLAIN:
        return {"type": kind, PLAIN[kind]: element.get("initial_" + PLAIN[kind].removeprefix("selected_"))}
    if kind in ONE_OPTION:
        return {"type": kind, "selected_option": element.get("initial_option")}
    if kind in OPTIONS:
        return {"type": kind, "selected_options": element.get("initial_options", [])}
    return {"type": kind, "value": element.get("initial_value")}


def is_empty(value: Json) -> bool:
    return all(held in (None, "", []) for key, held in value.items() if key != "type")


def state_of(view: Json, values: Mapping[str, Any], *, strict: bool = True) -> Json:
    """Slack's `{"values": …}` of a form.

    Raises LookupError for a value without an input, and with `strict` for a required input that stays empty.
    """
    state: dict[str, Json] = {}
    filled = {id(find(view, name)[1]): value for name, value in values.items()}
    for block, element in elements(view):
        value = value_of(element, filled[id(element)]) if id(element) in filled else initial(element)
        if value is None:
            continue
        if strict and block["type"] == "input" and not block.get("optional") and is_empty(value):
            raise LookupError(f"{block['label']['text']!r} needs a value: it is not optional.")
        state.setdefault(block["block_id"], {})[element["action_id"]] = value
    return {"values": state}
