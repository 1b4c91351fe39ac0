"""Slack, behind the Chat port."""

from integrations.slack.api import close_client, make_client
from integrations.slack.chat import SlackChat

__all__ = ["SlackChat", "close_client", "make_client"]
