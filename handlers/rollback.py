"""/rollback: the picker, the plan without an incident, or the incident itself."""

from typing import Any

from bot.domain import events as e
from bot.domain.incident import Incident, Status
from bot.usecases.commands import RollBack
from bot.views import modals, status
from handlers import parse
from handlers.surface import Body, Rooms, Surface, channel_of, user_of


class RollbackCommand:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def __call__(self, body: Body, surface: Surface, inbox_id: int | None) -> None:
        request = parse.rollback(str(body.get("text", "")))
        if request.help:
            await surface.reply(*status.rollback_help())
        elif request.service is None:
            await surface.open_modal(picker(self._rooms, body))
        elif request.dry_run:
            await self.show_plan(request.service, request.version, surface)
        else:
            await self.begin(
                RollBack(
                    by=user_of(body),
                    service=request.service,
                    version=request.version,
                    channel=channel_of(body),
                    exercise=request.exercise,
                ),
                surface,
                inbox_id,
            )

    async def show_plan(self, service: str, version: str | None, surface: Surface) -> None:
        plan = await self._rooms.arming.make(service, wanted=version)
        await surface.reply(*status.dry_run_card(plan))

    async def begin(self, command: RollBack, surface: Surface, inbox_id: int | None) -> None:
        """Declare or join. A version that cannot be run is refused before a channel is opened for it."""
        if command.version is not None:
            await self._rooms.arming.check_version(command.service, command.version)
        changed = await self._rooms.desk.roll_back(command, inbox_id=inbox_id)
        incident = changed.incident
        if incident.channel_id is not None:
            where = (
                f"{incident.service} has an open incident already: <#{incident.channel_id}> ({incident.id})."
            )
            replanned = any(isinstance(event, e.PlanRequested) for event in changed.events)
            then = " A new plan is being made there." if replanned else _what_then(incident, command.version)
            real = command.exercise and not incident.exercise
            warned = " It is no exercise; nothing was marked as one." if real else ""
            await surface.reply(f"{where}{warned}{then}")
        else:
            what = ", an exercise" if incident.exercise else ""
            await surface.reply(f"Opening #{incident.id} for {incident.service}{what} …")


def _what_then(incident: Incident, wanted: str | None) -> str:
    """What a person should know who asked for more than there is to join."""
    record = incident.record
    asked_for = record is not None and wanted in (record.wanted, record.to_version)
    if incident.status is Status.ROLLING_BACK:
        return " It is being rolled back right now."
    if wanted is not None and not asked_for:
        return f" Going to {wanted} instead is for its approvers to choose there."
    if wanted is None and incident.status is Status.MITIGATED and not incident.left_unverified:
        return (
            " It has been rolled back and is being watched; if it falls ill, a new plan appears there by itself. "
            f"To go to another version, name it: `/rollback {incident.service} VERSION`."
        )
    return ""


def picker(rooms: Rooms, body: Body) -> dict[str, Any]:
    """The form that asks which service."""
    described = {name: service.description for name, service in sorted(rooms.catalog.services.items())}
    return modals.picker(described, channel=channel_of(body) or "")
