"""How a run ended: mitigated and then verified, or stuck. Each says what can be done next."""

from bot.domain.decide import is_alive
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident, Status
from bot.domain.run import PROVE, WATCH, Run, StepState
from bot.domain.verdict import Moment, VerdictTable
from bot.views.blocks import Block, Card, button, card, context, header, row, section
from bot.views.debts import close_button, owed
from bot.views.evidence import evidence
from bot.views.hold import held, hold_button
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import clock, code, ended, length, line, when
from bot.views.wording import about_release, next_good

_BAD = (StepState.FAILED, StepState.UNKNOWN)


def held_for_a_while(run: Run) -> bool:
    """Whether a run that failed in the end had been mitigated before: it failed only while being watched."""
    if any(step.id == PROVE and step.state is StepState.SUCCEEDED for step in run.steps):
        return True
    return run.outcome is Outcome.FAILED and all(s.state not in _BAD for s in run.steps if s.id != WATCH)


def good_card(incident: Incident, run: Run, *, watch_s: float) -> Card:
    """Mitigated, verified, or what became of it since."""
    newest = run == incident.run
    service = line(incident.service)
    if run.outcome is not Outcome.SUCCEEDED:
        text = f":x: {service} did not stay well on {code(run.to_version)}. See below."
        return card(text, [context(text)])
    if newest and incident.verified_at is not None:
        return _verified(incident, run, watch_s)
    if newest and incident.mitigated_at is not None:
        return _mitigated(incident, run, watch_s)
    text = f":white_check_mark: {service} went back to {code(run.to_version)}; another rollback was asked for since."
    return card(text, [context(text), *_owed(incident, run)])


def _owed(incident: Incident, run: Run) -> list[Block]:
    """What is suspended, on the card of the newest run until the incident is closed."""
    here = run == incident.run and incident.is_open and incident.status is not Status.ROLLING_BACK
    return owed(incident) if here else []


def _mitigated(incident: Incident, run: Run, watch_s: float) -> Card:
    service = line(incident.service)
    since = f"Since {clock(incident.mitigated_at)} nobody" if incident.mitigated_at else "Nobody"
    here = incident.status is Status.MITIGATED
    watched = here and run.ended_at is None
    coming = f"kaeru watches it for {length(watch_s)} and then says whether it stayed well."
    waiting = run.verdict(Moment.VERIFIED)
    if watched and waiting is not None and waiting.waits_until is not None:
        coming = f"It was watched for {length(watch_s)}. {_waits(waiting)}"
    unproven = (
        f"It was not verified: {ended(line(run.reason, 800))}" if run.reason else "It was not verified."
    )
    blocks = [
        header(f"Mitigated: {incident.service} is well on {run.to_version}"),
        section(f"{since} is served by {code(run.from_version)}. {coming if watched else unproven}"),
        *evidence(run.findings),
        *_owed(incident, run),
    ]
    if here:
        label = "Close without waiting" if watched else "Close unverified"
        blocks += [*held(incident), *row(close_button(incident, label), _release(incident))]
    return card(f"Mitigated: {service} is well on {line(run.to_version)}.", blocks)


def _waits(table: VerdictTable) -> str:
    """What is still missing, and for how long."""
    missing = ", ".join(code(row.what) for row in table.missing[:8]) or "anything to measure"
    until = f" until {clock(table.waits_until)}" if table.waits_until else ""
    return f"Not verified yet: kaeru waits{until} for {missing}."


def _verified(incident: Incident, run: Run, watch_s: float) -> Card:
    at = f", {when(incident.verified_at)}" if incident.verified_at else ""
    blocks = [
        header(f"Verified: {incident.service} stayed well on {run.to_version}"),
        section(f":white_check_mark: It was watched for {length(watch_s)} and stayed well{at}."),
        *evidence(run.findings),
        *_owed(incident, run),
    ]
    if incident.status is Status.VERIFIED:
        lessons = button("Root cause and lessons", Action.LESSONS_OPEN, Ref(incident_id=incident.id))
        close = close_button(incident, "Close the incident", style="primary")
        blocks += [*held(incident), *row(close, lessons, _release(incident))]
    return card(f"Verified: {line(incident.service)} stayed well on {line(run.to_version)}.", blocks)


def _release(incident: Incident) -> Block | None:
    return hold_button(incident) if incident.held_by else None


def stuck_card(incident: Incident, run: Run) -> Card:
    """The run did not help: why, what was seen, and the next good version with one tap."""
    service, title = line(incident.service), _how_it_went(run)
    why = ended(line(run.reason, 1000)) or "No reason was recorded."
    blocks = [header(title), section(f":x: {why}"), *evidence(run.findings), *_owed(incident, run)]
    text = f"{service}: {line(title)}. {why}"
    if incident.status is not Status.STUCK or run != incident.run:
        return card(text, blocks)
    return card(f"{text} What next?", [*blocks, *held(incident), *_next(incident)])


def _how_it_went(run: Run) -> str:
    if run.outcome is not Outcome.UNKNOWN and run.stranded and not run.took_place:
        return f"Not all users were brought back to {run.to_version}"
    if run.outcome is Outcome.UNKNOWN:
        return f"It is not known how the rollback to {run.to_version} ended"
    if run.took_place:
        return f"{run.to_version} did not help"
    if run.has_switched:
        return f"Somebody else changed it after it went back to {run.to_version}"
    return f"The rollback to {run.to_version} did not take place"


def _next(incident: Incident) -> list[Block]:
    record = incident.record
    ref = Ref(incident_id=incident.id, number=record.number if record else 0)
    good = next_good(incident)
    offer = None
    if good is not None:
        one_tap = Ref(incident_id=incident.id, number=ref.number, arg=good.version)
        offer = button(f"Go back to {good.version} instead", Action.NEXT_VERSION, one_tap, style="primary")
        advice = f"The next good version is {code(good.version)} ({about_release(good)})."
    else:
        advice = (
            "There is no other version that is known to be good. Fix forward, or put a good release in place."
        )
    choose = button("Choose version", Action.ROLLBACK_CHOOSE, ref)
    again = None if is_alive(incident.record) else button("Make a new plan", Action.ROLLBACK_REFRESH, ref)
    close, release = close_button(incident, "Close"), _release(incident)
    return [section(f"*What next?* {advice}"), *row(offer, choose, again, close, release)]
