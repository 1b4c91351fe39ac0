"""A group whose commands are imported only when they are used, so that every command starts as fast as it can."""

import gc
import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import click

Lazy = Mapping[str, tuple[str, str]]
"""By a command's name: where it is (`module:name`), and the line that help says about it."""


class LazyGroup(click.Group):
    """`lazy` names every command; nothing of them is imported for the help of the group itself."""

    def __init__(self, *, lazy: Lazy, **options: Any) -> None:
        super().__init__(**options)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        entry = self.lazy.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry[0].partition(":")
        with _no_collecting():
            return cast("click.Command", getattr(importlib.import_module(module), name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in self.lazy.items()])


@contextmanager
def _no_collecting() -> Iterator[None]:
    """What modules are made of stays; to look through it for garbage again and again costs a sixth of the start."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
