"""What people write for AWS, and the actions that are written back; nothing is asked of anybody."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.catalog import Adapter
from integrations.aws import actions as act
from integrations.aws.alb import AlbTraffic
from integrations.aws.cloudfront import CloudFrontCache
from integrations.registry import CACHES, TRAFFIC, make_cache, make_traffic

PAGE = Path(__file__).parents[2] / "docs" / "aws.md"
PAIR = act.Pair("new", "old")


def examples() -> list[dict[str, Any]]:
    return [
        yaml.safe_load(block)
        for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    ]


async def test_the_examples_of_the_page_can_be_made() -> None:
    made = []
    for given in examples():
        kind = given.pop("kind")
        entry = (TRAFFIC | CACHES)[kind]
        adapter = Adapter(kind=kind, settings=entry.settings_model().model_validate(given))
        one = make_traffic(adapter) if kind in TRAFFIC else make_cache(adapter)
        made.append((type(one), one.identity.partition(":")[0]))
        await one.aclose()
    assert made == [(AlbTraffic, "alb"), (AlbTraffic, "alb"), (CloudFrontCache, "cloudfront")]


@pytest.mark.parametrize(
    ("share", "weights"),
    [
        (0, (0, 100)),
        (0.1, (10, 90)),
        (0.125, (125, 875)),
        (0.0001, (1, 999)),
        (0.9999, (999, 1)),
        (1, (100, 0)),
    ],
)
def test_no_share_is_rounded_to_nothing_or_to_everything(share: float, weights: tuple[int, int]) -> None:
    found = act.wanted(share)
    assert (found.service, found.other) == weights
    assert max(weights) <= act.MOST


def test_a_sign_in_keeps_its_secret_and_its_place() -> None:
    actions: list[act.Action] = [
        {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {"ClientId": "shop"}},
        {"Type": "forward", "Order": 2, "TargetGroupArn": "old"},
    ]
    changed = act.weighted(actions, PAIR, act.Weights(10, 90))
    assert changed[0]["AuthenticateOidcConfig"] == {"ClientId": "shop", "UseExistingClientSecret": True}
    assert changed[1] == {
        "Type": "forward",
        "Order": 2,
        "ForwardConfig": {
            "TargetGroups": [
                {"TargetGroupArn": "old", "Weight": 90},
                {"TargetGroupArn": "new", "Weight": 10},
            ]
        },
    }
    assert "UseExistingClientSecret" not in actions[0]["AuthenticateOidcConfig"]
    assert act.resubmitted(actions)[1] == actions[1]


def test_the_structure_is_all_but_the_weights_of_the_two() -> None:
    alone: list[act.Action] = [{"Type": "forward", "TargetGroupArn": "old"}]
    both = act.weighted(alone, PAIR, act.Weights(10, 90))
    assert act.structure(alone, PAIR) == act.structure(both, PAIR)
    sticky = act.weighted(both, PAIR, act.Weights(10, 90))
    sticky[0]["ForwardConfig"]["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": 60}
    third = act.weighted(both, PAIR, act.Weights(10, 90))
    third[0]["ForwardConfig"]["TargetGroups"].append({"TargetGroupArn": "canary", "Weight": 0})
    found = [act.structure(a, PAIR) for a in (both, sticky, third, [{"Type": "redirect"}])]
    assert len(set(found)) == 4
