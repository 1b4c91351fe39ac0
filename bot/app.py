"""The composition root: settings and a services file in, a running bot out. Nothing else builds objects."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Self

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bot.catalog import Catalog
from bot.clock import now
from bot.ports import Refused, Unavailable
from bot.ports.chat import Done
from bot.settings import Settings
from bot.store import AnotherBot, OutboxItem, Store, StoreError
from bot.store.alone import Alone
from bot.usecases.alerts import Alerts
from bot.usecases.archiving import Archiving
from bot.usecases.arming import Arming
from bot.usecases.catchup import CatchUp
from bot.usecases.closing import Closing
from bot.usecases.desk import Desk
from bot.usecases.drills import Drills
from bot.usecases.due import ARM, BACKUP, CLOSE, DRILL, FILE, PLAN_RESTORE, REPAY, RESTORE, ROLLBACK
from bot.usecases.echo import Echo
from bot.usecases.filing import Filing
from bot.usecases.gathering import Gathering
from bot.usecases.home import Home
from bot.usecases.memories import StoreMemory
from bot.usecases.nudges import Nudges
from bot.usecases.paging import PAGE, PAGE_ACKNOWLEDGE, PAGE_RESOLVE
from bot.usecases.postbox import OutboxPostbox
from bot.usecases.probing import Probing
from bot.usecases.pruning import Pruning
from bot.usecases.recorder import Recorder
from bot.usecases.reports import UserReports
from bot.usecases.restoring import RestorePlanning
from bot.usecases.stats import AllIncidents
from bot.usecases.survey import Survey
from bot.usecases.sweep import Sweep
from bot.usecases.telling import TELL
from bot.workflows import arm, back_up, close, drill, filing, paging, repay, restoring, rollback, telling
from bot.workflows.broken import Broken
from bot.workflows.clockwork import Clockwork
from bot.workflows.delivery import Delivery
from bot.workflows.engine import Boundary, DbosEngine
from bot.workflows.loops import Loops
from handlers.acks import Acks, CountingSocket
from handlers.alerts import AlertsListener
from handlers.intake import Intake
from handlers.register import Handlers, Tasks, register
from handlers.replay import replay
from handlers.surface import Rooms
from integrations.charts.charts import MatplotlibCharts
from integrations.fleet import fleet_of, let_go
from integrations.slack import SlackChat, close_client, make_client
from integrations.slack.identity import Identity, identify

_log = logging.getLogger(__name__)

TICK = timedelta(seconds=1)
WORLD = timedelta(seconds=5)
SURVEY = timedelta(seconds=15)
LINK = timedelta(seconds=5)
NUDGE = timedelta(minutes=1)
DRILLS = timedelta(minutes=1)
FILING = timedelta(seconds=5)
HOURLY = timedelta(hours=1)
ALONE = timedelta(seconds=15)
DRAIN_S = 10.0


class Kaeru:
    """The running bot. `open` starts everything, `close` ends it and loses nothing."""

    def __init__(
        self, settings: Settings, catalog: Catalog, store: Store, client: AsyncWebClient, identity: Identity
    ) -> None:
        self.store = store
        self.loops = Loops()
        self._settings = settings
        self._catalog = catalog
        self._client = client
        self._identity = identity
        self._alone: Alone | None = None
        self._tasks: Tasks = set()
        # What is to be ended, in the reverse order of its beginning.
        self._open = contextlib.AsyncExitStack()

    @classmethod
    async def open(
        cls,
        settings: Settings,
        catalog: Catalog,
        *,
        clock: Callable[[], datetime] = now,
        boundary: Boundary = lambda _place: None,
    ) -> Self:
        """Raises SettingsInvalid, PortError or StoreError with a sentence for the person who starts it.

        `clock` and `boundary` are for tests.
        """
        bot_token, app_token = settings.slack_tokens()
        settings.data.mkdir(parents=True, exist_ok=True)
        async with contextlib.AsyncExitStack() as opened:
            client = make_client(bot_token.get_secret_value(), base_url=settings.slack_api_url)
            opened.push_async_callback(close_client, client)
            identity = await identify(client)
            store = await Store.open(settings.database, clock=clock)
            opened.push_async_callback(store.close)
            alone = await Alone.take(settings.database)
            if alone is not None:
                opened.push_async_callback(alone.release)
            self = cls(settings, catalog, store, client, identity)
            self._alone = alone
            self._open = opened
            self._compose(SlackChat(client), clock, boundary)
            await self._start(app_token.get_secret_value())
            # Where all went well, it stays open.
            self._open = opened.pop_all()
        return self

    def _compose(self, chat: SlackChat, clock: Callable[[], datetime], boundary: Boundary) -> None:
        store, catalog = self.store, self._catalog
        fleet = self._fleet = fleet_of(
            catalog,
            lambda service, component: StoreMemory(store, service, component, clock=clock),
            OutboxPostbox(store, wake=self._wake),
        )
        self._open.push_async_callback(self._let_go)
        for name, why in fleet.unmade.items():
            _log.error(
                "kaeru cannot act for %s until this is put right and kaeru is started again: %s", name, why
            )
        broken = Broken(clock)
        self.engine = DbosEngine(self._settings.engine_database, on_broken=broken, boundary=boundary)
        self.delivery = Delivery(
            store,
            chat,
            clock,
            on_done=self._delivered,
            on_dead=self._undelivered,
        )
        self.desk = Desk(
            store,
            catalog,
            self.engine,
            clock=clock,
            on_commit=self.delivery.wake,
            bot_user=self._identity.user_id,
        )
        broken.attach(self.desk)
        self.echo = Echo(store, self.desk, clock=clock)
        self.sweep = Sweep(store, catalog, self.desk, clock=clock)
        self.probing = Probing(store, catalog, fleet, clock=clock)
        self.gathering = Gathering(store, catalog, fleet, clock=clock)
        self.arming = Arming(store, catalog, fleet, self.desk, clock=clock)
        self.survey = Survey(store, catalog, fleet, self.desk, clock=clock)
        self.alerts = Alerts(store, catalog, fleet, self.desk, clock=clock)
        self.recorder = Recorder(store, clock, bot_user=self._identity.user_id)
        self.reports = UserReports(store, catalog, self.desk, clock=clock)
        self.catch_up = CatchUp(store, self.recorder, chat)
        self.pruning = Pruning(store, clock=clock)
        charts = MatplotlibCharts(zone=catalog.workspace.timezone, cache=self._settings.data / "matplotlib")
        self.all_incidents = AllIncidents(store, catalog, charts, clock=clock, wake=self.delivery.wake)
        self.closing = Closing(
            store,
            catalog,
            self.desk,
            recorder=self.recorder,
            chat=chat,
            charts=charts,
            clock=clock,
        )
        self.archiving = Archiving(store, catalog, self.desk, recorder=self.recorder, chat=chat, clock=clock)
        self.nudges = Nudges(store, catalog, self.desk, clock=clock)
        work = rollback.RollbackSteps(store, catalog, fleet, self.desk, self.probing, clock=clock)
        self.engine.add(ARM, arm.bind(self.arming))
        self.engine.add(ROLLBACK, rollback.bind(work))
        self.engine.add(REPAY, repay.bind(repay.Repaying(store, fleet, self.desk, clock=clock)))
        planning = RestorePlanning(store, fleet, self.desk, clock=clock)
        self.engine.add(PLAN_RESTORE, restoring.bind_planning(planning))
        self.engine.add(RESTORE, restoring.bind(work.restoring))
        self.engine.add(BACKUP, back_up.bind(work.backing_up))
        self.drills = Drills(store, catalog, self.engine, clock=clock, wake=self.delivery.wake)
        self.engine.add(DRILL, drill.bind(drill.Drilling(fleet, self.drills, work.turns, clock=clock)))
        self.engine.add(CLOSE, close.bind(self.closing))
        self.engine.add(
            TELL, telling.bind(telling.Teller(store, catalog, fleet, self.desk, chat, clock=clock))
        )
        self.filing = Filing(store, catalog, fleet, self.desk, chat=chat, clock=clock)
        self.closing.before_writing = self.filing.settled
        self.engine.add(FILE, filing.bind(self.filing))
        pages = paging.Paging(store, catalog, fleet, self.desk, clock=clock)
        self.engine.add(PAGE, paging.bind(pages))
        self.engine.add(PAGE_ACKNOWLEDGE, paging.bind_acknowledge(pages))
        self.engine.add(PAGE_RESOLVE, paging.bind_resolve(pages))
        home = Home(store, catalog, self.desk, clock=clock)
        rooms = Rooms(
            store, catalog, self.desk, self.arming, self.closing, self.recorder, home, self.all_incidents
        )
        self._handlers = Handlers(rooms)
        self._clock = clock
        self._clockwork = Clockwork()

    async def _start(self, app_token: str) -> None:
        # What ends first is pushed last: requests, then workflows, then what they still had to say.
        self._open.push_async_callback(self.loops.end, lambda: self.delivery.drain(DRAIN_S))
        await self.engine.open()
        self._open.push_async_callback(self.engine.close)
        self._open.push_async_callback(self._finish_requests)
        self.loops.start("delivery", self.delivery.run())
        self.loops.start("recorder", self.recorder.run())
        await self._take_alerts()
        await self.sweep.recover()
        await replay(self._handlers, now=self._clock())
        app = _bolt(self._client, self._identity)
        acks = Acks()
        register(app, self._handlers, self._tasks, acks)
        self._socket = CountingSocket(app, app_token, acks)
        self._socket.client.on_close_listeners.append(self._link_lost)
        self._open.push_async_callback(self._socket.close_async)
        await self._socket.connect_async()  # type: ignore[no-untyped-call]  # bolt leaves it bare
        self._schedule()
        self._open.push_async_callback(self._clockwork.stop)
        self._clockwork.start()

    async def _take_alerts(self) -> None:
        """What was taken before is carried out in any case; new ones are taken where that is wanted."""
        self.loops.start("alerts", self.alerts.run())
        if (wanted := self._settings.alerts) is None:
            return
        host, port, token = wanted
        self.listener = AlertsListener(self._catalog, Intake(self.store), token, heard=self.alerts.wake)
        try:
            await self.listener.open(host, port)
        except OSError as error:
            raise Refused(
                f"Nobody can listen at {host}:{port}: {error.strerror or error}.",
                remedy="Set KAERU_ALERTS_LISTEN to an address of this machine and a free port.",
            ) from error
        self._open.push_async_callback(self.listener.close)

    def _schedule(self) -> None:
        for service in self._catalog.services.values():
            if service.name in self._fleet.unmade:
                continue
            if service.health is not None:
                self._clockwork.every(
                    service.health.probe_every,
                    f"probe {service.name}",
                    lambda name=service.name: self.probing.probe(name),  # type: ignore[misc]  # binds the loop's value
                )
            for metric, interval in self.gathering.sampled(service.name).items():
                self._clockwork.every(
                    interval,
                    f"sample {metric} of {service.name}",
                    lambda name=service.name, metric=metric: self.gathering.sample(name, metric),  # type: ignore[misc]  # binds the loop's values
                )
        self._clockwork.every(TICK, "tick", self.sweep.tick)
        self._clockwork.every(TICK, "user reports", self.reports.settle)
        self._clockwork.every(WORLD, "world", self.arming.watch_worlds)
        self._clockwork.every(SURVEY, "survey", self.survey.sweep)
        self._clockwork.every(LINK, "link", self._mend_gap)
        self._clockwork.every(NUDGE, "nudges", self.nudges.remind)
        self._clockwork.every(NUDGE, "archiving", self.archiving.sweep)
        self._clockwork.every(FILING, "filing", self.filing.sweep)
        self._clockwork.every(DRILLS, "drills", self.drills.start_due)
        self._clockwork.every(HOURLY, "prune", self.pruning.prune)
        self._clockwork.every(HOURLY, "recover", self.sweep.recover)
        self._clockwork.every(ALONE, "alone", self._stay_alone)

    async def _let_go(self) -> None:
        """Close the connections that adapters keep."""
        for hands in self._fleet.services.values():
            await let_go(hands)

    async def _finish_requests(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)

    async def close(self) -> None:
        """Take no more requests, let what is under way finish, and stop. Unfinished runs go on at the next start."""
        await self._open.aclose()

    def _wake(self) -> None:
        self.delivery.wake()

    async def _delivered(self, item: OutboxItem, done: Done) -> None:
        await self.echo.delivered(item, done)

    async def _undelivered(self, item: OutboxItem, sentence: str) -> None:
        await self.echo.undelivered(item, sentence)

    async def _link_lost(self, _message: object) -> None:
        self.catch_up.lost()

    async def _mend_gap(self) -> None:
        if self.catch_up.is_due() and await self._socket.client.is_connected():
            await self.catch_up.mend()

    async def _stay_alone(self) -> None:
        if self._alone is None:
            return
        try:
            await self._alone.hold()
        except AnotherBot as error:
            self.loops.give_up(str(error))
        except StoreError as error:
            _log.warning("%s", error)


def _bolt(client: AsyncWebClient, identity: Identity) -> AsyncApp:
    log = logging.getLogger("slack_bolt")
    log.addFilter(_is_news)
    try:
        return AsyncApp(
            name="kaeru",  # what it would find out by reading the source of every caller
            client=client,
            authorize=_as_ourselves(identity, str(client.token)),
            ignoring_self_events_enabled=False,
            # Made for requests over HTTP, or for what kaeru has not: each costs every request a little.
            ssl_check_enabled=False,
            request_verification_enabled=False,
            url_verification_enabled=False,
            attaching_function_token_enabled=False,
            logger=log,
        )
    finally:
        log.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """That the client's token is not used is as it should be: `authorize` gives the same one."""
    return "`token`" not in record.getMessage()


def _as_ourselves(who: Identity, token: str) -> Callable[..., Awaitable[AuthorizeResult]]:
    """What was asked once at start; Bolt would ask anew for every event until its first answer is there."""
    result = AuthorizeResult(
        enterprise_id=None,
        team_id=who.team_id,
        bot_user_id=who.user_id,
        bot_id=who.bot_id,
        bot_token=token,
    )

    async def authorize() -> AuthorizeResult:
        return result

    return authorize


async def run(settings: Settings, catalog: Catalog, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Run the bot until `stop` is set; `ready` is called once it listens.

    Raises Unavailable where it cannot go on, so that whoever watches over the process starts it again.
    """
    opening = asyncio.create_task(Kaeru.open(settings, catalog))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not opening.done():
        # Told to stop while Slack cannot be reached: connecting would be tried for ever.
        opening.cancel()
        await asyncio.wait({opening})
        return
    kaeru = opening.result()
    waiting = [asyncio.create_task(event.wait()) for event in (stop, kaeru.loops.broken)]
    try:
        ready()
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await kaeru.close()
    if kaeru.loops.broken.is_set():
        raise Unavailable(kaeru.loops.sentence, remedy="The log says why. Start kaeru again.")
