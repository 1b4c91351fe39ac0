"""Block Kit as a person would read it, one line per block, for snapshots that can be reviewed."""

from collections.abc import Iterable, Mapping
from typing import Any

from bot.views.blocks import Card


def outline(card: Card) -> str:
    return "\n".join([f"notification: {card.text}", *lines(card.blocks)])


def outline_view(view: Mapping[str, Any]) -> str:
    """Title, blocks, buttons and what travels along."""
    if view["type"] == "home":
        return "\n".join(lines(view["blocks"]))
    top = f"{view['title']['text']}  [{view['close']['text']}] [{view['submit']['text']}]"
    return "\n".join(
        [
            top,
            f"callback: {view['callback_id']}  metadata: {view['private_metadata']}",
            *lines(view["blocks"]),
        ]
    )


def lines(blocks: Iterable[Mapping[str, Any]]) -> list[str]:
    return [line for block in blocks for line in _block(block)]


def _block(block: Mapping[str, Any]) -> list[str]:
    match block["type"]:
        case "header":
            return [f"# {block['text']['text']}"]
        case "divider":
            return ["----"]
        case "context":
            return [f"  ({element['text']})" for element in block["elements"]]
        case "actions":
            return [_element(element) for element in block["elements"]]
        case "input":
            label = block["label"]["text"] + ("" if block["optional"] else " (needed)")
            hint = [f"  hint: {block['hint']['text']}"] if "hint" in block else []
            return [f"{label}: {_element(block['element'])}", *hint]
        case _:
            texts = [block["text"]["text"]] if "text" in block else [f["text"] for f in block["fields"]]
            more = [_element(block["accessory"])] if "accessory" in block else []
            return [*texts, *more]


def _element(element: Mapping[str, Any]) -> str:
    kind = element["type"]
    if kind == "button":
        style = f" {element['style']}" if "style" in element else ""
        asked = (
            f" asks: {element['confirm']['title']['text']} / {element['confirm']['text']['text']}"
            if "confirm" in element
            else ""
        )
        return f"[{element['text']['text']}]{style} {element['action_id']} = {element['value']}{asked}"
    options = [_option(option) for option in element.get("options", ())]
    given = {k: v for k, v in element.items() if k.startswith("initial_") and k != "initial_option"}
    chosen = element.get("initial_option", {}).get("value")
    return " ".join(
        [
            f"<{kind} {element['action_id']}>",
            *options,
            *([f"chosen: {chosen}"] if chosen else []),
            *([str(given)] if given else []),
        ]
    )


def _option(option: Mapping[str, Any]) -> str:
    about = f" ({option['description']['text']})" if "description" in option else ""
    return f"| {option['value']}: {option['text']['text']}{about}"
