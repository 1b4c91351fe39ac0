"""Which tracker, which project, and how the issues are marked."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from bot.catalog import Duration
from integrations.json_api import ApiSettings, BaseUrl, Header

GithubLabel = Annotated[str, StringConstraints(min_length=1, max_length=50)]
JiraLabel = Annotated[str, StringConstraints(pattern=r"^\S{1,200}$")]


class GithubSettings(ApiSettings):
    """Issues of a GitHub repository."""

    repository: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9_.-]+$", examples=["example/shop"])
    """The repository, as OWNER/NAME."""
    url: BaseUrl = Field(default="https://api.github.com", examples=["https://github.example.com/api/v3"])
    """The address of the API. Enterprise Server has its own: `https://HOST/api/v3`."""
    labels: tuple[GithubLabel, ...] = Field(
        default=("postmortem",), max_length=20, examples=[["postmortem", "incident"]]
    )
    """The labels of the issues. GitHub makes those that are missing."""


class JiraSettings(ApiSettings):
    """Issues of a Jira project, on Cloud or on Data Center."""

    url: BaseUrl = Field(examples=["https://example.atlassian.net"])
    """The address of Jira, without `/rest`."""
    edition: Literal["cloud", "data center"] = Field(default="cloud", examples=["data center"])
    """Cloud, or a Data Center or Server of your own: their APIs differ."""
    project: str = Field(pattern=r"^[A-Z][A-Z0-9_]{1,254}$", examples=["SHOP"])
    """The key of the project."""
    issue_type: str = Field(default="Task", min_length=1, max_length=60, examples=["Task"])
    """The type of the issues, by its name."""
    user: Header | None = Field(default=None, examples=["kaeru@example.com"])
    """Who the token belongs to: needed with the API tokens of Cloud, left out with personal access tokens."""
    labels: tuple[JiraLabel, ...] = Field(
        default=("postmortem",), max_length=20, examples=[["postmortem", "incident"]]
    )
    """The labels of the issues, besides the one by which kaeru finds them again."""
    settles: Duration = Field(default=timedelta(seconds=60), examples=["60s"])
    """How long a new issue may be missing in the search. For so long nothing is filed anew after a lost answer."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.edition == "cloud" and self.user is None and ".atlassian.net" in self.url:
            raise ValueError("the API tokens of Jira Cloud go with `user`, the mail address of their account")
        return self
