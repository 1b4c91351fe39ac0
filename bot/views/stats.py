"""Numbers over all incidents, as a card and as text."""

from collections.abc import Sequence
from datetime import tzinfo

from bot.domain.stats import Group, Stats
from bot.views.blocks import Block, Card, card, context, header, sections
from bot.views.mrkdwn import line

_SHOWN = 12
_TIMES = (
    ("decide", "Decide", "declared until decided"),
    ("approve", "Approve", "plan ready until approved"),
    ("mitigate", "Mitigate", "declared until mitigated"),
    ("ill", "Ill", "first seen until mitigated"),
)


def stats_card(stats: Stats, zone: tzinfo, picture: str) -> Card:
    """`picture` says where the picture is."""
    title = f"Incidents{f' of {stats.service}' if stats.service else ''}"
    lead = f"{span(stats, zone)}: {line(stats.sentence)}."
    blocks: list[Block] = [header(title), *sections([lead, *_whole(stats.whole)])]
    for name, groups in _parts(stats):
        shown = [f"*{line(one.name, 60)}*  {line(_short(one), 300)}" for one in groups[:_SHOWN]]
        more = [f"and {len(groups) - _SHOWN} more"] if len(groups) > _SHOWN else []
        blocks += sections([f"*{name}*", *shown, *more])
    if stats.left_out:
        blocks.append(
            context("There are older incidents, which were not read. Name a beginning, such as `1y`.")
        )
    blocks.append(context(line(picture, 500)))
    return card(f"{title}: {lead}", blocks)


def _whole(whole: Group) -> list[str]:
    if not whole.incidents:
        return ["There are no numbers yet: none of them is closed and no exercise."]
    lines = [f"*{label}* ({what}): {getattr(whole, name).sentence}" for name, label, what in _TIMES]
    return [*lines, f"*Rollbacks*: {whole.sentence}", _without(whole)]


def _without(whole: Group) -> str:
    return f"*Without a rollback*: {whole.forward} fixed forward, {whole.neither} neither"


def _parts(stats: Stats) -> tuple[tuple[str, Sequence[Group]], ...]:
    """What there is more than one of; months newest first."""
    named = (
        ("By service", () if stats.service else stats.services),
        ("By severity", stats.severities),
        ("By month", stats.months[::-1]),
    )
    return tuple((name, groups) for name, groups in named if len(groups) > 1)


def _short(one: Group) -> str:
    count = "1 incident" if one.incidents == 1 else f"{one.incidents} incidents"
    return f"{count}; mitigate: {one.mitigate.sentence}; rollbacks: {one.sentence}"


def stats_text(stats: Stats, zone: tzinfo) -> list[str]:
    """The same for a terminal."""
    title = f"Incidents{f' of {stats.service}' if stats.service else ''}"
    lines = [f"{title}, {span(stats, zone)}: {stats.sentence}."]
    lines += [f"  {text.replace('*', '')}" for text in _whole(stats.whole)]
    for name, groups in _parts(stats):
        lines += ["", name, *(f"  {one.name}  {_short(one)}" for one in groups)]
    if stats.left_out:
        lines += ["", "There are older incidents, which were not read. Name a beginning with --since."]
    return lines


def span(stats: Stats, zone: tzinfo) -> str:
    """`since 2026-10-01` or `all there is`."""
    return "all there is" if stats.since is None else f"since {stats.since.astimezone(zone):%Y-%m-%d}"
