"""Answers to `/incident status` and `/incident list`, the help, a dry run, and the line where it was typed."""

from collections.abc import Sequence

from bot.domain.evidence import Outcome
from bot.domain.incident import Incident, Status
from bot.domain.plan import Plan
from bot.domain.policy import Policy
from bot.domain.run import StepState
from bot.views.blocks import Card, card, context, fields, header, note, section, sections
from bot.views.data_facts import ways_in_short
from bot.views.debts import owed
from bot.views.hold import held
from bot.views.mrkdwn import code, counted, line, when, who, whom
from bot.views.page_card import paged_in_short
from bot.views.plan_facts import facts
from bot.views.wording import arrow, lead_words, next_step, severity_words, status_words

_LISTED = 20
_RUNNING = 8


def status_card(incident: Incident, policy: Policy) -> Card:
    """Where the incident stands and whose move it is."""
    service = line(incident.service)
    channel = f"<#{incident.channel_id}>" if incident.channel_id else code(incident.id)
    about = [
        f"*Severity*\n{severity_words(incident.severity)}",
        f"*Status*\n{status_words(incident)}",
        f"*Declared*\n{when(incident.declared_at)} by {who(incident.declared_by)}",
        f"*Lead*\n{lead_words(incident)}",
    ]
    if arrow(incident):
        about.append(f"*Versions*\n{arrow(incident)}")
    about.append(f"*Channel*\n{channel}")
    blocks = [
        header(f"{incident.service}: {status_words(incident)}"),
        section(f"*Next:* {next_step(incident, policy)}"),
        fields(*about),
        *held(incident),
        *sections(_progress(incident)),
        *sections(paged_in_short(incident)),
        *sections(ways_in_short(incident)),
        *owed(incident),
    ]
    return card(f"{service}: {status_words(incident)}. {next_step(incident, policy)}", blocks)


def _progress(incident: Incident) -> list[str]:
    run = incident.run
    if run is None:
        return []
    done = sum(step.state is StepState.SUCCEEDED for step in run.steps)
    running = [step for step in run.steps if step.state is StepState.RUNNING]
    lines = [
        f"*Rollback {len(incident.runs)}*: {done} of {counted(len(run.steps), 'step')} done, approved by {whom(run.approved_by)}."
    ]
    for step in running[:_RUNNING]:
        now = f": {line(step.detail)}" if step.detail.strip() else ""
        lines.append(f":hourglass_flowing_sand: {line(step.title)}{now}")
    if len(running) > _RUNNING:
        lines.append(f"and {len(running) - _RUNNING} more at once")
    if run.outcome in (Outcome.FAILED, Outcome.UNKNOWN):
        lines.append(f":x: {line(run.reason, 500) or 'It did not succeed.'}")
    return lines


def list_card(incidents: Sequence[Incident], policies: Sequence[Policy]) -> Card:
    """The open incidents, newest first; `policies` are those of their severities, in the same order."""
    if not incidents:
        return note("No incident is open. `/rollback SERVICE` begins one.")
    lines = [_listed(i, p) for i, p in zip(incidents[:_LISTED], policies[:_LISTED], strict=True)]
    if len(incidents) > _LISTED:
        lines.append(f"and {len(incidents) - _LISTED} more")
    title = f"{counted(len(incidents), 'open incident')}"
    return card(f"{title}.", [header(title), *sections(lines)])


def _listed(incident: Incident, policy: Policy) -> str:
    where = f"<#{incident.channel_id}>" if incident.channel_id else code(incident.id)
    severity = f" · {severity_words(incident.severity)}"
    return f"*{line(incident.service)}*{severity} · {where}\n{next_step(incident, policy)}"


def source_line(incident: Incident) -> Card:
    """What the channel sees in which the command was typed."""
    where = f"<#{incident.channel_id}>" if incident.channel_id else code(incident.id)
    opened = f"{who(incident.declared_by)} opened {where} for *{line(incident.service)}*"
    state = (
        ""
        if incident.status is Status.OPEN
        else f" · {severity_words(incident.severity)} · {status_words(incident)}"
    )
    return note(f":rotating_light: {opened}{state}")


def dry_run_card(plan: Plan) -> Card:
    """The plan as it would be shown for approval, without anything to press."""
    text = f"Dry run: {line(plan.service)} {line(plan.from_version)} → {line(plan.to_version)}. Nothing was changed."
    blocks = [
        header(f"Dry run: {plan.service} back to {plan.to_version}"),
        *facts(plan),
        context(
            f"Nothing was changed and no incident was opened. `/rollback {line(plan.service, 60)}` begins for real."
        ),
    ]
    return card(text, blocks)


_ROLLBACK_HELP = (
    """*Take a service back to its last good version*
`/rollback shop`  –  opens an incident channel and prepares the plan
`/rollback shop v1.2.9`  –  the same, to this version
`/rollback shop --dry-run`  –  only shows the plan, changes nothing
`/rollback shop --exercise`  –  an exercise: nobody is paged, nobody outside is told
`/rollback`  –  asks which service""",
    "Nothing is changed before the plan has been approved. If somebody began already, you join them.",
)

_INCIDENT_HELP = (
    """*In the channel of an incident*
`/incident status`  –  where it stands, and whose move it is
`/incident severity high`  –  critical, high, medium or low
`/incident note The cache was cold`  –  keeps a line in the timeline
`/incident report Checkout fails --users 12`  –  what users say, as evidence; `--again`, `--gone`; `list`, `withdraw ID`
`/incident role lead @ana`  –  says who does what
`/incident action @ben Add a timeout`  –  something to do afterwards
`/incident way shop code only`  –  decides which way a database goes that migrations have changed
`/incident traffic continue`  –  lets users come back further where kaeru asks; `stop` leaves traffic as it is
`/incident ack`  –  you are on it; the pager stops calling
`/incident hold The database is being dumped`  –  nothing new begins; `/incident hold off` goes on
`/incident restore`  –  plans how a backup is brought back; two people have to agree
`/incident close Checkout works again`  –  closes it and posts the postmortem; `close unverified` without proof, `close accept` with what stays open
`/incident accept`  –  what stays open when it is closed, and who accepts that
`/incident actions`  –  what is to do afterwards, and where it was filed; `/incident file` tries again
`/incident lessons`  –  root cause and lessons, also after the close
`/incident tell support Orders may be late`  –  lets an audience outside know that
`/incident notices`  –  what was told to whom
`/incident export`  –  everything, as files""",
    """*Anywhere*
`/incident list`  –  all open incidents
`/incident stats shop 90d`  –  numbers over all incidents; `/incident exercise` leaves one out, `exercise off`: it is real""",
    "Every message in the channel is kept in the timeline; “Add to timeline” in a message's menu marks it as important.",
)


def rollback_help() -> Card:
    return card("How to use /rollback", [section(text) for text in _ROLLBACK_HELP])


def incident_help() -> Card:
    return card("How to use /incident", [section(text) for text in _INCIDENT_HELP])
