"""Shifts traffic in a process of its own, which is killed on the way."""

import asyncio

from bot.ports.traffic import ShiftPlan
from integrations.registry import TRAFFIC
from tests.classic.crashing import _deadly, ends_killed, forked


def killed(kind: str, *words: str) -> None:
    """Shift, and be killed. `words` are the settings and the plan as JSON, the key, and where and when.

    Those two are as in `tests.classic.crashing`.
    """
    ends_killed(forked(_shift, kind, *words))


def _shift(kind: str, *words: str) -> None:
    settings, plan, key, where, when = words
    entry = TRAFFIC[kind]
    adapter = entry.make(entry.settings_model().model_validate_json(settings))
    _deadly(where, when)
    asyncio.run(adapter.shift(ShiftPlan.model_validate_json(plan), key))
