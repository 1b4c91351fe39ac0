"""What a plan would do, for the card that asks for approval and for a dry run: the same facts, in one order."""

from itertools import chain

from bot.domain.incident import Incident
from bot.domain.plan import Changes, ComponentChange, Level, Plan
from bot.domain.prose import listed
from bot.views.around_facts import afterwards, first, how_long
from bot.views.backup_facts import backups
from bot.views.blocks import Block, context, sections
from bot.views.data_facts import data_facts, done_to
from bot.views.mrkdwn import bullets, code, counted, line

_COMPONENTS = 10
_COMMITS = 5
_PATHS = 5
_ACTIONS = 12
_DIFF = 12
_CHECKS = 12
_WARNINGS = 8
_SOURCES = 6
_LEVELS = {
    Level.DANGER: ":rotating_light:",
    Level.WARNING: ":warning:",
    Level.INFO: ":information_source:",
}
_ORDER = list(_LEVELS)


def facts(plan: Plan, incident: Incident | None = None) -> list[Block]:
    """From what to what and why, what changes, what is lost, what is done, what was checked, what to be wary of.

    With the `incident` it is for, also how far that has come.
    """
    return [
        *_way_back(plan),
        *sections(_what_changes(plan)),
        *sections(_taken_away(plan.changes)),
        *_migrations(plan.changes),
        *data_facts(plan),
        *backups(plan, incident),
        *_steps(plan),
        *_checks(plan),
        *_warnings(plan),
        *_evidence(plan),
        context(f"Health will be compared with {line(plan.baseline.sentence, 300)}."),
    ]


def _evidence(plan: Plan) -> list[Block]:
    """Whether metrics and logs can be read at all, and what is wrong now; nothing where none are configured."""
    if not plan.evidence:
        return []
    readable = sum(one.readable for one in plan.evidence)
    of = counted(len(plan.evidence), "metric or log", "metrics and logs")
    lines = [f"*Evidence*  {readable} of {of} can be read"]
    for one in sorted(plan.evidence, key=lambda one: (one.readable, not one.wrong))[:_SOURCES]:
        emoji = ":x:" if one.wrong else ":information_source:" if one.readable else ":grey_question:"
        state = "is worse now: " if one.wrong else "" if one.readable else "cannot be read: "
        lines.append(f"{emoji} {code(one.what)} {state}{line(one.sentence, 300)}")
    return sections(lines)


def _way_back(plan: Plan) -> list[Block]:
    lines = [_component(c) for c in plan.components[:_COMPONENTS]]
    if len(plan.components) > _COMPONENTS:
        lines.append(f"and {len(plan.components) - _COMPONENTS} more components")
    return sections([*lines, f"Why {code(plan.to_version)}: {line(plan.why, 300)}."])


def _component(change: ComponentChange) -> str:
    return f"*{line(change.component, 60)}*   {code(change.from_version)} → {code(change.to_version)}"


def _what_changes(plan: Plan) -> list[str]:
    """What the targets say will be different, by names only; nothing where no target can say."""
    every = [
        line(text, 160) if len(plan.components) == 1 else f"{line(c.component, 40)}: {line(text, 160)}"
        for c in plan.components
        for text in c.diff
        if text.strip()
    ]
    return ["*What changes*", *bullets(every, most=_DIFF)] if every else []


def _taken_away(changes: Changes) -> list[str]:
    title = "*What is taken away*"
    if not changes.known:
        return [title, f"Not known. {line(changes.note, 400)}"]
    count = f"{counted(changes.commit_count, 'commit')}, {counted(changes.file_count, 'file')}"
    shown = changes.commits[:_COMMITS]
    lines = [f"•  {line(c.subject, 100)}  _{line(c.author.replace('_', ' '), 30)}_" for c in shown]
    left = max(changes.commit_count, len(changes.commits)) - len(shown)
    if left > 0:
        lines.append(f"•  and {left} more")
    return [f"{title}: {count}", *lines, *_paths(changes)]


def _paths(changes: Changes) -> list[str]:
    """One line with the first few paths; none where there is none."""
    shown = [code(changed.path, 80) for changed in changes.files[:_PATHS]]
    if not shown:
        return []
    left = max(changes.file_count, len(changes.files)) - len(shown)
    return [f"Files: {', '.join(shown)}{f' and {left} more' if left > 0 else ''}"]


def _migrations(changes: Changes) -> list[Block]:
    if not changes.migrations:
        return []
    listed = bullets((code(path, 120) for path in changes.migrations), most=_PATHS)
    warning = (
        ":rotating_light: *Database migrations seem to lie between these versions.* "
        "The rollback does not undo them; make sure that the older version can live with them."
    )
    return sections([warning, *listed])


def _steps(plan: Plan) -> list[Block]:
    on_data = [f"{line(p.name, 60)}: {line(text, 200)}" for p in plan.databases for text in done_to(p)]
    alone = len(plan.components) == 1 and not on_data
    every = [
        *first(plan),
        *on_data,
        *chain.from_iterable(_actions(c, alone=alone) for c in plan.components),
        *(line(text, 200) for text in afterwards(plan)),
    ]
    lines = [f"{number}.  {text}" for number, text in enumerate(every[:_ACTIONS], start=1)]
    if len(every) > _ACTIONS:
        lines.append(f"and {len(every) - _ACTIONS} more steps")
    lines += [line(order, 400)] if (order := in_order(plan)) else []
    return sections([f"*What will be done*, {how_long(plan)}", *lines])


def in_order(plan: Plan) -> str:
    """Which components go back at once and which wait for others, in plain text; empty for a single one."""
    if len(plan.components) == 1:
        return ""
    together = [
        listed([c.component for c in tier]) + (" at once" if len(tier) > 1 else "") for tier in plan.tiers
    ]
    if len(together) == 1:
        return f"All at once: {together[0].removesuffix(' at once')}."
    return f"First {together[0]}; {'; '.join(f'then {those}' for those in together[1:])}."


def _actions(change: ComponentChange, *, alone: bool) -> list[str]:
    said = change.actions or (f"Take {change.component} back to {change.to_version}",)
    return [line(a, 200) if alone else f"{line(change.component, 60)}: {line(a, 200)}" for a in said]


def _checks(plan: Plan) -> list[Block]:
    """What does not hold in full size, what holds as small print."""
    bad = [f":x: *{line(c.name, 60)}*: {line(c.detail, 200)}" for c in plan.checks if not c.ok]
    good = _passed(plan)
    shown = sections(["*Does not hold*", *bad[:_CHECKS]]) if bad else []
    return [*shown, *([context("\n".join(good))] if good else [])]


def _passed(plan: Plan) -> list[str]:
    """Each with what was seen; of several components, which are the same checks again and again, only the names."""
    passed = [c for c in plan.checks if c.ok]
    if len(plan.components) > 1 and passed:
        names = "; ".join(line(c.name, 60) for c in passed[: 2 * _CHECKS])
        more = f" and {len(passed) - 2 * _CHECKS} more" if len(passed) > 2 * _CHECKS else ""
        return [f":white_check_mark: {counted(len(passed), 'check')} passed: {names}{more}"]
    lines = [f":white_check_mark: {line(c.name, 60)}: {line(c.detail, 120)}" for c in passed]
    if len(lines) > _CHECKS:
        lines = [*lines[:_CHECKS], f"and {len(lines) - _CHECKS} more checks passed"]
    return lines


def _warnings(plan: Plan) -> list[Block]:
    ranked = sorted(plan.warnings, key=lambda warning: _ORDER.index(warning.level))
    lines = [f"{_LEVELS[w.level]} {line(w.text, 300)}" for w in ranked[:_WARNINGS]]
    if len(ranked) > _WARNINGS:
        lines.append(f"and {len(ranked) - _WARNINGS} more")
    return sections(lines)
