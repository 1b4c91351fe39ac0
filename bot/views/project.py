"""The projection: everything that Slack shall show of an incident, as a function of its state.

A slot is a place that holds one operation. The same content again means nothing to do; a changed post is
edited in place. Slots that are left out stay as they are, so a card that can no longer be pressed is
projected once more without its buttons; `project` does so by itself where it knows the state before. Lanes keep their order, and wait for nobody but themselves:

    incident:{id}          the messages of the incident's channel, which comes first
    incident:{id}:setup    topic, invitations: they never delay a card
    incident:{id}:source   the answer where the command was typed
    incident:{id}:output   what the steps print, in the thread below the checklist
    stakeholders:{id}      what people outside are told
"""

from bot.domain import events as e
from bot.domain.backups import BackupRecord
from bot.domain.base import BOT, UserId, Value
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident, PlanRecord, Status
from bot.domain.paging import PageRecord
from bot.domain.policy import Policy
from bot.domain.restores import Restore
from bot.domain.run import Run
from bot.ports.chat import (
    INCIDENT_CHANNEL,
    AddBookmark,
    DescribeChannel,
    Invite,
    OpenChannel,
    Operation,
    Post,
    thread_of,
)
from bot.views.alert_card import worse_card
from bot.views.announce import announce, stakeholder_card, stakeholder_note
from bot.views.backup_card import backup_card
from bot.views.blocks import Card
from bot.views.blocks import context as small_print
from bot.views.closed_card import closed_card
from bot.views.forward_fix_card import forward_fix_card
from bot.views.limits import CHANNEL_NAME, TOPIC, clip
from bot.views.mrkdwn import clean, plain, who
from bot.views.outcome_card import good_card, held_for_a_while, stuck_card
from bot.views.page_card import late_note, page_card
from bot.views.plan_card import plan_card
from bot.views.printed import printed_card
from bot.views.restore_card import restore_card
from bot.views.run_card import run_card
from bot.views.severity_card import severity_card
from bot.views.status import source_line
from bot.views.traffic_card import asks_now, traffic_card
from bot.views.wording import invited, lead


class Link(Value):
    """`title` is what people read, `url` where it leads."""

    title: str
    url: str


class Context(Value):
    """What the views need beyond the incident. `policy` is that of the severity, or the strictest without one.

    `stakeholders` is a channel's id or name; `watch_s` is seconds; `critical` are the endpoints that count;
    `links` become the channel's bookmarks; `channel_prefix` replaces the `inc` of the incident's id.
    """

    policy: Policy
    responders: tuple[UserId, ...]
    stakeholders: str | None
    watch_s: float
    critical: tuple[str, ...]
    bot_user: UserId
    links: tuple[Link, ...] = ()
    channel_prefix: str = "inc"


class Slot(Value):
    """`slot` is unique within its lane."""

    lane: str
    slot: str
    operation: Operation


def project(incident: Incident, context: Context, before: Incident | None = None) -> tuple[Slot, ...]:
    """All level-triggered slots of this state, oldest first within a lane.

    With the state `before` the change, cards that this state has no place for are put to rest as well.
    """
    if incident.archived_at is not None:
        # Nothing can be said in its channel any more, not even that a card is at rest.
        return (*_source(incident), *_stakeholders(incident, context))
    slots = _slots(incident, context)
    if before is None:
        return slots
    present = {(slot.lane, slot.slot) for slot in slots}
    gone = (slot for slot in _slots(before, context) if (slot.lane, slot.slot) not in present)
    return (*(rested for slot in gone if (rested := _at_rest(slot))), *slots)


def _at_rest(slot: Slot) -> Slot | None:
    """The same card with nothing left to press; None where there was nothing to press anyway."""
    post = slot.operation
    if not isinstance(post, Post):
        return None
    kept = tuple(
        {k: v for k, v in b.items() if k != "accessory"} for b in post.blocks if b["type"] != "actions"
    )
    if kept == post.blocks:
        return None
    quiet = post.model_copy(update={"blocks": (*kept, small_print("No longer open; see the newest card."))})
    return slot.model_copy(update={"operation": quiet})


def _slots(incident: Incident, context: Context) -> tuple[Slot, ...]:
    lane = f"incident:{incident.id}"
    name = f"{context.channel_prefix}{incident.id.removeprefix('inc')}"
    opened = OpenChannel(name=name[:CHANNEL_NAME], purpose=_purpose(incident))
    cards = _cards(incident, context)
    return (
        Slot(lane=lane, slot="channel", operation=opened),
        *(Slot(lane=lane, slot=name, operation=_post(INCIDENT_CHANNEL, card)) for name, card in cards),
        *_setup(incident, context),
        *_source(incident),
        *_stakeholders(incident, context),
    )


def project_event(incident: Incident, event: e.Event, seq: int, context: Context) -> tuple[Slot, ...]:
    """The one-off messages about `event`, entry `seq` of the timeline; `incident` is the state after it."""
    slots = []
    said = announce(incident, event, context.policy) if incident.archived_at is None else None
    if said is not None:
        operation = _post(INCIDENT_CHANNEL, said)
        slots.append(Slot(lane=f"incident:{incident.id}", slot=f"event-{seq}", operation=operation))
    told = stakeholder_note(incident, event, watch_s=context.watch_s) if context.stakeholders else None
    if told is not None and context.stakeholders:
        operation = _post(context.stakeholders, told)
        slots.append(Slot(lane=f"stakeholders:{incident.id}", slot=f"event-{seq}", operation=operation))
    if isinstance(event, e.StepPrinted):
        slots.append(_printed(incident, event, seq))
    return tuple(slots)


def project_run(incident: Incident, run_id: str) -> Slot:
    """The checklist of one run alone."""
    operation = _post(INCIDENT_CHANNEL, run_card(incident, incident.find_run(run_id)))
    return Slot(lane=f"incident:{incident.id}", slot=_run_slot(incident, run_id), operation=operation)


def project_restore(incident: Incident, number: int, detail: str) -> Slot:
    """The card of one restore alone, saying where it stands."""
    restore = incident.restore(number).model_copy(update={"detail": detail})
    operation = _post(INCIDENT_CHANNEL, restore_card(incident, restore))
    return Slot(lane=f"incident:{incident.id}", slot=_restore_slot(restore), operation=operation)


def _restore_slot(restore: Restore) -> str:
    return f"restore-{restore.number}"


def project_backup(incident: Incident, record: BackupRecord, progress: str) -> Slot:
    """The card of one backup alone, with where it stands now."""
    operation = _post(INCIDENT_CHANNEL, backup_card(incident, record, progress))
    return Slot(lane=f"incident:{incident.id}", slot=_backup_slot(record), operation=operation)


def _backup_slot(record: BackupRecord) -> str:
    return f"backup-{record.database}-{record.number}"


def project_page(incident: Incident, record: PageRecord, trouble: str) -> tuple[Slot, ...]:
    """The card of one page alone, with what is in its way now, and a message that says so once."""
    lane, operation = f"incident:{incident.id}", _post(INCIDENT_CHANNEL, page_card(incident, record, trouble))
    said = _post(INCIDENT_CHANNEL, late_note(incident))
    return (
        Slot(lane=lane, slot=f"page-{record.number}", operation=operation),
        Slot(lane=lane, slot=f"page-{record.number}-late", operation=said),
    )


def _run_slot(incident: Incident, run_id: str) -> str:
    return next(f"run-{place}" for place, run in enumerate(incident.runs, start=1) if run.id == run_id)


def _printed(incident: Incident, event: e.StepPrinted, seq: int) -> Slot:
    lane, run = f"incident:{incident.id}", incident.find_run(event.run_id)
    thread = thread_of(lane, _run_slot(incident, run.id))
    operation = _post(INCIDENT_CHANNEL, printed_card(run, event)).model_copy(update={"thread_ts": thread})
    return Slot(lane=f"{lane}:output", slot=f"event-{seq}", operation=operation)


def _post(channel: str, card: Card) -> Post:
    return Post(channel=channel, text=card.text, blocks=card.blocks)


def _cards(incident: Incident, context: Context) -> list[tuple[str, Card]]:
    cards = [("severity", severity_card(incident))]
    cards += [(_backup_slot(record), backup_card(incident, record)) for record in incident.backups]
    cards += [(f"page-{record.number}", page_card(incident, record)) for record in incident.pages]
    worse, fix = incident.worse, incident.forward_fix
    if worse is not None and incident.is_open:
        cards.append((f"worse-{worse.number}", worse_card(incident, worse.severity)))
    if fix is not None:
        cards += [(f"forward-fix-{n}", forward_fix_card(incident, fix, n)) for n in range(fix.reminders + 1)]
    for record in incident.plans:
        if _was_shown(incident, record):
            cards.append((_plan_slot(incident, record), plan_card(incident, record, context.policy)))
        for place, run in enumerate(incident.runs, start=1):
            if run.plan_number == record.number:
                cards += _run_cards(incident, run, place, context)
    cards += [(_restore_slot(restore), restore_card(incident, restore)) for restore in incident.restores]
    if incident.status is Status.CLOSED:
        cards.append(("closed", closed_card(incident)))
    return cards


def _was_shown(incident: Incident, record: PlanRecord) -> bool:
    """Whether people could see this plan's card: it was the newest one while there was something to decide."""
    if incident.deciding_since is None:
        return False
    replaced = next((r.requested_at for r in incident.plans if r.number > record.number), None)
    if replaced is not None:
        return replaced > incident.deciding_since
    fix = incident.forward_fix
    aside = (fix.since if fix is not None else None) or incident.severity_at
    if incident.status is Status.FIXING_FORWARD and aside is not None:
        return record.requested_at < aside
    return True


def _plan_slot(incident: Incident, record: PlanRecord) -> str:
    """A plan that is set aside for a forward fix and taken up again appears anew, below what was said since."""
    began = incident.deciding_since
    if began is None or record.requested_at >= began:
        return f"plan-{record.number}"
    return f"plan-{record.number}-{int(began.timestamp())}"


def _run_cards(incident: Incident, run: Run, place: int, context: Context) -> list[tuple[str, Card]]:
    cards = [(f"run-{place}", run_card(incident, run))]
    if asks_now(incident, run):
        cards.append((f"traffic-{place}-{run.traffic.asks}", traffic_card(incident, run)))
    failed = run.outcome in (Outcome.FAILED, Outcome.UNKNOWN)
    if run.outcome is Outcome.SUCCEEDED or (failed and held_for_a_while(run)):
        cards.append((f"outcome-{place}", good_card(incident, run, watch_s=context.watch_s)))
    if failed:
        cards.append((f"stuck-{place}", stuck_card(incident, run)))
    return cards


def _setup(incident: Incident, context: Context) -> tuple[Slot, ...]:
    if incident.channel_id is None:
        return ()
    lane = f"incident:{incident.id}:setup"
    topic = DescribeChannel(channel=INCIDENT_CHANNEL, topic=_topic(incident), purpose=_purpose(incident))
    slots = [Slot(lane=lane, slot="describe", operation=topic)]
    approvers = context.policy.approvers if incident.severity else ()
    people = tuple(u for u in invited(incident, context.responders, approvers) if u != context.bot_user)
    if people:
        invitation = Invite(channel=INCIDENT_CHANNEL, users=people)
        slots.append(Slot(lane=lane, slot="invite", operation=invitation))
    for place, link in enumerate(context.links, start=1):
        bookmark = AddBookmark(channel=INCIDENT_CHANNEL, title=link.title, link=link.url)
        slots.append(Slot(lane=lane, slot=f"bookmark-{place}", operation=bookmark))
    return tuple(slots)


def _purpose(incident: Incident) -> str:
    return clip(
        f"Incident {plain(incident.id, 80)}: decide, roll back and follow along here. Everything said is kept.",
        TOPIC,
    )


def _topic(incident: Incident) -> str:
    """`CRITICAL · shop · lead <@U1>`.

    Every change of it is one more line in the channel, and Slack allows 20 a minute: so it names what holds for
    most of the incident; where it stands is said by the cards.
    """
    parts = (
        "EXERCISE" if incident.exercise else None,
        "CLOSED" if incident.status is Status.CLOSED else None,
        incident.severity.label.upper() if incident.severity else None,
        plain(incident.service, 60),
        None if incident.severity else "severity to be chosen",
        "nobody leads yet" if lead(incident) == BOT else f"lead {clean(who(lead(incident)))}",
    )
    return clip(" · ".join(part for part in parts if part), TOPIC)


def _source(incident: Incident) -> tuple[Slot, ...]:
    """One message, edited in place, once there is a channel to point at."""
    source = incident.source_channel
    if source is None or incident.channel_id is None or source == incident.channel_id:
        return ()
    operation = _post(source, source_line(incident))
    return (Slot(lane=f"incident:{incident.id}:source", slot="source", operation=operation),)


def _stakeholders(incident: Incident, context: Context) -> tuple[Slot, ...]:
    if context.stakeholders is None or incident.declared_as_exercise:
        return ()
    operation = _post(context.stakeholders, stakeholder_card(incident))
    return (Slot(lane=f"stakeholders:{incident.id}", slot="declared", operation=operation),)
