"""HAProxy's runtime API: one command, one answer, one connection."""

import asyncio
import csv
import io
from dataclasses import dataclass
from pathlib import Path

from bot.ports.errors import AuthFailed, OutcomeUnknown, Refused, Unavailable

LIMIT = 4 * 1024 * 1024  # bytes of an answer
# srv_admin_state is bits. What the configuration says (4) and a name that does not resolve yet (64) are left out here:
# neither is an order of this moment.
_MAINTENANCE = 0x01 | 0x02 | 0x20
_DRAIN = 0x08 | 0x10


@dataclass(frozen=True)
class Server:
    """One server. `admitted` is whether it may get new requests; `down` whether HAProxy's own checks found it down.

    `weight` is what it has now, `initial` what the configuration says. `ordered_off` is one that somebody has told to
    drain or to be in maintenance, whatever its weight.
    """

    admitted: bool
    down: bool
    weight: int
    initial: int
    ordered_off: bool


def servers_in(text: str, backend: str) -> dict[str, Server]:
    """The servers of a backend in what `show servers state` says, by their names. Empty where there is none."""
    lines = text.splitlines()
    heads = [line for line in lines if line.startswith("# be_id ")]
    names = heads[0].removeprefix("# ").split() if heads else []
    found = {}
    for line in lines:
        row = dict(zip(names, line.split(), strict=False))
        if not line.startswith("#") and row.get("be_name") == backend and "srv_uweight" in row:
            orders, weight = int(row["srv_admin_state"]), int(row["srv_uweight"])
            ordered_off = bool(orders & (_MAINTENANCE | _DRAIN))
            found[row["srv_name"]] = Server(
                admitted=not ordered_off and weight > 0,
                down=row["srv_op_state"] == "0"
                and not orders & _MAINTENANCE,  # one in maintenance is not checked
                weight=weight,
                initial=int(row["srv_iweight"]),
                ordered_off=ordered_off,
            )
    return found


def merged(known: bytes, fresh: str, backend: str) -> bytes:
    """A server-state-file: `known` with what is said of `backend` exchanged for `fresh`."""
    others = [
        line
        for line in known.decode(errors="replace").splitlines()[2:]
        if not line.startswith("#") and line.split()[1:2] not in ([backend], [])
    ]
    return "".join(f"{line}\n" for line in (*fresh.strip().splitlines(), *others)).encode()


class Runtime:
    """Raises AuthFailed, Refused, Unavailable; `change` raises OutcomeUnknown where the answer is lost."""

    def __init__(self, socket: Path, *, timeout_s: float) -> None:
        self._socket = socket
        self._timeout_s = timeout_s

    async def state(self, backend: str) -> str:
        """What HAProxy would read of this backend from its server-state-file."""
        answer = await self.ask(f"show servers state {backend}")
        if not servers_in(answer, backend):
            raise Refused(
                f"HAProxy has no backend {backend} with servers: {answer.strip() or 'it said nothing'}",
                remedy="Correct `backend` in kaeru.yml.",
            )
        return answer

    async def sessions(self, backend: str, server: str) -> int:
        """How many sessions a server has right now."""
        return int((await self.statistics(backend)).get(server, {}).get("scur") or 0)

    async def statistics(self, backend: str) -> dict[str, dict[str, str]]:
        """What `show stat` says of a backend's servers, by their names, and of the backend itself, as BACKEND."""
        answer = await self.ask(f"show stat {backend} 6 -1")
        rows = csv.DictReader(io.StringIO(answer.removeprefix("# ")))
        return {row["svname"]: row for row in rows if row.get("pxname") == backend and row.get("svname")}

    async def change(self, *commands: str) -> str:
        """Commands that change something, in one line: HAProxy carries them out one right after the other."""
        try:
            return (await self._exchange("; ".join(commands))).strip()
        except (OSError, TimeoutError, EOFError) as error:
            raise OutcomeUnknown(
                f"HAProxy at {self._socket} did not say what came of the change.",
                remedy="See which server gets traffic before it is changed again.",
            ) from error

    async def ask(self, command: str) -> str:
        try:
            return await self._exchange(command)
        except EOFError as error:
            raise Unavailable(f"HAProxy at {self._socket} hung up.") from error
        except TimeoutError as error:
            raise Unavailable(
                f"HAProxy at {self._socket} did not answer in {self._timeout_s:g} s."
            ) from error

    async def _exchange(self, command: str) -> str:
        async with asyncio.timeout(self._timeout_s):
            reader, writer = await self._connected()
            try:
                writer.write(f"{command}\n".encode())
                await writer.drain()
                answer = await reader.read(LIMIT)
                while part := await reader.read(LIMIT):
                    answer += part
                    if len(answer) > LIMIT:
                        break
            finally:
                writer.close()
        if not answer:
            raise EOFError
        text = answer.decode(errors="replace")
        if text.startswith("Permission denied"):
            raise AuthFailed(
                f"HAProxy's socket {self._socket} does not allow this.",
                remedy="Give it `level admin` in HAProxy's global section.",
            )
        return text

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_unix_connection(str(self._socket), limit=LIMIT)
        except PermissionError as error:
            raise AuthFailed(
                f"HAProxy's socket {self._socket} may not be opened.",
                remedy="Give the bot's user the socket's group (`mode 660 group haproxy`).",
            ) from error
        except FileNotFoundError as error:
            raise Refused(
                f"There is no socket {self._socket}.",
                remedy="Add `stats socket PATH mode 660 level admin` to HAProxy's global section, or correct the path.",
            ) from error
        except OSError as error:
            raise Unavailable(
                f"HAProxy at {self._socket} cannot be reached: {error.strerror}.", retry_after_s=2.0
            ) from error
