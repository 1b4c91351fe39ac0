"""What users report, one event of each kind and standing, for the tests of sentences."""

from bot.domain import events as e
from tests import story


def report_events() -> tuple[e.Event, ...]:
    """As people pass them on, and as a message that was marked."""
    return (
        e.UserReported(
            at=story.at("14:09:00"),
            by=story.ALICE,
            report_id="r7",
            text="Checkout says <500>",
            users=12,
            seen_since=story.at("14:02:00"),
        ),
        e.UserReported(at=story.at("14:10:00"), by=story.BOB, report_id="r8", text="", standing="gone"),
        e.UserReported(
            at=story.at("14:11:00"),
            by=story.BOB,
            report_id="m1764000000.000100",
            text="a customer: *again* empty carts",
            standing="again",
            said_at=story.at("14:10:30"),
            slack_ts="1764000000.000100",
            author=story.ALICE,
        ),
        e.ExerciseMarked(at=story.at("14:11:30"), by=story.BOB),
        e.ExerciseMarked(at=story.at("14:11:40"), by=story.BOB, exercise=False),
        e.UserReportWithdrawn(
            at=story.at("14:12:00"),
            by=story.BOB,
            report_id="m1764000000.000100",
            slack_ts="1764000000.000100",
        ),
    )
