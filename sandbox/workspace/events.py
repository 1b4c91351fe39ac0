"""From what happened to what Slack tells the bot about it, if its manifest asks for it."""

import secrets

from sandbox.workspace.context import Context
from sandbox.workspace.messages import MENTION
from sandbox.workspace.model import Change, Json


class Events:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.state = context.state
        self.events = context.manifest.events
        self.state.listeners.append(self.hear)

    def send(self, event: Json) -> None:
        """Wraps an event in the envelope of the Events API and hands it over for delivery."""
        state = self.state
        self.context.hub.send_event(
            {
                "token": "verification-token-unused",
                "team_id": state.team_id,
                "context_team_id": state.team_id,
                "context_enterprise_id": None,
                "api_app_id": state.app_id,
                "event": event,
                "type": "event_callback",
                "event_id": f"Ev0{secrets.token_hex(8).upper()}",
                "event_time": state.now(),
                "authorizations": [
                    {
                        "enterprise_id": None,
                        "team_id": state.team_id,
                        "user_id": state.bot_user,
                        "is_bot": True,
                        "is_enterprise_install": False,
                    }
                ],
                "is_ext_shared_channel": False,
            }
        )

    def hear(self, change: Change) -> None:
        if self.state.bot_user not in change.channel.members and change.user != self.state.bot_user:
            return
        if change.kind in {"message", "message_changed", "message_deleted"}:
            self.message(change)
        elif change.kind in {"reaction_added", "reaction_removed"}:
            self.reaction(change)
        elif change.kind in {"member_joined", "member_left"}:
            self.membership(change)
        elif change.kind in {"channel_archived", "channel_unarchived", "channel_renamed"}:
            self.channel(change)

    def message(self, change: Change) -> None:
        channel = change.channel
        # Metadata reaches only apps that subscribe to message_metadata_*; the others read it from the history.
        message = visible(change.message)
        if f"message.{channel.family}" in self.events and self.state.bot_user in channel.members:
            where: Json = {"channel": channel.id, "channel_type": channel.channel_type}
            if change.kind == "message":
                self.send({**message, **where, "event_ts": change.ts})
            elif change.kind == "message_changed":
                ts = self.state.next_ts()
                self.send(
                    {
                        "type": "message",
                        "subtype": "message_changed",
                        "message": message,
                        "previous_message": visible(change.previous),
                        "hidden": True,
                        **where,
                        "ts": ts,
                        "event_ts": ts,
                    }
                )
            else:
                ts = self.state.next_ts()
                self.send(
                    {
                        "type": "message",
                        "subtype": "message_deleted",
                        "previous_message": visible(change.previous),
                        "deleted_ts": change.ts,
                        "hidden": True,
                        **where,
                        "ts": ts,
                        "event_ts": ts,
                    }
                )
        mentioned = change.kind == "message" and self.state.bot_user in MENTION.findall(
            message.get("text", "")
        )
        if (
            mentioned
            and "app_mention" in self.events
            and not channel.is_im
            and message.get("subtype") is None
        ):
            self.send({**message, "type": "app_mention", "channel": channel.id, "event_ts": change.ts})

    def reaction(self, change: Change) -> None:
        if change.kind not in self.events or self.state.bot_user not in change.channel.members:
            return
        message = change.message or {}
        event: Json = {
            "type": change.kind,
            "user": change.user,
            "reaction": change.detail["name"],
            "item": {"type": "message", "channel": change.channel.id, "ts": change.ts},
            "event_ts": self.state.next_ts(),
        }
        if "user" in message:
            event["item_user"] = message["user"]
        self.send(event)

    def membership(self, change: Change) -> None:
        kind = f"{change.kind}_channel"
        channel = change.channel
        if kind not in self.events or channel.is_im or self.state.bot_user not in channel.members:
            return
        self.send(
            {
                "type": kind,
                "user": change.user,
                "channel": channel.id,
                "channel_type": "G" if channel.is_private else "C",
                "team": self.state.team_id,
                **change.detail,
                "event_ts": self.state.next_ts(),
            }
        )

    def channel(self, change: Change) -> None:
        channel = change.channel
        prefix = "group" if channel.is_private else "channel"
        kind = {
            "channel_archived": f"{prefix}_archive",
            "channel_unarchived": f"{prefix}_unarchive",
            "channel_renamed": f"{prefix}_rename",
        }[change.kind]
        if kind not in self.events:
            return
        event_ts = self.state.next_ts()
        if kind.endswith("_rename"):
            about = {
                "id": channel.id,
                "name": channel.name,
                "name_normalized": channel.name,
                "created": channel.created,
            }
            self.send({"type": kind, "channel": about, "event_ts": event_ts})
            return
        self.send({"type": kind, "channel": channel.id, "user": change.user, "event_ts": event_ts})

    def home_opened(self, user: str, channel: str, view: Json | None) -> None:
        if "app_home_opened" not in self.events:
            return
        event: Json = {
            "type": "app_home_opened",
            "user": user,
            "channel": channel,
            "tab": "home",
            "event_ts": self.state.next_ts(),
        }
        if view is not None:
            event["view"] = view
        self.send(event)


def visible(message: Json | None) -> Json:
    return {key: value for key, value in (message or {}).items() if key != "metadata"}
