"""The plan of a restore in plain text: everything that an agreement vouches for."""

from collections.abc import Sequence
from datetime import timedelta, tzinfo

from bot.cli.words import stamp
from bot.domain.durations import human
from bot.domain.restores import RestorePlan, Shelved
from bot.views.mrkdwn import clean
from bot.views.restore_card import on_the_shelf


def restore_text(database: str, plan: RestorePlan, shelf: Sequence[Shelved], zone: tzinfo) -> str:
    """What it would do, what would be lost, what was checked, and which other backups there are.

    `shelf` is what it brings back, then the others; empty where that is not known.
    """
    lines = [f"{database}: backup {plan.backup} into {plan.into}"]
    taken, others = (shelf[0], shelf[1:]) if shelf else (None, ())
    if taken is not None:
        lines.append(f"taken {on_the_shelf(taken)}")
    failed = [check for check in plan.checks if check.required and not check.ok]
    if failed:
        lines.append("It would fail, so nothing of it can be done yet:")
    elif plan.replaces:
        lost = f"; what was written since {stamp(plan.lost_since, zone)} is lost" if plan.lost_since else ""
        lines.append(f"{plan.into} is there and will be replaced{lost}")
    about = "" if plan.expected_s is None else f", in about {human(timedelta(seconds=plan.expected_s))}"
    if not failed:
        lines += [f"What will be done{about}:", *(f"  {action}" for action in plan.actions)]
    if plan.checks:
        lines += [
            *(() if failed else ("Checked:",)),
            *(f"  {'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}" for check in plan.checks),
        ]
    lines += [f"{warning.level.value}: {warning.text}" for warning in plan.warnings]
    if others:
        lines += ["Other backups:", *(f"  {one.id}  {on_the_shelf(one)}" for one in others)]
    return clean("\n".join(lines))
