"""Block Kit, as few and as plain as kaeru needs it. Every builder keeps within Slack's limits by itself."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from bot.ports.chat import Blocks
from bot.views import limits
from bot.views.ids import Action, Field, Ref
from bot.views.limits import clip, fit
from bot.views.mrkdwn import paragraphs, plain

Block = dict[str, Any]
Style = Literal["primary", "danger"]


class Card(NamedTuple):
    """A message: `text` is what a notification shows, `blocks` what the channel shows."""

    text: str
    blocks: Blocks


def card(text: str, blocks: Iterable[Mapping[str, Any]]) -> Card:
    """Within the limits of a message."""
    return Card(text=clip(text, limits.FALLBACK_TEXT), blocks=fit(blocks))


def note(text: str) -> Card:
    """A message of one paragraph, which is its own notification."""
    return card(text, [section(text)])


def plain_text(text: str, most: int) -> Block:
    return {"type": "plain_text", "text": plain(text, most), "emoji": True}


def markup(text: str, most: int) -> Block:
    """Verbatim: only what is written as a link or a mention becomes one, not every @here and #name in a text."""
    return {"type": "mrkdwn", "text": clip(text, most), "verbatim": True}


def header(text: str) -> Block:
    return {"type": "header", "text": plain_text(text, limits.HEADER_TEXT)}


def section(text: str, *, accessory: Block | None = None) -> Block:
    block: Block = {"type": "section", "text": markup(text, limits.SECTION_TEXT)}
    return block if accessory is None else {**block, "accessory": accessory}


def sections(lines: Sequence[str]) -> list[Block]:
    """As many sections as the lines need, and none for no lines."""
    return [section(text) for text in paragraphs(lines, limits.SECTION_TEXT)]


def fields(*texts: str) -> Block:
    """Two columns."""
    return {"type": "section", "fields": [markup(t, limits.FIELD_TEXT) for t in texts[: limits.FIELDS]]}


def context(*texts: str) -> Block:
    """Small print."""
    shown = texts[: limits.CONTEXT_ELEMENTS]
    return {"type": "context", "elements": [markup(text, limits.CONTEXT_TEXT) for text in shown]}


def divider() -> Block:
    return {"type": "divider"}


def actions(*elements: Block | None) -> Block:
    """A row of buttons; None is left out. At least one must be there."""
    return {"type": "actions", "elements": [e for e in elements if e is not None]}


def row(*elements: Block | None) -> list[Block]:
    """The same, and nothing where all are None."""
    return [actions(*elements)] if any(e is not None for e in elements) else []


def button(
    label: str,
    action: Action,
    ref: Ref | None = None,
    *,
    suffix: str = "",
    style: Style | None = None,
    confirm: Block | None = None,
) -> Block:
    made: Block = {
        "type": "button",
        "text": plain_text(label, limits.BUTTON_LABEL),
        "action_id": f"{action.value}:{suffix}" if suffix else action.value,
        "value": ref.encode() if ref else action.value,
    }
    if style is not None:
        made["style"] = style
    return made if confirm is None else {**made, "confirm": confirm}


def confirm(title: str, text: str, *, yes: str, no: str, style: Style = "primary") -> Block:
    """The question before a button does it."""
    return {
        "title": plain_text(title, limits.CONFIRM_TITLE),
        "text": markup(text, limits.CONFIRM_TEXT),
        "confirm": plain_text(yes, limits.CONFIRM_BUTTON),
        "deny": plain_text(no, limits.CONFIRM_BUTTON),
        "style": style,
    }


def option(label: str, value: str, *, description: str = "") -> Block:
    made: Block = {"text": plain_text(label, limits.OPTION_LABEL), "value": value}
    return {**made, "description": plain_text(description, limits.OPTION_LABEL)} if description else made


def entry(field: Field, label: str, element: Block, *, hint: str = "", optional: bool = False) -> Block:
    """One input of a modal, with `element` from one of the functions below."""
    made: Block = {
        "type": "input",
        "block_id": field.value,
        "label": plain_text(label, limits.INPUT_LABEL),
        "element": {**element, "action_id": field.value},
        "optional": optional,
    }
    return {**made, "hint": plain_text(hint, limits.INPUT_LABEL)} if hint else made


def text_input(
    *, lines: int = 1, initial: str = "", placeholder: str = "", most: int = limits.INPUT_TEXT
) -> Block:
    """A text field; `lines` above 1 makes it a larger one."""
    made: Block = {"type": "plain_text_input", "multiline": lines > 1, "max_length": most}
    if initial.strip():
        made["initial_value"] = clip(initial, most)
    return {**made, "placeholder": plain_text(placeholder, limits.PLACEHOLDER)} if placeholder else made


def select(options: Sequence[Block], *, placeholder: str, initial: Block | None = None) -> Block:
    made: Block = {
        "type": "static_select",
        "placeholder": plain_text(placeholder, limits.PLACEHOLDER),
        "options": list(options[: limits.OPTIONS]),
    }
    return made if initial is None else {**made, "initial_option": initial}


def radio(options: Sequence[Block], *, initial: Block | None = None) -> Block:
    made: Block = {"type": "radio_buttons", "options": list(options[: limits.BOXES])}
    return made if initial is None else {**made, "initial_option": initial}


def checkbox(choice: Block) -> Block:
    return {"type": "checkboxes", "options": [choice]}


def checkboxes(choices: Sequence[Block]) -> Block:
    """Several to tick, at most 10."""
    return {"type": "checkboxes", "options": list(choices)}


def person_input(*, placeholder: str, initial: str | None = None) -> Block:
    made: Block = {"type": "users_select", "placeholder": plain_text(placeholder, limits.PLACEHOLDER)}
    return made if initial is None else {**made, "initial_user": initial}


def moment_input(initial: datetime) -> Block:
    return {"type": "datetimepicker", "initial_date_time": int(initial.timestamp())}


def modal(
    title: str,
    blocks: Sequence[Block],
    *,
    callback: str,
    submit: str,
    metadata: str = "",
    close: str = "Cancel",
) -> Block:
    return {
        "type": "modal",
        "callback_id": callback,
        "title": plain_text(title, limits.VIEW_TITLE),
        "submit": plain_text(submit, limits.VIEW_TITLE),
        "close": plain_text(close, limits.VIEW_TITLE),
        "private_metadata": metadata[: limits.VIEW_METADATA],
        "blocks": list(fit(blocks, most=limits.VIEW_BLOCKS)),
    }
