"""Types of fields that several adapters' settings have, with sentences for whoever wrote them wrongly."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
_SERVER = re.compile(
    r"^(?:unix:/[\w./-]+|(?:[A-Za-z0-9][\w.-]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?)(?: [\w=.:-]+)*$"
)


def _is_absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError(f"{value} has to be an absolute path, such as /etc/nginx/kaeru/shop.conf")
    return value


def is_program(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not value[0]:
        raise ValueError("a program with its arguments is needed, such as [nginx, -t]")
    return value


def _are_servers(value: tuple[str, ...]) -> tuple[str, ...]:
    for server in value:
        if not _SERVER.match(server):
            raise ValueError(f"{server} is not a server such as 127.0.0.1:8081 or 10.0.0.5:8081 weight=2")
    return value


AbsolutePath = Annotated[Path, AfterValidator(_is_absolute)]
Program = Annotated[tuple[str, ...], AfterValidator(is_program)]
Servers = Annotated[tuple[str, ...], AfterValidator(_are_servers)]
UrlPath = Annotated[str, Field(pattern=r"^/[^\s?#]*$")]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
