"""Texts of the services file that have a form: addresses, paths, channels."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from bot.catalog.base import expected


def _address(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    host = rest.split("/")[0]
    if scheme not in ("http", "https") or not separator or not host or any(c.isspace() for c in url):
        raise expected("an address such as https://shop.example.com")
    if "?" in url or "#" in url:
        raise expected("an address without a query, such as https://shop.example.com")
    return url.rstrip("/")


def _link(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if scheme not in ("http", "https") or not separator or not rest or any(c.isspace() for c in url):
        raise expected("an address such as https://wiki.example.com/runbooks/shop")
    return url


def _path(path: str) -> str:
    if not path.startswith("/") or any(c.isspace() for c in path):
        raise expected("a path that begins with a slash, such as /checkout")
    return path


def _channel(name: str) -> str:
    bare = name.removeprefix("#")
    if not bare or len(bare) > 80 or any(c.isspace() or c in "#,<>@" for c in bare):
        raise expected("a channel such as incidents, or its id such as C0123ABCD")
    return bare


Address = Annotated[str, AfterValidator(_address)]
Link = Annotated[str, AfterValidator(_link)]
UrlPath = Annotated[str, AfterValidator(_path)]
FieldPath = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=120)]
Channel = Annotated[str, AfterValidator(_channel)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=60)]
