"""Releases, probes, documents and facts."""

import hashlib
from datetime import datetime, timedelta

import pytest

from bot.domain.evidence import Probe, summarize
from bot.domain.releases import Standing
from bot.store import Missing, ReleaseRecord, Store, UnitOfWork
from tests.contract.store_worlds import START, Clock

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")


def later(**delta: float) -> datetime:
    return START + timedelta(**delta)


async def ledger(store: Store) -> dict[str, ReleaseRecord]:
    return await store.read(lambda uow: uow.releases.all("shop"))


async def test_a_version_is_remembered_from_first_to_last(store: Store) -> None:
    for minute, good in ((5, None), (1, True), (9, False), (3, True)):
        await store.write(
            lambda uow, m=minute, g=good: uow.releases.saw("shop", "v1", later(minutes=m), good=g)  # type: ignore[misc]  # binds the loop's value
        )
    await store.write(lambda uow: uow.releases.saw("tea", "v9", START, good=True))
    record = ReleaseRecord(
        "v1", first_seen=later(minutes=1), last_seen=later(minutes=9), last_good_at=later(minutes=3)
    )
    assert await ledger(store) == {"v1": record}
    assert record.standing is Standing.GOOD


async def test_a_quarantine_stays_until_it_is_lifted(store: Store) -> None:
    await store.write(lambda uow: uow.releases.quarantine("shop", "v2", "inc-1", START))
    await store.write(lambda uow: uow.releases.quarantine("shop", "v2", "inc-2", later(hours=1)))
    await store.write(lambda uow: uow.releases.saw("shop", "v2", later(hours=2), good=True))
    bad = (await ledger(store))["v2"]
    assert bad.standing is Standing.QUARANTINED
    assert (bad.quarantined_by, bad.quarantined_at) == ("inc-1", START)
    await store.write(lambda uow: uow.releases.lift("shop", "v2", "U7", later(hours=3)))
    again = (await ledger(store))["v2"]
    assert again.standing is Standing.GOOD
    assert (again.quarantined_by, again.lifted_by, again.lifted_at) == (None, "U7", later(hours=3))
    await store.write(lambda uow: uow.releases.lift("shop", "v2", "U8", later(hours=4)))
    assert (await ledger(store))["v2"].lifted_by == "U7"


def probe(seconds: float, endpoint: str = "/", *, ok: bool = True, version: str | None = "v1") -> Probe:
    return Probe(
        endpoint=endpoint,
        at=later(seconds=seconds),
        ok=ok,
        status=200 if ok else 500,
        latency_ms=12.5,
        version=version,
        error="" if ok else "server error",
    )


async def test_a_window_is_what_was_measured_in_it(store: Store) -> None:
    probes = [probe(n, ok=n % 3 > 0) for n in range(10)]
    for one in probes:
        await store.write(lambda uow, one=one: uow.probes.add("shop", (one,)))  # type: ignore[misc]  # binds the loop's value
    await store.write(lambda uow: uow.probes.add("tea", (probe(3),)))
    await store.write(lambda uow: uow.probes.add("shop", ()))
    assert await store.read(lambda uow: uow.probes.window("shop", START)) == tuple(probes)
    within = await store.read(lambda uow: uow.probes.window("shop", later(seconds=2), later(seconds=4)))
    assert within == tuple(probes[2:5])
    assert await store.read(lambda uow: uow.probes.window("shop", START, limit=2)) == tuple(probes[-2:])


async def test_a_baseline_is_the_newest_of_each_endpoint(store: Store) -> None:
    for n in range(10):
        probes = (
            probe(n),
            probe(n, "/cart"),
            probe(n, "/other", version="v2"),
            probe(n, "/cart", version=None),
        )
        await store.write(lambda uow, probes=probes: uow.probes.add("shop", probes))  # type: ignore[misc]  # binds the loop's value
    seen = await store.read(
        lambda uow: uow.probes.baseline("shop", "v1", since=START, until=later(seconds=7), per_endpoint=3)
    )
    assert [(s.endpoint, s.count) for s in summarize(seen)] == [("/", 3), ("/cart", 3)]
    assert [p.at for p in seen if p.endpoint == "/"] == [later(seconds=n) for n in (5, 6, 7)]
    none = await store.read(lambda uow: uow.probes.baseline("shop", "v3", since=START, until=later(days=1)))
    assert none == ()


async def test_what_names_no_version_is_of_the_one_version_that_its_round_named(store: Store) -> None:
    """As where only `/version` tells which it is. A round that is half switched tells nothing of the others."""

    def work(uow: UnitOfWork) -> None:
        for n in range(6):
            uow.probes.add("shop", (probe(n, "/version"), probe(n, "/checkout", ok=n != 1, version=None)))
        half = (probe(6, "/version"), probe(6, "web2 /version", version="v2"))
        uow.probes.add("shop", (*half, probe(6, "/checkout", version=None)))
        uow.probes.add("shop", (probe(7, "/checkout", version=None),))
        uow.probes.add("tea", (probe(5, "/version"), probe(5, "/other", version=None)))

    await store.write(work)
    seen = await store.read(
        lambda uow: uow.probes.baseline("shop", "v1", since=START, until=later(seconds=9), per_endpoint=4)
    )
    checkout = [p for p in seen if p.endpoint == "/checkout"]
    assert [p.at for p in checkout] == [later(seconds=n) for n in (3, 4, 5)]
    assert {p.version for p in checkout} == {None}, "what it said is not made up"
    assert {p.endpoint for p in seen} == {"/version", "/checkout"}


async def told(store: Store, story: str, *, every_s: float = 5, after_s: float = 0) -> float | None:
    """Rounds as they come: a letter is a version (capital: ill), `-` an answer without one. When it is ill since."""

    def work(uow: UnitOfWork) -> None:
        for n, said in enumerate(story, start=1):
            version = None if said == "-" else said.lower()
            ok = said.islower()
            probes = (
                probe(n * every_s, version=version),
                probe(n * every_s, "/cart", ok=ok, version=version),
            )
            uow.probes.add("shop", probes)
            uow.probes.add("tea", (probe(n * every_s, ok=False),))

    await store.write(work)
    since = await store.read(lambda uow: uow.probes.first_bad("shop", later(seconds=after_s)))
    return None if since is None else (since - START).total_seconds() / every_s


@pytest.mark.parametrize(
    ("story", "first"),
    [
        ("", None),
        ("aaaa", None),
        ("aaBBB", 3),
        ("aaabbbBbbBbBbbb", 7),  # three of ten
        ("aaabBbbbbbbbbbbbbBbbB", 5),  # long good gaps, but not long enough
        ("A" + "a" * 60 + "bbbBbBbbB", 65),  # an old blip of another version
        ("aA" + "a" * 60 + "aAaaAaA", 64),  # an old blip of the same one
        ("aA" + "a" * 60, None),  # nothing but an old blip
        ("AAAbbBB", 6),  # the one before was ill as well
        ("aaa----", 4),  # down altogether
        ("aaa--bbBBB", 8),  # what the change itself cost is not the version's
        ("----", 1),
        ("abaBaabB", 8),  # two versions in turn: the newest one's
    ],
)
async def test_since_when_a_service_is_ill(store: Store, story: str, first: float | None) -> None:
    assert await told(store, story) == first


async def test_it_is_ill_since_the_time_asked_for_at_most(store: Store) -> None:
    assert await told(store, "BBBBBBBB", after_s=20) == 5


async def test_with_two_versions_in_one_round_the_stretch_goes_on(store: Store) -> None:
    def work(uow: UnitOfWork) -> None:
        for n in range(1, 9):
            mixed = (probe(n, version="v2"), probe(n, "/cart", ok=n < 3, version="v1"))
            uow.probes.add("shop", mixed)

    await store.write(work)
    assert await store.read(lambda uow: uow.probes.first_bad("shop", START)) == later(seconds=3)


async def test_old_probes_are_pruned_but_not_an_incidents(store: Store, clock: Clock) -> None:
    await store.write(lambda uow: uow.probes.add("shop", (probe(1), probe(2))))
    await store.write(lambda uow: uow.probes.add("shop", (probe(3),), "inc-1"))
    await store.write(lambda uow: uow.probes.add("shop", (probe(60),)))
    assert await store.write(lambda uow: uow.probes.prune(later(seconds=30), limit=1)) == 1
    assert await store.write(lambda uow: uow.probes.prune(later(seconds=30))) == 1
    assert await store.read(lambda uow: uow.probes.window("shop", START)) == (probe(3), probe(60))


async def test_documents_are_found_by_their_content(store: Store) -> None:
    content = bytes(range(256)) * 100
    ref = await store.write(lambda uow: uow.documents.put(content, "image/png"))
    assert ref == hashlib.sha256(content).hexdigest()
    assert await store.write(lambda uow: uow.documents.put(content, "image/png")) == ref
    assert await store.read(lambda uow: uow.documents.get(ref)) == content
    with pytest.raises(Missing):
        await store.read(lambda uow: uow.documents.get("0" * 64))


@pytest.mark.parametrize("value", [0, "17", [1, {"a": None}], None, "\x00\ud83d"])
async def test_facts_are_what_was_set_last(store: Store, value: object) -> None:
    await store.write(lambda uow: uow.facts.set("k", "something else"))
    await store.write(lambda uow: uow.facts.set("k", value))
    assert await store.read(lambda uow: uow.facts.get("k")) == value
    assert await store.read(lambda uow: uow.facts.get("other")) is None
