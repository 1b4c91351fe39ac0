"""/incident: what a person types in an incident's channel, or about an incident from elsewhere."""

from collections.abc import Awaitable, Callable

from bot.domain import decide
from bot.domain.base import Refusal
from bot.domain.incident import Incident, Status
from bot.domain.left_open import left_open
from bot.usecases import commands as c
from bot.usecases.telling import with_troubles
from bot.views import debts, left, modals, reports, status
from bot.views.data_facts import after_choice, ways_card
from bot.views.notices_said import notices_card
from handlers import parse
from handlers.reports import parse_report
from handlers.restore import restore_form
from handlers.stats import show_stats
from handlers.surface import Body, Rooms, Surface, channel_of, user_of


class IncidentCommand:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._verbs: dict[str, Callable[[_Asked], Awaitable[None]]] = {
            "status": self._status,
            "severity": self._severity,
            "note": self._note,
            "report": self._report,
            "exercise": self._exercise,
            "action": self._action,
            "role": self._role,
            "hold": self._hold,
            "way": self._way,
            "traffic": self._traffic,
            "ack": self._ack,
            "lessons": self._lessons,
            "restore": self._restore,
            "close": self._close,
            "accept": self._accept,
            "actions": self._actions,
            "file": self._file,
            "tell": self._tell,
            "notices": self._notices,
            "export": self._export,
        }

    async def __call__(self, body: Body, surface: Surface, inbox_id: int | None) -> None:
        request = parse.incident(str(body.get("text", "")))
        if request.verb == "help":
            await surface.reply(*status.incident_help())
            return
        if request.verb == "stats":
            await show_stats(self._rooms, request.rest, body, surface)
            return
        incident = await self._which(request.incident_id, channel_of(body))
        if request.verb == "list" or (request.verb == "status" and incident is None):
            open_ones = await self._rooms.store.read(lambda uow: uow.incidents.list(open_only=True, limit=50))
            policies = [self._rooms.desk.policy(one) for one in open_ones]
            await surface.reply(*status.list_card(open_ones, policies))
            return
        if incident is None:
            raise Refusal(
                "This channel belongs to no incident. Use the command in the incident's channel, or name it: "
                f"`/incident {request.verb} inc-… `. `/incident list` shows the open ones."
            )
        await self._verbs[request.verb](_Asked(incident, request.rest, user_of(body), surface, inbox_id))

    async def _which(self, named: str | None, channel: str | None) -> Incident | None:
        if named is not None:
            found = await self._rooms.store.read(lambda uow: uow.incidents.find(named))
            if found is None:
                raise Refusal(f"There is no incident {named}. `/incident list` shows the open ones.")
            return found
        if channel is None:
            return None
        return await self._rooms.store.read(lambda uow: uow.incidents.by_channel(channel))

    async def _do(self, asked: "_Asked", command: c.IncidentCommand, said: str) -> None:
        await self._rooms.desk.handle(command, inbox_id=asked.inbox_id)
        await asked.surface.reply(said)

    async def _status(self, asked: "_Asked") -> None:
        policy = self._rooms.desk.policy(asked.incident)
        await asked.surface.reply(*status.status_card(asked.incident, policy))

    async def _severity(self, asked: "_Asked") -> None:
        if not asked.rest:
            await asked.surface.open_modal(modals.severity(asked.incident))
            return
        severity = parse.severity(asked.rest)
        command = c.SetSeverity(by=asked.by, incident_id=asked.incident.id, severity=severity)
        await self._do(asked, command, f"The severity is {severity.label} now.")

    async def _note(self, asked: "_Asked") -> None:
        if not asked.rest:
            await asked.surface.open_modal(modals.note(asked.incident))
            return
        command = c.AddNote(by=asked.by, incident_id=asked.incident.id, text=asked.rest)
        await self._do(asked, command, "Noted in the timeline.")

    async def _report(self, asked: "_Asked") -> None:
        wish, by, incident_id = parse_report(asked.rest), asked.by, asked.incident.id
        if wish.form:
            await asked.surface.open_modal(reports.report_form(asked.incident))
        elif wish.listing:
            await asked.surface.reply(*reports.reports_card(asked.incident))
        elif wish.withdraw:
            back = c.WithdrawReport(by=by, incident_id=incident_id, report=wish.withdraw)
            await self._do(asked, back, "Taken back; the timeline keeps both.")
        else:
            command = c.ReportUsers(
                by=by, incident_id=incident_id, text=wish.text, users=wish.users, standing=wish.standing
            )
            await self._do(asked, command, "Counted as a report of users, and as evidence.")

    async def _exercise(self, asked: "_Asked") -> None:
        is_one = asked.rest.lower() != "off"
        command = c.MarkExercise(by=asked.by, incident_id=asked.incident.id, exercise=is_one)
        await self._do(
            asked,
            command,
            "The numbers leave it out, nobody is paged, and nobody outside is told."
            if is_one
            else "It counts.",
        )

    async def _action(self, asked: "_Asked") -> None:
        owner, text = parse.action(asked.rest)
        command = c.AddAction(by=asked.by, incident_id=asked.incident.id, text=text, owner=owner)
        await self._do(asked, command, "Kept as an open action for the postmortem.")

    async def _role(self, asked: "_Asked") -> None:
        if not asked.rest:
            await asked.surface.open_modal(modals.role(asked.incident, by=asked.by))
            return
        role, user = parse.role(asked.rest)
        command = c.AssignRole(by=asked.by, incident_id=asked.incident.id, role=role, user=user)
        await self._do(asked, command, f"<@{user}> is {role} now.")

    async def _hold(self, asked: "_Asked") -> None:
        if asked.rest.lower() in ("off", "release"):
            release = c.Release(by=asked.by, incident_id=asked.incident.id)
            await self._do(asked, release, "The hold is released.")
            return
        hold = c.Hold(by=asked.by, incident_id=asked.incident.id, reason=asked.rest)
        await self._do(asked, hold, "On hold: nothing new begins until `/incident hold off`.")

    async def _traffic(self, asked: "_Asked") -> None:
        goes_on = parse.goes_on(asked.rest)
        kind = c.ContinueTraffic if goes_on else c.StopTraffic
        said = "Users come back further." if goes_on else "Traffic is left as it is, and the run ends."
        await self._do(asked, kind(by=asked.by, incident_id=asked.incident.id), said)

    async def _restore(self, asked: "_Asked") -> None:
        await asked.surface.open_modal(restore_form(self._rooms, asked.incident, asked.rest))

    async def _way(self, asked: "_Asked") -> None:
        record = asked.incident.record
        if not asked.rest or record is None or record.plan is None:
            await asked.surface.reply(*ways_card(asked.incident))
            return
        database, way = parse.database_and_way(asked.rest)
        command = c.ChooseWay(
            by=asked.by,
            incident_id=asked.incident.id,
            number=record.number,
            digest=record.plan.digest,
            database=database,
            way=way,
        )
        said = f"Decided: {way.value} for the database {database}. "
        await self._do(asked, command, said + after_choice(way))

    async def _ack(self, asked: "_Asked") -> None:
        command = c.AcknowledgePage(by=asked.by, incident_id=asked.incident.id)
        await self._do(asked, command, "Acknowledged: you are on it, and the pager is being stopped.")

    async def _lessons(self, asked: "_Asked") -> None:
        await asked.surface.open_modal(modals.lessons(asked.incident))

    async def _close(self, asked: "_Asked") -> None:
        unverified, accept, summary = parse.closing(asked.rest)
        if decide.must_be_seen_to(asked.incident) and not accept:
            await asked.surface.reply(*debts.refused_close(asked.incident))
            return
        must_ask = (
            bool(left_open(asked.incident)) and not accept and self._may_close(asked.incident, unverified)
        )
        unsure = not asked.rest and asked.incident.status is not Status.VERIFIED
        if asked.incident.is_open and (must_ask or unsure):
            await asked.surface.open_modal(modals.close(asked.incident, summary))
            return
        command = c.Close(
            by=asked.by,
            incident_id=asked.incident.id,
            summary=summary,
            unverified=unverified,
            accept=(decide.ALL,) if accept else (),
        )
        await self._do(asked, command, "Closed. The postmortem will be here in a moment.")

    @staticmethod
    def _may_close(incident: Incident, unverified: bool) -> bool:  # noqa: FBT001 - what was typed
        """Whether nothing but what is left open is in the way; all else is refused in words."""
        return incident.status is not Status.ROLLING_BACK and (
            unverified or not decide.why_unverified(incident)
        )

    async def _accept(self, asked: "_Asked") -> None:
        if not asked.rest:
            await asked.surface.reply(*left.left_card(asked.incident))
            return
        named = tuple(asked.rest.replace(",", " ").split())
        command = c.AcceptLeft(by=asked.by, incident_id=asked.incident.id, accept=named)
        await self._do(asked, command, "Accepted, by your name. The timeline and the postmortem say so.")

    async def _actions(self, asked: "_Asked") -> None:
        await asked.surface.reply(*left.actions_card(asked.incident))

    async def _file(self, asked: "_Asked") -> None:
        command = c.FileAgain(by=asked.by, incident_id=asked.incident.id)
        await self._do(
            asked, command, "Tried again at once. The card of the closed incident says how it goes."
        )

    async def _tell(self, asked: "_Asked") -> None:
        audience, text = parse.audience_and_text(asked.rest)
        command = c.TellAudience(by=asked.by, incident_id=asked.incident.id, audience=audience, text=text)
        await self._do(asked, command, f"It is sent to {audience}; `/incident notices` says what came of it.")

    async def _notices(self, asked: "_Asked") -> None:
        shown = await self._rooms.store.read(lambda uow: with_troubles(uow, asked.incident))
        await asked.surface.reply(*notices_card(shown))

    async def _export(self, asked: "_Asked") -> None:
        await self._rooms.closing.export(asked.incident.id, inbox_id=asked.inbox_id)
        await asked.surface.reply(
            "The timeline so far will be in the channel in a moment, as Markdown and JSON."
        )


class _Asked:
    """One request about one incident."""

    def __init__(
        self, incident: Incident, rest: str, by: str, surface: Surface, inbox_id: int | None
    ) -> None:
        self.incident = incident
        self.rest = rest
        self.by = by
        self.surface = surface
        self.inbox_id = inbox_id
