"""What a monitoring system said, once, and which deploy is likely behind it."""

from datetime import datetime

from bot.domain import events as e
from bot.domain.alerts import Alert, Suspect
from bot.domain.base import BOT
from bot.domain.incident import Incident
from bot.domain.severity import Severity
from bot.views.blocks import Card, actions, card, context, note, section, sections
from bot.views.mrkdwn import code, counted, ended, line, when, who
from bot.views.severity_card import severity_button
from bot.views.wording import lead, lead_words

_TITLE, _TEXT, _SUBJECT, _LINK = 200, 800, 160, 500


def alert_card(incident: Incident, event: e.AlertReceived) -> Card:
    """The message that opens an incident, or one line for what is heard later."""
    alert = event.alert
    if incident.exercise and alert.state == "firing":
        person = lead_words(incident, "Somebody here")
        asked = f"{person}: this incident is an exercise. If the alert is real: `/incident exercise off`."
        return note(f"{_headline(alert)} {asked}")
    if not event.opened:
        return note(_headline(alert))
    lines = [_suspected(one) for one in event.suspects] or [
        f"*No deploy of {line(incident.service)} is known* in the time before it. Look at the service before you roll back."
    ]
    blocks = [
        section(f"{_headline(alert)}\nkaeru opened this incident because of it."),
        *sections(lines),
        context(
            "A rollback is being prepared; its plan appears here once it is known how bad it is. "
            "Nothing is changed before it has been approved.",
            *((code(alert.link, _LINK),) if alert.link.strip() else ()),
        ),
    ]
    return card(f"{_headline(alert)} kaeru opened an incident of {line(incident.service)}.", blocks)


def repeated(said: Card, times: int, at: datetime) -> Card:
    """The same message, with how often that was said again."""
    again = f"Said {counted(times, 'more time')}, the last time at {when(at)}."
    return card(said.text, [*said.blocks, context(again)])


def worse_card(incident: Incident, worse: Severity) -> Card:
    """Somebody has to look: what they chose may not hold any more."""
    fix = incident.forward_fix
    people = (
        " ".join(
            dict.fromkeys(
                who(one) for one in (lead(incident), fix.owner if fix else None) if one and one != BOT
            )
        )
        or "Somebody here"
    )
    chosen = incident.severity.label if incident.severity else "not chosen"
    asked = (
        f":rotating_light: {people}: by the newest alert it is *{worse.label}*, and the severity here is {chosen}. "
        "How bad is it now? Critical and High roll back."
    )
    buttons = (severity_button(incident, one) for one in (Severity.CRITICAL, Severity.HIGH))
    return card(asked, [section(asked), actions(*buttons)])


def _headline(alert: Alert) -> str:
    emoji = ":bell:" if alert.state == "firing" else ":white_check_mark:"
    what = "Alert" if alert.state == "firing" else "Alert resolved"
    named = line(alert.title, _TITLE)
    text = f": {ended(line(alert.text, _TEXT))}" if alert.text.strip() else "."
    count = f" ({alert.firing} firing)" if alert.state == "firing" and alert.firing > 1 else ""
    since = f" Since {when(alert.at)}." if alert.at is not None and alert.state == "firing" else ""
    return f"{emoji} *{what}*{count} {named}{text}{since}"


def _suspected(one: Suspect) -> str:
    where = f" of {line(one.component, 60)}" if one.component else ""
    before = f", after {code(one.before)}" if one.before else ""
    told = f":mag: *Likely*: {code(one.version)}{where} came {when(one.since)}{before}"
    if one.commits is not None:
        data = f" and {counted(one.migrations, 'migration')}" if one.migrations else ""
        told += f", with {counted(one.commits, 'commit')}{data}"
    subjects = "".join(f"\n• {line(subject, _SUBJECT)}" for subject in one.subjects)
    return f"{told}.{subjects}"
