"""Who the bot is in its workspace, asked once at start."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import aiohttp
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from integrations.slack.errors import classify


@dataclass(frozen=True)
class Identity:
    """Slack's ids. `scopes` are those granted to the token, `server_time` is Slack's clock; None if not sent."""

    user_id: str
    bot_id: str
    team_id: str
    team: str
    bot: str
    scopes: frozenset[str] | None
    server_time: datetime | None


async def identify(client: AsyncWebClient) -> Identity:
    """auth.test and its headers. Raises Unavailable, AuthFailed."""
    try:
        answer = await client.auth_test()
    except (SlackClientError, aiohttp.ClientError, OSError, TimeoutError) as error:
        raise classify(error, method="auth.test", writing=False) from error
    headers = {str(name).lower(): str(value) for name, value in answer.headers.items()}
    granted = headers.get("x-oauth-scopes")
    date = headers.get("date")
    return Identity(
        user_id=str(answer["user_id"]),
        bot_id=str(answer["bot_id"]),
        team_id=str(answer["team_id"]),
        team=str(answer.get("team", "")),
        bot=str(answer.get("user", "")),
        scopes=None if granted is None else frozenset(s.strip() for s in granted.split(",") if s.strip()),
        server_time=None if date is None else parsedate_to_datetime(date),
    )
