"""A gap is closed only once it was read, and old rows go however many there are."""

from datetime import timedelta

import pytest

from bot.domain.evidence import Probe
from bot.ports import PortError, Refused, Unavailable
from bot.ports.chat import Chat, HistoryMessage
from bot.store import Arrival, Store, StoreUnavailable
from bot.usecases.catchup import CatchUp
from bot.usecases.pruning import Pruning
from bot.usecases.recorder import Recorder
from tests.contract.store_worlds import Clock, declared
from tests.contract.test_recorder import CHANNEL, History, Slack, messages

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")


class Troubled(History):
    """A history that fails as told, first come first served."""

    def __init__(self, slack: Slack, *troubles: Exception) -> None:
        super().__init__(slack)
        self.troubles = list(troubles)
        self.caught_up: CatchUp | None = None

    async def history(self, channel: str, *, since_ts: str | None) -> tuple[HistoryMessage, ...]:
        found = await super().history(channel, since_ts=since_ts)
        if self.troubles:
            raise self.troubles.pop(0)
        if self.caught_up is not None:
            self.caught_up.lost()
            self.caught_up = None
        return found


async def catching_up(store: Store, clock: Clock, chat: Chat) -> CatchUp:
    await store.write(lambda uow: uow.incidents.add(declared("inc-1", channel=CHANNEL)))
    return CatchUp(store, Recorder(store, clock), chat)


@pytest.mark.parametrize("trouble", [Unavailable("Slack is away."), StoreUnavailable("The disk is full.")])
async def test_what_could_not_be_read_is_read_later(store: Store, clock: Clock, trouble: Exception) -> None:
    slack = Slack()
    catch_up = await catching_up(store, clock, Troubled(slack, trouble))
    slack.post("while nobody listened")
    if isinstance(trouble, PortError):
        await catch_up.mend()
    else:
        with pytest.raises(StoreUnavailable):
            await catch_up.mend()
    assert catch_up.is_due()
    assert not await messages(store)
    await catch_up.mend()
    assert not catch_up.is_due()
    assert [message.text for message in await messages(store)] == ["while nobody listened"]


async def test_a_link_lost_while_it_is_mended_is_mended_again(store: Store, clock: Clock) -> None:
    chat = Troubled(Slack())
    catch_up = await catching_up(store, clock, chat)
    chat.caught_up = catch_up
    await catch_up.mend()
    assert catch_up.is_due()
    await catch_up.mend()
    assert not catch_up.is_due()
    await catch_up.mend()
    assert len(chat.asked) == 2


async def test_what_is_refused_is_not_asked_for_ever(store: Store, clock: Clock) -> None:
    catch_up = await catching_up(store, clock, Troubled(Slack(), Refused("The scope is missing.")))
    await catch_up.mend()
    assert not catch_up.is_due()


async def test_all_that_is_old_is_forgotten(store: Store, clock: Clock) -> None:
    old = [Arrival(key=f"k{n}", kind="event", body={}) for n in range(25)]
    rows = await store.write(lambda uow: uow.inbox.receive_many(old))
    await store.write(lambda uow: uow.inbox.done_many([row for row in rows if row is not None]))
    probes = [Probe(endpoint="/", at=clock() + timedelta(seconds=n), ok=True) for n in range(30)]
    await store.write(lambda uow: uow.probes.add("shop", probes))
    await store.write(lambda uow: uow.probes.add("shop", probes[:3], "inc-1"))
    clock.advance(days=40)
    assert await Pruning(store, clock=clock).prune(batch=10) == 55
    assert len(await store.read(lambda uow: uow.probes.window("shop", probes[0].at))) == 3
