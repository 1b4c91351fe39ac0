"""A balancer, its target groups and a distribution in moto's server, and what they look like from outside."""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import boto3
import botocore.handlers
import httpx
import pytest
from moto.server import ThreadedMotoServer

from integrations.aws.alb import AlbTraffic
from integrations.aws.cloudfront import CloudFrontCache
from integrations.aws.settings import AlbSettings, CloudFrontSettings
from tests.contract.aws_proxy import AwsProxy

REGION = "eu-central-1"
ACCOUNT = "123456789012"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
_NUMBERS = itertools.count(1)
Call = tuple[str, str]


@dataclass(frozen=True)
class Cloud:
    """moto's server. What the adapters ask goes through the proxy, what tests ask does not."""

    server: str
    proxy: AwsProxy
    vpc: str
    subnets: tuple[str, ...]

    def client(self, service: str, **more: Any) -> Any:
        return boto3.client(service, endpoint_url=self.server, **(KEYS | more))


def started() -> Iterator[Cloud]:
    """For a fixture of a module."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    proxy = AwsProxy(host, port)
    endpoint = f"http://{host}:{port}"
    vpc, subnets = network(boto3.client("ec2", endpoint_url=endpoint, **KEYS))
    try:
        yield Cloud(endpoint, proxy, vpc, subnets)
    finally:
        proxy.stop()
        server.stop()


def network(ec2: Any) -> tuple[str, tuple[str, ...]]:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = tuple(
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")[
            "Subnet"
        ]["SubnetId"]
        for n, zone in enumerate("ab")
    )
    return vpc, subnets


@pytest.fixture
def own_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The environment of kaeru: keys, and nothing of the machine that tests run on."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """The (service, operation) of every call that kaeru's clients make, by botocore's own events."""
    calls: list[Call] = []

    def record(model: Any, params: dict[str, Any], **_: Any) -> None:
        if "kaeru" in params["headers"].get("User-Agent", ""):
            calls.append((model.service_model.service_name, model.name))

    hook = ("before-call", record)
    botocore.handlers.BUILTIN_HANDLERS.append(hook)
    try:
        yield calls
    finally:
        botocore.handlers.BUILTIN_HANDLERS.remove(hook)


class AlbWorld:
    """A balancer of its own with two target groups, two listeners and a rule, which all send users to the second."""

    def __init__(self, cloud: Cloud, **keys: Any) -> None:
        self.cloud = cloud
        self.elb = cloud.client("elbv2", **keys)
        self._name = f"shop-{next(_NUMBERS)}"
        if keys:
            self.vpc, subnets = network(cloud.client("ec2", **keys))
        else:
            self.vpc, subnets = cloud.vpc, cloud.subnets
        made = self.elb.create_load_balancer(Name=self._name, Subnets=list(subnets))
        self.balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        self.service = self.group("new", 1, 2)
        self.other = self.group("old", 11, 12)
        self.listeners = tuple(
            self.elb.create_listener(
                LoadBalancerArn=self.balancer,
                Protocol="HTTP",
                Port=port,
                DefaultActions=self.only(self.other),
            )["Listeners"][0]["ListenerArn"]
            for port in (80, 81)
        )
        self.rule = self.elb.create_rule(
            ListenerArn=self.listeners[0],
            Priority=10,
            Conditions=[{"Field": "path-pattern", "Values": ["/api/*"]}],
            Actions=self.only(self.other),
        )["Rules"][0]["RuleArn"]

    def group(self, name: str, *hosts: int) -> str:
        made = self.elb.create_target_group(
            Name=f"{self._name}-{name}", Protocol="HTTP", Port=8080, VpcId=self.vpc, TargetType="ip"
        )
        group: str = made["TargetGroups"][0]["TargetGroupArn"]
        if hosts:
            self.register(group, *hosts)
        return group

    def register(self, group: str, *hosts: int) -> None:
        self.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": host(n)} for n in hosts])

    def deregister(self, group: str, *hosts: int) -> None:
        self.elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": host(n)} for n in hosts])

    def registered(self, group: str) -> set[str]:
        found = self.elb.describe_target_health(TargetGroupArn=group)
        return {one["Target"]["Id"] for one in found["TargetHealthDescriptions"]}

    @staticmethod
    def only(group: str) -> list[dict[str, Any]]:
        return [{"Type": "forward", "TargetGroupArn": group}]

    def weighted(self, mine: int, others: int) -> list[dict[str, Any]]:
        groups = ((self.service, mine), (self.other, others))
        config = {"TargetGroups": [{"TargetGroupArn": g, "Weight": w} for g, w in groups]}
        return [{"Type": "forward", "ForwardConfig": config}]

    def set(self, place: str, actions: list[dict[str, Any]]) -> None:
        if place in self.listeners:
            self.elb.modify_listener(ListenerArn=place, DefaultActions=actions)
        else:
            self.elb.modify_rule(RuleArn=place, Actions=actions)

    def actions(self, place: str) -> list[dict[str, Any]]:
        if place in self.listeners:
            found = self.elb.describe_listeners(ListenerArns=[place])["Listeners"][0]["DefaultActions"]
        else:
            found = self.elb.describe_rules(RuleArns=[place])["Rules"][0]["Actions"]
        return list(found)

    def weights(self, place: str) -> tuple[int, int]:
        """What the two groups have, as AWS tells it."""
        (action,) = self.actions(place)
        found = {
            one["TargetGroupArn"]: one["Weight"]
            for one in action.get("ForwardConfig", {}).get("TargetGroups", [])
        } or {action["TargetGroupArn"]: 1}
        return found.get(self.service, 0), found.get(self.other, 0)

    @property
    def places(self) -> tuple[str, ...]:
        return (*self.listeners, self.rule)

    def settings(self, **more: Any) -> AlbSettings:
        given = {
            "target_group": self.service,
            "other_group": self.other,
            "listeners": self.listeners,
            "rules": (self.rule,),
            "endpoint": self.cloud.proxy.endpoint,
            "healthy_within": "1ms",
            "timeout": "5s",
        }
        return AlbSettings.model_validate({k: v for k, v in (given | more).items() if v is not None})

    def by_targets(
        self, mine: tuple[int, ...] = (1, 2), others: tuple[int, ...] = (11, 12), **more: Any
    ) -> AlbSettings:
        """Both kinds of targets in the group `other`, which the listeners send users to."""
        return self.settings(
            by="targets",
            target_group=self.other,
            other_group=None,
            listeners=None,
            rules=None,
            targets=[{"id": host(n)} for n in mine],
            other_targets=[{"id": host(n)} for n in others],
            **more,
        )

    def traffic(self, **more: Any) -> AlbTraffic:
        return AlbTraffic(self.settings(**more))

    def metric(self, name: str, group: str | None, value: int, at: datetime) -> None:
        """Count as CloudWatch does for a minute: for one group of this balancer, or for the whole balancer."""
        dimensions = [{"Name": "LoadBalancer", "Value": self.balancer.partition(":loadbalancer/")[2]}]
        if group is not None:
            dimensions.append({"Name": "TargetGroup", "Value": group.rpartition(":")[2]})
        data = {"MetricName": name, "Dimensions": dimensions, "Timestamp": at, "Value": float(value)}
        self.cloud.client("cloudwatch").put_metric_data(Namespace="AWS/ApplicationELB", MetricData=[data])


class CdnWorld:
    """A distribution of its own."""

    def __init__(self, cloud: Cloud, **keys: Any) -> None:
        self.cloud = cloud
        self.client = cloud.client("cloudfront", **keys)
        origin = {
            "Id": "shop",
            "DomainName": "shop.example.com",
            "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"},
        }
        config = {
            "CallerReference": f"made-{next(_NUMBERS)}",
            "Comment": "shop",
            "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": {
                "TargetOriginId": "shop",
                "ViewerProtocolPolicy": "https-only",
                "MinTTL": 0,
                "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
            },
        }
        self.id = self.client.create_distribution(DistributionConfig=config)["Distribution"]["Id"]

    def references(self) -> list[str]:
        """The caller references of all invalidations."""
        listed = self.client.list_invalidations(DistributionId=self.id)["InvalidationList"].get("Items") or []
        return [
            self.client.get_invalidation(DistributionId=self.id, Id=one["Id"])["Invalidation"][
                "InvalidationBatch"
            ]["CallerReference"]
            for one in listed
        ]

    def cache(self, **more: Any) -> CloudFrontCache:
        given = {"distribution": self.id, "endpoint": self.cloud.proxy.endpoint, "timeout": "5s"}
        return CloudFrontCache(CloudFrontSettings.model_validate(given | more))


def host(number: int) -> str:
    return f"10.0.0.{number}"


def states(**by_host: str) -> Callable[[bytes], bytes]:
    """Answers of DescribeTargetHealth in which these hosts (`h1="draining"`) are in another state than moto's healthy."""

    def alter(content: bytes) -> bytes:
        text = content.decode()
        for name, state in by_host.items():
            word, _, reason = state.partition("/")
            told = f"<State>{word}</State>" + (f"<Reason>{reason}</Reason>" if reason else "")
            text = re.sub(
                rf"(<Id>{re.escape(host(int(name[1:])))}</Id>.*?<TargetHealth>).*?(</TargetHealth>)",
                lambda found, told=told: f"{found[1]}{told}{found[2]}",
                text,
                flags=re.DOTALL,
            )
        return text.encode()

    return alter


def enforced(cloud: Cloud, *, on: bool) -> None:
    """Whether moto looks at signatures and rights."""
    count = "0" if on else "inf"
    httpx.post(f"{cloud.server}/moto-api/reset-auth", content=count, timeout=10).raise_for_status()


def minutes_ago(minutes: int, now: datetime) -> datetime:
    return now - timedelta(minutes=minutes)
