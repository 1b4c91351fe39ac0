"""The Web API's skeleton: the registry of methods, and a call with its arguments."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from sandbox.workspace.context import Context
from sandbox.workspace.errors import SlackError
from sandbox.workspace.limits import Tier
from sandbox.workspace.model import Channel, Json, parse_stamp

Item = TypeVar("Item")


@dataclass(slots=True)
class Call:
    """One call. Arguments came as JSON (typed) or as a form (text): the readers accept both."""

    context: Context
    args: Json

    def text(self, name: str, default: str = "") -> str:
        value = self.args.get(name)
        return default if value is None else str(value)

    def required(self, name: str, error: str = "invalid_arguments") -> str:
        value = self.text(name)
        if not value:
            if error != "invalid_arguments":
                raise SlackError(error)
            place = f"[ERROR] missing required field: {name} [json-pointer:/{name}]"
            raise SlackError(error, response_metadata={"messages": [place]})
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.args.get(name)
        if value is None or value == "":
            return default
        return value if isinstance(value, bool) else str(value).lower() in {"1", "true", "t", "yes"}

    def number(self, name: str, default: int) -> int:
        value = self.args.get(name)
        if value in (None, ""):
            return default
        try:
            return int(str(value))
        except ValueError:
            raise SlackError("invalid_arguments") from None

    def names(self, name: str) -> list[str]:
        """A list, or text with commas."""
        value = self.args.get(name)
        if isinstance(value, list):
            return [str(item) for item in value]
        return [item.strip() for item in str(value or "").split(",") if item.strip()]

    def structure(self, name: str, error: str) -> Any:
        """JSON, or JSON in text; None if absent."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise SlackError(error) from None

    def stamp(self, name: str, error: str) -> str | None:
        value = self.text(name)
        if not value:
            return None
        parsed = parse_stamp(value)
        if parsed is None:
            raise SlackError(error)
        return parsed

    def need(self, *scopes: str) -> None:
        """Raises missing_scope unless the manifest grants all of `scopes`."""
        granted = self.context.manifest.scopes
        missing = [scope for scope in scopes if scope not in granted]
        if missing:
            raise SlackError("missing_scope", needed=missing[0], provided=",".join(sorted(granted)))

    def channel(self, name: str = "channel", *, member: bool = False) -> Channel:
        """The channel of an argument. Raises channel_not_found, and not_in_channel with `member`."""
        bot = self.context.state.bot_user
        found = self.context.state.channel(self.required(name, "channel_not_found"), bot)
        if member and bot not in found.members:
            raise SlackError("not_in_channel")
        return found

    def page(self, items: Sequence[Item], default: int, most: int = 1000) -> tuple[list[Item], str]:
        """A page of `items`, from `cursor` on and `limit` long; and the cursor of the next one ("" at the end)."""
        limit = self.number("limit", default)
        if limit < 1 or limit > most:
            raise SlackError("invalid_limit")
        start = int(self.cursor().partition(".")[0] or 0)
        rest = start + limit
        return list(items[start:rest]), encode_cursor(str(rest)) if rest < len(items) else ""

    def cursor(self) -> str:
        """What `cursor` holds, "" without one. Raises invalid_cursor."""
        try:
            word, _, place = base64.b64decode(self.text("cursor"), validate=True).decode().partition(":")
        except ValueError:
            raise SlackError("invalid_cursor") from None
        if word and (word != "next" or not place.replace(".", "", 1).isdigit()):
            raise SlackError("invalid_cursor")
        return place

    def cursor_stamp(self) -> str:
        """Where a page of messages ended: a ts, so that new messages do not shift the pages."""
        return self.cursor()


def encode_cursor(place: str) -> str:
    return base64.b64encode(f"next:{place}".encode()).decode()


Handler = Callable[[Call], Json]


@dataclass(frozen=True, slots=True)
class Method:
    """`per` names the argument whose values are limited apart (channel for chat.postMessage)."""

    name: str
    handler: Handler
    tier: Tier
    scope: str | None = None
    accepts: Literal["bot", "app", "nothing"] = "bot"
    per: str = ""


class Registry:
    def __init__(self) -> None:
        self.methods: dict[str, Method] = {}

    def add(self, *methods: Method) -> None:
        self.methods.update({method.name: method for method in methods})

    def run(self, context: Context, name: str, token: str, args: Json) -> Json:
        """The answer of a call; SlackError carries the ones that are not ok."""
        method = self.methods.get(name)
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        if method.accepts != "nothing":
            authenticate(context, method, token)
        place = str(args.get(method.per, ""))
        context.limits.spend(method.tier, name, context.state.names.get(place.removeprefix("#"), place))
        call = Call(context, args)
        if method.scope is not None:
            call.need(method.scope)
        context.stats.calls[name] += 1
        return method.handler(call)


def authenticate(context: Context, method: Method, token: str) -> None:
    if not token:
        raise SlackError("not_authed")
    kinds = {context.bot_token: "bot", context.app_token: "app"}
    kind = kinds.get(token)
    if kind is None:
        raise SlackError("invalid_auth")
    if kind != method.accepts:
        raise SlackError("not_allowed_token_type")
