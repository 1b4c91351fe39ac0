"""Where every command is carried out: decide, append to the timeline, project, start what follows.

One transaction holds the whole of it: the incident's new state, the timeline's new entries, what Slack
shall show, the ledger of versions, and the inbox row the command came from. Only after the commit
workflows are started and the delivery is woken; both find their work by themselves after a crash.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.catalog import Catalog, Service
from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import Refusal, UserId
from bot.domain.incident import Incident
from bot.domain.lifecycle import evolve
from bot.domain.policy import Policy
from bot.domain.quarantine import left_by
from bot.domain.run import Step, steps_for
from bot.domain.severity import Severity
from bot.domain.timeline import Kind
from bot.ports import Engine
from bot.store import Store
from bot.store.unit import UnitOfWork
from bot.usecases import commands as c
from bot.usecases.dispatch import Facts, decision_on
from bot.usecases.due import due_filings, due_workflows
from bot.usecases.logbook import entry
from bot.usecases.owing import keep_owing
from bot.usecases.paging import calls
from bot.usecases.quarantine import keep_out
from bot.usecases.telling import with_notices
from bot.usecases.unfinished import Ends, keep_unfinished
from bot.views.project import Context, Link, Slot, project, project_event

_log = logging.getLogger(__name__)

Decision = Callable[[Incident], decide.Events]


@dataclass(frozen=True)
class Changed:
    """An incident after a decision, and the events that the decision made."""

    incident: Incident
    events: decide.Events = ()


class Desk:
    """The use cases of incidents. `on_commit` is called after every commit that may have filled the outbox."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        engine: Engine,
        *,
        clock: Callable[[], datetime],
        on_commit: Callable[[], None],
        bot_user: UserId,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._engine = engine
        self._clock = clock
        self._on_commit = on_commit
        self._bot_user = bot_user

    # What everything goes through.

    async def change(
        self,
        incident_id: str,
        decision: Decision,
        *,
        inbox_id: int | None = None,
        also: Callable[[UnitOfWork], None] | None = None,
        once: str | None = None,
    ) -> Changed:
        """Apply `decision` to the incident as it stands now. Raises Refusal (nothing is changed then).

        With `once`, a second change under the same name does nothing.
        """

        def work(uow: UnitOfWork) -> Changed:
            incident = uow.incidents.find(incident_id)
            if incident is None:
                raise Refusal(f"There is no incident {incident_id}. `/incident list` shows the open ones.")
            if once is not None:
                if uow.facts.get(f"once:{once}"):
                    return Changed(incident)
                uow.facts.set(f"once:{once}", value=True)
            changed = self._record(uow, incident, decision(incident))
            if also is not None:
                also(uow)
            if inbox_id is not None:
                uow.inbox.done(inbox_id)
            return changed

        changed = await self._store.write(work)
        await self.follow_up(changed)
        return changed

    def _record(self, uow: UnitOfWork, incident: Incident | None, events: decide.Events) -> Changed:
        before = incident
        incident, events = self._folded(incident, events)
        if before is None:
            uow.incidents.add(incident)
        elif events:
            uow.incidents.save(incident)
        context = self.context(incident)
        if before is None:
            # The channel comes first in its lane: nothing can be said in it before it is there.
            self._put(uow, incident, project(incident, context))
        keep_owing(uow, before, incident)
        if not incident.is_open:
            keep_unfinished(uow, incident, self.ends(incident))
        for event in events:
            kept = uow.timeline.append(
                incident.id,
                at=event.at,
                kind=Kind.EVENT,
                actor=event.by,
                body=event.model_dump(mode="json"),
            )
            self._keep_ledger(uow, incident, event)
            if kept is not None:
                self._put(uow, incident, project_event(incident, event, kept.seq, context))
        if events and before is not None:
            self._put(uow, incident, project(incident, context, before))
        return Changed(incident, events)

    def _folded(self, incident: Incident | None, events: decide.Events) -> tuple[Incident, decide.Events]:
        """The incident after them, and after what follows by itself: calls of whoever is on call, notices."""
        before, events = incident, with_notices(self._catalog, incident, events)
        for event in events:
            incident = evolve(incident, event)
        if incident is None:
            raise Refusal("There is no such incident.")
        called = calls(self._catalog, before, incident, events)
        for event in called:
            incident = evolve(incident, event)
        return incident, (*events, *called)

    @staticmethod
    def _put(uow: UnitOfWork, incident: Incident, slots: tuple[Slot, ...]) -> None:
        for slot in slots:
            uow.outbox.put(slot.lane, slot.slot, slot.operation, incident_id=incident.id)

    def _keep_ledger(self, uow: UnitOfWork, incident: Incident, event: e.Event) -> None:
        """What is rolled back is quarantined in the same transaction that approves the rollback."""
        if isinstance(event, e.RollbackApproved):
            run = incident.find_run(event.run_id)
            plan = next((r.plan for r in incident.plans if r.number == event.number), None)
            keep_out(uow, incident, left_by(run, plan), event.at)

    async def follow_up(self, changed: Changed) -> None:
        """Log what happened, wake the delivery, and start what the incident's state calls for."""
        for event in changed.events:
            if (logged := entry(changed.incident, event)) is not None:
                _log.log(logged[0], "%s", logged[1])
        self.wake()
        await self.start_due(changed.incident)

    def wake(self) -> None:
        """Something may be in the outbox."""
        self._on_commit()

    async def start_due(self, incident: Incident, *, now: datetime | None = None) -> None:
        """Start what the state calls for; with a `now`, also what had to wait until then.

        Safe to repeat: workflow ids are derived from the state.
        """
        for name, workflow_id, argument in (
            *due_workflows(incident),
            *due_filings(incident, self.ends(incident), now),
        ):
            try:
                await self._engine.start(name, workflow_id, argument)
            except Exception:  # noqa: BLE001 - the decision is committed and stands; the next sweep starts it
                _log.exception("could not start %s for now", workflow_id)

    def ends(self, incident: Incident) -> Ends:
        """Where its actions and papers go, by what kaeru.yml says now."""
        service = self._catalog.services.get(incident.service)
        archives = self._catalog.workspace.archives_after is not None
        if service is None:
            return Ends(archives=archives)
        outside = service.outside
        return Ends(tracker=outside.tracker is not None, papers=tuple(outside.papers), archives=archives)

    def context(self, incident: Incident) -> Context:
        """What the views need beyond the incident itself."""
        service = self._catalog.services.get(incident.service)
        return Context(
            policy=self.policy(incident),
            responders=service.responders if service else (),
            stakeholders=service.stakeholders if service else None,
            watch_s=service.watch.total_seconds() if service else 0.0,
            critical=service.critical if service else (),
            bot_user=self._bot_user,
            links=_links(service) if service else (),
            channel_prefix=self._catalog.workspace.channel_prefix,
        )

    def policy(self, incident: Incident, severity: Severity | None = None) -> Policy:
        """The policy that applies. Of a service that is no longer configured nothing can be approved at all."""
        if incident.service not in self._catalog.services:
            return Policy()
        return self._catalog.policy(incident.service, severity or incident.severity)

    def steps(self, incident: Incident) -> tuple[Step, ...]:
        """The checklist of the run that would follow from the plan on the card."""
        record, service = incident.record, self._catalog.services.get(incident.service)
        if record is None or record.plan is None or service is None:
            return ()
        return steps_for(record.plan, watch=service.watch)

    # The commands.

    async def roll_back(
        self,
        command: c.RollBack,
        *,
        inbox_id: int | None = None,
        also: Callable[[UnitOfWork], None] | None = None,
    ) -> Changed:
        """Declare an incident and ask for its plan, or join the one that is open for this service."""
        service = self._catalog.service(command.service)
        now = self._clock()

        def work(uow: UnitOfWork) -> Changed:
            running = uow.incidents.open_for(service.name)
            if running is not None and command.alert is not None:
                events = decide.alert_heard(running, command.alert, fresh=True, now=now)
            elif running is not None:
                events = decide.join(
                    running,
                    by=command.by,
                    source_channel=command.channel,
                    wanted=command.version,
                    policy=self.policy(running),
                    now=now,
                )
            else:
                since = now - timedelta(hours=6)
                events = decide.declare(
                    incident_id=uow.incidents.next_id(service.name, now.date()),
                    service=service.name,
                    by=command.by,
                    source_channel=command.channel,
                    wanted=command.version,
                    detected_at=command.alert.at
                    if command.alert is not None and command.alert.at is not None
                    else uow.probes.first_bad(service.name, since),
                    databases=tuple(d.name for d in service.databases if d.backup is not None),
                    alert=command.alert,
                    suspects=command.suspects,
                    exercise=command.exercise,
                    now=now,
                )
            changed = self._record(uow, running, events)
            if also is not None:
                also(uow)
            if inbox_id is not None:
                uow.inbox.done(inbox_id)
            return changed

        changed = await self._store.write(work)
        await self.follow_up(changed)
        return changed

    async def handle(self, command: c.IncidentCommand, *, inbox_id: int | None = None) -> Changed:
        """Carry out any command on an existing incident. Raises Refusal."""
        also = self._mark(command) if isinstance(command, c.MarkMessage) else None
        decision = self._decision(command)
        return await self.change(command.incident_id, decision, inbox_id=inbox_id, also=also)

    def _decision(self, command: c.IncidentCommand) -> Decision:
        def decided(incident: Incident) -> decide.Events:
            if isinstance(command, c.Approve | c.BreakGlass):
                self._must_be_configured(incident)
            severity = command.severity if isinstance(command, c.SetSeverity) else incident.severity
            facts = Facts(
                policy=self.policy(incident, severity),
                policy_so_far=self.policy(incident),
                forward_fix_after=self._catalog.forward_fix_after(severity) if severity else timedelta(0),
                steps=self.steps(incident),
                now=self._clock(),
            )
            return decision_on(incident, command, facts)

        return decided

    def _must_be_configured(self, incident: Incident) -> None:
        if incident.service not in self._catalog.services:
            raise Refusal(
                f"{incident.service} is not in kaeru.yml any more, so it cannot be rolled back from here. "
                "Put it back, or act by hand and close the incident."
            )

    def _mark(self, command: c.MarkMessage) -> Callable[[UnitOfWork], None]:
        now = self._clock()

        def work(uow: UnitOfWork) -> None:
            uow.timeline.append(
                command.incident_id,
                at=command.at or now,
                kind=Kind.MARK,
                actor=command.by,
                slack_ts=command.slack_ts,
                body={"text": command.text, "note": command.note},
                source=f"mark:{command.slack_ts}:{command.by}",
            )

        return work


def _links(service: Service) -> tuple[Link, ...]:
    live = () if service.health is None else (("Live", service.health.url),)
    return tuple(Link(title=title, url=url) for title, url in (*live, *service.links))
