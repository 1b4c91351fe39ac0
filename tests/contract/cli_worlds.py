"""The command line for tests: real commands, each a process of its own, on a real database and a real shop folder."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bot.catalog import load_catalog
from bot.cli.deferred import DeferredEngine
from bot.clock import now
from bot.domain.severity import Severity
from bot.store import Store
from bot.store.unit import UnitOfWork
from bot.usecases.arming import Arming
from bot.usecases.commands import RollBack, SetSeverity
from bot.usecases.desk import Decision, Desk
from bot.usecases.fleet import Fleet
from integrations.fleet import hands_of, let_go
from integrations.registry import kinds
from sandbox.demo import kaeru_yml
from tests.command_line import main
from tests.contract.shop import PROJECT
from tests.forks import ran

KAERU = (sys.executable, "-m", "bot")
NOBODY_ANSWERS = "http://127.0.0.1:9"

T = TypeVar("T")


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class CommandLine:
    """`folder` holds kaeru.yml, the shop and the data. Call it with the words that follow `kaeru`."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def config(self) -> Path:
        return self.folder / "kaeru.yml"

    @property
    def env(self) -> dict[str, str]:
        """Nothing of the tests' own environment that kaeru would read."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KAERU_", "SLACK_"))}
        ours = {"KAERU_DATA": str(self.data), "KAERU_CONFIG": str(self.config), "PYTHONWARNINGS": "error"}
        return {**kept, **ours, **self.environment}

    def __call__(self, *words: str, typed: str | None = None, **more: str) -> Said:
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".said-") as scratch:
            said = Said(
                *ran(
                    main,
                    words,
                    folder=PROJECT,
                    environment={**self.env, **more},
                    typed=typed or "",
                    scratch=Path(scratch),
                    timeout_s=60,
                )
            )
        assert "Traceback" not in said.err, said.err
        return said

    def ok(self, *words: str, typed: str | None = None) -> str:
        """The output of a command that must succeed."""
        said = self(*words, typed=typed)
        assert said.code == 0, (words, said)
        return said.out

    def json(self, *words: str) -> Any:
        return json.loads(self.ok(*words, "--json"))

    def started(self, *words: str) -> subprocess.Popen[str]:
        """A command that goes on; the caller ends it."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*KAERU, *words], cwd=PROJECT, env=self.env, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    # The database, from within the test.

    def stored(self, work: Callable[[UnitOfWork], T], *, write: bool = False) -> T:
        """The result of `work` on the same database."""

        async def look() -> T:
            store = await self.store()
            try:
                return await (store.write(work) if write else store.read(work))
            finally:
                await store.close()

        return asyncio.run(look())

    async def store(self) -> Store:
        return await Store.open(f"sqlite:///{self.data / 'kaeru.sqlite'}", clock=now)

    def plan(self, by: str) -> None:
        """`by` has asked for a rollback and called it Critical, and the plan is ready."""

        async def ask(desk: Desk) -> None:
            incident = (await desk.roll_back(RollBack(by=by, service="shop"))).incident
            await desk.handle(SetSeverity(by=by, incident_id=incident.id, severity=Severity.CRITICAL))

        self._at_the_desk(ask)
        self.arm()

    def arm(self) -> None:
        """Make the plan of the open incident, as the running bot would."""

        async def make(desk: Desk) -> None:
            catalog = load_catalog(self.config, kinds())
            hands, store = hands_of(catalog.service("shop")), await self.store()
            arming = Arming(store, catalog, Fleet({"shop": hands}), desk, clock=now)
            try:
                incident = await store.read(lambda uow: uow.incidents.open_for("shop"))
                assert incident is not None
                assert incident.record is not None
                await arming.arm(incident.id, incident.record.number)
            finally:
                await let_go(hands)
                await store.close()

        self._at_the_desk(make)

    def change(self, incident: str, decision: Decision) -> None:
        """Something happens to the incident that no command says."""

        async def do(desk: Desk) -> None:
            await desk.change(incident, decision)

        self._at_the_desk(do)

    def _at_the_desk(self, work: Callable[[Desk], Awaitable[None]]) -> None:
        async def sit() -> None:
            store, catalog = await self.store(), load_catalog(self.config, kinds())
            desk = Desk(
                store, catalog, DeferredEngine(), clock=now, on_commit=lambda: None, bot_user="U0KAERU"
            )
            try:
                await work(desk)
            finally:
                await store.close()

        asyncio.run(sit())

    @property
    def incident(self) -> str:
        """The id of the open incident."""
        found = self.stored(lambda uow: uow.incidents.open_for("shop"))
        assert found is not None
        return found.id


def command_line(folder: Path, *, url: str = NOBODY_ANSWERS, watch: str = "3s") -> CommandLine:
    """For the shop in `folder`/shop."""
    made = CommandLine(folder)
    made.data.mkdir()
    kaeru_yml.write(made.config, root=folder / "shop", url=url, watch=watch)
    return made
