"""Whom Slack is asked for when papers are written, on a real store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from bot.catalog import load_catalog
from bot.cli.deferred import DeferredEngine
from bot.clock import now
from bot.ports import Charts, Unavailable
from bot.store import Store
from bot.usecases import commands as c
from bot.usecases.closing import Closing
from bot.usecases.desk import Desk
from bot.usecases.names import display_names, people_in
from bot.usecases.recorder import Recorder
from integrations.fleet import fleet_of, let_go
from integrations.registry import kinds
from tests.fakes.chat import FakeChat
from tests.unit.notices_file import written


class Asked(FakeChat):
    """A chat that keeps whom it was asked for. `silent` people are never answered about, `lost` ones not found."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.silent: set[str] = set()
        self.lost: set[str] = set()

    async def name_of(self, user: str) -> str:
        self.asked.append(user)
        if user in self.silent:
            await asyncio.Event().wait()
        if user in self.lost:
            raise Unavailable("Slack is restarting.")
        return await super().name_of(user)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path / 'kaeru.sqlite'}", clock=now)
    yield opened
    await opened.close()


async def test_words_in_capitals_are_nobody(store: Store, tmp_path: Path) -> None:
    catalog = load_catalog(written(tmp_path, {}), kinds(), environ={})
    fleet = fleet_of(catalog)
    desk = Desk(store, catalog, DeferredEngine(), clock=now, on_commit=lambda: None, bot_user="U0KAERU")
    chat = Asked()
    try:
        incident = (await desk.roll_back(c.RollBack(by="U0ALICE", service="shop", channel="C1"))).incident
        for text, owner in (("UPDATE the URL index WHERE USERS wait", None), ("Ask <@U0CAROL>", "U0BOB")):
            await desk.handle(c.AddAction(by="U0ALICE", incident_id=incident.id, text=text, owner=owner))
        closing = Closing(
            store,
            catalog,
            desk,
            recorder=Recorder(store, now, bot_user="U0KAERU"),
            chat=chat,
            charts=cast("Charts", None),
            clock=now,
        )
        markdown, _ = await closing.timeline_documents(incident)
    finally:
        for hands in fleet.services.values():
            await let_go(hands)
    assert chat.asked == ["U0ALICE", "U0BOB", "U0CAROL"]
    assert "UPDATE the URL index WHERE USERS wait" in markdown
    assert "Ask carol" in markdown


async def test_who_cannot_be_asked_for_has_no_name_and_known_people_are_not_asked_for() -> None:
    chat = Asked()
    chat.lost = {"U0ALICE"}
    names = await display_names(chat, {"U0CAROL": "Carol C."}, ["U0CAROL", "U0BOB", "U0ALICE", "cli:root"])
    assert names == {"U0CAROL": "Carol C.", "U0BOB": "bob"}
    assert chat.asked == ["U0ALICE", "U0BOB"]


async def test_a_slack_that_does_not_answer_is_not_waited_for_once_for_each_person() -> None:
    chat = Asked()
    chat.silent = {"U0ALICE", "U0BOB"}
    async with asyncio.timeout(10):
        assert await display_names(chat, {}, ["U0ALICE", "U0BOB"], patience_s=0.05) == {}
    assert chat.asked == ["U0ALICE"]


def test_people_are_where_people_stand() -> None:
    event = {
        "by": "U0ALICE",
        "approved_by": ["U0BOB", "cli:root"],
        "owner": None,
        "people": [{"name": "USERS", "user": "U0DAN"}],
        "text": "URL of <@U0CAROL|carol> and <@UP>, see <#C0GENERAL|WHERE>",
    }
    assert people_in(event) == {"U0ALICE", "U0BOB", "U0CAROL", "U0DAN"}
