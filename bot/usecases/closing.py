"""The papers of an incident: the postmortem with its picture, and exports of the timeline.

Everything is written in one transaction: the documents, the messages that bring them to Slack, and the event
that says so. Before the postmortem is written the channel is read once more, so that the statement of
completeness is a comparison and not a hope.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.domain import events as e
from bot.domain.evidence import Probe
from bot.domain.incident import Incident
from bot.domain.postmortem import Postmortem, build
from bot.domain.timeline import Completeness, Entry, Kind, Verification
from bot.domain.verdict import VerdictTable
from bot.ports import Charts, Chat, PortError
from bot.ports.chat import INCIDENT_CHANNEL, Post, Upload
from bot.store import Store
from bot.store.unit import UnitOfWork
from bot.usecases.desk import Desk
from bot.usecases.names import display_names, people_in
from bot.usecases.picture import chart_of
from bot.usecases.recorder import Recorder
from bot.usecases.transcript import message_of
from bot.views.export import timeline_json, timeline_markdown
from bot.views.postmortem import render, summary_blocks

_log = logging.getLogger(__name__)

SETTLE_S = 5.0
BEFORE = timedelta(minutes=10)
_CHANNEL = re.compile(r"[CDG][A-Z0-9]{2,}")


class Closing:
    """Writes postmortems and exports."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        desk: Desk,
        *,
        recorder: Recorder,
        chat: Chat,
        charts: Charts,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._desk = desk
        self._recorder = recorder
        self._chat = chat
        self._charts = charts
        self.before_writing: Callable[[str], Awaitable[None]] | None = None
        """What is worth a moment's waiting before a postmortem is written: it then names what came of it."""
        self._clock = clock

    async def write_postmortem(self, incident_id: str, revision: int) -> None:
        """Write and post revision `revision`, unless that has happened."""
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        if incident.postmortem_revision >= revision:
            return
        await self._settle()
        if self.before_writing is not None:
            await self.before_writing(incident_id)
        expected = await self.catch_up(incident)
        postmortem, probes = await self.compose(incident_id, expected=expected, revision=revision)
        service = self._catalog.services.get(incident.service)
        text = render(postmortem, service.postmortem_template if service else None)
        picture, why_not = await self._picture(incident, probes, postmortem.verdicts)
        digest = hashlib.sha256(text.encode()).hexdigest()

        first = False

        def post(uow: UnitOfWork) -> None:
            if first and incident.archived_at is not None:
                uow.documents.put(text.encode(), "text/markdown")
            elif first:
                self._post(uow, incident, postmortem, text=text, picture=picture)

        def decision(now_it_is: Incident) -> tuple[e.Event, ...]:
            nonlocal first
            first = now_it_is.postmortem_revision < revision
            if not first:
                return ()
            posted = e.PostmortemPosted(at=self._clock(), revision=revision, sha256=digest)
            if why_not:
                lost = e.DeliveryFailed(at=self._clock(), what="the picture of the incident", reason=why_not)
                return (lost, posted)
            return (posted,)

        await self._desk.change(incident_id, decision, also=post)

    async def export(self, incident_id: str, *, inbox_id: int | None = None) -> None:
        """Put the timeline as it is now into the incident's channel, as Markdown and as JSON."""
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        await self._recorder.record_pending()
        markdown, as_json = await self.timeline_documents(incident)
        stamp = f"{self._clock():%Y%m%dT%H%M%S}"

        def post(uow: UnitOfWork) -> None:
            for name, text, media in (
                (f"{incident.id}-timeline.md", markdown, "text/markdown"),
                (f"{incident.id}-timeline.json", as_json, "application/json"),
            ):
                self._upload(
                    uow,
                    incident,
                    slot=f"export-{stamp}-{name}",
                    name=name,
                    title=name,
                    content=text.encode(),
                    media=media,
                )
            if inbox_id is not None:
                uow.inbox.done(inbox_id)

        await self._store.write(post)
        self._desk.wake()

    async def timeline_documents(self, incident: Incident) -> tuple[str, str]:
        """The timeline as Markdown and as JSON."""
        entries, verification = await self._store.read(
            lambda uow: (uow.timeline.entries(incident.id), uow.timeline.verify(incident.id))
        )
        names = await self._names(incident, entries)
        markdown = timeline_markdown(
            incident, entries, verification=verification, names=names, zone=self._catalog.timezone
        )
        as_json = timeline_json(incident, entries, verification=verification, names=names, now=self._clock())
        return markdown, as_json

    async def compose(
        self, incident_id: str, *, expected: int | None, revision: int
    ) -> tuple[Postmortem, tuple[Probe, ...]]:
        """The postmortem of the incident as it stands, and the probes it rests on. Writes nothing."""

        def look(uow: UnitOfWork) -> tuple[Incident, Sequence[Entry], Verification, tuple[Probe, ...]]:
            incident = uow.incidents.get(incident_id)
            began = min(t for t in (incident.detected_at, incident.declared_at) if t is not None)
            probes = uow.probes.window(incident.service, began - BEFORE, incident.closed_at)
            return incident, uow.timeline.entries(incident_id), uow.timeline.verify(incident_id), probes

        incident, entries, verification, probes = await self._store.read(look)
        postmortem = build(
            incident,
            entries,
            probes,
            kept=Completeness.of(entries),
            expected_messages=expected,
            verification=verification,
            names=await self._names(incident, entries),
            zone=self._catalog.timezone,
            now=self._clock(),
            revision=revision,
        )
        return postmortem, probes

    async def catch_up(self, incident: Incident) -> int | None:
        """Record what waits and what was missed; how many messages the channel should have given us.

        None where the channel cannot be read: then nobody knows, and the postmortem says that.
        """
        await self._recorder.record_pending()
        if incident.channel_id is None:
            return 0
        try:
            await self._recorder.backfill(self._chat, incident)
            history = await self._chat.history(incident.channel_id, since_ts=None)
        except PortError as error:
            _log.warning("the channel of %s cannot be counted: %s", incident.id, error)
            return None
        in_channel = {
            message.ts
            for message in history
            if (draft := message_of({**message.raw, "ts": message.ts}, own=())) and draft.kind is Kind.MESSAGE
        }
        kept = await self._store.read(lambda uow: uow.timeline.entries(incident.id, kinds=(Kind.DELETION,)))
        return len(in_channel | {entry.slack_ts for entry in kept})

    async def _settle(self) -> None:
        """Let what is on its way to the channel arrive, for a few seconds at most."""
        deadline = asyncio.get_running_loop().time() + SETTLE_S
        while asyncio.get_running_loop().time() < deadline:
            if not await self._store.read(lambda uow: uow.outbox.backlog()):
                return
            await asyncio.sleep(0.1)

    async def _picture(
        self, incident: Incident, probes: tuple[Probe, ...], verdicts: tuple[VerdictTable, ...]
    ) -> tuple[bytes | None, str]:
        if not probes and not incident.reports:
            return None, "nothing was measured"
        try:
            return await self._charts.incident(chart_of(incident, probes, verdicts)), ""
        except PortError as error:
            return None, error.advice

    def _post(
        self, uow: UnitOfWork, incident: Incident, postmortem: Postmortem, *, text: str, picture: bytes | None
    ) -> None:
        revision = postmortem.revision
        summary, blocks = summary_blocks(postmortem)
        message = Post(channel=INCIDENT_CHANNEL, text=summary, blocks=blocks)
        uow.outbox.put(f"incident:{incident.id}", f"postmortem-{revision}", message, incident_id=incident.id)
        suffix = "" if revision == 1 else f"-{revision}"
        if picture is not None:
            name = f"{incident.id}{suffix}.png"
            self._upload(
                uow,
                incident,
                slot=f"postmortem-{revision}-picture",
                name=name,
                title=name,
                content=picture,
                media="image/png",
            )
        name = f"{incident.id}-postmortem{suffix}.md"
        self._upload(
            uow,
            incident,
            slot=f"postmortem-{revision}-text",
            name=name,
            title=name,
            content=text.encode(),
            media="text/markdown",
        )

    @staticmethod
    def _upload(
        uow: UnitOfWork, incident: Incident, *, slot: str, name: str, title: str, content: bytes, media: str
    ) -> None:
        ref = uow.documents.put(content, media)
        upload = Upload(channel=INCIDENT_CHANNEL, filename=name, title=title, comment="", content_ref=ref)
        uow.outbox.put(f"incident:{incident.id}", slot, upload, incident_id=incident.id)

    async def _names(self, incident: Incident, entries: Sequence[Entry]) -> dict[str, str]:
        """Display names for every id that the papers mention."""
        names = dict(self._catalog.people)
        if incident.channel_id and incident.channel_name:
            names[incident.channel_id] = f"#{incident.channel_name}"
        service = self._catalog.services.get(incident.service)
        told = service.stakeholders if service else None
        if told is not None and not _CHANNEL.fullmatch(told):
            events = (e.parse(entry.body) for entry in entries if entry.kind is Kind.EVENT)
            names |= {
                x.channel_id: f"#{told.removeprefix('#')}"
                for x in events
                if isinstance(x, e.StakeholdersTold)
            }
        people = {entry.actor for entry in entries}.union(*(people_in(entry.body) for entry in entries))
        return await display_names(self._chat, names, people)
