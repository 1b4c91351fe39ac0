"""Which on-call, and with which keys."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from bot.catalog import Duration
from integrations.json_api import ApiSettings, BaseUrl

PagerDutyId = Annotated[str, Field(pattern=r"^[A-Z0-9]{3,30}$")]


def _slashed(url: str) -> str:
    """As slack-sdk wants it."""
    return f"{url}/"


SlackUrl = Annotated[BaseUrl, AfterValidator(_slashed)]


class PagerDutySettings(ApiSettings):
    """PagerDuty, or what speaks its Events API v2 and the on-calls of its REST API v2."""

    token: SecretStr = Field(min_length=1, examples=["${PAGERDUTY_TOKEN}"])
    """A REST API key; read-only is enough. It asks who is on call."""
    routing_key: SecretStr = Field(min_length=1, examples=["${PAGERDUTY_ROUTING_KEY}"])
    """The integration key of the service, of the type Events API v2. It calls people."""
    escalation_policy: PagerDutyId = Field(examples=["PT20YPA"])
    """The id of the escalation policy of that service: the end of its page's address."""
    events_url: BaseUrl = Field(
        default="https://events.pagerduty.com", examples=["https://events.eu.pagerduty.com"]
    )
    """The address of the Events API. The EU region has its own."""
    url: BaseUrl = Field(default="https://api.pagerduty.com", examples=["https://api.eu.pagerduty.com"])
    """The address of the REST API. The EU region has its own."""

    def with_token(self, token: SecretStr) -> ApiSettings:
        """The same way to a server, with another secret."""
        return ApiSettings(token=token, ca_file=self.ca_file, timeout=self.timeout)


class OpsgenieSettings(ApiSettings):
    """Opsgenie, or what speaks its Alert and Schedule API."""

    token: SecretStr = Field(min_length=1, examples=["${OPSGENIE_KEY}"])
    """The key of an API integration, with the rights to read, and to create and update."""
    schedule: str = Field(min_length=1, max_length=100, examples=["shop"])
    """The schedule that says who is on call, by its name."""
    team: str | None = Field(default=None, min_length=1, max_length=100, examples=["shop"])
    """Whom the alert is for, by the team's name. Left out: whom the integration assigns it to."""
    url: BaseUrl = Field(default="https://api.opsgenie.com", examples=["https://api.eu.opsgenie.com"])
    """The address of the API. The EU region has its own."""
    settles: Duration = Field(default=timedelta(seconds=20), gt=timedelta(0), examples=["20s"])
    """How long Opsgenie, which works on everything later, is asked whether it has."""


class SlackUsergroupSettings(BaseModel):
    """A user group of Slack: whoever is in it is on call."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    token: SecretStr = Field(min_length=1, examples=["${SLACK_BOT_TOKEN}"])
    """The bot's token. It needs the scope `usergroups:read`, which manifest.yml has."""
    usergroup: str = Field(pattern=r"^S[A-Z0-9]{2,20}$", examples=["S0615G0KT"])
    """The id of the user group: in Slack, the group's page, the three dots, Copy group ID."""
    url: SlackUrl = Field(default="https://slack.com/api/", examples=["http://127.0.0.1:8137/api"])
    """Where Slack's Web API is. Only the local workspace needs another one."""
    timeout: Duration = Field(default=timedelta(seconds=15), gt=timedelta(0), examples=["15s"])
    """How long one answer may take."""
