"""Block Kit's rules, as Slack enforces them: what is wrong and where.

Findings read like Slack's own, "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]".
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.workspace.elements import Findings, check_element, text_object
from sandbox.workspace.errors import SlackError
from sandbox.workspace.model import Json

MAX_TOTAL_TEXT = 13_200
INTERACTIVE = frozenset({"actions", "section", "input", "context_actions", "card"})


def section(block: Json, at: str, found: Findings) -> None:
    if "text" not in block and "fields" not in block:
        found.missing(at, "text")
    if "text" in block:
        text_object(block["text"], f"{at}/text", 3000, found)
    for index, one in enumerate(found.items(block, "fields", at, most=10)):
        text_object(one, f"{at}/fields/{index}", 2000, found)
    if "accessory" in block:
        check_element(block["accessory"], f"{at}/accessory", "section", found)


def header(block: Json, at: str, found: Findings) -> None:
    if found.needs(block, at, "text"):
        text_object(block["text"], f"{at}/text", 150, found, plain=True)


def context(block: Json, at: str, found: Findings) -> None:
    found.needs(block, at, "elements")
    for index, element in enumerate(found.items(block, "elements", at, least=1, most=10)):
        where = f"{at}/elements/{index}"
        if isinstance(element, dict) and element.get("type") == "image":
            check_element(element, where, "context", found)
        else:
            text_object(element, where, 3000, found)


def actions(block: Json, at: str, found: Findings) -> None:
    found.needs(block, at, "elements")
    for index, element in enumerate(found.items(block, "elements", at, least=1, most=25)):
        check_element(element, f"{at}/elements/{index}", "actions", found)


def image(block: Json, at: str, found: Findings) -> None:
    found.needs(block, at, "alt_text")
    found.length(block, "alt_text", at, 2000)
    found.length(block, "image_url", at, 3000)
    if "image_url" not in block and "slack_file" not in block:
        found.missing(at, "image_url")
    if "title" in block:
        text_object(block["title"], f"{at}/title", 2000, found, plain=True)


def input_block(block: Json, at: str, found: Findings) -> None:
    if found.needs(block, at, "label"):
        text_object(block["label"], f"{at}/label", 2000, found, plain=True)
    if "hint" in block:
        text_object(block["hint"], f"{at}/hint", 2000, found, plain=True)
    if found.needs(block, at, "element"):
        check_element(block["element"], f"{at}/element", "input", found)


def rich_text(block: Json, at: str, found: Findings) -> None:
    found.needs(block, at, "elements")


def markdown(block: Json, at: str, found: Findings) -> None:
    if found.needs(block, at, "text"):
        found.length(block, "text", at, 12_000)


def table(block: Json, at: str, found: Findings) -> None:
    found.needs(block, at, "rows")
    for index, row in enumerate(found.items(block, "rows", at, least=1, most=100)):
        if not isinstance(row, list):
            found.say("must be an array", f"{at}/rows/{index}")
        elif len(row) > 20:
            found.say("no more than 20 items allowed", f"{at}/rows/{index}")


def task_card(block: Json, at: str, found: Findings) -> None:
    found.needs(block, at, "task_id", "title")
    if block.get("status", "pending") not in {"pending", "in_progress", "complete", "error"}:
        found.say("must be one of pending, in_progress, complete, error", f"{at}/status")


def plan(block: Json, at: str, found: Findings) -> None:
    found.needs(block, at, "title")
    for index, task in enumerate(found.items(block, "tasks", at, most=50)):
        task_card(task, f"{at}/tasks/{index}", found)


def video(block: Json, at: str, found: Findings) -> None:
    found.needs(block, at, "alt_text", "title", "thumbnail_url", "video_url")


def anything(block: Json, at: str, found: Findings) -> None:
    """Blocks whose rules Slack has not settled: only their names are known here."""


Check = Callable[[Json, str, Findings], None]
BLOCKS: Mapping[str, Check] = {
    "section": section,
    "header": header,
    "divider": anything,
    "context": context,
    "actions": actions,
    "image": image,
    "input": input_block,
    "rich_text": rich_text,
    "markdown": markdown,
    "table": table,
    "plan": plan,
    "task_card": task_card,
    "video": video,
    "file": anything,
    "data_visualization": anything,
    "alert": anything,
    "card": anything,
    "carousel": anything,
    "container": anything,
    "context_actions": anything,
}
ONLY_IN_MESSAGES = frozenset({"markdown", "table", "plan", "task_card", "file", "data_visualization"})


def find_faults(blocks: Any, surface: str, at: str = "/blocks") -> list[str]:
    """What Slack would say about `blocks` on a message, modal or home; nothing if they are fine."""
    found = Findings()
    if not isinstance(blocks, list):
        found.say("must be an array", at)
        return found.messages
    most = 50 if surface == "message" else 100
    if len(blocks) > most:
        found.say(f"no more than {most} items allowed", at)
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        where = f"{at}/{index}"
        if not isinstance(block, dict):
            found.say("must be an object", where)
            continue
        kind = block.get("type")
        check = BLOCKS.get(kind) if isinstance(kind, str) else None
        if kind is None:
            found.missing(where, "type")
        elif check is None or (kind in ONLY_IN_MESSAGES and surface != "message"):
            found.say(f"unsupported type: {kind}", f"{where}/type")
        else:
            found.length(block, "block_id", where, 255)
            block_id = block.get("block_id")
            if block_id is not None and block_id in seen:
                found.say(f"`block_id` with value `{block_id}` already exists", f"{where}/block_id")
            seen.add(str(block_id))
            found.action_ids.clear()
            check(block, where, found)
    return found.messages


def check_blocks(blocks: Any, surface: str = "message") -> None:
    """Raises invalid_blocks with the places, or msg_blocks_too_long."""
    messages = find_faults(blocks, surface)
    if messages:
        raise SlackError("invalid_blocks", errors=messages, response_metadata={"messages": messages})
    if surface == "message" and total_text(blocks) > MAX_TOTAL_TEXT:
        raise SlackError("msg_blocks_too_long")


def check_view(view: Any, kind: str) -> None:
    """Raises invalid_arguments with the places, as views.open does. `kind` is what the method takes: modal or home."""
    if not isinstance(view, dict):
        raise SlackError(
            "invalid_arguments",
            response_metadata={"messages": ["[ERROR] must be an object [json-pointer:/view]"]},
        )
    found = Findings()
    if view.get("type") != kind:
        found.say(
            f"must be {kind}"
            if view.get("type") in {"modal", "home"}
            else f"unsupported type: {view.get('type')}",
            "/view/type",
        )
    found.needs(view, "/view", "blocks")
    if kind == "modal" and found.needs(view, "/view", "title"):
        text_object(view["title"], "/view/title", 24, found, plain=True)
    for label in ("submit", "close"):
        if view.get(label) is not None:
            text_object(view[label], f"/view/{label}", 24, found, plain=True)
    found.length(view, "private_metadata", "/view", 3000)
    for key in ("callback_id", "external_id"):
        found.length(view, key, "/view", 255)
    blocks = view.get("blocks", [])
    messages = [*found.messages, *find_faults(blocks, kind, "/view/blocks")]
    has_input = any(isinstance(block, dict) and block.get("type") == "input" for block in blocks)
    if kind == "modal" and has_input and view.get("submit") is None:
        messages.append("[ERROR] missing required field: submit [json-pointer:/view]")
    if messages:
        raise SlackError("invalid_arguments", response_metadata={"messages": messages})


def total_text(thing: Any) -> int:
    """Characters of all the texts in it."""
    if isinstance(thing, dict):
        return sum(
            len(value) if key == "text" and isinstance(value, str) else total_text(value)
            for key, value in thing.items()
        )
    if isinstance(thing, list):
        return sum(total_text(item) for item in thing)
    return 0


def assign_ids(blocks: list[Json]) -> list[Json]:
    """The blocks with a block_id each, and an action_id on each element that can act, as Slack stores them."""
    return [assign_block(block) for block in blocks]


def assign_block(block: Json) -> Json:
    named = {**block}
    named.setdefault("block_id", secrets.token_urlsafe(4)[:5])
    if named["type"] in INTERACTIVE:
        for key in ("accessory", "element"):
            if isinstance(named.get(key), dict):
                named[key] = assign_element(named[key])
        if named["type"] != "section" and isinstance(named.get("elements"), list):
            named["elements"] = [assign_element(element) for element in named["elements"]]
    return named


def assign_element(element: Json) -> Json:
    if element.get("type") == "image" or element.get("action_id"):
        return element
    return {**element, "action_id": secrets.token_urlsafe(4)[:5]}
