"""A plan in plain text: everything that an approval vouches for."""

from collections.abc import Sequence

from bot.cli.words import shown, spoken
from bot.domain.plan import Changes, Check, Plan
from bot.domain.prose import Names
from bot.views.around_facts import afterwards, first, how_long
from bot.views.backup_facts import backup_in_words
from bot.views.data_facts import done_to, in_words
from bot.views.mrkdwn import clean, counted
from bot.views.plan_facts import in_order

_COMMITS = 20
_PATHS = 20
_DIFF = 60


def plan_text(plan: Plan, names: Names, *, besides: Sequence[Check] = ()) -> str:
    """The way back, what is taken away, what is done, what was checked, what to be wary of.

    `besides` are checks of what the incident has by now.
    """
    lines = [
        f"{plan.service}: {plan.from_version} → {plan.to_version} (plan {plan.number}, digest {plan.digest})",
        f"why {plan.to_version}: {plan.why}",
        "",
        *_what_changes(plan),
        *_taken_away(plan.changes),
        *in_words(plan),
        f"What will be done, {how_long(plan)}:",
        *(f"  {text}" for text in first(plan)),
        *(f"  {part.name}: {text}" for part in plan.databases for text in done_to(part)),
        *(
            f"  {c.component} {c.from_version} → {c.to_version}: {action}"
            for c in plan.components
            for action in (c.actions or (f"take it back to {c.to_version}",))
        ),
        *(f"  {text}" for text in afterwards(plan)),
        *([f"  {order}"] if (order := in_order(plan)) else []),
        *_backups(plan),
        "Checked:",
        *(
            f"  {'ok  ' if check.ok else 'FAIL'} {check.name}: {spoken(check.detail, names)}"
            for check in (*plan.checks, *besides)
        ),
        *(f"{warning.level.value}: {warning.text}" for warning in plan.warnings),
        f"Health will be compared with {plan.baseline.sentence}.",
    ]
    return clean("\n".join(shown(line, names) for line in lines))


def _backups(plan: Plan) -> list[str]:
    lines = [f"  {text}" for part in plan.databases if (text := backup_in_words(part))]
    return ["Backups:", *lines] if lines else []


def _what_changes(plan: Plan) -> list[str]:
    lines = [f"  {c.component}: {text}" for c in plan.components for text in c.diff if text.strip()]
    more = [f"  and {len(lines) - _DIFF} more"] if len(lines) > _DIFF else []
    return ["What changes:", *lines[:_DIFF], *more] if lines else []


def _taken_away(changes: Changes) -> list[str]:
    if not changes.known:
        return [f"What is taken away is not known. {changes.note}".rstrip()]
    head = f"What is taken away: {counted(changes.commit_count, 'commit')}, {counted(changes.file_count, 'file')}"
    commits = [f"  {c.sha[:8]} {c.subject} ({c.author})" for c in changes.commits[:_COMMITS]]
    left = changes.commit_count - len(commits)
    more = [f"  and {left} more"] if left > 0 else []
    paths = ", ".join(changed.path for changed in changes.files[:_PATHS])
    unnamed = max(changes.file_count, len(changes.files)) - _PATHS
    files = [f"  files: {paths}{f' and {unnamed} more' if unnamed > 0 else ''}"] if paths else []
    migrations = [f"  database migration, which stays: {path}" for path in changes.migrations]
    return [head, *commits, *more, *files, *migrations]
