"""What the incident's channel hears of notices, `/incident notices`, and a notice that is read in Slack."""

from datetime import tzinfo

from bot.domain import events as e
from bot.domain.audiences import Addressee, NoticeRecord, Telling
from bot.domain.incident import Incident
from bot.ports.chat import Post
from bot.views.blocks import Card, card, context, header, note, sections
from bot.views.mrkdwn import clock, ended, escape, line, said, who

_SIGNS = {
    Telling.PENDING: ":hourglass_flowing_sand:",
    Telling.TOLD: ":white_check_mark:",
    Telling.FAILED: ":x:",
    Telling.UNKNOWN: ":grey_question:",
    Telling.OUTDATED: ":heavy_minus_sign:",
}
_STATES = {
    Telling.PENDING: "not told yet",
    Telling.TOLD: "told",
    Telling.FAILED: "not told",
    Telling.UNKNOWN: "may have been told",
    Telling.OUTDATED: "not told any more",
}
_SHOWN = 12


def notice_trouble(event: e.NoticeSent | e.NoticeFailed) -> Card | None:
    """What went wrong with a notice; None where nothing did, or what is newer takes its place."""
    if isinstance(event, e.NoticeSent):
        if not event.declined:
            return None
        left_out = ended(line("; ".join(event.declined), 1500))
        return note(f":warning: {_whom(event)} were told, but not everybody: {left_out}")
    if event.state is Telling.OUTDATED:
        return None
    if event.state is Telling.UNKNOWN:
        return note(f":grey_question: {_whom(event)} may have been told: {ended(line(event.reason, 1500))}")
    return note(f":warning: {_whom(event)} were not told: {ended(line(event.reason, 1500))}")


def _whom(event: e.NoticeSent | e.NoticeFailed) -> str:
    # People of Slack are not called into the channel by it.
    whom = f", {line(event.whom, 200)}" if event.whom.strip() and "<@" not in event.whom else ""
    return f"*{event.audience.value.capitalize()}* ({line(event.name, 60)}{whom})"


def notices_card(incident: Incident) -> Card:
    """What was told to whom, the newest first."""
    service = line(incident.service)
    if not incident.notices:
        return note(
            f"Nobody outside was told of this incident of {service} by a notice. "
            "`notices` of kaeru.yml says who is; `/incident tell support …` tells them something."
        )
    shown = incident.notices[: -_SHOWN - 1 : -1]
    lines = [one for record in shown for one in _of_record(record)]
    rest = len(incident.notices) - len(shown)
    blocks = [header(f"What was told to whom: {incident.service}"), *sections(lines)]
    if rest:
        blocks.append(context(f"and {rest} more before that; the timeline has all of them"))
    return card(f"What was told to whom about {service}.", blocks)


def _of_record(record: NoticeRecord) -> list[str]:
    by = f" by {who(record.by)}" if record.moment == "update" else ""
    return [f"*{record.moment.value.capitalize()}*{by}, {clock(record.at)}", *map(_of_one, record.to)]


def _of_one(one: Addressee) -> str:
    whom = f", {said(one.whom, 150)}" if one.whom.strip() else ""
    what = f": “{line(one.subject, 160)}”" if one.subject.strip() else ""
    detail = f" ({line(one.detail, 300)})" if one.detail.strip() else ""
    told = _STATES[one.state]
    return f"{_SIGNS[one.state]} {line(one.name, 60)} ({one.audience}{whom}) – {told}{what}{detail}"


def notices_text(incident: Incident, zone: tzinfo) -> list[str]:
    """The same for a terminal, the oldest first; times are in `zone`."""
    lines: list[str] = []
    for record in incident.notices:
        lines.append(f"{record.at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}  {record.moment}")
        for one in record.to:
            whom = f", {one.whom}" if one.whom else ""
            what = f": {one.subject}" if one.subject else ""
            detail = f" ({one.detail})" if one.detail else ""
            lines.append(f"  {_STATES[one.state]:18} {one.name} ({one.audience}{whom}){what}{detail}")
    return lines or ["Nobody outside was told by a notice."]


def posted(channel: str, subject: str, text: str) -> Post:
    """A notice as a message in a channel, or to a person."""
    lines = [f"*{line(subject)}*", *escape(text).split("\n")]
    made = card(f"{line(subject)}: {line(text)}", sections(lines))
    return Post(channel=channel, text=made.text, blocks=made.blocks)
