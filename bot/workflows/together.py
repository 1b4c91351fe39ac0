"""Several things at once, none of which is left behind when another one fails."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar, cast

T = TypeVar("T")


async def together(works: Iterable[Awaitable[T]]) -> list[T]:
    """All results, in order. Whatever befalls one of them, the others come to their end before that is raised."""
    ends = await asyncio.gather(*works, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return cast("list[T]", ends)
