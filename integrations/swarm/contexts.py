"""Docker contexts: what `docker context create` wrote down. Read-only."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from bot.ports.errors import Refused


@dataclass(frozen=True)
class Endpoint:
    """Where a manager is. The files are None where the connection has no TLS; `verify` is False only where a context says so."""

    host: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True

    @property
    def has_tls(self) -> bool:
        return self.ca is not None or self.cert is not None or not self.verify


def endpoint_of(context: str, folder: Path | None = None) -> Endpoint:
    """The endpoint of a context. `folder` is Docker's (default: DOCKER_CONFIG, else ~/.docker). Raises Refused."""
    docker = folder or Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    name = hashlib.sha256(context.encode()).hexdigest()
    meta = docker / "contexts" / "meta" / name / "meta.json"
    try:
        described = json.loads(meta.read_text(encoding="utf-8"))["Endpoints"]["docker"]
        host = str(described["Host"])
    except FileNotFoundError as error:
        raise Refused(
            f"There is no Docker context {context} in {docker}.",
            remedy="See `docker context ls` as the bot's user, or give `host` instead.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"The Docker context {context} cannot be read from {meta} ({type(error).__name__}).",
            remedy="Make it anew with `docker context create`.",
        ) from error
    tls = docker / "contexts" / "tls" / name / "docker"
    return Endpoint(
        host=host,
        ca=_there(tls / "ca.pem"),
        cert=_there(tls / "cert.pem"),
        key=_there(tls / "key.pem"),
        verify=not described.get("SkipTLSVerify", False),
    )


def _there(path: Path) -> Path | None:
    return path if path.exists() else None
