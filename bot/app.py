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
from bot.domain import events as e
from bot.domain.incident import Incident
from bot.ports import PortError
from bot.ports.chat import Done, OpenChannel, Post
from bot.settings import Settings
from bot.store import Store
from bot.store.outbox import OutboxItem
from bot.store.unit import UnitOfWork
from bot.usecases.arming import Arming
from bot.usecases.closing import Closing
from bot.usecases.desk import Desk
from bot.usecases.due import ARM, CLOSE, ROLLBACK
from bot.usecases.home import Home
from bot.usecases.nudges import Nudges
from bot.usecases.probing import Probing
from bot.usecases.recorder import Recorder
from bot.usecases.sweep import Sweep
from bot.workflows import arm, close, rollback
from bot.workflows.broken import Broken
from bot.workflows.clockwork import Clockwork
from bot.workflows.delivery import Delivery
from bot.workflows.engine import Boundary, DbosEngine
from handlers.acks import Acks, CountingSocket
from handlers.register import Handlers, Tasks, register
from handlers.replay import replay
from handlers.surface import Rooms
from integrations.charts.charts import MatplotlibCharts
from integrations.fleet import fleet_of
from integrations.slack import SlackChat, close_client, make_client
from integrations.slack.identity import Identity, identify

_log = logging.getLogger(__name__)

TICK = timedelta(seconds=1)
WORLD = timedelta(seconds=5)
LINK = timedelta(seconds=5)
NUDGE = timedelta(minutes=1)
HOURLY = timedelta(hours=1)
KEEP_INBOX = timedelta(days=1)
KEEP_PROBES = timedelta(days=30)
DRAIN_S = 10.0


class Kaeru:
    """The running bot. `open` starts everything, `close` ends it and loses nothing."""

    def __init__(
        self, settings: Settings, catalog: Catalog, store: Store, client: AsyncWebClient, identity: Identity
    ) -> None:
        self.store = store
        self._settings = settings
        self._catalog = catalog
        self._client = client
        self._identity = identity
        self._tasks: Tasks = set()
        self._loops: list[asyncio.Task[None]] = []
        self._gap = False

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
        client = make_client(bot_token.get_secret_value(), base_url=settings.slack_api_url)
        chat = SlackChat(client)
        try:
            identity = await identify(client)
            store = await Store.open(settings.database, clock=clock)
        except BaseException:
            await close_client(client)
            raise
        self = cls(settings, catalog, store, client, identity)
        try:
            self._compose(chat, clock, boundary)
            await self._start(app_token.get_secret_value())
        except BaseException:
            await self.close()
            raise
        return self

    def _compose(self, chat: SlackChat, clock: Callable[[], datetime], boundary: Boundary) -> None:
        store, catalog = self.store, self._catalog
        fleet = self._fleet = fleet_of(catalog)
        broken = Broken(clock)
        self.engine = DbosEngine(self._settings.engine_database, on_broken=broken, boundary=boundary)
        self.delivery = Delivery(store, chat, clock, on_done=self._delivered, on_dead=self._undelivered)
        self.desk = Desk(
            store,
            catalog,
            self.engine,
            clock=clock,
            on_commit=self.delivery.wake,
            bot_user=self._identity.user_id,
        )
        broken.attach(self.desk)
        self.sweep = Sweep(store, catalog, self.desk, clock=clock)
        self.probing = Probing(store, catalog, fleet, clock=clock)
        self.arming = Arming(store, catalog, fleet, self.desk, clock=clock)
        self.recorder = Recorder(store, clock, bot_user=self._identity.user_id)
        self.closing = Closing(
            store,
            catalog,
            self.desk,
            recorder=self.recorder,
            chat=chat,
            charts=MatplotlibCharts(
                zone=catalog.workspace.timezone, cache=self._settings.data / "matplotlib"
            ),
            clock=clock,
        )
        self.nudges = Nudges(store, catalog, self.desk, clock=clock)
        work = rollback.RollbackSteps(store, catalog, fleet, self.desk, self.probing, clock=clock)
        self.engine.add(ARM, arm.bind(self.arming))
        self.engine.add(ROLLBACK, rollback.bind(work))
        self.engine.add(CLOSE, close.bind(self.closing))
        home = Home(store, catalog, self.desk)
        rooms = Rooms(store, catalog, self.desk, self.arming, self.closing, self.recorder, home)
        self._handlers = Handlers(rooms)
        self._chat = chat
        self._clock = clock
        self._clockwork = Clockwork()

    async def _start(self, app_token: str) -> None:
        await self.engine.open()
        self._loops = [
            asyncio.create_task(self.delivery.run(), name="delivery"),
            asyncio.create_task(self.recorder.run(), name="recorder"),
        ]
        await self.sweep.recover()
        await replay(self._handlers, now=self._clock())
        app = AsyncApp(
            client=self._client,
            authorize=_as_ourselves(self._identity, str(self._client.token)),
            ignoring_self_events_enabled=False,
            # Made for requests over HTTP, or for what kaeru has not: each costs every request a little.
            ssl_check_enabled=False,
            request_verification_enabled=False,
            url_verification_enabled=False,
            attaching_function_token_enabled=False,
            logger=logging.getLogger("slack_bolt"),
        )
        acks = Acks()
        register(app, self._handlers, self._tasks, acks)
        self._socket = CountingSocket(app, app_token, acks)
        self._socket.client.on_close_listeners.append(self._link_lost)
        await self._socket.connect_async()  # type: ignore[no-untyped-call]  # bolt leaves it bare
        self._gap = True  # whatever was written while nobody listened
        self._schedule()
        self._clockwork.start()

    def _schedule(self) -> None:
        for service in self._catalog.services.values():
            if service.health is not None:
                self._clockwork.every(
                    service.health.probe_every,
                    f"probe {service.name}",
                    lambda name=service.name: self.probing.probe(name),  # type: ignore[misc]  # binds the loop's value
                )
        self._clockwork.every(TICK, "tick", self.sweep.tick)
        self._clockwork.every(WORLD, "world", self.arming.watch_worlds)
        self._clockwork.every(LINK, "link", self._mend_gap)
        self._clockwork.every(NUDGE, "nudges", self.nudges.remind)
        self._clockwork.every(HOURLY, "prune", self._prune)
        self._clockwork.every(HOURLY, "recover", self.sweep.recover)

    async def _let_go(self) -> None:
        """Close the connections that adapters keep."""
        for hands in self._fleet.services.values():
            for adapter in (*hands.targets.values(), hands.health, hands.changes):
                release = getattr(adapter, "aclose", None)
                if release is not None:
                    await release()

    async def close(self) -> None:
        """Take no more requests, let what is under way finish, and stop. Unfinished runs go on at the next start."""
        if hasattr(self, "_clockwork"):
            self._clockwork.stop()
        if hasattr(self, "_socket"):
            await self._socket.close_async()  # type: ignore[no-untyped-call]  # bolt leaves it bare
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_S)
        if hasattr(self, "engine"):
            await self.engine.close()
        if self._loops:
            await self.delivery.drain(DRAIN_S)
            for loop in self._loops:
                loop.cancel()
            await asyncio.gather(*self._loops, return_exceptions=True)
        if hasattr(self, "_fleet"):
            await self._let_go()
        await close_client(self._client)
        await self.store.close()

    # What comes back from Slack.

    async def _delivered(self, item: OutboxItem, done: Done) -> None:
        if isinstance(item.operation, OpenChannel) and item.incident_id and done.channel:
            channel, name = done.channel, done.name or item.operation.name

            def decision(incident: Incident) -> tuple[e.Event, ...]:
                if incident.channel_id is not None:
                    return ()
                return (e.ChannelOpened(at=self._clock(), channel_id=channel, name=name),)

            await self.desk.change(item.incident_id, decision)
        elif isinstance(item.operation, Post) and item.incident_id and item.lane.startswith("stakeholders:"):
            told = e.StakeholdersTold(
                at=self._clock(), channel_id=done.channel or item.operation.channel, text=item.operation.text
            )
            await self.desk.change(
                item.incident_id, lambda _incident: (told,), once=f"told:{item.key}:{item.revision}"
            )

    async def _undelivered(self, item: OutboxItem, sentence: str) -> None:
        """It is said in the timeline; about a one-off message it is only logged, lest it tell of itself for ever."""
        _log.warning("not delivered: %s: %s", item.key, sentence)
        if item.incident_id is None or item.slot.startswith("event-"):
            return
        what = f"{item.operation.type.replace('_', ' ')} ({item.slot})"
        event = e.DeliveryFailed(at=self._clock(), what=what, reason=sentence)
        await self.desk.change(
            item.incident_id, lambda _incident: (event,), once=f"dead:{item.key}:{item.revision}"
        )

    async def _link_lost(self, _message: object) -> None:
        self._gap = True

    async def _mend_gap(self) -> None:
        """After a connection came back, read what was written in the open channels meanwhile."""
        if not self._gap or not await self._socket.client.is_connected():
            return
        self._gap = False
        for incident in await self.store.read(lambda uow: uow.incidents.list(open_only=True, limit=1000)):
            try:
                await self.recorder.backfill(self._chat, incident)
            except PortError as error:
                self._gap = True
                _log.warning("the channel of %s could not be read: %s", incident.id, error)

    async def _prune(self) -> None:
        moment = self._clock()

        def prune(uow: UnitOfWork) -> None:
            uow.inbox.prune(moment - KEEP_INBOX)
            uow.probes.prune(moment - KEEP_PROBES)

        await self.store.write(prune)


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
    """Run the bot until `stop` is set; `ready` is called once it listens."""
    kaeru = await Kaeru.open(settings, catalog)
    try:
        ready()
        await stop.wait()
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await kaeru.close()
