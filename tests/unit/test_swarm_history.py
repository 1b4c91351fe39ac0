"""Which shapes can be returned to, what they are called, and how they differ."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.releases import shape_name
from integrations.swarm import diff
from integrations.swarm.history import history
from integrations.swarm.service import ref_of
from tests.fakes.memory import FakeMemory

START = datetime(2026, 11, 1, tzinfo=UTC)


def spec(tag: str, **container: Any) -> dict[str, Any]:
    return {"Name": "web", "TaskTemplate": {"ContainerSpec": {"Image": f"shop/web:{tag}", **container}}}


class Remembering:
    """A memory in which every shape was first seen a day after the last."""

    def __init__(self) -> None:
        self._days = 0
        self.memory = FakeMemory(lambda: START + timedelta(days=self._days))

    async def keep(self, one: dict[str, Any], version: str) -> str:
        self._days += 1
        ref = ref_of(one["TaskTemplate"])
        await self.memory.keep(ref, version, json.dumps(one))
        return ref


async def test_memory_comes_first_and_the_daemons_previous_spec_last() -> None:
    past = Remembering()
    good = await past.keep(spec("v1.2.9"), "v1.2.9")
    bad = await past.keep(spec("v1.3.0"), "v1.3.0")
    service = {"Spec": spec("v1.3.0"), "PreviousSpec": spec("v1.2.8")}
    known = history(service, await past.memory.shapes())
    assert {a.version: a.ref for a in known.available()} == {
        "v1.2.8": ref_of(spec("v1.2.8")["TaskTemplate"]),
        "v1.2.9": good,
        "v1.3.0": bad,
    }
    assert {a.version: "never saw it run" in a.note for a in known.available()}["v1.2.8"]
    assert known.find("", "v1.2.9") == known.find(good, "whatever")
    assert known.find("unknown", "v1.2.9") is None, "a ref that is gone is not replaced by a name"


async def test_the_shape_that_served_well_has_the_plain_name_else_the_one_that_was_set_last() -> None:
    past = Remembering()
    one = await past.keep(spec("v1", Env=["A=1"]), "v1")
    two = await past.keep(spec("v1", Env=["A=2"]), "v1")
    three = await past.keep(spec("v1", Env=["A=3"]), "v1")
    service = {"Spec": spec("v1", Env=["A=3"]), "PreviousSpec": spec("v1", Env=["A=0"])}
    zero = ref_of(service["PreviousSpec"]["TaskTemplate"])
    exact = {ref: shape_name("v1", ref) for ref in (zero, one, two, three)}
    known = history(service, await past.memory.shapes())
    assert {**exact, three: "v1"} == {a.ref: a.version for a in known.available()}
    # And back to an older one, as a rollback does.
    await past.keep(spec("v1", Env=["A=1"]), "v1")
    service = {"Spec": spec("v1", Env=["A=1"]), "PreviousSpec": service["Spec"]}
    known = history(service, await past.memory.shapes())
    exact.pop(zero)
    assert {**exact, one: "v1"} == {a.ref: a.version for a in known.available()}
    past.memory.good(two, START)
    known = history(service, await past.memory.shapes())
    assert {**exact, two: "v1"} == {a.ref: a.version for a in known.available()}
    assert known.name_of(service["Spec"]["TaskTemplate"]) == exact[one]


def test_a_diff_has_names_and_no_values() -> None:
    before = {
        "ContainerSpec": {
            "Image": "shop/web:v1.3.0",
            "Env": ["A=secret1", "GONE=secret2", "SAME=x"],
            "Args": ["--password", "secret3"],
            "Secrets": [{"File": {"Name": "pw"}, "SecretID": "1", "SecretName": "pw-2"}],
            "Mounts": [{"Type": "volume", "Source": "a", "Target": "/data"}],
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1},
        },
        "Resources": {"Limits": {"MemoryBytes": 256 << 20}},
    }
    after = {
        "ContainerSpec": {
            "Image": "shop/web:v1.2.9@sha256:" + "ab" * 32,
            "Env": ["A=secret4", "SAME=x", "NEW=secret5"],
            "Secrets": [{"File": {"Name": "pw"}, "SecretID": "2", "SecretName": "pw-1"}],
            "Configs": [{"File": {"Name": "/etc/c"}, "ConfigID": "3", "ConfigName": "c-1"}],
            "Healthcheck": {"Test": ["CMD", "false"], "Interval": 1},
            "User": "shop",
        },
        "Resources": {"Limits": {"MemoryBytes": 512 << 20, "NanoCPUs": 500_000_000}},
        "Placement": {"Constraints": ["node.role==worker"]},
    }
    lines = diff.lines(before, after)
    assert lines == (
        "image: shop/web:v1.3.0 → shop/web:v1.2.9@sha256:abababababab",
        "env: A changed",
        "env: − GONE",
        "env: + NEW",
        "secret pw: pw-2 → pw-1",
        "config: + c-1 (/etc/c)",
        "mount: − /data",
        "args: changed (2 → 0 words)",
        "healthcheck: test changed",
        "limit MemoryBytes: 256 MiB → 512 MiB",
        "limit NanoCPUs: none → 0.5 CPU",
        "Placement: changed",
        "User: changed",
    )
    assert "secret1" not in " ".join(lines)
    assert diff.lines(before, before) == ()


def test_a_long_diff_is_cut() -> None:
    many = {"ContainerSpec": {"Env": [f"V{n}=1" for n in range(100)]}}
    lines = diff.lines({"ContainerSpec": {}}, many)
    assert (len(lines), lines[-1]) == (40, "and 61 more")
