"""From where to where each host goes, of a change that knows only two names. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.base import Version
from bot.domain.releases import by_name
from bot.ports.target import Change
from integrations.releases_on_disk import fingerprint

Links = Mapping[str, Version | None]
"""Which version each host's link names; None where that could not be seen."""


@dataclass(frozen=True)
class Way:
    """One host's. `origin` is None where the host was down when this was planned: then it is left out.

    `goal` is None for the way back of such a host: nobody knows where it was.
    """

    host: str
    origin: Version | None
    goal: Version | None

    @property
    def left_out(self) -> bool:
        return self.origin is None or self.goal is None


def ways(change: Change, hosts: Iterable[str]) -> tuple[Way, ...]:
    """A change between versions that all hosts share has no refs; where they differ, the ref says it host by host."""
    origins, goals = _of_ref(change.from_ref), _of_ref(change.to_ref)
    return tuple(
        Way(
            host,
            origins.get(host) if origins is not None else change.from_version,
            goals.get(host) if goals is not None else change.to_version,
        )
        for host in hosts
    )


def newest(links: Links) -> Version | None:
    """What the hosts are set to run: where they differ, the newest by name, as that is what a rollback leaves."""
    return max((version for version in links.values() if version is not None), key=by_name, default=None)


def ref_of(links: Links) -> str:
    """Empty where all hosts have the same version; else which one each has."""
    if len(set(links.values())) == 1:
        return ""
    return json.dumps(dict(links), sort_keys=True, separators=(",", ":"))


def fingerprint_of(links: Links) -> str:
    return fingerprint(json.dumps(sorted(links.items())))


def origins(planned: Iterable[Way]) -> Links:
    return {way.host: way.origin for way in planned}


def batches(hosts: Sequence[Way], at_once: int) -> list[Sequence[Way]]:
    return [hosts[n : n + at_once] for n in range(0, len(hosts), at_once)]


def _of_ref(ref: str) -> Links | None:
    if not ref:
        return None
    found: Links = json.loads(ref)
    return found
