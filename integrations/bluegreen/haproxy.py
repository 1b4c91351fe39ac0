"""HAProxy: one server of a backend is ready, the other one drains.

Both orders go in one line, ready first: there is no moment without a server, and a killed bot has sent both or none.
The server-state-file is written once the new colour was seen serving; a bot that is killed before that leaves a file
that is behind, which every inspection says and the next attempt brings up to date.
"""

import asyncio
import hashlib

from bot.domain.base import Version
from bot.domain.plan import Check, Level, Warn
from bot.ports.errors import Conflict, Refused
from integrations.bluegreen.settings import COLOURS, BlueGreenSettings, Colour, HaproxySettings, other
from integrations.bluegreen.switch import Serves, Setting, Turned
from integrations.haproxy_runtime import Runtime, Server, merged, servers_in
from integrations.nginx_workers import Open
from integrations.own_file import OwnFile


class HaproxySwitch:
    """The Switch of a backend with two servers."""

    def __init__(self, settings: BlueGreenSettings, haproxy: HaproxySettings) -> None:
        self._settings = settings
        self._haproxy = haproxy
        self._runtime = Runtime(haproxy.socket, timeout_s=haproxy.timeout.total_seconds())
        self._file = OwnFile(haproxy.state_file) if haproxy.state_file is not None else None

    @property
    def identity(self) -> str:
        return f"haproxy:{self._haproxy.socket}:{self._haproxy.backend}"

    async def read(self) -> Setting:
        servers = await self._servers()
        admitted = [colour for colour in COLOURS if servers[colour].admitted]
        states = " ".join(f"{colour}={servers[colour].admitted}" for colour in COLOURS)
        mark = hashlib.sha256(states.encode()).hexdigest()[:16]
        if len(admitted) != 1:
            who = "both colours get" if admitted else "neither colour gets"
            return Setting(None, mark, f"{who} traffic in HAProxy's backend {self._haproxy.backend}.")
        return Setting(admitted[0], mark, warnings=await self._warnings(servers[admitted[0]], admitted[0]))

    async def checks(self) -> tuple[Check, ...]:
        servers = await self._servers()
        down = [self._name(c) for c in COLOURS if not servers[c].admitted and servers[c].down]
        found = f"{', '.join(down)} is down" if down else "its checks have not found it down"
        checks = [
            Check(
                name="HAProxy's runtime API answers",
                ok=True,
                detail=f"{self._haproxy.socket} shows backend {self._haproxy.backend}",
            ),
            Check(name="HAProxy holds the other server to be up", ok=not down, detail=found),
        ]
        if self._file is None:
            detail = "no state_file is set: a restart of HAProxy goes back to what its configuration says"
            checks.append(Check(name="the switch lasts", ok=False, detail=detail, required=False))
        else:
            writable = await asyncio.to_thread(self._file.writable)
            detail = f"the bot writes in {self._file.path.parent}"
            checks.append(Check(name="state file can be written", ok=writable, detail=detail))
        return tuple(checks)

    def actions(self, colour: Colour, version: Version) -> tuple[str, ...]:
        first = f"Let {self._place(colour)} ({version}) be ready in HAProxy, and {self._place(other(colour))} drain"
        file = self._haproxy.state_file
        return (first, f"Write into {file} that {version} serves") if file is not None else (first,)

    async def turn(self, colour: Colour, version: Version, mark: str, serves: Serves) -> Turned:  # noqa: ARG002 - the names of the servers are all it needs
        now = await self.read()
        if now.colour == colour:
            return Turned()
        if now.mark != mark:
            raise Conflict(
                f"Backend {self._haproxy.backend} is not as it was when this was planned: somebody has switched it.",
                remedy="Look at the fresh plan and approve that one.",
            )
        here, there = self._place(colour), self._place(other(colour))
        if (await self._servers())[colour].down:
            return Turned(
                f"HAProxy's own checks hold {here} to be down. Nothing was switched.", restored=True
            )
        said = await self._runtime.change(
            f"set server {here} state ready", f"set weight {here} 100%", f"set server {there} state drain"
        )
        after = await self.read()
        if after.colour == colour:
            return Turned()
        why = said or after.trouble or "it said nothing"
        return Turned(f"HAProxy did not switch: {why.rstrip('.')}.", restored=after.mark == mark)

    async def keep(self, colour: Colour) -> None:
        """Bring the server-state-file up to date, as far as it is about this backend."""
        if self._file is None or await self._kept() == colour:
            return
        backend = self._haproxy.backend
        fresh = await self._runtime.state(backend)
        known = await asyncio.to_thread(self._file.read_if_any)
        await asyncio.to_thread(self._file.write, merged(known, fresh, backend))

    async def still_open(self, left: Colour) -> Open:
        count = await self._runtime.sessions(self._haproxy.backend, self._name(left))
        some = f"{count} session is" if count == 1 else f"{count or 'no'} sessions are"
        return Open(count, f"{some} still open on {left}")

    async def _servers(self) -> dict[Colour, Server]:
        backend = self._haproxy.backend
        found = servers_in(await self._runtime.state(backend), backend)
        names = {self._name(colour) for colour in COLOURS}
        if missing := sorted(names - found.keys()):
            raise Refused(
                f"HAProxy's backend {backend} has no server {' and no server '.join(missing)}.",
                remedy="Correct `blue` and `green` under `haproxy` in kaeru.yml.",
            )
        if extra := sorted(name for name, server in found.items() if server.admitted and name not in names):
            raise Refused(
                f"HAProxy's backend {backend} also sends traffic to {', '.join(extra)}.",
                remedy="A backend for blue-green has one server per colour: drain or remove the others.",
            )
        return {colour: found[self._name(colour)] for colour in COLOURS}

    async def _warnings(self, server: Server, serving: Colour) -> tuple[Warn, ...]:
        warnings = []
        if server.down:
            text = f"HAProxy's own checks hold {self._place(serving)} to be down."
            warnings.append(Warn(level=Level.DANGER, text=text))
        kept = await self._kept()
        if kept is not None and kept != serving:
            text = f"{self._haproxy.state_file} says that {kept} serves: a restart of HAProxy would go back to it."
            warnings.append(Warn(level=Level.WARNING, text=text))
        return tuple(warnings)

    async def _kept(self) -> Colour | None:
        """Which colour the server-state-file admits; None where it is not about this backend, or admits both."""
        if self._file is None:
            return None
        text = (await asyncio.to_thread(self._file.read_if_any)).decode(errors="replace")
        found = servers_in(text, self._haproxy.backend)
        admitted = [c for c in COLOURS if self._name(c) in found and found[self._name(c)].admitted]
        return admitted[0] if len(admitted) == 1 else None

    def _place(self, colour: Colour) -> str:
        return f"{self._haproxy.backend}/{self._name(colour)}"

    def _name(self, colour: Colour) -> str:
        return self._haproxy.blue if colour == "blue" else self._haproxy.green
