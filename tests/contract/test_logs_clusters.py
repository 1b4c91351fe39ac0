"""What only logs of the journal, of pods and of tasks do."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, closing
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.domain.loglines import Level
from bot.ports.errors import AuthFailed, Refused
from integrations import registry
from integrations.logs.journald import raw_of
from sandbox.clusters.kubernetes import KubernetesCluster
from tests.clusters import in_ci, namespace
from tests.contract.logs_worlds import JournalWorld, PodWorld, made, no_journald
from tests.contract.test_logs_contract import HOUR, Followed, now, until

MICROSECONDS = "1795514400123456"


@pytest.fixture(scope="module")
def journal() -> Iterator[JournalWorld]:
    if why := no_journald():
        (pytest.fail if in_ci() else pytest.skip)(why)
    with closing(JournalWorld()) as world:
        yield world


@pytest.fixture(scope="module")
def pods(kubernetes_cluster: KubernetesCluster) -> Iterator[PodWorld]:
    with namespace(kubernetes_cluster) as space:
        yield PodWorld(space)


async def test_the_journal_may_be_read_by_identifier_and_from_a_folder(journal: JournalWorld) -> None:
    begun = now()
    await asyncio.to_thread(journal.write, b"ERROR a")
    async with aclosing(journal.logs()) as by_unit:
        found = await until(lambda: by_unit.counts(begun, now()), 1)
    assert found.kinds[0].sources == (journal.unit,)
    async with aclosing(journal.logs(units=[], identifiers=["shop"])) as by_name:
        assert (await by_name.counts(begun, now())).errors == 1
    async with aclosing(journal.logs(units=[], identifiers=["other"])) as of_other:
        assert (await of_other.counts(begun, now())).total == 0
    async with aclosing(made("journald", units=[journal.unit], directory=journal.folder)) as on_disk:
        assert (await on_disk.counts(begun, now())).errors == 1


async def test_more_of_the_journal_than_may_be_read_is_said(journal: JournalWorld) -> None:
    begun = now()
    await asyncio.to_thread(journal.write, *(f"ERROR number {n}".encode() for n in range(8)))
    async with aclosing(journal.logs()) as logs:
        await until(lambda: logs.counts(begun, now()), 8)
    async with aclosing(journal.logs(max_lines=5)) as logs:
        found = await logs.counts(begun, now())
    assert (found.total, found.complete) == (5, False)
    assert "number 7" in found.kinds[0].example, "the newest are read"
    async with aclosing(Followed(journal.logs(max_lines=3), begun)) as followed:
        await followed.until("number 7")
    assert [line.text[-1] for line in followed.lines] == [*"01234567"], "piece by piece"


def test_an_entry_of_the_journal_is_read_as_it_comes() -> None:
    entry = {"__REALTIME_TIMESTAMP": MICROSECONDS, "MESSAGE": "disk is full", "PRIORITY": "3"}
    raw = raw_of(entry)
    assert raw is not None
    assert (raw.text, raw.level, raw.at.microsecond) == ("disk is full", Level.ERROR, 123456)
    for message, text in (([120, 255, 61], "x�="), (["a", "b"], "a"), ([[120, 121], "b"], "xy")):
        other = raw_of(entry | {"MESSAGE": message})
        assert other is not None
        assert other.text == text
    for broken in ({}, {"MESSAGE": "x"}, entry | {"MESSAGE": None}, entry | {"__REALTIME_TIMESTAMP": "x"}):
        assert raw_of(broken) is None
    info = raw_of(entry | {"PRIORITY": "6"})
    assert info is not None
    assert info.level is None, "what a program prints is info to the journal, whatever it says"


@pytest.mark.parametrize(
    "wrong",
    [{}, {"units": ["a"], "identifiers": ["b"]}, {"units": ["--flush"]}, {"units": ["a"], "namespace": "b", "directory": "/c"}],
)  # fmt: skip
def test_settings_of_the_journal_that_mean_nothing(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        registry.LOGS["journald"].settings_model().model_validate(wrong)


async def test_a_program_that_fails_says_so_without_its_secrets() -> None:
    script = "import sys; sys.exit('cannot sign in with token=hunter2')"
    async with aclosing(made("command", argv=["python3", "-c", script, "password=hunter2"])) as logs:
        with pytest.raises(Exception, match="ended with 1") as failed:
            await logs.counts(now() - HOUR, now())
        assert "hunter2" not in f"{failed.value}{logs.identity}"
    async with aclosing(made("command", argv=["echo", "ERROR a"])) as logs:
        found = await logs.counts(now() - HOUR, now())
    assert (found.total, found.complete) == (0, False)
    with pytest.raises(ValidationError, match="is not known here"):
        made("command", argv=["echo", "{sinc}"])


@pytest.mark.kubernetes
async def test_the_right_to_read_logs_is_asked_for_by_name(pods: PodWorld, tmp_path: Path) -> None:
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    ]
    poor = await asyncio.to_thread(pods.space.account, "poor", rules, tmp_path)
    async with aclosing(pods.logs(kubeconfig=poor)) as logs:
        with pytest.raises(AuthFailed, match="may not get pods/log in namespace") as refused:
            await logs.counts(now() - HOUR, now())
        assert "rbac" in refused.value.remedy
    rules.append({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]})
    enough = await asyncio.to_thread(pods.space.account, "enough", rules, tmp_path)
    async with aclosing(pods.logs(kubeconfig=enough)) as logs:
        assert (await logs.counts(now() - HOUR, now())).total > 0


@pytest.mark.kubernetes
async def test_what_pods_that_are_gone_wrote_is_said_to_be_missing(pods: PodWorld) -> None:
    async with aclosing(pods.logs()) as logs:
        found = await logs.counts(now() - HOUR, now())
        assert not found.complete
        assert "has no pod older than" in found.notes[0]
        (begun,) = (pod["metadata"]["creationTimestamp"] for pod in pods.pods())
        since = now()
        assert begun < since.isoformat()
        assert (await logs.counts(since, since + timedelta(seconds=1))).complete


@pytest.mark.kubernetes
async def test_more_than_may_be_read_of_a_container_is_said(pods: PodWorld) -> None:
    begun = now()
    await asyncio.to_thread(pods.write, *(f"ERROR {n} {'x' * 100}".encode() for n in range(40)))
    async with aclosing(pods.logs()) as logs:
        await until(lambda: logs.counts(begun, now()), 40)
    async with aclosing(pods.logs(max_read=2048)) as logs:
        found = await logs.counts(begun, now())
    assert 0 < found.total < 40
    assert not found.complete


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("kubernetes", {"namespace": "Shop", "name": "web"}),
        ("kubernetes", {"namespace": "shop", "name": "../web"}),
        ("swarm", {"service": "a/b"}),
        ("swarm", {"service": "web", "host": "ssh://-oProxyCommand=x"}),
        ("swarm", {"service": "web", "host": "unix:///x", "context": "y"}),
    ],
)
def test_names_that_lead_nowhere(kind: str, wrong: dict[str, object]) -> None:
    with pytest.raises((ValidationError, Refused)):
        registry.LOGS[kind].settings_model().model_validate(wrong)
