"""How long and in which order people are told, on a real store and a real receiver."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from bot.catalog import load_catalog
from bot.cli.deferred import DeferredEngine
from bot.clock import now
from bot.domain import events as e
from bot.domain.audiences import Audience, Telling
from bot.domain.chronicle import events_of
from bot.domain.incident import Incident
from bot.domain.severity import Severity
from bot.ports.chat import Chat
from bot.store import Store
from bot.usecases import commands as c
from bot.usecases.desk import Desk
from bot.usecases.telling import due_notices, with_troubles
from bot.views.notices_said import notices_text
from bot.workflows.telling import Teller
from integrations.fleet import fleet_of, let_go
from integrations.registry import kinds
from tests.contract.notices_worlds import PATH, SECRET, WebhookWorld, open_world
from tests.unit.notices_file import written

NO_CHAT = cast("Chat", None)
"""Support learns no names, so nobody is asked for them."""


class Office:
    """A desk with one webhook for support, and what tells them."""

    def __init__(self, store: Store, folder: Path, world: WebhookWorld) -> None:
        self.store = store
        self.world = world
        self._folder = folder
        self._config(desk=True)

    def _config(self, *, desk: bool) -> None:
        one = {"kind": "webhook", "audience": "support", "secret": SECRET, "timeout": "2s"}
        one["url"] = f"http://127.0.0.1:{self.world.port}{PATH}"
        catalog = load_catalog(written(self._folder, {"desk": one} if desk else {}), kinds(), environ={})
        self.fleet = fleet_of(catalog)
        self.desk = Desk(
            self.store, catalog, DeferredEngine(), clock=now, on_commit=lambda: None, bot_user="U0KAERU"
        )
        self._catalog = catalog

    def forget(self) -> None:
        """As if somebody had taken the notice out of kaeru.yml."""
        self._config(desk=False)

    async def declare(self) -> Incident:
        return (await self.desk.roll_back(c.RollBack(by="U0ALICE", service="shop", channel="C1"))).incident

    async def tell(self, incident: Incident, *, insist_s: float = 60) -> None:
        """What is due now, one after the other."""
        insist = timedelta(seconds=insist_s)
        teller = Teller(
            self.store, self._catalog, self.fleet, self.desk, NO_CHAT, clock=now, insist_for=insist
        )
        for _, _, argument in due_notices(await self.now(incident)):
            await teller.tell(argument)

    async def now(self, incident: Incident) -> Incident:
        return await self.store.read(lambda uow: uow.incidents.get(incident.id))

    async def events(self, incident: Incident) -> list[Any]:
        entries = await self.store.read(lambda uow: uow.timeline.entries(incident.id))
        return [event for event in events_of(entries) if isinstance(event, e.NoticeSent | e.NoticeFailed)]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    world = WebhookWorld()
    store = await Store.open(f"sqlite:///{tmp_path / 'kaeru.sqlite'}", clock=now)
    try:
        async with open_world(world):
            opened = Office(store, tmp_path, world)
            yield opened
            for hands in opened.fleet.services.values():
                await let_go(hands)
    finally:
        await store.close()


async def test_one_thing_after_the_other_as_it_was_then(office: Office) -> None:
    incident = await office.declare()
    await office.desk.handle(c.SetSeverity(by="U0ALICE", incident_id=incident.id, severity=Severity.HIGH))
    await office.desk.handle(
        c.TellAudience(
            by="U0BOB", incident_id=incident.id, audience=Audience.SUPPORT, text="Orders are safe."
        )
    )
    for _ in range(3):
        assert len(due_notices(await office.now(incident))) == 1
        await office.tell(incident)
    assert due_notices(await office.now(incident)) == ()
    bodies = [body["data"] for body in office.world.bodies.values()]
    assert [body["moment"] for body in bodies] == ["begun", "assessed", "update"]
    # Told later than it happened, and still as it was then: nobody knew how bad it is.
    assert "severity" not in bodies[0]
    assert bodies[1]["severity"] == "High"
    assert bodies[2]["text"].startswith("Orders are safe.")


async def test_it_is_tried_again_and_not_for_ever(office: Office) -> None:
    incident = await office.declare()
    office.world.answer = (503, {"Retry-After": "1"})
    await office.tell(incident, insist_s=3)
    assert len(office.world.requests) == 2
    (failed,) = await office.events(incident)
    assert failed.state is Telling.FAILED
    assert "asks to wait: HTTP 503. It was tried for 3 s. Tell support by hand" in failed.reason


async def test_whoever_asks_meanwhile_hears_why_they_are_not_told_yet(office: Office) -> None:
    incident = await office.declare()
    office.world.answer = (503, {"Retry-After": "1"})
    telling = asyncio.create_task(office.tell(incident, insist_s=3))
    seen: list[str] = []
    while not telling.done():
        meanwhile = await office.now(incident)
        shown = await office.store.read(partial(with_troubles, incident=meanwhile))
        seen += [line for line in notices_text(shown, UTC) if "not told yet" in line]
        await asyncio.sleep(0.05)
    await telling
    assert any("asks to wait: HTTP 503. It is tried again.)" in line for line in seen), seen


async def test_once_it_is_settled_it_is_not_told_again(office: Office) -> None:
    incident = await office.declare()
    arguments = [argument for _, _, argument in due_notices(incident)]
    await office.tell(incident)
    teller = Teller(office.store, office._catalog, office.fleet, office.desk, NO_CHAT, clock=now)
    for argument in arguments:
        await teller.tell(argument)
    assert len(office.world.requests) == 1
    assert len(await office.events(incident)) == 1


async def test_somebody_who_is_no_longer_in_the_file_is_named(office: Office) -> None:
    incident = await office.declare()
    office.forget()
    await office.tell(incident)
    (failed,) = await office.events(incident)
    assert "desk is not among the notices of kaeru.yml any more" in failed.reason
    assert office.world.requests == []
