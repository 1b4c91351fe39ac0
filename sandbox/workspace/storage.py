"""A workspace in a file: JSON, written when it ends. Open modals, ephemerals and tokens are not in it."""

import base64
import json
from dataclasses import asdict, fields
from itertools import count
from pathlib import Path

from sandbox.workspace.model import Channel, StoredFile, User, UserGroup
from sandbox.workspace.state import Workspace


def save(state: Workspace, path: Path) -> None:
    kept = {field.name for field in fields(Channel)} - {"ephemerals"}
    whole = {
        "team": state.team_name,
        "app": state.app_name,
        "last_stamp": state.last_stamp,
        "serial": next(state.serial),
        "users": [asdict(user) for user in state.users.values()],
        "usergroups": [asdict(group) for group in state.usergroups.values()],
        "channels": [{name: getattr(channel, name) for name in kept} for channel in state.channels.values()],
        "files": [
            {
                "shape": file.shape,
                "length": file.length,
                "completed": file.completed,
                "content": None if file.content is None else base64.b64encode(file.content).decode(),
            }
            for file in state.files.values()
        ],
    }
    partial = path.with_suffix(path.suffix + ".part")
    partial.write_text(json.dumps(whole), encoding="utf-8")
    partial.replace(path)


def restore(state: Workspace, path: Path) -> None:
    whole = json.loads(path.read_text(encoding="utf-8"))
    state.team_name, state.app_name = whole["team"], whole["app"]
    state.last_stamp, state.serial = whole["last_stamp"], count(whole["serial"])
    for user in whole["users"]:
        state.add_user(User(**user))
    for group in whole.get("usergroups", ()):
        state.add_usergroup(UserGroup(**group))
    for channel in whole["channels"]:
        state.add_channel(Channel(**channel))
    for file in whole["files"]:
        content = None if file["content"] is None else base64.b64decode(file["content"])
        state.files[file["shape"]["id"]] = StoredFile(**{**file, "content": content})
