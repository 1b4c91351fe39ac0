"""A network of our own: a namespace per node, joined by a bridge in yet another, with one cable to this machine.

No node has a way out, so a container runtime that looks for an image on the internet is told at once that there
is none. Deleting the namespaces takes every interface, route and packet filter rule of a cluster with it.
"""

import ipaddress
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.clusters.commands import run
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.places import locked

# Reserved for measurements between devices of one laboratory (RFC 2544): no office network or VPN uses it.
_ALL = ipaddress.IPv4Network("198.18.0.0/15")
_NAMESPACES = Path("/run/netns")
LOCK = Path("/run/lock/kaeru-networks.lock")


@dataclass(frozen=True)
class Network:
    """`name` is short and unique on this machine; `block` is a /21, cut into eight /24."""

    name: str
    block: str

    @classmethod
    def load(cls, file: Path) -> "Network | None":
        """The network that `save` wrote down; None when there is none."""
        try:
            return cls(**json.loads(file.read_text()))
        except FileNotFoundError:
            return None

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(json.dumps({"name": self.name, "block": self.block}))
        new.rename(file)

    def subnet(self, number: int, count: int = 1) -> str:
        """The /24 (or, for `count` 2, the /23) number `number` of the block; 0 joins the nodes."""
        cut = ipaddress.IPv4Network(self.block).subnets(new_prefix=25 - count)
        return str(list(cut)[number // count])

    @property
    def host(self) -> str:
        """This machine's address in the network."""
        return str(ipaddress.IPv4Network(self.subnet(0))[1])

    def address(self, node: int) -> str:
        return str(ipaddress.IPv4Network(self.subnet(0))[10 + node])

    def namespace(self, node: int) -> str:
        return f"{self.name}-{node}"

    @property
    def _hub(self) -> str:
        return f"{self.name}-hub"

    def namespaces(self) -> list[str]:
        """The namespaces that exist, hub included."""
        if not _NAMESPACES.exists():
            return []
        return sorted(path.name for path in _NAMESPACES.glob(f"{self.name}-*"))

    def whole(self, nodes: int) -> bool:
        """Whether everything that `create` makes is there."""
        wanted = {self._hub, *(self.namespace(node) for node in range(nodes))}
        return wanted <= set(self.namespaces()) and Path(f"/sys/class/net/{self.name}").exists()

    def create(self, nodes: int, routes: Iterable[tuple[str, int]] = ()) -> None:
        """Make the network; `routes` are subnets that this machine reaches through a node."""
        hub = self._hub
        _ip(["netns", "add", hub])
        _ip(["link", "add", self.name, "type", "veth", "peer", "name", "machine", "netns", hub])
        _ip(["addr", "add", f"{self.host}/24", "dev", self.name])
        _ip(["link", "set", self.name, "up"])
        _ip(["link", "add", "bridge", "type", "bridge"], hub)
        for link in ("bridge", "machine"):
            _ip(["link", "set", link, "up"], hub)
        _ip(["link", "set", "machine", "master", "bridge"], hub)
        for node in range(nodes):
            inside = self.namespace(node)
            _ip(["netns", "add", inside])
            _ip(["link", "add", "eth0", "type", "veth", "peer", "name", f"node{node}", "netns", hub], inside)
            _ip(["link", "set", f"node{node}", "master", "bridge"], hub)
            _ip(["link", "set", f"node{node}", "up"], hub)
            _ip(["addr", "add", f"{self.address(node)}/24", "dev", "eth0"], inside)
            for link in ("lo", "eth0"):
                _ip(["link", "set", link, "up"], inside)
            # Set before dockerd looks: it would otherwise set it itself and forbid all forwarding but its own.
            run(["nsenter", f"--net={_NAMESPACES / inside}", "sysctl", "-qw", "net.ipv4.ip_forward=1"])
        for subnet, node in routes:
            _ip(["route", "add", subnet, "via", self.address(node)])

    def remove(self) -> None:
        """Delete whatever there is of it; every process inside has to have ended."""
        for namespace in self.namespaces():
            _ip(["netns", "delete", namespace])
        if Path(f"/sys/class/net/{self.name}").exists():
            # Deleting the hub takes the cable with it, but not at once.
            _ip(["link", "delete", self.name], missing_ok=True)
        with locked(LOCK, patience_s=60, doing="choosing addresses for a cluster"):
            if _NAMESPACES.is_mount() and not any(_NAMESPACES.iterdir()):
                # `ip netns add` made it; nobody has a namespace any more.
                run(["umount", str(_NAMESPACES)])


def claim(name: str, file: Path, nodes: int, routes: Iterable[tuple[int, int, int]] = ()) -> Network:
    """Make a network in a free block and write it down in `file`.

    `routes` are subnets that this machine reaches through a node: (number, count, node), see `Network.subnet`.
    """
    with locked(LOCK, patience_s=60, doing="choosing addresses for a cluster"):
        network = Network(name, free_block())
        # Written down first: what is half made is found and removed by the next one.
        network.save(file)
        network.create(nodes, [(network.subnet(number, count), node) for number, count, node in routes])
    return network


def free_block() -> str:
    """A /21 that nothing on this machine uses. Hold LOCK until its network is made."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]))
    used = [
        ipaddress.IPv4Network(route["dst"], strict=False) for route in routes if route["dst"] != "default"
    ]
    for block in _ALL.subnets(new_prefix=21):
        if not any(block.overlaps(other) for other in used):
            return str(block)
    raise ClusterError(f"No part of {_ALL} is free on this machine: stop clusters that are not needed.")


def _ip(argv: Sequence[str], namespace: str | None = None, *, missing_ok: bool = False) -> None:
    where = ["-n", namespace] if namespace else []
    try:
        run(["ip", *where, *argv])
    except ClusterError as error:
        if not (missing_ok and "Cannot find device" in str(error)):
            raise
