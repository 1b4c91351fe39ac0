"""What `manifest.yml` grants: scopes, commands, shortcuts, events. Nothing else of the file matters here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.workspace.errors import ManifestError

# Which scope an event needs before Slack lets an app subscribe to it (docs.slack.dev/reference/events).
EVENT_SCOPES: Mapping[str, str | None] = {
    "app_home_opened": None,
    "app_mention": "app_mentions:read",
    "channel_archive": "channels:read",
    "channel_created": "channels:read",
    "channel_rename": "channels:read",
    "channel_unarchive": "channels:read",
    "group_archive": "groups:read",
    "group_rename": "groups:read",
    "group_unarchive": "groups:read",
    "member_joined_channel": "channels:read",
    "member_left_channel": "channels:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
}


@dataclass(frozen=True, slots=True)
class Command:
    command: str
    description: str
    usage_hint: str
    should_escape: bool


@dataclass(frozen=True, slots=True)
class Shortcut:
    callback_id: str
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Manifest:
    name: str
    bot_name: str
    scopes: frozenset[str]
    commands: Mapping[str, Command]
    shortcuts: Mapping[str, Shortcut]
    events: frozenset[str]
    interactive: bool
    home_tab: bool


def load(path: Path) -> Manifest:
    """Raises ManifestError for what Slack would refuse at installation."""
    return parse(yaml.safe_load(path.read_text(encoding="utf-8")))


def parse(raw: Mapping[str, Any]) -> Manifest:
    features = raw.get("features", {})
    settings = raw.get("settings", {})
    name = str(raw["display_information"]["name"])
    scopes = frozenset(raw.get("oauth_config", {}).get("scopes", {}).get("bot", []))
    manifest = Manifest(
        name=name,
        bot_name=str(features.get("bot_user", {}).get("display_name", name)),
        scopes=scopes,
        commands={
            entry["command"]: Command(
                entry["command"],
                entry.get("description", ""),
                entry.get("usage_hint", ""),
                bool(entry.get("should_escape", False)),
            )
            for entry in features.get("slash_commands", [])
        },
        shortcuts={
            entry["callback_id"]: Shortcut(entry["callback_id"], entry["name"], entry["type"])
            for entry in features.get("shortcuts", [])
        },
        events=frozenset(settings.get("event_subscriptions", {}).get("bot_events", [])),
        interactive=bool(settings.get("interactivity", {}).get("is_enabled", False)),
        home_tab=bool(features.get("app_home", {}).get("home_tab_enabled", False)),
    )
    check(manifest, str(raw["display_information"].get("description", "")))
    return manifest


def check(manifest: Manifest, description: str) -> None:
    if len(manifest.name) > 35:
        raise ManifestError("The app's name is longer than 35 characters: shorten display_information.name.")
    if len(description) > 140:
        raise ManifestError(
            "The description is longer than 140 characters: shorten display_information.description."
        )
    for command in manifest.commands.values():
        if not command.command.startswith("/") or len(command.command) > 32:
            raise ManifestError(
                f"{command.command} is no slash command: start with / and stay within 32 characters."
            )
    if (manifest.commands or manifest.shortcuts) and "commands" not in manifest.scopes:
        raise ManifestError(
            "Slash commands and shortcuts need the bot scope `commands`: add it to oauth_config."
        )
    for event in sorted(manifest.events):
        if event not in EVENT_SCOPES:
            raise ManifestError(
                f"The workspace does not know the event {event}: remove it or teach events.py about it."
            )
        needed = EVENT_SCOPES[event]
        if needed is not None and needed not in manifest.scopes:
            raise ManifestError(f"The event {event} needs the bot scope {needed}: add it to oauth_config.")
