"""Modals and App Homes: who looks at which."""

import secrets
from dataclasses import dataclass, field

from sandbox.workspace.blocks import assign_ids, check_view
from sandbox.workspace.errors import SlackError
from sandbox.workspace.model import Json
from sandbox.workspace.push import Push
from sandbox.workspace.state import Workspace

MAX_STACK = 3
GIVEN = (
    "type", "title", "submit", "close", "blocks", "private_metadata", "callback_id", "external_id",
    "clear_on_close", "notify_on_close", "submit_disabled",
)  # fmt: skip


@dataclass(slots=True)
class Views:
    """A stack of modals per person (the last is on top), and one home each."""

    state: Workspace
    push_to: Push
    stacks: dict[str, list[Json]] = field(default_factory=dict)
    homes: dict[str, Json] = field(default_factory=dict)

    def shape(self, given: Json, view_id: str, root_view_id: str, previous_view_id: str | None) -> Json:
        blocks = assign_ids(given["blocks"])
        return {
            "id": view_id,
            "team_id": self.state.team_id,
            "state": {"values": {}},
            "hash": f"{self.state.now()}.{secrets.token_hex(4)}",
            "previous_view_id": previous_view_id,
            "root_view_id": root_view_id,
            "app_id": self.state.app_id,
            "app_installed_team_id": self.state.team_id,
            "bot_id": self.state.bot_id,
            "title": None,
            "submit": None,
            "close": None,
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "clear_on_close": False,
            "notify_on_close": False,
            **{key: given[key] for key in GIVEN if key in given},
            "blocks": blocks,
        }

    def find(self, view_id: str) -> tuple[str, int]:
        """Whose modal it is and where on their stack. Raises not_found."""
        for user, stack in self.stacks.items():
            for at, view in enumerate(stack):
                if view["id"] == view_id:
                    return user, at
        raise SlackError("not_found")

    def stack(self, user: str) -> list[Json]:
        return self.stacks.setdefault(user, [])

    def get(self, view_id: str) -> tuple[str, Json]:
        """A modal or a home, and whose it is. Raises not_found."""
        for user, home in self.homes.items():
            if home["id"] == view_id:
                return user, home
        user, at = self.find(view_id)
        return user, self.stacks[user][at]

    def open(self, user: str, given: Json) -> Json:
        """Opens a first modal; one that is already open is replaced, as the Slack client does."""
        self.admit(given, "modal")
        for old in reversed(self.stack(user)):
            self.push_to(user, {"type": "view_closed", "view_id": old["id"]})
        view_id = self.state.new_id("V")
        view = self.shape(given, view_id, view_id, None)
        self.stacks[user] = [view]
        self.push_to(user, {"type": "view", "view": view})
        return view

    def push(self, user: str, given: Json) -> Json:
        """Puts a modal on top. Raises push_limit_reached, not_found when nothing is open."""
        self.admit(given, "modal")
        stack = self.stack(user)
        if not stack:
            raise SlackError("not_found")
        if len(stack) >= MAX_STACK:
            raise SlackError("push_limit_reached")
        view = self.shape(given, self.state.new_id("V"), stack[0]["id"], stack[-1]["id"])
        stack.append(view)
        self.push_to(user, {"type": "view", "view": view})
        return view

    def update(self, view_id: str, given: Json, *, expected_hash: str | None = None) -> Json:
        """Raises not_found, hash_conflict."""
        user, at = self.find(view_id)
        old = self.stacks[user][at]
        if expected_hash is not None and expected_hash != old["hash"]:
            raise SlackError("hash_conflict")
        self.admit(given, "modal", but=view_id)
        view = self.shape(given, view_id, old["root_view_id"], old["previous_view_id"])
        self.stacks[user][at] = view
        self.push_to(user, {"type": "view", "view": view})
        return view

    def publish(self, user: str, given: Json, *, expected_hash: str | None = None) -> Json:
        self.admit(given, "home")
        old = self.homes.get(user)
        if old is not None and expected_hash is not None and expected_hash != old["hash"]:
            raise SlackError("hash_conflict")
        view_id = old["id"] if old is not None else self.state.new_id("V")
        view = self.shape(given, view_id, view_id, None)
        self.homes[user] = view
        self.push_to(user, {"type": "home", "view": view})
        return view

    def close(self, user: str, view_id: str) -> list[Json]:
        """Closes a modal, or with the last one all of them; returns the closed, top first. Raises not_found."""
        owner, at = self.find(view_id)
        if owner != user:
            raise SlackError("not_found")
        stack = self.stacks[user]
        whole = bool(stack[at]["clear_on_close"])
        closed = list(reversed(stack if whole else stack[at:]))
        self.stacks[user] = [] if whole else stack[:at]
        for view in closed:
            self.push_to(user, {"type": "view_closed", "view_id": view["id"]})
        return closed

    def clear(self, user: str) -> None:
        for view in reversed(self.stack(user)):
            self.push_to(user, {"type": "view_closed", "view_id": view["id"]})
        self.stacks[user] = []

    def by_external_id(self, external_id: str) -> str:
        for stack in self.stacks.values():
            for view in stack:
                if view["external_id"] == external_id:
                    return str(view["id"])
        raise SlackError("not_found")

    def admit(self, given: Json, kind: str, *, but: str = "") -> None:
        check_view(given, kind)
        external_id = given.get("external_id")
        taken = [
            view["id"]
            for stack in self.stacks.values()
            for view in stack
            if view["external_id"] == external_id
        ]
        if external_id and any(view_id != but for view_id in taken):
            raise SlackError("duplicate_external_id")
