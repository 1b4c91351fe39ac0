"""The forms. What comes back is in `state.values[FIELD][FIELD]`, see `bot.views.ids.Field`.

A modal is opened within three seconds of the click (the trigger id lives no longer), so each of these
needs nothing but what is at hand.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.domain.decide import why_unverified
from bot.domain.incident import Incident, PlanRecord, Status
from bot.domain.releases import Release, Standing, spoken
from bot.domain.severity import Severity
from bot.views.blocks import (
    Block,
    checkbox,
    context,
    entry,
    modal,
    moment_input,
    option,
    person_input,
    radio,
    section,
    sections,
    select,
    text_input,
)
from bot.views.ids import AUTO, YES, Field, Modal, Ref
from bot.views.left import accepting
from bot.views.limits import IDENTIFIER, INPUT_TEXT, OPTIONS
from bot.views.mrkdwn import bullets, code, is_member, line, utc, when, who
from bot.views.wording import about_release, selectable

_NOTE = 2000
_REASON = 500
_NAMED = 10


def picker(services: Mapping[str, str], *, channel: str = "") -> Block:
    """`/rollback` alone. `services` are names with a description; `channel` is where it was typed.

    The first 100 services are offered; a version may be named, and the plan alone may be asked for.
    """
    if not services:
        blocks = [section("No service is configured. Add one to kaeru.yml, then try again.")]
        return modal("Roll back", blocks, callback=Modal.PICKER.value, submit="Close", metadata=channel)
    offered = [option(name, name, description=text) for name, text in list(services.items())[:OPTIONS]]
    only = offered[0] if len(offered) == 1 else None
    blocks = [
        entry(Field.SERVICE, "Service", select(offered, placeholder="Which one is ill?", initial=only)),
        entry(
            Field.VERSION,
            "Version",
            text_input(placeholder="v1.2.9", most=128),
            hint="Leave it empty, and kaeru takes the last version that was seen serving well.",
            optional=True,
        ),
        entry(
            Field.DRY_RUN,
            "Only look",
            checkbox(option("Show the plan, change nothing", YES)),
            optional=True,
        ),
        entry(
            Field.EXERCISE,
            "Exercise",
            checkbox(option("Page nobody, tell nobody outside", YES)),
            hint="The rollback is carried out all the same once it is approved.",
            optional=True,
        ),
    ]
    if len(services) > OPTIONS:
        blocks.append(context(f"Only {OPTIONS} services fit here; for the others type `/rollback SERVICE`."))
    return modal("Roll back", blocks, callback=Modal.PICKER.value, submit="Continue", metadata=channel)


def choose_version(incident: Incident) -> Block:
    """Another target version. Quarantined ones are named with the reason, and cannot be chosen."""
    record = incident.record
    offered = selectable(record)
    target = record.plan.to_version if record and record.plan else None
    if offered:
        choices = [_choice(release, target) for release in offered[: OPTIONS - 1]]
        automatic = option("Let kaeru choose", AUTO, description="The last version seen serving well")
        element = select([automatic, *choices], placeholder="Choose a version")
        blocks = [entry(Field.VERSION, "Go back to", element)]
    else:
        text = text_input(placeholder="v1.2.9", most=128)
        hint = "Leave it empty, and kaeru chooses."
        blocks = [entry(Field.VERSION, "Go back to", text, hint=hint, optional=True)]
    blocks += [
        *_quarantined(record),
        context("A new plan is made for it; the present card dies, nothing is changed yet."),
    ]
    number = record.number if record else 0
    return _about(incident, "Choose a version", blocks, Modal.CHOOSE_VERSION, "Make the plan", number=number)


def _choice(release: Release, target: str | None) -> Block:
    about = about_release(release, target=target)
    if release.last_good_at is not None:
        about = f"{about} {utc(release.last_good_at)}"
    elif release.released_at is not None:
        about = f"{about}, released {utc(release.released_at)}"
    if spoken(release.version) != release.version:
        about = f"other settings{f' ({release.note})' if release.note else ''}: {about}"
    elif release.revision is not None:
        about = f"r{release.revision}: {about}"
    return option(release.version, release.version, description=about)


def _quarantined(record: PlanRecord | None) -> list[Block]:
    releases = record.plan.candidates if record and record.plan else ()
    out = [r for r in releases if r.standing is Standing.QUARANTINED]
    if not out:
        return []
    lines = bullets((f"{code(r.version)}: {about_release(r)}" for r in out), most=_NAMED)
    return sections(["*Not on offer*", *lines])


def reject(incident: Incident, *, number: int, digest: str) -> Block:
    why = text_input(lines=2, placeholder="v1.2.9 has the old tax table", most=_REASON)
    blocks = [
        entry(Field.REASON, "Why not?", why, hint="Everybody in the channel sees it.", optional=True),
    ]
    return _about(incident, "Reject the plan", blocks, Modal.REJECT, "Reject", number=number, digest=digest)


def break_glass(incident: Incident, *, number: int, digest: str, to_version: str) -> Block:
    """Alone and at once. The reason is obligatory and stays in the timeline."""
    blocks = [
        section(
            f":rotating_light: You let *{line(incident.service)}* go back to {code(to_version)} *alone and at once*, "
            "without the approvals that are missing. Your name and reason stay in the timeline and the postmortem."
        ),
        entry(Field.REASON, "Why can it not wait?", text_input(lines=2, most=_REASON)),
    ]
    return _about(
        incident, "Break glass", blocks, Modal.BREAK_GLASS, "Roll back now", number=number, digest=digest
    )


def hold(incident: Incident) -> Block:
    why = text_input(placeholder="The database is being dumped", most=_REASON)
    blocks = [
        section("Nothing new begins while it is on hold. A step that already runs is let finish."),
        entry(Field.REASON, "Why?", why, optional=True),
    ]
    return _about(incident, "Hold", blocks, Modal.HOLD, "Hold")


def severity(incident: Incident) -> Block:
    offered = {s: option(s.label, s.value, description=s.meaning) for s in Severity}
    present = offered.get(incident.severity) if incident.severity else None
    blocks = [
        entry(Field.SEVERITY, "How bad is it?", radio(list(offered.values()), initial=present)),
        context(
            "Critical and High roll back; Medium and Low suggest a forward fix. Who must approve may change."
        ),
    ]
    return _about(incident, "Change the severity", blocks, Modal.SEVERITY, "Change")


def note(incident: Incident) -> Block:
    field = text_input(lines=4, placeholder="What did you see or do?", most=_NOTE)
    return _about(incident, "Add a note", [entry(Field.NOTE, "Note", field)], Modal.NOTE, "Add")


def role(incident: Incident, *, by: str) -> Block:
    """`by` is who opened it, and the first suggestion."""
    suggested = by if is_member(by) else None
    blocks = [
        entry(Field.ROLE, "Role", text_input(placeholder="lead, fixer, scribe, communications", most=60)),
        entry(Field.USER, "Person", person_input(placeholder="Who?", initial=suggested)),
    ]
    if incident.roles:
        now = (f"{line(name, 60)}: {who(user)}" for name, user in incident.roles.items())
        blocks += sections(["*At present*", *bullets(now, most=_NAMED)])
    return _about(incident, "Assign a role", blocks, Modal.ROLE, "Assign")


def close(incident: Incident, summary: str = "") -> Block:
    """A summary; where a rollback was not verified, an explicit word that it may be closed all the same."""
    what = text_input(
        lines=3, initial=summary, placeholder="Checkout works again; cause known, fix follows", most=_NOTE
    )
    blocks: list[Block] = []
    if why_unverified(incident):
        how = "Not verified yet.* The service is still being watched"
        if incident.left_unverified:
            how = "Not verified.* It was watched, and not everything could be measured"
        elif incident.status is not Status.MITIGATED:
            how = "Not verified.* The last rollback did not bring it to that"
        blocks += [
            section(f":warning: *{how}; if you close now, the postmortem says that it was not verified."),
            entry(Field.UNVERIFIED, "Close all the same?", checkbox(option("Close it unverified", YES))),
        ]
    elif incident.status is not Status.VERIFIED:
        blocks.append(section(":warning: No rollback was verified here. Close it only if it is really over."))
    blocks += accepting(incident)
    blocks.append(entry(Field.SUMMARY, "How did it end?", what, optional=True))
    blocks.append(
        context("The postmortem is posted in the channel. Root cause and lessons can be added afterwards.")
    )
    return _about(incident, "Close the incident", blocks, Modal.CLOSE, "Close it")


def lessons(incident: Incident) -> Block:
    """What was learned; what is there already can be edited. Actions are added to those that exist."""
    blocks = [
        entry(
            Field.ROOT_CAUSE,
            "Root cause",
            text_input(lines=3, initial=incident.root_cause, placeholder="What made it possible?"),
            hint="The cause in the system, not the person.",
        ),
        entry(
            Field.LESSONS,
            "Lessons",
            text_input(
                lines=3,
                initial=incident.lessons,
                placeholder="What went well, what was luck, what to change?",
            ),
            optional=True,
        ),
        entry(
            Field.IMPACT,
            "Impact",
            text_input(
                initial=incident.impact, placeholder="About half of all checkouts failed for five minutes"
            ),
            optional=True,
        ),
        entry(
            Field.ACTIONS,
            "Further actions",
            text_input(lines=3, placeholder="Add a timeout to the currency call", most=INPUT_TEXT),
            hint="One a line.",
            optional=True,
        ),
    ]
    if incident.actions:
        known = (
            f"{line(a.text, 150)}  –  {who(a.owner) if a.owner else 'no owner yet'}" for a in incident.actions
        )
        blocks += sections(["*Actions so far*", *bullets(known, most=_NAMED)])
    return _about(incident, "Root cause and lessons", blocks, Modal.LESSONS, "Save")


def add_to_timeline(incident: Incident, *, message_ts: str, author: str, text: str, at: datetime) -> Block:
    """Of the message shortcut: a note on the message, and its time where that was wrong."""
    quoted = line(text, _REASON) or "_no text_"
    blocks = [
        section(f"{who(author)}, {when(at)}\n>{quoted}"),
        entry(
            Field.NOTE,
            "Why does it matter?",
            text_input(placeholder="First sight of the cause", most=_REASON),
            optional=True,
        ),
        entry(
            Field.TIME,
            "When did it happen?",
            moment_input(at),
            hint="Change it if the message came later than what it tells of.",
        ),
    ]
    return _about(incident, "Add to the timeline", blocks, Modal.TIMELINE, "Add", arg=message_ts)


def _about(
    incident: Incident,
    title: str,
    blocks: Sequence[Block],
    callback: Modal,
    submit: str,
    *,
    number: int = 0,
    digest: str = "",
    arg: str = "",
) -> Block:
    ref = Ref(incident_id=incident.id, number=number, digest=digest, arg=arg[:IDENTIFIER])
    return modal(title, blocks, callback=callback.value, submit=submit, metadata=ref.encode())
