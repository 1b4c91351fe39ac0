"""What to ask a service, and how."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from integrations.http_health.words import Scalar


def _is_plain(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("this is the service's address, such as https://shop.example.com")
    if url.username or url.query or url.fragment:
        raise ValueError("an address has no user, query or fragment; it is shown to people")
    return value.rstrip("/")


PlainUrl = Annotated[str, AfterValidator(_is_plain)]
Path = Annotated[str, Field(pattern=r"^/[^\s?#]*$")]
"""An absolute path without a query, such as `/checkout`."""


class Endpoint(BaseModel):
    """A critical endpoint. Only methods that change nothing: it is asked every few seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    method: Literal["GET", "HEAD"] = "GET"
    expect: dict[str, Scalar] = Field(default_factory=dict)
    """Fields of the JSON answer (`checks.database`) and the values that they have to have."""


class Vantage(BaseModel):
    """Another address that the service is asked at: one of its hosts, or the balancer. `host` is the name to ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")
    url: PlainUrl
    host: str | None = None


def _endpoint(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class HttpHealthSettings(BaseModel):
    """`base_url` is where users reach the service; `critical` may list plain paths.

    The version is read from the field `version_field` of the JSON at `version_path`, and from the header
    `version_header` of any answer. `ca_file` is for a certificate authority of one's own. Each of `vantages` is asked
    the same as `base_url`. A certificate that ends within `warn_days` is warned about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: PlainUrl
    version_path: Path | None = "/version"
    version_field: str = "version"
    version_header: str = "X-Version"
    critical: tuple[Annotated[Endpoint, BeforeValidator(_endpoint)], ...] = ()
    timeout_s: float = Field(default=5.0, gt=0, le=60)
    ca_file: str | None = None
    vantages: tuple[Vantage, ...] = ()
    warn_days: int = Field(default=14, ge=0, le=366)
