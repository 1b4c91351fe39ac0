"""A workspace that runs: in a test's event loop, or under `python -m sandbox.workspace`."""

import secrets
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from sandbox.workspace import messages, seed, storage
from sandbox.workspace.context import Context, build
from sandbox.workspace.faults import Fault, Kind
from sandbox.workspace.manifest import Manifest, load
from sandbox.workspace.model import Channel, Json
from sandbox.workspace.person import Person
from sandbox.workspace.server import Server
from sandbox.workspace.state import Workspace
from sandbox.workspace.timings import Timings


class LocalWorkspace:
    """`async with LocalWorkspace(manifest=Path("manifest.yml")) as ws:` and the bot can connect.

    `url` and `api_url` (for AsyncWebClient's base_url) end with a slash. `state_file` is read at the start if it
    exists, and written at the end. Port 0 takes a free one.
    """

    def __init__(
        self,
        *,
        manifest: Path | Manifest,
        port: int = 0,
        host: str = "127.0.0.1",
        rate_limits: bool = True,
        bot_token: str | None = None,
        app_token: str | None = None,
        timings: Timings | None = None,
        state_file: Path | None = None,
        seed_file: Path | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.state_file = state_file
        granted = manifest if isinstance(manifest, Manifest) else load(manifest)
        self.state = Workspace(app_name=granted.name)
        if state_file is not None and state_file.exists():
            storage.restore(self.state, state_file)
        else:
            seed.plant(self.state, granted, seed.read(seed_file))
        self.context: Context = build(
            self.state,
            granted,
            bot_token=bot_token or f"xoxb-local-{secrets.token_hex(16)}",
            app_token=app_token or f"xapp-local-{secrets.token_hex(16)}",
            timings=timings or Timings(),
            rate_limits=rate_limits,
        )
        self.runner: web.AppRunner | None = None
        self.persons: dict[str, Person] = {}

    @property
    def bot_token(self) -> str:
        return self.context.bot_token

    @property
    def app_token(self) -> str:
        return self.context.app_token

    @property
    def url(self) -> str:
        return f"{self.context.base_url}/"

    @property
    def api_url(self) -> str:
        return f"{self.context.base_url}/api/"

    async def __aenter__(self) -> Self:
        runner = web.AppRunner(Server(self.context).app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, self.host, self.port)
        await site.start()
        self.runner = runner
        self.port = int(runner.addresses[0][1])
        self.context.base_url = f"http://{self.host}:{self.port}"
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for person in self.persons.values():
            await person.close()
        await self.context.hub.close()
        await self.context.people.close()
        if self.runner is not None:
            await self.runner.cleanup()
        if self.state_file is not None:
            storage.save(self.state, self.state_file)

    def person(self, name: str) -> Person:
        """Somebody who can act, by name or id. Closed together with the workspace."""
        user = self.state.users.get(name) or self.state.by_name(name)
        if user is None:
            known = ", ".join(one.name for one in self.state.users.values() if not one.is_bot)
            raise LookupError(f"There is no {name!r} in this workspace. Use one of: {known}.")
        if user.id not in self.persons:
            self.persons[user.id] = Person(self.context.base_url, user.id, user.name)
        return self.persons[user.id]

    def channel(self, name: str) -> Channel:
        """A channel by its name (with or without #) or id, to look at in a test."""
        channel_id = self.state.names.get(name.removeprefix("#"), name)
        return self.state.channel(channel_id)

    def fault(self, method: str, kind: Kind, **options: Any) -> None:
        """The next call(s) of `method` go wrong; see faults.Fault for the options."""
        self.context.faults.add(Fault(method, kind, **options))

    def clear_faults(self) -> None:
        self.context.faults.clear()

    async def disconnect(self, *, reason: str = "refresh_requested", abrupt: bool = False) -> int:
        """Ends the bot's connections, politely or by a reset. Returns how many."""
        return await self.context.hub.disconnect(reason=reason, abrupt=abrupt)

    def stats(self) -> Json:
        return self.context.hub.figures()

    def flood(self, channel: str, user: str, count: int, *, text: str = "flood {n}") -> list[str]:
        """`count` messages of `user` at once, without HTTP in between: for benches. Returns their ts."""
        return messages.flood(self.state, self.channel(channel), self.person(user).id, count, text)
