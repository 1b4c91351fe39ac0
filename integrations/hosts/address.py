"""Where a host is: `user@host:port`, as people write it for ssh."""

import re
from dataclasses import dataclass

LOCAL = "local"
PORT = 22

_ADDRESS = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]{0,63})@)?"
    r"(?:(?P<host>[A-Za-z0-9][A-Za-z0-9._-]{0,252})|\[(?P<ip6>[0-9A-Fa-f:.]+)\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)


@dataclass(frozen=True)
class Address:
    """`user` is empty where SSH's own default counts: the user that the bot runs as."""

    user: str
    host: str
    port: int = PORT

    @property
    def is_local(self) -> bool:
        return self.host == LOCAL

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" * bool(self.user) or host

    @property
    def with_port(self) -> str:
        """As it stands in a known_hosts file."""
        return self.host if self.port == PORT else f"[{self.host}]:{self.port}"


def as_address(text: str) -> Address:
    """`text` as an address. Raises ValueError."""
    found = _ADDRESS.fullmatch(text)
    port = int(found["port"] or PORT) if found else 0
    if found is None or not 0 < port < 65536:
        raise ValueError(f"{text} is no address of a host; write it as deploy@web1.internal:22")
    return Address(found["user"] or "", found["host"] or found["ip6"], port)
