"""What a service is set to: its shape, its version, and kaeru's note in it."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.base import as_version
from bot.ports import Refused
from integrations.images import version_of
from integrations.swarm.service import (
    UPDATE_CONFIG_BEFORE,
    host_ports_of,
    moment,
    owes_update_config,
    own_spec,
    ref_of,
    references_of,
    replicas_of,
)
from integrations.swarm.updating import changed_spec, order_for, parallelism_for

DIGEST = "sha256:" + "ab12" * 16


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("shop/web:v1.2.9", "v1.2.9"),
        (f"shop/web:v1.2.9@{DIGEST}", "v1.2.9"),
        (f"shop/web@{DIGEST}", "sha256-ab12ab12ab12"),
        ("registry.internal:5000/shop/web", "latest"),
        ("registry.internal:5000/shop/web:2", "2"),
        ("web", "latest"),
        ("web:_nightly", "nightly"),
    ],
)
def test_the_tag_is_the_version(image: str, version: str) -> None:
    assert version_of(image) == version


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True))
def test_every_tag_gives_a_version(tag: str) -> None:
    assert as_version(version_of(f"shop/web:{tag}"))


def template(**container: Any) -> dict[str, Any]:
    return {"ContainerSpec": {"Image": "shop/web:v1.2.9", "Env": ["A=1"], **container}}


def test_a_restart_and_the_daemons_own_words_make_no_new_shape() -> None:
    assert ref_of(template()) == ref_of({**template(), "ForceUpdate": 4, "Runtime": "container"})
    assert ref_of(template()) == ref_of({**template(Labels={}, Secrets=None), "Resources": {}})


@pytest.mark.parametrize(
    "other",
    [
        template(Image=f"shop/web:v1.2.9@{DIGEST}"),
        template(Env=["A=2"]),
        template(Secrets=[{"SecretID": "s1", "SecretName": "password"}]),
        {**template(), "Resources": {"Limits": {"MemoryBytes": 1}}},
        {**template(), "RestartPolicy": {"MaxAttempts": 0}},
    ],
)
def test_everything_else_does(other: dict[str, Any]) -> None:
    assert ref_of(template()) != ref_of(other)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text(max_size=5), json_values, max_size=4),
    st.none() | st.dictionaries(st.text(max_size=5), json_values, max_size=4),
)
def test_the_services_own_spec_comes_back_exactly(
    labels: dict[str, Any], pace: dict[str, Any] | None
) -> None:
    spec: dict[str, Any] = {
        "Name": "web",
        "Labels": labels,
        "Mode": {"Replicated": {"Replicas": 3}},
        "TaskTemplate": {**template(), "ForceUpdate": 2},
        "EndpointSpec": {"Ports": []},
    }
    if pace is not None:
        spec["UpdateConfig"] = pace
    service = {"ID": "x", "Spec": spec}
    before = copy.deepcopy(service)
    changed = changed_spec(service, template(Env=["A=2"]), order="start-first", parallelism=0)
    assert service == before
    assert owes_update_config(changed)
    assert changed["TaskTemplate"] == {**template(Env=["A=2"]), "ForceUpdate": 2}
    # A second change in a row keeps what was the service's own.
    again = changed_spec({"ID": "x", "Spec": changed}, template(), order="stop-first", parallelism=2)
    assert again["Labels"][UPDATE_CONFIG_BEFORE] == changed["Labels"][UPDATE_CONFIG_BEFORE]
    back = own_spec(again)
    assert {**back, "TaskTemplate": None} == {**spec, "TaskTemplate": None}


def test_what_is_no_service_is_refused() -> None:
    assert replicas_of({"Mode": {"Replicated": {"Replicas": 0}}}) == 0
    assert replicas_of({"Mode": {"Global": {}}}) is None
    with pytest.raises(Refused, match="web is a job"):
        replicas_of({"Name": "web", "Mode": {"ReplicatedJob": {}}})


def service(**spec: Any) -> dict[str, Any]:
    usual = {"Name": "web", "Mode": {"Replicated": {"Replicas": 3}}, "TaskTemplate": template()}
    return {"ID": "x", "Spec": {**usual, **spec}}


def test_new_tasks_start_first_where_that_is_safe() -> None:
    volume = template(Mounts=[{"Type": "volume", "Source": "data", "Target": "/data"}])
    port = service(EndpointSpec={"Ports": [{"PublishedPort": 80, "PublishMode": "host"}]})
    assert host_ports_of(port) == (80,)
    assert order_for(service(), template(), None)[0] == "start-first"
    assert order_for(service(), template(), "stop-first")[0] == "stop-first"
    assert order_for(port, template(), "start-first")[0] == "stop-first"
    assert order_for(service(), volume, None)[0] == "stop-first"
    assert order_for(service(UpdateConfig={"Order": "start-first"}), volume, None)[0] == "start-first"
    assert order_for(service(), {**template(), "Placement": {"MaxReplicas": 1}}, None)[0] == "stop-first"


def test_not_everything_stops_at_once() -> None:
    assert parallelism_for(service(), "start-first", nodes=1) == 0
    assert parallelism_for(service(), "stop-first", nodes=1) == 2
    assert parallelism_for(service(Mode={"Replicated": {"Replicas": 1}}), "stop-first", nodes=1) == 0
    assert parallelism_for(service(Mode={"Global": {}}), "stop-first", nodes=5) == 3


def test_references_are_found() -> None:
    whole = {
        **template(
            Secrets=[{"SecretID": "s", "SecretName": "password"}],
            Configs=[{"ConfigID": "c", "ConfigName": "conf"}],
        ),
        "Networks": [{"Target": "n"}],
    }
    assert list(references_of(whole)) == [
        ("secret", "s", "password"),
        ("config", "c", "conf"),
        ("network", "n", "n"),
    ]


@pytest.mark.parametrize(
    "text", ["2026-11-24T21:57:30.93964767Z", "2026-11-24T21:57:30Z", "2026-11-24T21:57:30.9Z"]
)
def test_the_daemons_times_are_read(text: str) -> None:
    assert moment(text).isoformat().startswith("2026-11-24T21:57:30")
    assert moment(text).utcoffset() is not None


def test_the_note_survives_json() -> None:
    changed = changed_spec(service(), template(), order="start-first", parallelism=0)
    assert own_spec(json.loads(json.dumps(changed))).get("UpdateConfig") is None
