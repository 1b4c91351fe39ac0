"""One look at a service, and what it means for a change. Read-only."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.domain.base import Version
from bot.domain.debts import Debt
from bot.domain.evidence import Outcome
from bot.ports.target import Observation
from integrations.swarm.access import Manager
from integrations.swarm.history import History, Known
from integrations.swarm.service import Json, owes_update_config, ref_of, update_state
from integrations.swarm.tasks import Tally, is_to_blame, serving, tally, verdict

LOST = timedelta(seconds=10)
"""How long after an update whose answer was lost the update may still take effect."""


@dataclass(frozen=True)
class Doubt:
    """An update away from the shape `ref` that may or may not have been made; `at` is when its answer was lost, UTC."""

    ref: str
    at: datetime


@dataclass(frozen=True)
class Look:
    """The service, all its tasks that the Swarm knows, and the nodes. `at` is kaeru's own time, UTC."""

    service: Json
    tasks: Sequence[Json]
    nodes: Sequence[Json]
    at: datetime

    @property
    def ref(self) -> str:
        """The shape that the service is set to."""
        return ref_of(self.service["Spec"]["TaskTemplate"])

    @property
    def state(self) -> str:
        return update_state(self.service)

    @property
    def message(self) -> str:
        return str((self.service.get("UpdateStatus") or {}).get("Message") or "")

    def current(self, history: History) -> Version:
        return history.name_of(self.service["Spec"]["TaskTemplate"])

    def running(self, history: History) -> Version | None:
        return serving(self.service, self.tasks, history.name_of)

    def count(self, history: History, ref: str) -> Tally:
        return tally(self.service, self.tasks, self.nodes, ref, name=history.name_of, now=self.at)


async def look(manager: Manager) -> Look:
    """Raises what `Manager` raises."""
    # The service first: what its tasks say is then at least as new as what it is set to.
    service = await manager.service()
    tasks, nodes = await asyncio.gather(manager.tasks(service["ID"]), manager.nodes())
    return Look(service, tasks, nodes, datetime.now(UTC))


def debts_of(service: Json, component: str) -> tuple[Debt, ...]:
    """The fast UpdateConfig, where it is still in place."""
    if not owes_update_config(service["Spec"]):
        return ()
    name = service["Spec"]["Name"]
    return (
        Debt(
            id=f"swarm:{name}/update-config",
            component=component,
            text=f"{name} still has kaeru's fast UpdateConfig: its next deploy changes all tasks at once.",
            until="Give it back as soon as nothing more is to be rolled back.",
        ),
    )


def judged(seen: Look, goal: Known, history: History, doubt: Doubt | None = None) -> Observation:
    """What `seen` says of a change to `goal`."""
    name = seen.service["Spec"]["Name"]
    running = seen.running(history)
    if doubt is not None and seen.ref == doubt.ref != goal.ref:
        return _doubtful(seen, history, doubt)
    if seen.ref != goal.ref:
        how = " (it was rolled back in the Swarm)" if seen.state.startswith("rollback") else ""
        detail = f"{name} is set to {seen.current(history)}, not to {history.name(goal.ref)}{how}."
        # kaeru's own update pauses where it fails, so whatever is set instead was set by somebody else.
        return Observation(outcome=Outcome.FAILED, detail=detail, running=running, untouched=True)
    count = seen.count(history, goal.ref)
    outcome = verdict(count, seen.state)
    detail = count.sentence
    if outcome is Outcome.FAILED and seen.state.endswith("paused"):
        detail = f"{detail}; {seen.message or 'the update is paused'}"
    if outcome is Outcome.SUCCEEDED:
        running = history.name(goal.ref)
    blameless = outcome is Outcome.FAILED and not is_to_blame(count, seen.message)
    return Observation(outcome=outcome, detail=f"{detail}.", running=running, blameless=blameless)


def _doubtful(seen: Look, history: History, doubt: Doubt) -> Observation:
    is_open = seen.at - doubt.at < LOST
    still = f"{seen.service['Spec']['Name']} is still set to {seen.current(history)}"
    end = "it may still take effect" if is_open else "nothing was changed"
    return Observation(
        outcome=Outcome.UNKNOWN if is_open else Outcome.FAILED,
        detail=f"The answer of the daemon was lost, and {still}: {end}.",
        running=seen.running(history),
        untouched=not is_open,
    )
