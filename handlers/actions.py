"""Buttons. A click is either a command at once, or opens the form that asks for what is missing."""

from collections.abc import Callable
from typing import Any

from bot.domain import decide
from bot.domain.base import Refusal
from bot.domain.incident import Incident
from bot.usecases import commands as c
from bot.views import debts, modals, reports, restore_modals
from bot.views.ids import Action, Ref
from handlers import parse
from handlers.restore import restore_form
from handlers.rollback import picker
from handlers.surface import Body, Rooms, Surface, user_of

Command = Callable[[Ref, str], c.IncidentCommand]
Form = Callable[[Incident, Ref], dict[str, Any]]


def _break_glass(incident: Incident, ref: Ref) -> dict[str, Any]:
    shown = next((r.to_version for r in incident.plans if r.number == ref.number), None)
    return modals.break_glass(incident, number=ref.number, digest=ref.digest, to_version=shown or "")


def _choose_way(ref: Ref, by: str) -> c.ChooseWay:
    database, way = parse.database_and_way(ref.arg)
    return c.ChooseWay(
        by=by,
        incident_id=ref.incident_id,
        number=ref.number,
        digest=ref.digest,
        database=database,
        way=way,
    )


COMMANDS: dict[Action, Command] = {
    Action.SEVERITY_PICK: lambda ref, by: c.SetSeverity(
        by=by, incident_id=ref.incident_id, severity=parse.severity(ref.arg)
    ),
    Action.ROLLBACK_APPROVE: lambda ref, by: c.Approve(
        by=by, incident_id=ref.incident_id, number=ref.number, digest=ref.digest
    ),
    Action.ROLLBACK_RELEASE: lambda ref, by: c.Release(by=by, incident_id=ref.incident_id),
    Action.ROLLBACK_REFRESH: lambda ref, by: c.Refresh(by=by, incident_id=ref.incident_id),
    Action.ROLLBACK_AFTER_ALL: lambda ref, by: c.RollBackAfterAll(by=by, incident_id=ref.incident_id),
    Action.WAY_CHOOSE: _choose_way,
    Action.DEBT_GIVE_BACK: lambda ref, by: c.GiveBack(by=by, incident_id=ref.incident_id, debt=ref.arg),
    Action.DEBT_TAKE_OVER: lambda ref, by: c.TakeOver(by=by, incident_id=ref.incident_id, debt=ref.arg),
    Action.DEBT_DONE: lambda ref, by: c.GivenBack(by=by, incident_id=ref.incident_id, debt=ref.arg),
    Action.RESTORE_APPROVE: lambda ref, by: c.ApproveRestore(
        by=by, incident_id=ref.incident_id, number=ref.number, digest=ref.digest
    ),
    Action.RESTORE_REJECT: lambda ref, by: c.RejectRestore(
        by=by, incident_id=ref.incident_id, number=ref.number, digest=ref.digest
    ),
    Action.RESTORE_AGAIN: lambda ref, by: c.AskRestoreAgain(
        by=by, incident_id=ref.incident_id, number=ref.number
    ),
    Action.BACKUP_AGAIN: lambda ref, by: c.BackUpAgain(by=by, incident_id=ref.incident_id, database=ref.arg),
    Action.BACKUP_USE: lambda ref, by: c.UseBackup(
        by=by, incident_id=ref.incident_id, database=ref.arg, number=ref.number
    ),
    Action.BACKUP_SKIP: lambda ref, by: c.SkipBackup(
        by=by, incident_id=ref.incident_id, database=ref.arg, number=ref.number
    ),
    Action.TRAFFIC_CONTINUE: lambda ref, by: c.ContinueTraffic(by=by, incident_id=ref.incident_id),
    Action.TRAFFIC_STOP: lambda ref, by: c.StopTraffic(by=by, incident_id=ref.incident_id),
    Action.LEFT_ACCEPT: lambda ref, by: c.AcceptLeft(by=by, incident_id=ref.incident_id, accept=(ref.arg,)),
    Action.FILE_AGAIN: lambda ref, by: c.FileAgain(by=by, incident_id=ref.incident_id),
    Action.PAGE_ACKNOWLEDGE: lambda ref, by: c.AcknowledgePage(by=by, incident_id=ref.incident_id),
    Action.NEXT_VERSION: lambda ref, by: c.ChooseVersion(
        by=by, incident_id=ref.incident_id, version=ref.arg or None
    ),
}

FORMS: dict[Action, Form] = {
    Action.SEVERITY_CHANGE: lambda incident, _ref: modals.severity(incident),
    Action.ROLLBACK_REJECT: lambda incident, ref: modals.reject(
        incident, number=ref.number, digest=ref.digest
    ),
    Action.ROLLBACK_CHOOSE: lambda incident, _ref: modals.choose_version(incident),
    Action.ROLLBACK_HOLD: lambda incident, _ref: modals.hold(incident),
    Action.ROLLBACK_BREAK_GLASS: _break_glass,
    Action.RESTORE_OTHER: lambda incident, ref: restore_modals.other_backup(
        incident, incident.restore(ref.number)
    ),
    Action.REPORT_OPEN: lambda incident, _ref: reports.report_form(incident),
    Action.CLOSE_OPEN: lambda incident, _ref: modals.close(incident),
    Action.LESSONS_OPEN: lambda incident, _ref: modals.lessons(incident),
}


class ButtonClick:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def __call__(self, body: Body, surface: Surface, inbox_id: int | None) -> None:
        clicked = body["actions"][0]
        action = Action(clicked["action_id"].partition(":")[0])
        if action is Action.PICKER_OPEN:
            await surface.open_modal(picker(self._rooms, body))
            return
        ref = Ref.decode(str(clicked.get("value", "")))
        if action in COMMANDS:
            await self._rooms.desk.handle(COMMANDS[action](ref, user_of(body)), inbox_id=inbox_id)
            return
        incident = await self._rooms.store.read(lambda uow: uow.incidents.find(ref.incident_id))
        if incident is None:
            raise Refusal(f"There is no incident {ref.incident_id} any more.")
        if action is Action.CLOSE_OPEN and decide.must_be_seen_to(incident):
            await surface.reply(*debts.refused_close(incident))
            return
        if action is Action.RESTORE_OPEN:
            await surface.open_modal(restore_form(self._rooms, incident, ref.arg))
            return
        await surface.open_modal(FORMS[action](incident, ref))
