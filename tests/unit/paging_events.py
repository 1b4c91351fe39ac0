"""Events of calls of whoever is on call, and of alerts."""

from bot.domain import events as e
from bot.domain.alerts import Alert, Suspect
from bot.domain.paging import OnCallName
from bot.domain.severity import Severity
from tests.story import ALICE, BOB, at

THROUGH = "PagerDuty api.example.com/PT20YPA"


def paging_events() -> tuple[e.Event, ...]:
    """One that was acknowledged, and one after a relapse that never went out; and two that were not needed."""
    people = (OnCallName(name="Bob", user=BOB), OnCallName(name="<Ben> & co", level=2))
    return (
        e.PageBegun(at=at("14:11:30"), number=1),
        e.Paged(at=at("14:11:31"), number=1, through=THROUGH, people=people, note="One <was> left out."),
        e.PageAcknowledged(at=at("14:11:50"), by=BOB, number=1),
        e.PagerTold(at=at("14:11:51"), number=1, action="acknowledge", through=THROUGH),
        e.PagerTold(at=at("14:20:00"), number=1, action="resolve", through=THROUGH),
        e.PageBegun(at=at("14:20:00"), number=2, why="relapsed"),
        e.PageBegun(at=at("14:20:00"), number=3, why="worse", severity=Severity.HIGH),
        e.PageFailed(at=at("14:20:01"), number=2, reason="The <key> does not hold. Call them yourself."),
        e.PageFailed(at=at("14:20:02"), number=2, reason="No answer.", unknown=True),
        e.PageFailed(at=at("14:20:03"), number=2, action="acknowledge", reason="No answer. Do it there."),
        e.PageFailed(at=at("14:20:04"), number=2, action="resolve", reason="No answer. Do it there."),
        e.PageSpared(at=at("14:20:05"), number=2, reason=f"<@{ALICE}> was on it."),
        e.PageSpared(at=at("14:20:05"), number=2, reason="it was over.", unknown=True),
        e.Paged(at=at("14:20:06"), number=2, through=THROUGH),
    )


def alert_events() -> tuple[e.Event, ...]:
    """One that opens an incident because of a deploy, and what is heard of it later."""
    alert = Alert(
        group="g1",
        state="firing",
        title="HighErrorRate <shop>",
        text="9 % fail",
        firing=2,
        at=at("14:01:00"),
        link="https://prometheus.example.com/alerts",
    )
    suspect = Suspect(
        version="v1.3.0",
        since=at("13:58:00"),
        before="v1.2.9",
        commits=3,
        subjects=("Rewrite <cart>",),
        migrations=1,
    )
    older = Suspect(component="pictures", version="v7", since=at("12:00:00"))
    return (
        e.AlertReceived(at=at("14:02:00"), alert=alert, opened=True, suspects=(suspect, older)),
        e.AlertReceived(at=at("14:02:01"), alert=alert.model_copy(update={"text": ""}), opened=True),
        e.AlertReceived(at=at("14:12:00"), alert=alert),
        e.AlertReceived(at=at("14:12:00"), alert=alert, worse=Severity.HIGH),
        e.AlertReceived(at=at("14:20:00"), alert=alert.model_copy(update={"state": "resolved", "at": None})),
    )
