"""What was seen of the hosts, and what it means for a change. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.domain.base import Version
from bot.domain.evidence import Outcome
from bot.domain.plan import Level, Warn
from bot.ports.errors import PortError, Unavailable
from bot.ports.target import Observation
from integrations.hosts.ways import Way


@dataclass(frozen=True)
class Seen:
    """One look at one host. `link` is None where `trouble` says why it could not be read.

    `asked` is whether the process can say its version at all; `begun` whether a change was begun there and did not
    come to a good end yet, as far as the note beside the link says.
    """

    host: str
    link: Version | None
    running: Version | None
    asked: bool = False
    begun: bool = False
    trouble: PortError | None = None

    @property
    def is_down(self) -> bool:
        return isinstance(self.trouble, Unavailable)

    def is_on(self, goal: Version) -> bool:
        """Whether `goal` is what is set and, as far as anybody can tell, what runs."""
        return self.link == goal and (self.running == goal if self.asked else not self.begun)


@dataclass(frozen=True)
class Brought:
    """What became of one host's change. `said` is half a sentence, empty where all is well.

    `blameless` says of a failure that the host, its disk or the way to it failed, and not the version.
    """

    outcome: Outcome
    said: str
    moved: bool = False
    blameless: bool = False


def judged(planned: Sequence[Way], seen: Sequence[Seen], *, allow_down: int) -> Observation:
    """The change as it stands on all hosts together. A host that is down is never counted among those on the goal."""
    on, off, gone, pending = [], [], [], []
    for way, look in zip(planned, seen, strict=True):
        if look.trouble is not None:
            gone.append(_trouble(look, way))
        elif way.goal is None:
            gone.append(f"{look.host} was left out of this")  # nobody knows where it was
        elif look.is_on(way.goal):
            on.append(look.host)
        elif look.link == way.goal:
            pending.append(_lagging(look))
        elif way.origin is None:
            off.append(f"{look.host} answers again and points at {look.link}")
        elif look.link == way.origin:
            off.append(f"{look.host} still points at {look.link}")
        else:
            off.append(f"{look.host} points at {look.link}: someone else has moved it")
    excused = [way.left_out and look.is_down for way, look in zip(planned, seen, strict=True) if look.trouble]
    outcome = Outcome.SUCCEEDED
    if off:
        outcome = Outcome.FAILED
    elif pending or not all(excused) or len(excused) > allow_down or not on:
        outcome = Outcome.UNKNOWN
    wanted = sum(way.goal is not None for way in planned)
    detail = "; ".join([f"{len(on)} of {wanted} {_goal(planned)}", *off, *pending, *gone])
    return Observation(outcome=outcome, detail=f"{detail}.", running=common(look.running for look in seen))


def common(running: Iterable[Version | None]) -> Version | None:
    """What runs everywhere where something answers; None where they differ or nothing does."""
    found = {version for version in running if version is not None}
    return found.pop() if len(found) == 1 else None


def warnings_of(seen: Sequence[Seen]) -> list[Warn]:
    """What is not as it should be, one sentence for all hosts of which the same is to be said."""
    said = []
    links = {look.host: look.link for look in seen if look.link is not None}
    if len(set(links.values())) > 1:
        listed = ", ".join(f"{host} {version}" for host, version in links.items())
        said.append(Warn(level=Level.DANGER, text=f"The hosts disagree: {listed}."))
    lagging: dict[str, list[str]] = {}
    for look in seen:
        if look.asked and look.link is not None and look.running != look.link:
            what = f"points at {look.link}, but {look.running or 'nothing'} is what answers"
            lagging.setdefault(what, []).append(look.host)
    said += [
        Warn(level=Level.WARNING, text=f"{', '.join(hosts)}: the link {what}.")
        for what, hosts in lagging.items()
    ]
    said += [Warn(level=Level.DANGER, text=look.trouble.advice) for look in seen if look.trouble is not None]
    return said


def _lagging(look: Seen) -> str:
    if look.asked:
        return f"{look.host} points at {look.link}, but {look.running or 'nothing'} is what answers"
    return f"{look.host} points at {look.link}, and its restart has not come to a good end yet"


def _trouble(look: Seen, way: Way) -> str:
    left_out = ", and was left out of this" if way.left_out else ""
    if look.is_down:
        return f"{look.host} does not answer{left_out}"
    return f"{look.host} cannot be looked at{left_out}: {str(look.trouble).rstrip('.')}"


def _goal(planned: Sequence[Way]) -> str:
    goals = {way.goal for way in planned if way.goal is not None}
    return f"on {goals.pop()}" if len(goals) == 1 else "where they were before"
