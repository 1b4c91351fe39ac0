"""What to ask a service, and how."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

Path = Annotated[str, Field(pattern=r"^/[^\s?#]*$")]
"""An absolute path without a query, such as `/checkout`."""


class Endpoint(BaseModel):
    """A critical endpoint. Only methods that change nothing: it is asked every few seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    method: Literal["GET", "HEAD"] = "GET"


def _endpoint(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class HttpHealthSettings(BaseModel):
    """`base_url` is where users reach the service; `critical` may list plain paths.

    The version is read from the field `version_field` of the JSON at `version_path`, and from the header
    `version_header` of any answer. `ca_file` is for a certificate authority of one's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    version_path: Path | None = "/version"
    version_field: str = "version"
    version_header: str = "X-Version"
    critical: tuple[Annotated[Endpoint, BeforeValidator(_endpoint)], ...] = ()
    timeout_s: float = Field(default=5.0, gt=0, le=60)
    ca_file: str | None = None

    @field_validator("base_url")
    @classmethod
    def _is_plain(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("base_url is the service's address, such as https://shop.example.com")
        if url.username or url.query or url.fragment:
            raise ValueError("base_url has no user, query or fragment; it is shown to people")
        return value.rstrip("/")
