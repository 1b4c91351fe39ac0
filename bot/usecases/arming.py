"""Arming: everything that can be found out and prepared while people still read and decide.

Read-only towards the world. Targets, repository and baseline are looked at in parallel; what cannot be
found out becomes a sentence on the card, and only a missing target makes the plan impossible.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from bot.catalog import Catalog
from bot.domain import decide
from bot.domain.base import Refusal, Version
from bot.domain.databases import ChosenWay
from bot.domain.heading import Heading, as_one, direct, heading
from bot.domain.incident import Incident, PlanState, Status
from bot.domain.plan import ComponentChange, Plan
from bot.domain.releases import spoken
from bot.ports import Change, Inspection, PortError, Unavailable
from bot.ports.changes import Tagged
from bot.store import Store
from bot.store.errors import StoreError
from bot.usecases.around_parts import around_parts
from bot.usecases.baselines import baseline_of
from bot.usecases.data_parts import Between, database_parts
from bot.usecases.data_watch import DataWatch
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.gathering import Gathering
from bot.usecases.looking import between, inspect_all, plan_all, versions
from bot.usecases.offer import Offer, Remembered, in_place_since, offers, well_time
from bot.usecases.plan_parts import (
    component_change,
    is_pending,
    proof_s_of,
    refs_of,
    running_versions,
    warnings_of,
    with_reasons,
)
from bot.usecases.quarantine import with_causes

_log = logging.getLogger(__name__)

ATTEMPTS = 3


class Arming:
    """Makes plans, and notices when the world has moved away from one."""

    def __init__(
        self, store: Store, catalog: Catalog, fleet: Fleet, desk: Desk, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._fleet = fleet
        self._desk = desk
        self._clock = clock
        self._data_watch = DataWatch()
        self._gathering = Gathering(store, catalog, fleet, clock=clock)

    async def arm(self, incident_id: str, number: int) -> None:
        """Make plan `number` and put it on the card, or say why there is none."""
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        record = incident.record
        if record is None or record.number != number or record.state is not PlanState.ARMING:
            return
        for attempt in range(1, ATTEMPTS + 1):
            try:
                plan = await self.make(
                    incident.service,
                    number=number,
                    wanted=record.wanted,
                    before=heading(incident),
                    own="" if any(run.proven for run in incident.runs) else incident.id,
                    ways=record.ways,
                    skipped=incident.without_backup,
                )
                seen = await self._gathering.prepare(incident, plan)
            except Unavailable as error:
                if attempt < ATTEMPTS:
                    await asyncio.sleep(min(error.retry_after_s, 5.0))
                    continue
                await self._block(incident_id, number, error.advice)
            except PortError as error:
                await self._block(incident_id, number, error.advice)
            except Refusal as refusal:
                await self._block(incident_id, number, str(refusal))
            except StoreError:
                raise  # nothing could be written down either: the engine waits it out
            except Exception as error:  # noqa: BLE001 - whatever it was, the card must not prepare for ever
                _log.exception("plan %s of %s broke down", number, incident_id)
                await self._block(incident_id, number, _broke_down(error))
            else:
                await self._show(incident_id, plan.model_copy(update={"evidence": seen}))
            return

    async def _show(self, incident_id: str, plan: Plan) -> None:
        await self._desk.change(
            incident_id, lambda incident: decide.plan_ready(incident, plan, now=self._clock())
        )

    async def _block(self, incident_id: str, number: int, reason: str) -> None:
        await self._desk.change(
            incident_id,
            lambda incident: decide.plan_blocked(incident, number=number, reason=reason, now=self._clock()),
        )

    async def make(
        self,
        service_name: str,
        *,
        number: int = 1,
        wanted: Version | None = None,
        before: Heading = Heading(),  # noqa: B008 - a value that cannot change
        own: str = "",
        ways: Sequence[ChosenWay] = (),
        skipped: Collection[str] = (),
    ) -> Plan:
        """A plan of the world as it is now. Raises PortError or Refusal.

        `before` says where earlier plans of the same incident were heading; see `bot.domain.heading`. `own` is its
        id, as long as no rollback of it was proven. `ways` are what was decided about its databases, and
        `skipped` those whose backup it was decided not to wait for.
        """
        service = self._catalog.service(service_name)
        hands = self._fleet.hands(service_name)
        inspections, tags = await asyncio.gather(inspect_all(hands.targets), versions(hands.changes))
        running, refs = running_versions(inspections), refs_of(inspections)
        offered = {o.release.version: o for o in await self._offers(service_name, inspections, tags)}
        releases = tuple(offer.release for offer in offered.values())
        try:
            way = direct(
                service_name,
                running,
                releases,
                wanted=wanted,
                before=before,
                refs=refs,
                pending=is_pending(inspections),
            )
        except Refusal as refusal:
            raise Refusal(with_reasons(refusal, inspections)) from refusal
        current, choice = way.leaves, way.choice
        shapes, together = offered[choice.version].shapes, as_one(running, refs, releases)
        steps = {
            name: Change(
                component=name,
                from_version=seen.current,
                to_version=shapes[name].version,
                fingerprint=seen.fingerprint,
                from_ref=seen.current_ref,
                to_ref=shapes[name].ref,
            )
            for name, seen in inspections.items()
        }
        plans, changes, baseline, data, around = await asyncio.gather(
            plan_all(hands.targets, steps),
            between(hands.changes, spoken(choice.version), spoken(current)),
            baseline_of(
                self._store,
                service,
                spoken(choice.version),
                running=spoken(current),
                well=well_time(offered[choice.version]),
                now=self._clock(),
            ),
            database_parts(
                service,
                hands,
                Between(
                    spoken(choice.version),
                    spoken(current),
                    in_place_since(offered.get(current)) or await self._seen_since(service_name, current),
                ),
                ways=ways,
                skipped=skipped,
            ),
            around_parts(service, hands),
        )
        around = around.with_data(data.parts, service.outside.traffic)
        if any(database.migrations for database in service.databases):
            # They are known by what they are, and not guessed by where they lie.
            changes = changes.model_copy(update={"migrations": ()})
        return Plan(
            number=number,
            service=service_name,
            from_version=current,
            to_version=choice.version,
            why=choice.why,
            components=tuple(
                component_change(hands, steps[n], plans[n], inspections[n], tier=service.component(n).tier)
                for n in steps
            ),
            changes=changes,
            warnings=(
                *warnings_of(inspections, together, plans, choice, releases, own=own),
                *data.warnings,
                *around.warnings,
            ),
            checks=(
                *(check for plan in plans.values() for check in plan.checks),
                *data.checks,
                *around.checks,
            ),
            baseline=baseline,
            candidates=tuple(r for r in releases if set(together.values()) != {r.version})[:25],
            created_at=self._clock(),
            proof_s=proof_s_of(service),
            databases=data.parts,
            traffic=around.traffic,
            caches=around.caches,
        )

    async def check_version(self, service_name: str, wanted: Version) -> None:
        """Raises Refusal for a version that cannot be returned to. Silent where that cannot be found out now."""
        self._catalog.service(service_name)
        hands = self._fleet.hands(service_name)
        try:
            inspections, tags = await asyncio.gather(inspect_all(hands.targets), versions(hands.changes))
        except PortError:
            return  # the plan will say what is wrong with the target
        releases = [o.release for o in await self._offers(service_name, inspections, tags)]
        running, refs = running_versions(inspections), refs_of(inspections)
        direct(service_name, running, releases, wanted=wanted, refs=refs)

    async def _seen_since(self, service: str, version: Version) -> datetime | None:
        """When kaeru's own probes were answered by `version` for the first time."""
        ledger = await self._store.read(lambda uow: uow.releases.all(service))
        known = ledger.get(spoken(version))
        return known.first_seen if known is not None else None

    async def _offers(
        self, service: str, inspections: Mapping[str, Inspection], tags: tuple[Tagged, ...]
    ) -> tuple[Offer, ...]:
        remembered = await self._store.read(
            lambda uow: Remembered(uow.releases.all(service), uow.bad_shapes.all(service))
        )
        offered = offers(inspections, tags, remembered)
        return await self._store.read(lambda uow: with_causes(uow, offered))

    async def watch_worlds(self) -> None:
        """Compare every open plan with the world; a plan that no longer fits dies and is made anew.

        Each on its own: what hangs or breaks down with one service keeps no other from being looked at.
        """
        listed = await self._store.read(lambda uow: uow.incidents.list(open_only=True, limit=1000))
        watched = (Status.OPEN, Status.DECIDING, Status.FIXING_FORWARD)
        await asyncio.gather(*(self._watch_alone(i) for i in listed if i.status in watched))

    async def _watch_alone(self, incident: Incident) -> None:
        try:
            await self._watch_world(incident)
        except Exception:  # noqa: BLE001 - the other incidents are to be looked at all the same; the next sweep tries again
            _log.exception("the world of %s could not be looked at", incident.id)

    async def _watch_world(self, incident: Incident) -> None:
        record = incident.record
        if record is None or record.plan is None or record.state is not PlanState.READY:
            return
        plan = record.plan
        try:
            hands = self._fleet.hands(incident.service)
            seen, data = await asyncio.gather(
                inspect_all(hands.targets), self._data_watch.what_moved(plan, hands)
            )
        except (PortError, Refusal):
            # Not being able to look is no news about the world; the run itself looks again before it acts.
            return
        moved = (_what_moved(c, seen.get(c.component)) for c in plan.components)
        reason = next(filter(None, moved), None) or data
        if reason is not None:
            await self._desk.change(
                incident.id,
                lambda now_it_is: decide.world_moved(
                    now_it_is, number=plan.number, reason=reason, now=self._clock()
                ),
            )


def _what_moved(planned: ComponentChange, seen: Inspection | None) -> str | None:
    if seen is None:
        return f"{planned.component} is not in kaeru.yml any more"
    told_apart = bool(planned.from_ref and seen.current_ref)
    if (
        seen.current_ref != planned.from_ref if told_apart else seen.current != planned.from_version
    ):  # a shape may be called otherwise by now
        return f"{planned.component} changed from {planned.from_version} to {seen.current} meanwhile"
    if seen.fingerprint != planned.fingerprint:
        return f"{planned.component} is not as it was when this was planned"
    return None


def _broke_down(error: Exception) -> str:
    return (
        f"kaeru itself failed while it made this plan ({type(error).__name__}); the log has the details. "
        "Press Refresh to try again, choose another version, or act by hand and note it here."
    )
