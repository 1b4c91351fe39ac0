"""Who and what is there at the start."""

import json
from pathlib import Path
from typing import Any

from sandbox.workspace.manifest import Manifest
from sandbox.workspace.model import Channel, User, UserGroup
from sandbox.workspace.state import Workspace

# {"users": [{"id", "name", "real_name"}], "usergroups"?: [{"id", "handle", "name", "users"}], "channels": [{"id", "name", "topic"?, "members"?: all by default, "bot"?}]}
DEFAULT: dict[str, Any] = {
    "team": "kaeru demo",
    "users": [
        {"id": "U0ALICE", "name": "alice", "real_name": "Alice"},
        {"id": "U0BOB", "name": "bob", "real_name": "Bob"},
        {"id": "U0CAROL", "name": "carol", "real_name": "Carol"},
        {"id": "U0DAN", "name": "dan", "real_name": "Dan"},
    ],
    "usergroups": [{"id": "S0ONCALL", "handle": "oncall", "name": "On call", "users": ["U0ALICE", "U0BOB"]}],
    "channels": [
        {"id": "C0GENERAL", "name": "general", "topic": "Everybody", "bot": True},
        {"id": "C0DEPLOYS", "name": "deploys", "topic": "What went to production"},
        {"id": "C0INCIDENTS", "name": "incidents", "topic": "Stakeholders: what is broken and when it will be fixed", "bot": True},
    ],
}  # fmt: skip


def read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return DEFAULT
    seed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return seed


def plant(state: Workspace, manifest: Manifest, seed: dict[str, Any]) -> None:
    state.team_name = seed.get("team", state.team_name)
    state.app_name = manifest.name
    for one in seed["users"]:
        state.add_user(User(one["id"], one["name"], one["real_name"]))
    people = list(state.users)
    state.add_user(User(state.bot_user, manifest.bot_name, manifest.name, is_bot=True))
    for one in seed.get("usergroups", ()):
        state.add_usergroup(UserGroup(one["id"], one["handle"], one["name"], list(one["users"])))
    for one in seed["channels"]:
        members = one.get("members", people)
        channel = Channel(one["id"], one["name"], creator=people[0], created=state.now())
        channel.topic = {"value": one.get("topic", ""), "creator": people[0], "last_set": state.now()}
        channel.members = dict.fromkeys([*members, *([state.bot_user] if one.get("bot") else [])])
        state.add_channel(channel)
