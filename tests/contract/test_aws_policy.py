"""The IAM policies of the repository are what the adapters need: no more, and no less.

Calls are recorded by botocore's own events. moto enforces rights by action; it knows no resources, and takes no
signature of CloudFront's, so there the record is all.
"""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import integrations.aws
from bot.ports.errors import AuthFailed, OutcomeUnknown
from integrations.aws.alb import AlbTraffic
from tests.contract.aws_world import (
    ACCOUNT,
    AlbWorld,
    Call,
    CdnWorld,
    Cloud,
    enforced,
    own_keys,
    recorded,
    started,
)

__all__ = ["own_keys"]

pytestmark = pytest.mark.usefixtures("own_keys")
FOLDER = Path(integrations.aws.__file__).parent
PREFIXES = {
    "elbv2": "elasticloadbalancing",
    "sts": "sts",
    "cloudwatch": "cloudwatch",
    "cloudfront": "cloudfront",
}
"""What IAM calls the services that boto3 calls so."""
ROLE = "kaeru"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    yield from started()


def actions(name: str) -> list[str]:
    """Every action that the policy allows."""
    found: list[str] = []
    for statement in json.loads((FOLDER / name).read_text(encoding="utf-8"))["Statement"]:
        assert statement["Effect"] == "Allow"
        found += [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
    return found


OF_THE_ROLE, OF_WHO_ASSUMES_IT = actions("iam-policy.json"), actions("iam-assume-role.json")


class Everything:
    """All that kaeru does at AWS, through a role."""

    def __init__(self, cloud: Cloud, role: str) -> None:
        self.alb, self.cdn = AlbWorld(cloud), CdnWorld(cloud)
        self.role = f"arn:aws:iam::{ACCOUNT}:role/{role}"

    async def done(self) -> None:
        await self.steered()
        cache = self.cdn.cache(role_arn=self.role)
        await cache.plan()
        restarted = self.cdn.cache(role_arn=self.role)
        for one in (cache, restarted):
            await one.invalidate(["/*"], "k")
            await one.observe("k")
            await one.aclose()

    async def steered(self) -> None:
        weights = self.alb.traffic(role_arn=self.role)
        for share in (0.5, 0):
            await weights.inspect()
            await weights.shift(await weights.plan(share), "k")
        await weights.served()
        await weights.aclose()
        targets = AlbTraffic(self.alb.by_targets(role_arn=self.role))
        for share in (1, 0):
            await targets.shift(await targets.plan(share), "k")
        await targets.aclose()


def asked(calls: list[Call]) -> set[str]:
    return {f"{PREFIXES[service]}:{operation}" for service, operation in calls}


async def test_the_policies_allow_what_is_called_and_nothing_else(cloud: Cloud) -> None:
    with recorded() as calls:
        await Everything(cloud, ROLE).done()
    assert asked(calls) == {*OF_THE_ROLE, *OF_WHO_ASSUMES_IT}
    assert OF_WHO_ASSUMES_IT == ["sts:AssumeRole"]
    for rights in (OF_THE_ROLE, OF_WHO_ASSUMES_IT):
        assert len(rights) == len(set(rights))
        assert not [right for right in rights if "*" in right]


def test_every_right_that_can_be_is_for_one_thing_alone() -> None:
    policy = json.loads((FOLDER / "iam-policy.json").read_text(encoding="utf-8"))
    everywhere = [a for s in policy["Statement"] if s["Resource"] == "*" for a in actions_of(s)]
    # AWS has no resources for these.
    assert [a for a in everywhere if not a.startswith("elasticloadbalancing:Describe")] == [
        "cloudwatch:GetMetricData"
    ]


def actions_of(statement: dict[str, Any]) -> list[str]:
    found = statement["Action"]
    return [found] if isinstance(found, str) else list(found)


@pytest.fixture(scope="module")
def everything(cloud: Cloud) -> Everything:
    return Everything(cloud, ROLE)


@pytest.fixture
async def rights(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A function that sets the rights of the role, while a user who may assume it is kaeru."""
    iam = cloud.client("iam")
    user, role = "kaeru", ROLE
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=document(OF_WHO_ASSUMES_IT))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=document(["sts:AssumeRole"]))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    def given(actions: list[str]) -> None:
        enforced(cloud, on=False)
        iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=document(actions))
        enforced(cloud, on=True)

    yield given
    enforced(cloud, on=False)
    iam.delete_role_policy(RoleName=role, PolicyName="own")
    iam.delete_role(RoleName=role)
    iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=user, PolicyName="own")
    iam.delete_user(UserName=user)


def document(actions: list[str]) -> str:
    # moto calls CloudWatch by the name it signs with, which IAM does not.
    told = [action.replace("cloudwatch:", "monitoring:") for action in actions]
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": told, "Resource": "*"}]}
    )


async def test_with_these_rights_everything_works(everything: Everything, rights: Any) -> None:
    rights(OF_THE_ROLE)
    await everything.steered()


@pytest.mark.parametrize("missing", [a for a in OF_THE_ROLE if a.startswith("elasticloadbalancing:")])
async def test_each_right_that_is_missing_is_named(everything: Everything, rights: Any, missing: str) -> None:
    rights([a for a in OF_THE_ROLE if a != missing])
    # What was registered cannot be taken away again without that right.
    kind = OutcomeUnknown if missing.endswith(":DeregisterTargets") else AuthFailed
    with pytest.raises(kind, match=f"assumed-role/kaeru/kaeru lacks the right {missing}"):
        await everything.steered()
