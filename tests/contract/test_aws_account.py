"""Who kaeru is at AWS, and what is said where AWS does not like that.

moto checks signatures and rights where it is told to; what only AWS says comes from the proxy, in AWS's words.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from bot.ports.errors import AuthFailed, Gone, PortError, Refused, Unavailable
from integrations.aws.alb import AlbTraffic
from integrations.aws.settings import AlbSettings
from integrations.aws_access import Access
from integrations.aws_session import ATTEMPTS
from tests.contract.aws_proxy import Fault, declined
from tests.contract.aws_world import ACCOUNT, AlbWorld, Cloud, enforced, own_keys, started

__all__ = ["own_keys"]

pytestmark = pytest.mark.usefixtures("own_keys")
ELSEWHERE = "222222222222"
ROLE = f"arn:aws:iam::{ELSEWHERE}:role/kaeru"
RESOURCE = f"arn:aws:elasticloadbalancing:eu-central-1:{ACCOUNT}:listener/app/shop/1/2"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    yield from started()


@pytest.fixture(scope="module")
def world(cloud: Cloud) -> AlbWorld:
    return AlbWorld(cloud)


async def failing(traffic: AlbTraffic) -> PortError:
    with pytest.raises(PortError) as raised:
        await traffic.inspect()
    await traffic.aclose()
    return raised.value


def elsewhere(cloud: Cloud) -> dict[str, str]:
    """Keys for the other account."""
    found = cloud.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="test")["Credentials"]
    return {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


async def test_a_role_of_another_account_is_assumed(cloud: Cloud, tmp_path: Path) -> None:
    there = AlbWorld(cloud, **elsewhere(cloud))
    assert f":{ELSEWHERE}:" in there.service
    cloud.proxy.calls.clear()
    traffic = there.traffic(role_arn=ROLE, external_id="shibboleth")
    assert (await traffic.shift(await traffic.plan(0.5), "k")).share == 0.5
    assert cloud.proxy.calls.count("AssumeRole") == 1, "once for all clients, and not for every call"
    await traffic.aclose()
    assert there.weights(there.rule) == (50, 50)
    # From a profile, whose keys are others than those in the environment.
    (tmp_path / "aws-credentials").write_text(
        "[production]\naws_access_key_id = one\naws_secret_access_key = two\n", encoding="utf-8"
    )
    by_profile = there.traffic(role_arn=ROLE, profile="production")
    assert (await by_profile.inspect()).share == 0.5
    await by_profile.aclose()
    # Without the role, the group is not there.
    assert type(await failing(there.traffic())) is Gone


async def test_where_the_role_may_not_be_assumed_it_is_said(world: AlbWorld) -> None:
    message = f"User: arn:aws:iam::{ACCOUNT}:user/kaeru is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
    with world.cloud.proxy.faults(Fault("AssumeRole", answer=(403, declined("AccessDenied", message)))):
        error = await failing(world.traffic(role_arn=ROLE))
    assert type(error) is AuthFailed
    assert str(error) == f"arn:aws:iam::{ACCOUNT}:user/kaeru lacks the right sts:AssumeRole on {ROLE}."


async def test_credentials_are_those_of_the_profile(world: AlbWorld, tmp_path: Path) -> None:
    iam = world.cloud.client("iam")
    iam.create_user(UserName="one")
    iam.put_user_policy(UserName="one", PolicyName="all", PolicyDocument=policy("elasticloadbalancing:*"))
    key = iam.create_access_key(UserName="one")["AccessKey"]
    (tmp_path / "aws-credentials").write_text(
        f"[one]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
        f"[two]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = wrong\n",
        encoding="utf-8",
    )
    traffic = world.traffic(profile="one", measure=False)
    enforced(world.cloud, on=True)
    try:
        assert (await traffic.inspect()).wanted == 2
        wrong = await failing(world.traffic(profile="two"))
        default = await failing(world.traffic())
    finally:
        enforced(world.cloud, on=False)
    await traffic.aclose()
    assert type(wrong) is type(default) is AuthFailed
    assert "the profile two (SignatureDoesNotMatch)" in str(wrong)
    assert "kaeru's own machine or environment (InvalidClientTokenId)" in str(default)
    none = await failing(world.traffic(profile="three"))
    assert type(none) is AuthFailed
    assert "no such profile" in str(none)
    assert "the profile three" in str(none)


def policy(*actions: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}],
        }
    )


async def test_without_credentials_it_is_said(world: AlbWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for more in ({}, {"role_arn": ROLE}):
        error = await failing(world.traffic(**more))
        assert type(error) is AuthFailed
        assert "no credentials for Elastic Load Balancing" in str(error)


@pytest.mark.parametrize(
    ("more", "who"),
    [({}, "kaeru's own machine or environment"), ({"role_arn": ROLE}, f"the role {ROLE}")],
)
async def test_expired_credentials_are_named(world: AlbWorld, more: dict[str, str], who: str) -> None:
    expired = (403, declined("ExpiredToken", "The security token included in the request is expired"))
    with world.cloud.proxy.faults(Fault("DescribeListeners", answer=expired)):
        error = await failing(world.traffic(**more))
    assert type(error) is AuthFailed
    assert str(error) == f"The credentials of {who} have expired (ExpiredToken)."
    assert "aws sso login" in error.remedy


async def test_throttling_is_waited_for_as_long_as_aws_says(world: AlbWorld) -> None:
    slow = Fault("DescribeRules", answer=(400, declined("Throttling", "Rate exceeded")), times=1)
    with world.cloud.proxy.faults(slow):
        traffic = world.traffic()
        assert (await traffic.inspect()).wanted == 2, "a few are borne without a word"
        await traffic.aclose()
    slow = Fault(
        "DescribeRules",
        answer=(400, declined("Throttling", "Rate exceeded")),
        headers={"Retry-After": "17"},
    )
    with world.cloud.proxy.faults(slow):
        error = await failing(world.traffic())
    assert isinstance(error, Unavailable)
    assert error.retry_after_s == 17
    assert "Throttling" in str(error)
    assert slow.seen == ATTEMPTS


@pytest.mark.parametrize(
    ("because", "said"),
    [
        (" because no identity-based policy allows the elasticloadbalancing:DescribeRules action", ""),
        (" with an explicit deny in a service control policy", ", and a policy denies it explicitly"),
        (" because no permissions boundary allows it", ", because of a permissions boundary"),
        (
            " because no service control policy allows it",
            ", because of a service control policy of the organization",
        ),
    ],
)
async def test_a_missing_right_is_named_with_its_resource(world: AlbWorld, because: str, said: str) -> None:
    who = f"arn:aws:sts::{ACCOUNT}:assumed-role/kaeru/kaeru"
    message = f"User: {who} is not authorized to perform: elasticloadbalancing:DescribeRules on resource: {RESOURCE}"
    denied = (403, declined("AccessDenied", message + because))
    with world.cloud.proxy.faults(Fault("DescribeRules", answer=denied)):
        error = await failing(world.traffic(profile=None))
    assert type(error) is AuthFailed
    assert str(error) == f"{who} lacks the right elasticloadbalancing:DescribeRules on {RESOURCE}{said}."
    assert error.remedy.startswith(f"Allow elasticloadbalancing:DescribeRules on {RESOURCE} to kaeru's own")
    assert "integrations/aws/README.md" in error.remedy


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("SignatureDoesNotMatch", "Signature expired: 20261124T120000Z is now earlier than", "clock"),
        ("RequestExpired", "Request has expired.", "clock"),
        ("SignatureDoesNotMatch", "The Canonical String was 'secret-of-the-request'", "does not accept"),
        ("OptInRequired", "You are not subscribed to this service", "switched on"),
    ],
)
async def test_other_trouble_with_credentials(world: AlbWorld, code: str, message: str, said: str) -> None:
    with world.cloud.proxy.faults(Fault("DescribeRules", answer=(403, declined(code, message)))):
        error = await failing(world.traffic())
    assert type(error) is AuthFailed
    assert said in error.advice
    assert "secret-of-the-request" not in error.advice


async def test_a_region_that_does_not_exist_is_told_from_one_that_cannot_be_reached(world: AlbWorld) -> None:
    nowhere = "http://127.0.0.1:9"
    error = await failing(world.traffic(endpoint=nowhere, timeout="1s"))
    assert type(error) is Unavailable
    assert "cannot be reached" in str(error)
    wrong = {
        name: text.replace("eu-central-1", "eu-centrl-1")
        for name, text in (("target_group", world.service), ("other_group", world.other))
    }
    listener = world.listeners[0].replace("eu-central-1", "eu-centrl-1")
    error = await failing(
        world.traffic(**wrong, listeners=(listener,), rules=(), endpoint=nowhere, timeout="1s")
    )
    assert type(error) is Refused
    assert "no region eu-centrl-1" in str(error)
    assert error.remedy == "Did you mean eu-central-1?"


async def test_an_answer_that_does_not_come_is_unavailable_while_reading(world: AlbWorld) -> None:
    with world.cloud.proxy.faults(Fault("DescribeRules", lost=True)):
        error = await failing(world.traffic())
    assert type(error) is Unavailable


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"other_group": None}, "other_group"),
        ({"listeners": (), "rules": ()}, "at least one"),
        ({"external_id": "x"}, "role_arn"),
        ({"by": "targets"}, "targets"),
        ({"targets": [{"id": "i-1"}]}, "by: targets"),
        ({"role_arn": "kaeru"}, "pattern"),
    ],
)
def test_settings_that_do_not_fit_are_declined(world: AlbWorld, more: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {
        "target_group": world.service,
        "other_group": world.other,
        "listeners": world.listeners,
    }
    with pytest.raises(ValidationError, match=said):
        AlbSettings.model_validate({k: v for k, v in (given | more).items() if v is not None})


def test_groups_of_two_regions_are_declined(world: AlbWorld) -> None:
    far = world.other.replace("eu-central-1", "us-east-1")
    with pytest.raises(ValidationError, match="one account and region"):
        world.settings(other_group=far)


def test_secrets_are_not_shown() -> None:
    shown = repr(
        Access(external_id=SecretStr("shibboleth"), access_key=SecretStr("id"), secret_key=SecretStr("key"))
    )
    assert "shibboleth" not in shown
    assert "'key'" not in shown
