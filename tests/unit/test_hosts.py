"""The arithmetic of many hosts: addresses, batches, where each goes, and what is said of them together."""

from typing import Any

import pytest
from pydantic import ValidationError

from bot.domain.evidence import Outcome
from bot.ports import Refused, Unavailable
from bot.ports.target import Change
from integrations.hosts import HostsSettings
from integrations.hosts.address import Address, as_address
from integrations.hosts.seen import Seen, judged, warnings_of
from integrations.hosts.ways import Way, fingerprint_of, newest, ref_of, ways

HOSTS: dict[str, Any] = {
    "hosts": ("web1", "web2", "web3"),
    "releases": "/srv/shop/releases",
    "link": "/srv/shop/current",
}
DOWN = Unavailable("web3 does not answer.")


def settings(**other: Any) -> HostsSettings:
    return HostsSettings(**{**HOSTS, **other})


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("web1", Address("", "web1", 22)),
        ("deploy@web1.internal:2222", Address("deploy", "web1.internal", 2222)),
        ("root@[fd00::1]:22", Address("root", "fd00::1", 22)),
        ("local", Address("", "local", 22)),
    ],
)
def test_addresses(text: str, means: Address) -> None:
    assert as_address(text) == means


@pytest.mark.parametrize(
    "text", ["", "-oProxyCommand=x", "a b", "web1:0", "web1:99999", "@web1", "web1;ls", "web1\n"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="is no address of a host"):
        as_address(text)


@pytest.mark.parametrize(
    ("batch", "at_once"), [(1, 1), (2, 2), ("10%", 1), ("50%", 1), ("67%", 2), ("100%", 3)]
)
def test_batches(batch: int | str, at_once: int) -> None:
    assert settings(batch=batch).at_once == at_once


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"hosts": ()}, "at least 1 item"),
        ({"hosts": ("web1", "root@web1")}, "web1 is there twice"),
        ({"hosts": ("web1", {"name": "web2", "address": "web1"})}, "web2 is a host that is already there"),
        ({"link": "current"}, "has to be an absolute path on the hosts"),
        ({"releases": "/srv/{version}"}, "{version} is not known here; known is {host}"),
        ({"version_url": "http://me:pw@{host}/version"}, "without a user"),
        ({"version_url": "http://{hots}/version"}, "{hots} is not known here"),
        ({"batch": "0%"}, "batch"),
        ({"batch": 0}, "batch"),
        ({"allow_down": 3}, "at least one host has to be up"),
        ({"jump": "local"}, "local is this machine"),
        ({"on_failure": "ignore"}, "'stop' or 'put_back'"),
        ({"password": "hunter2"}, "not permitted"),
    ],
)
def test_wrong_settings_say_what_is_wrong(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as found:
        settings(**wrong)
    assert says in str(found.value)


def change(from_ref: str = "", to_ref: str = "") -> Change:
    return Change(
        component="shop",
        from_version="v1.3.0",
        to_version="v1.2.9",
        fingerprint="x",
        from_ref=from_ref,
        to_ref=to_ref,
    )


def test_where_each_host_goes_and_the_way_back() -> None:
    links = {"a": "v1.3.0", "b": "v1.2.9", "c": None}
    there = change(ref_of(links))
    assert ways(there, links) == (
        Way("a", "v1.3.0", "v1.2.9"),
        Way("b", "v1.2.9", "v1.2.9"),
        Way("c", None, "v1.2.9"),
    )
    assert [way.left_out for way in ways(there, links)] == [False, False, True]
    assert [(way.origin, way.goal) for way in ways(there.backwards, links)] == [
        ("v1.2.9", "v1.3.0"),
        ("v1.2.9", "v1.2.9"),
        ("v1.2.9", None),
    ]
    assert ref_of({"a": "v1.3.0", "b": "v1.3.0"}) == ""
    assert ways(change(), ["a"]) == (Way("a", "v1.3.0", "v1.2.9"),)


def test_what_is_left_is_the_newest_by_its_name() -> None:
    assert newest({"a": "v1.9.0", "b": "v1.10.0", "c": None}) == "v1.10.0"
    assert newest({"a": None}) is None


def test_the_fingerprint_is_of_every_host() -> None:
    same = {"a": "v1", "b": "v2"}
    assert fingerprint_of(same) == fingerprint_of(dict(reversed(same.items())))
    for other in ({"a": "v2", "b": "v1"}, {"a": "v1", "b": None}, {"a": "v1"}):
        assert fingerprint_of(other) != fingerprint_of(same)


def on(host: str, link: str = "v1.2.9", running: str | None = "v1.2.9") -> Seen:
    return Seen(host, link, running, asked=True)


PLANNED = tuple(Way(name, "v1.3.0", "v1.2.9") for name in ("web1", "web2", "web3"))
LEFT_OUT = (*PLANNED[:2], Way("web3", None, "v1.2.9"))


@pytest.mark.parametrize(
    ("planned", "third", "allow_down", "outcome", "detail"),
    [
        (PLANNED, on("web3"), 0, Outcome.SUCCEEDED, "3 of 3 on v1.2.9."),
        (PLANNED, on("web3", "v1.3.0", "v1.3.0"), 0, Outcome.FAILED, "web3 still points at v1.3.0"),
        (
            PLANNED,
            on("web3", "v1.2.8"),
            0,
            Outcome.FAILED,
            "web3 points at v1.2.8: someone else has moved it",
        ),
        (PLANNED, on("web3", running="v1.3.0"), 0, Outcome.UNKNOWN, "but v1.3.0 is what answers"),
        (PLANNED, on("web3", running=None), 0, Outcome.UNKNOWN, "but nothing is what answers"),
        (
            PLANNED,
            Seen("web3", "v1.2.9", None, begun=True),
            0,
            Outcome.UNKNOWN,
            "has not come to a good end yet",
        ),
        (PLANNED, Seen("web3", "v1.2.9", None), 0, Outcome.SUCCEEDED, "3 of 3"),
        (
            PLANNED,
            Seen("web3", None, None, trouble=DOWN),
            0,
            Outcome.UNKNOWN,
            "2 of 3 on v1.2.9; web3 does not answer.",
        ),
        # Down only after this was planned: nobody approved of leaving it out.
        (
            PLANNED,
            Seen("web3", None, None, trouble=DOWN),
            1,
            Outcome.UNKNOWN,
            "2 of 3 on v1.2.9; web3 does not answer.",
        ),
        (
            LEFT_OUT,
            Seen("web3", None, None, trouble=DOWN),
            1,
            Outcome.SUCCEEDED,
            "2 of 3 on v1.2.9; web3 does not",
        ),
        (
            LEFT_OUT,
            Seen("web3", None, None, trouble=DOWN),
            0,
            Outcome.UNKNOWN,
            "2 of 3 on v1.2.9; web3 does not",
        ),
        (
            LEFT_OUT,
            on("web3", "v1.3.0", "v1.3.0"),
            1,
            Outcome.FAILED,
            "web3 answers again and points at v1.3.0",
        ),
        (
            PLANNED,
            Seen("web3", None, None, trouble=Refused("Its key.")),
            1,
            Outcome.UNKNOWN,
            "web3 cannot be looked at: Its key",
        ),
    ],
)
def test_what_is_said_of_all_together(
    planned: tuple[Way, ...], third: Seen, allow_down: int, outcome: Outcome, detail: str
) -> None:
    seen = judged(planned, (on("web1"), on("web2"), third), allow_down=allow_down)
    assert seen.outcome is outcome
    assert detail in seen.detail


def test_a_host_that_was_left_out_is_left_out_of_the_way_back_as_well() -> None:
    back = (Way("web1", "v1.2.9", "v1.3.0"), Way("web2", "v1.2.9", "v1.3.0"), Way("web3", "v1.2.9", None))
    seen = [on(name, "v1.3.0", "v1.3.0") for name in ("web1", "web2", "web3")]
    found = judged(back, seen, allow_down=1)
    assert (found.outcome, found.detail) == (
        Outcome.SUCCEEDED,
        "2 of 2 on v1.3.0; web3 was left out of this.",
    )


def test_nothing_seen_is_no_success() -> None:
    seen = [Seen(way.host, None, None, trouble=DOWN) for way in PLANNED]
    assert judged(PLANNED, seen, allow_down=3).outcome is Outcome.UNKNOWN
    left_out = [Way(way.host, None, "v1.2.9") for way in PLANNED]
    assert judged(left_out, seen, allow_down=3).outcome is Outcome.UNKNOWN


def test_one_sentence_for_all_hosts_of_which_the_same_is_to_be_said() -> None:
    seen = [
        on("web1", running="v1.3.0"),
        on("web2", running="v1.3.0"),
        Seen("web3", None, None, trouble=DOWN),
    ]
    assert [warning.text for warning in warnings_of(seen)] == [
        "web1, web2: the link points at v1.2.9, but v1.3.0 is what answers.",
        "web3 does not answer.",
    ]
