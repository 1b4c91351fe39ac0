"""Forms sent in. A mistake is shown under the field it belongs to, and the form stays open."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bot.domain.base import Refusal
from bot.domain.severity import Severity
from bot.usecases import commands as c
from bot.views.ids import AUTO, YES, Field, Modal, Ref
from handlers import parse
from handlers.reports import report_wish
from handlers.restore import other_backup, restore_wish
from handlers.rollback import RollbackCommand
from handlers.surface import Body, Rooms, Surface, user_of

Values = dict[str, Any]
Command = Callable[[Ref, str, Values], c.IncidentCommand]


def _text(values: Values, field: Field) -> str:
    return str(values.get(field) or "")


def _lessons(ref: Ref, by: str, values: Values) -> c.RecordLessons:
    lines = [line.strip(" -*\t") for line in _text(values, Field.ACTIONS).splitlines()]
    actions = tuple(c.AddAction(by=by, incident_id=ref.incident_id, text=line) for line in lines if line)
    return c.RecordLessons(
        by=by,
        incident_id=ref.incident_id,
        root_cause=_text(values, Field.ROOT_CAUSE),
        lessons=_text(values, Field.LESSONS),
        impact=_text(values, Field.IMPACT),
        actions=actions,
    )


def _version(values: Values) -> str | None:
    chosen = _text(values, Field.VERSION).strip()
    return None if chosen in ("", AUTO) else parse.version(chosen)


def _moment(values: Values) -> datetime | None:
    chosen = values.get(Field.TIME)
    return None if chosen is None else datetime.fromtimestamp(int(chosen), UTC)


COMMANDS: dict[Modal, Command] = {
    Modal.CHOOSE_VERSION: lambda ref, by, values: c.ChooseVersion(
        by=by, incident_id=ref.incident_id, version=_version(values)
    ),
    Modal.REJECT: lambda ref, by, values: c.Reject(
        by=by,
        incident_id=ref.incident_id,
        number=ref.number,
        digest=ref.digest,
        reason=_text(values, Field.REASON),
    ),
    Modal.BREAK_GLASS: lambda ref, by, values: c.BreakGlass(
        by=by,
        incident_id=ref.incident_id,
        number=ref.number,
        digest=ref.digest,
        reason=_text(values, Field.REASON),
    ),
    Modal.HOLD: lambda ref, by, values: c.Hold(
        by=by, incident_id=ref.incident_id, reason=_text(values, Field.REASON)
    ),
    Modal.SEVERITY: lambda ref, by, values: c.SetSeverity(
        by=by, incident_id=ref.incident_id, severity=Severity(_text(values, Field.SEVERITY))
    ),
    Modal.NOTE: lambda ref, by, values: c.AddNote(
        by=by, incident_id=ref.incident_id, text=_text(values, Field.NOTE)
    ),
    Modal.ROLE: lambda ref, by, values: c.AssignRole(
        by=by,
        incident_id=ref.incident_id,
        role=_text(values, Field.ROLE),
        user=_text(values, Field.USER),
    ),
    Modal.CLOSE: lambda ref, by, values: c.Close(
        by=by,
        incident_id=ref.incident_id,
        summary=_text(values, Field.SUMMARY),
        unverified=YES in (values.get(Field.UNVERIFIED) or ()),
        accept=tuple(values.get(Field.ACCEPTED) or ()),
    ),
    Modal.LESSONS: _lessons,
    Modal.RESTORE: restore_wish,
    Modal.OTHER_BACKUP: other_backup,
    Modal.REPORT: report_wish,
}

# Where a refusal is shown, by form.
SHOWN_UNDER: dict[Modal, Field] = {
    Modal.PICKER: Field.SERVICE,
    Modal.CHOOSE_VERSION: Field.VERSION,
    Modal.REJECT: Field.REASON,
    Modal.BREAK_GLASS: Field.REASON,
    Modal.HOLD: Field.REASON,
    Modal.SEVERITY: Field.SEVERITY,
    Modal.NOTE: Field.NOTE,
    Modal.ROLE: Field.USER,
    Modal.CLOSE: Field.SUMMARY,
    Modal.LESSONS: Field.ROOT_CAUSE,
    Modal.TIMELINE: Field.NOTE,
    Modal.RESTORE: Field.INTO_NAME,
    Modal.OTHER_BACKUP: Field.BACKUP,
    Modal.REPORT: Field.HOW_MANY,
}


class FormSubmission:
    """Carries out what a form asks for. Raises Refusal; who called it shows that in the form."""

    def __init__(self, rooms: Rooms, rollback: RollbackCommand) -> None:
        self._rooms = rooms
        self._rollback = rollback

    async def __call__(self, body: Body, surface: Surface, inbox_id: int | None) -> None:
        view = body["view"]
        modal = Modal(view["callback_id"])
        values = parse.values(view)
        by = user_of(body)
        if modal is Modal.PICKER:
            await self._pick(view, values, by, surface, inbox_id)
        elif modal is Modal.TIMELINE:
            await self._mark(Ref.decode(view["private_metadata"]), values, by, inbox_id)
        else:
            command = COMMANDS[modal](Ref.decode(view["private_metadata"]), by, values)
            await self._rooms.desk.handle(command, inbox_id=inbox_id)

    async def _pick(
        self, view: Body, values: Values, by: str, surface: Surface, inbox_id: int | None
    ) -> None:
        service, version = _text(values, Field.SERVICE), _version(values)
        if YES in (values.get(Field.DRY_RUN) or ()):
            await self._rollback.show_plan(service, version, surface)
            return
        channel = view.get("private_metadata") or None
        command = c.RollBack(
            by=by,
            service=service,
            version=version,
            channel=channel,
            exercise=YES in (values.get(Field.EXERCISE) or ()),
        )
        await self._rollback.begin(command, surface, inbox_id)

    async def _mark(self, ref: Ref, values: Values, by: str, inbox_id: int | None) -> None:
        marked = await self._rooms.store.read(lambda uow: uow.timeline.about(ref.incident_id, [ref.arg]))
        if not marked:
            raise Refusal("This message is not in the timeline yet. Try again in a moment.")
        command = c.MarkMessage(
            by=by,
            incident_id=ref.incident_id,
            slack_ts=ref.arg,
            text=str(marked[-1].body.get("text", "")),
            author=marked[0].actor,
            note=_text(values, Field.NOTE),
            at=_moment(values),
        )
        await self._rooms.desk.handle(command, inbox_id=inbox_id)
