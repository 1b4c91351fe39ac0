"""The elements inside blocks, and the list of what is wrong with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.workspace.model import Json


@dataclass(slots=True)
class Findings:
    """`action_ids` are those of the block under inspection: within one they must differ, as Slack documents it."""

    messages: list[str] = field(default_factory=list)
    action_ids: set[str] = field(default_factory=set)

    def say(self, what: str, at: str) -> None:
        self.messages.append(f"[ERROR] {what} [json-pointer:{at}]")

    def missing(self, at: str, name: str) -> None:
        self.say(f"missing required field: {name}", at)

    def needs(self, thing: Json, at: str, *names: str) -> bool:
        absent = [name for name in names if name not in thing]
        for name in absent:
            self.missing(at, name)
        return not absent

    def length(self, thing: Json, name: str, at: str, most: int) -> None:
        value = thing.get(name)
        if value is None:
            return
        if not isinstance(value, str):
            self.say("must be a string", f"{at}/{name}")
        elif len(value) > most:
            self.say(f"must be less than {most + 1} characters", f"{at}/{name}")

    def items(self, thing: Json, name: str, at: str, *, least: int = 0, most: int) -> list[Any]:
        value = thing.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.say("must be an array", f"{at}/{name}")
            return []
        if len(value) > most:
            self.say(f"no more than {most} items allowed", f"{at}/{name}")
        if len(value) < least:
            self.say(f"no fewer than {least} items allowed", f"{at}/{name}")
        return value


def text_object(thing: Any, at: str, most: int, found: Findings, *, plain: bool = False) -> None:
    if not isinstance(thing, dict):
        found.say("must be an object", at)
        return
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if thing.get("type") not in kinds:
        found.say(f"must be one of {', '.join(kinds)}", f"{at}/type")
    text = thing.get("text")
    if not isinstance(text, str):
        found.missing(at, "text")
    elif not text:
        found.say("must be more than 0 characters", f"{at}/text")
    elif len(text) > most:
        found.say(f"must be less than {most + 1} characters", f"{at}/text")


def option(thing: Any, at: str, found: Findings) -> None:
    if not isinstance(thing, dict):
        found.say("must be an object", at)
        return
    if found.needs(thing, at, "text"):
        text_object(thing["text"], f"{at}/text", 75, found)
    found.needs(thing, at, "value") if "url" not in thing else None
    found.length(thing, "value", at, 150)
    if "description" in thing:
        text_object(thing["description"], f"{at}/description", 75, found)


def options(element: Json, at: str, most: int, found: Findings) -> None:
    if "options" not in element and "option_groups" not in element:
        found.missing(at, "options")
    for index, one in enumerate(found.items(element, "options", at, least=1, most=most)):
        option(one, f"{at}/options/{index}", found)
    for number, group in enumerate(found.items(element, "option_groups", at, least=1, most=100)):
        where = f"{at}/option_groups/{number}"
        if not isinstance(group, dict):
            found.say("must be an object", where)
            continue
        if found.needs(group, where, "label"):
            text_object(group["label"], f"{where}/label", 75, found, plain=True)
        for index, one in enumerate(found.items(group, "options", where, least=1, most=100)):
            option(one, f"{where}/options/{index}", found)
    if "initial_option" in element:
        option(element["initial_option"], f"{at}/initial_option", found)


SELECTS = frozenset(
    f"{prefix}{kind}_select"
    for prefix in ("", "multi_")
    for kind in ("static", "external", "users", "conversations", "channels")
)
PICKERS = frozenset({"datepicker", "timepicker", "datetimepicker"})
CHOICES = frozenset({"checkboxes", "radio_buttons"})
INPUTS = frozenset(
    {
        "plain_text_input",
        "email_text_input",
        "url_text_input",
        "number_input",
        "rich_text_input",
        "file_input",
    }
)
BUTTONS = frozenset({"button", "overflow", "workflow_button", "feedback_buttons", "icon_button"})
PLACES: Mapping[str, frozenset[str]] = {
    "section": SELECTS | PICKERS | CHOICES | BUTTONS | {"image"},
    "actions": SELECTS | PICKERS | CHOICES | BUTTONS,
    "input": SELECTS | PICKERS | CHOICES | INPUTS,
    "context": frozenset({"image"}),
}
MOST_OPTIONS: Mapping[str, int] = {
    "static_select": 100, "multi_static_select": 100, "overflow": 5, "checkboxes": 10, "radio_buttons": 10,
}  # fmt: skip


def check_element(element: Any, at: str, place: str, found: Findings) -> None:
    if not isinstance(element, dict):
        found.say("must be an object", at)
        return
    kind = element.get("type")
    if kind not in PLACES[place]:
        found.say(f"unsupported type: {kind}", f"{at}/type")
        return
    found.length(element, "action_id", at, 255)
    unique_action(element.get("action_id"), at, found)
    if kind == "button":
        button(element, at, found)
    elif kind == "image":
        image(element, at, found)
    elif kind in MOST_OPTIONS:
        options(element, at, MOST_OPTIONS[kind], found)
    if "placeholder" in element:
        text_object(element["placeholder"], f"{at}/placeholder", 150, found, plain=True)
    if "confirm" in element:
        confirm(element["confirm"], f"{at}/confirm", found)


def unique_action(action_id: Any, at: str, found: Findings) -> None:
    if action_id is not None:
        if action_id in found.action_ids:
            found.say(f"`action_id` with value `{action_id}` already exists", f"{at}/action_id")
        found.action_ids.add(str(action_id))


def image(element: Json, at: str, found: Findings) -> None:
    found.needs(element, at, "alt_text")
    if "image_url" not in element and "slack_file" not in element:
        found.missing(at, "image_url")


def button(element: Json, at: str, found: Findings) -> None:
    if found.needs(element, at, "text"):
        text_object(element["text"], f"{at}/text", 75, found, plain=True)
    found.length(element, "value", at, 2000)
    found.length(element, "url", at, 3000)
    if element.get("style") not in (None, "primary", "danger"):
        found.say("must be one of primary, danger", f"{at}/style")


def confirm(thing: Any, at: str, found: Findings) -> None:
    if not isinstance(thing, dict):
        found.say("must be an object", at)
        return
    for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        if name in thing:
            text_object(thing[name], f"{at}/{name}", most, found, plain=name in {"confirm", "deny"})
        elif name in {"title", "text"}:
            found.missing(at, name)
