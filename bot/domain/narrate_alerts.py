"""What a monitoring system said, and which deploys are suspected, in Slack's text form (see `bot.domain.prose`)."""

from datetime import UTC

from bot.domain import events as e
from bot.domain.alerts import Suspect
from bot.domain.prose import typed


def narrate_alert(event: e.AlertReceived) -> str:
    """One sentence."""
    alert = event.alert
    what = "Alert resolved" if alert.state == "resolved" else "Alert"
    since = f", since {alert.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if alert.at else ""
    text = f" ({typed(alert.text)})" if alert.text.strip() else ""
    if not event.opened:
        worse = (
            f". By it, it is worse than the severity that was chosen: {event.worse.label}"
            if event.worse
            else ""
        )
        return f"{what}: {typed(alert.title)}{text}{since}{worse}"
    likely = "; ".join(suspected(one) for one in event.suspects)
    return f"{what}: {typed(alert.title)}{text}{since}. {likely or 'No recent deploy is known'}"


def suspected(one: Suspect) -> str:
    """Half a sentence: `v1.3.0 came at …, after v1.2.9, with 3 commits`."""
    where = f" of {typed(one.component)}" if one.component else ""
    before = f", after {typed(one.before)}" if one.before else ""
    commits = "" if one.commits is None else f", with {one.commits} commit{'' if one.commits == 1 else 's'}"
    data = f" and {one.migrations} migration{'' if one.migrations == 1 else 's'}" if one.migrations else ""
    when = f"{one.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{typed(one.version)}{where} came {when}{before}{commits}{data}"
