"""A whole world for one story: a workspace with people, a shop with customers' probes, and kaeru between them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from bot.app import Kaeru
from bot.catalog import load_catalog
from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.narrate import narrate
from bot.domain.timeline import Entry, Kind, Verification
from bot.settings import Settings
from bot.store.unit import UnitOfWork
from bot.usecases.fleet import Fleet
from integrations.registry import kinds
from sandbox.workspace import forms
from sandbox.workspace.local import LocalWorkspace
from sandbox.workspace.manifest import Manifest
from sandbox.workspace.model import Json
from sandbox.workspace.person import Person
from tests.contract.shop import PROJECT, RunningShop
from tests.scenarios import services

GOOD, BAD, OLDER = "v1.2.9", "v1.3.0", "v1.2.8"
MANIFEST = PROJECT / "manifest.yml"
GENERAL, DEPLOYS, INCIDENTS = "#general", "#deploys", "#incidents"

T = TypeVar("T")
E = TypeVar("E", bound=e.Happened)


@dataclass
class World:
    """`kaeru` is None while it is stopped."""

    ws: LocalWorkspace
    shop: RunningShop
    folder: Path
    databases: Mapping[str, str] = field(default_factory=dict)
    kaeru: Kaeru | None = None

    # People.

    @property
    def alice(self) -> Person:
        return self.ws.person("alice")

    @property
    def bob(self) -> Person:
        return self.ws.person("bob")

    @property
    def carol(self) -> Person:
        return self.ws.person("carol")

    @property
    def dan(self) -> Person:
        """Not on call, and not an approver."""
        return self.ws.person("dan")

    # kaeru itself.

    def settings(self) -> Settings:
        """What kaeru's environment says."""
        return Settings(
            config=self.folder / "kaeru.yml",
            data=self.folder / "data",
            slack_bot_token=SecretStr(self.ws.bot_token),
            slack_app_token=SecretStr(self.ws.app_token),
            slack_api_url=self.ws.api_url,
            database_url=self._secret("database_url"),
            engine_database_url=self._secret("engine_database_url"),
        )

    async def start(self) -> None:
        settings = self.settings()
        self.kaeru = await Kaeru.open(settings, load_catalog(settings.config, kinds()))

    def _secret(self, name: str) -> SecretStr | None:
        return SecretStr(self.databases[name]) if name in self.databases else None

    async def stop(self) -> None:
        kaeru, self.kaeru = self.kaeru, None
        if kaeru is not None:
            await kaeru.close()

    @property
    def running(self) -> Kaeru:
        assert self.kaeru is not None, "kaeru is stopped"
        return self.kaeru

    @property
    def fleet(self) -> Fleet:
        """What kaeru touches the services with, to put something else in its place."""
        return self.running.arming._fleet

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        return await self.running.store.read(work)

    async def incidents(self) -> tuple[Incident, ...]:
        """All of them, newest first."""
        return await self.read(lambda uow: uow.incidents.list(open_only=False, limit=100))

    async def until(self, look: Callable[[], Awaitable[T | None]], what: str, *, timeout_s: float = 20) -> T:
        """Look again and again until there is something."""
        deadline = time.monotonic() + timeout_s
        while not (seen := await look()):
            assert time.monotonic() < deadline, f"waited {timeout_s:g} s in vain for {what}"
            await asyncio.sleep(0.05)
        return seen

    # The shop.

    async def deploy(self, version: str) -> None:
        """What an engineer does past kaeru; also how somebody rolls back by hand."""
        done = await asyncio.to_thread(self.shop.command, "deploy", version)
        assert done.returncode == 0, done.stderr

    async def serves(self) -> str:
        """The version that customers are answered by."""
        _, _, answer = await asyncio.to_thread(self.shop.get, "/version")
        return str(answer["version"])

    async def known_good(self, version: str = GOOD) -> None:
        """Until kaeru has seen `version` serve well."""

        async def seen() -> bool:
            ledger = await self.read(lambda uow: uow.releases.all("shop"))
            return version in ledger and ledger[version].last_good_at is not None

        await self.until(seen, f"kaeru to see {version} serve well")

    async def bad_deploy(self) -> None:
        """v1.2.9 was seen serving well, and now there is v1.3.0."""
        await self.known_good()
        await self.deploy(BAD)

    # An incident.

    async def declare(
        self,
        text: str = "/rollback shop",
        *,
        by: Person | None = None,
        channel: str = GENERAL,
        severity: str | None = "High",
    ) -> "Room":
        """Somebody asks for a rollback; with a severity, they choose it as well."""
        before = {incident.id for incident in await self.incidents()}
        person = by or self.alice
        await person.command(channel, text)

        async def opened() -> Incident | None:
            found = [i for i in await self.incidents() if i.id not in before and i.channel_id]
            return found[0] if found else None

        incident = await self.until(opened, "the incident's channel")
        assert incident.channel_id is not None
        room = Room(self, incident.id, incident.channel_id)
        await room.joined(person)
        if severity is not None:
            await room.choose(severity, by=person)
        return room


@dataclass
class Room:
    """An incident's channel, as people see it, and the incident as kaeru has it."""

    world: World
    id: str
    channel: str

    async def joined(self, person: Person) -> None:
        await self.world.until(lambda: self._is_in(person), f"{person.name} to be in #{self.id}")

    async def _is_in(self, person: Person) -> bool:
        return person.id in self.world.ws.channel(self.channel).members

    async def incident(self) -> Incident:
        return await self.world.read(lambda uow: uow.incidents.get(self.id))

    async def status(self, *wanted: str, timeout_s: float = 30) -> Incident:
        """Until it has one of these statuses."""
        return await self.when(lambda i: i.status.value in wanted, " or ".join(wanted), timeout_s=timeout_s)

    async def when(self, holds: Callable[[Incident], bool], what: str, *, timeout_s: float = 20) -> Incident:
        async def look() -> Incident | None:
            incident = await self.incident()
            return incident if holds(incident) else None

        try:
            return await self.world.until(look, f"{self.id}: {what}", timeout_s=timeout_s)
        except AssertionError as error:
            happened = [narrate(e.parse(x.body)) for x in (await self.entries(Kind.EVENT))[-12:]]
            error.add_note("\n".join(["What happened last:", *happened]))
            raise

    async def sees(
        self,
        text: str | Callable[[Json], bool],
        *,
        by: Person | None = None,
        timeout: float = 20,  # noqa: ASYNC109 - as Person.message
    ) -> Json:
        return await (by or self.world.alice).message(self.channel, text, timeout=timeout)

    async def messages(self, *, by: Person | None = None) -> list[Json]:
        return await (by or self.world.alice).messages(self.channel)

    async def button(self, label: str, *, by: Person | None = None, timeout: float = 20) -> Json:  # noqa: ASYNC109 - as Person.message
        """The newest message that has this button."""
        return await self.sees(lambda message: has_button(message, label), by=by, timeout=timeout)

    async def choose(self, severity: str, *, by: Person | None = None) -> None:
        """Answer the severity prompt."""
        person = by or self.world.alice
        await person.click(await self.button("Medium", by=person), severity)
        await self.when(
            lambda i: i.severity is not None and i.severity.label == severity, f"severity {severity}"
        )

    async def card(
        self,
        *,
        of: str | None = None,
        to: str | None = None,
        timeout: float = 20,  # noqa: ASYNC109 - as Person.message
    ) -> Json:
        """The card of the newest plan, once it can be approved; with `of` and `to`, of one that goes so.

        An older card may have its button for another second: edits are paced.
        """

        async def look() -> Json | None:
            record = (await self.incident()).record
            plan = record.plan if record and record.state == "ready" else None
            if plan is None or of not in (None, plan.from_version) or to not in (None, plan.to_version):
                return None
            number = f"Plan {plan.number} · can be approved until"
            found = [m for m in await self.messages() if number in forms.text_of(m)]
            return found[-1] if found and has_button(found[-1], "Approve") else None

        return await self.world.until(look, "the card to approve", timeout_s=timeout)

    async def approve(self, by: Person | None = None, *, to: str | None = None) -> Json:
        """Bob, usually; gives the card as it was when it was clicked."""
        person = by or self.world.bob
        card = await self.card(to=to)
        await person.click(card, "Approve")
        return card

    async def asks(self, person: Person, text: str) -> str:
        """A slash command in the channel, and the answer that only the person sees."""
        return await whispered(person, self.channel, lambda: person.command(self.channel, text))

    async def refuses(self, person: Person, card: Json, button: str) -> str:
        """A click that is answered with a sentence for the person alone."""
        return await whispered(person, self.channel, lambda: person.click(card, button))

    # What is kept.

    async def entries(self, *kinds_: Kind) -> tuple[Entry, ...]:
        return await self.world.read(lambda uow: uow.timeline.entries(self.id, kinds=kinds_ or None))

    async def events(self, kind: type[E]) -> list[E]:
        entries = await self.entries(Kind.EVENT)
        return [event for entry in entries if isinstance(event := e.parse(entry.body), kind)]

    async def verified(self) -> Verification:
        return await self.world.read(lambda uow: uow.timeline.verify(self.id))

    async def close(self, summary: str = "Rolled back.", *, by: Person | None = None) -> None:
        person = by or self.world.alice
        verb = "/incident close accept"
        incident = await self.incident()
        if incident.runs and incident.status.value != "verified":
            verb += " unverified"
        await person.command(self.channel, f"{verb} {summary}")
        await self.status("closed")

    async def file(self, ending: str, *, timeout: float = 30) -> tuple[str, bytes]:  # noqa: ASYNC109 - as Person.message
        """The newest file of the channel whose name ends so: its name and content."""
        message = await self.sees(lambda m: named(m, ending) is not None, timeout=timeout)
        file = named(message, ending)
        assert file is not None
        return str(file["name"]), await self.world.alice.download(file["url_private"])

    async def postmortem(self) -> str:
        """Its newest revision, as Markdown."""
        return (await self.file("postmortem.md"))[1].decode()


def named(message: Json, ending: str) -> Json | None:
    return next((f for f in message.get("files", ()) if f["name"].endswith(ending)), None)


def has_button(message: Json, label: str) -> bool:
    return any(
        element.get("type") == "button" and forms.label(element) == label
        for _, element in forms.elements(message)
    )


def buttons(message: Json) -> list[str]:
    return [forms.label(element) for _, element in forms.elements(message) if element["type"] == "button"]


async def whispered(person: Person, channel: str, act: Callable[[], Awaitable[object]]) -> str:
    """Do something, and wait for the next ephemeral message that answers it."""

    async def whispers() -> list[Json]:
        return [m for m in await person.messages(channel) if m.get("is_ephemeral")]

    before = {m["ts"] for m in await whispers()}
    await act()

    async def new() -> Json | None:
        fresh = [m for m in await whispers() if m["ts"] not in before]
        return fresh[-1] if fresh else None

    answer = await person.wait_for(new, timeout=30, what="an answer that only they see")
    return forms.text_of(answer)


@contextlib.asynccontextmanager
async def opened(
    shop: RunningShop,
    folder: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    second: Mapping[str, Any] | None = None,
    databases: Mapping[str, str] | None = None,
    manifest: Manifest | Path = MANIFEST,
    rate_limits: bool = False,
) -> AsyncIterator[World]:
    """Everything running; everything stopped afterwards, however the story went."""
    services.write(folder / "kaeru.yml", shop, changes or {}, second)
    async with LocalWorkspace(manifest=manifest, rate_limits=rate_limits) as ws:
        world = World(ws, shop, folder, databases=databases or {})
        try:
            await world.start()
            yield world
        finally:
            await world.stop()
