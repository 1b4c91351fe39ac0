"""The actions of a listener or a rule: which weights they give to two target groups, and the same with others.

Pure functions over the dictionaries of the API. Whatever else is in them is carried along as it was.
"""

import copy
import hashlib
import json
from dataclasses import dataclass
from typing import Any

Action = dict[str, Any]
SCALE, FINE_SCALE, MOST = 100, 1000, 999


@dataclass(frozen=True)
class Pair:
    """The target group that serves and the one that gets the rest."""

    service: str
    other: str


@dataclass(frozen=True)
class Weights:
    """What the two groups get, and whether `strangers`, further groups, get something as well."""

    service: int
    other: int
    strangers: tuple[str, ...] = ()

    @property
    def share(self) -> float | None:
        """What the service gets of it, 0 to 1; None where that cannot be said."""
        total = self.service + self.other
        return None if self.strangers or total == 0 else self.service / total


def forward(actions: list[Action]) -> Action | None:
    """The one that sends on to target groups, if there is one."""
    return next((a for a in actions if a.get("Type") == "forward"), None)


def groups(actions: list[Action]) -> dict[str, int]:
    """The weights by target group."""
    action = forward(actions)
    if action is None:
        return {}
    listed = action.get("ForwardConfig", {}).get("TargetGroups", [])
    if not listed and "TargetGroupArn" in action:
        return {action["TargetGroupArn"]: 1}
    return {one["TargetGroupArn"]: int(one.get("Weight", 1)) for one in listed}


def weights(actions: list[Action], pair: Pair) -> Weights:
    """How the actions split traffic now."""
    found = groups(actions)
    strangers = sorted(g for g, w in found.items() if w > 0 and g not in (pair.service, pair.other))
    return Weights(found.get(pair.service, 0), found.get(pair.other, 0), tuple(strangers))


def stickiness_s(actions: list[Action]) -> int:
    """For how many seconds the action keeps a user at one target group; 0: it does not."""
    found = (forward(actions) or {}).get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
    return int(found.get("DurationSeconds", 0)) if found.get("Enabled") else 0


def wanted(share: float) -> Weights:
    """The weights for a share. No share is rounded to nothing, or to everything."""
    scale = SCALE if abs(share * SCALE - round(share * SCALE)) < 1e-9 else FINE_SCALE
    mine = round(share * scale)
    if scale == FINE_SCALE:
        mine = min(max(mine, 1), MOST)
    return Weights(mine, scale - mine)


def weighted(actions: list[Action], pair: Pair, to: Weights) -> list[Action]:
    """The same actions with these weights."""
    changed = resubmitted(actions)
    action = forward(changed)
    if action is None:
        raise ValueError("these actions send nothing on")
    found = {**groups(actions), pair.service: to.service, pair.other: to.other}
    config = action.setdefault("ForwardConfig", {})
    config["TargetGroups"] = [{"TargetGroupArn": g, "Weight": w} for g, w in found.items()]
    action.pop("TargetGroupArn", None)  # AWS takes it beside one single group only
    return changed


def resubmitted(actions: list[Action]) -> list[Action]:
    """The actions as AWS takes them back: it never tells the secret of a sign-in before, so that one is kept."""
    changed = copy.deepcopy(actions)
    for action in changed:
        if "AuthenticateOidcConfig" in action and "ClientSecret" not in action["AuthenticateOidcConfig"]:
            action["AuthenticateOidcConfig"]["UseExistingClientSecret"] = True
        if len(groups([action])) > 1:
            action.pop("TargetGroupArn", None)
    return changed


def structure(actions: list[Action], pair: Pair) -> str:
    """8 hex digits over everything in the actions but the weights of these two groups."""
    rest = copy.deepcopy(actions)
    for action in rest:
        if action.get("Type") != "forward":
            continue
        config = action.pop("ForwardConfig", {})
        action.pop("TargetGroupArn", None)
        others = {g: w for g, w in groups(actions).items() if g not in (pair.service, pair.other)}
        sticky = config.get("TargetGroupStickinessConfig", {})
        action["_"] = [sorted(others.items()), sticky.get("DurationSeconds") if sticky.get("Enabled") else 0]
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
