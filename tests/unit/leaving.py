"""What becomes of the story's incident after it was closed: its actions are filed, its papers published."""

from bot.domain import events as e
from bot.domain.filing import action_id
from tests import story
from tests.story import at

TRACKER = "github.com/example/shop"


def added(text: str, when: str) -> e.ActionAdded:
    return e.ActionAdded(at=at(when), by=story.CAROL, text=text, owner=story.BOB)


def filed(text: str, when: str, number: int = 7) -> e.ActionFiled:
    url = f"https://github.com/example/shop/issues/{number}"
    return e.ActionFiled(
        at=at(when), action=action_id(text), text=text, where=TRACKER, reference=f"#{number}", url=url
    )


def not_filed(text: str, when: str, again: str | None) -> e.ActionNotFiled:
    return e.ActionNotFiled(
        at=at(when),
        action=action_id(text),
        text=text,
        where=TRACKER,
        reason="GitHub declines who kaeru is: HTTP 401.",
        again_at=at(again) if again else None,
    )


def posted(revision: int, when: str) -> e.PostmortemPosted:
    return e.PostmortemPosted(at=at(when), revision=revision, sha256=f"{revision:064x}")


def published(revision: int, when: str) -> e.PostmortemPublished:
    return e.PostmortemPublished(
        at=at(when), revision=revision, paper="wiki", reference="1000", url="https://wiki.example.com/1000"
    )


def not_published(revision: int, when: str, again: str | None) -> e.PostmortemNotPublished:
    return e.PostmortemNotPublished(
        at=at(when),
        revision=revision,
        paper="wiki",
        reason="Somebody has changed the page <b>.",
        again_at=at(again) if again else None,
    )


def leaving_events() -> tuple[e.Event, ...]:
    """One of each."""
    return (
        e.DebtAccepted(
            at=at("14:31:00"), by=story.ALICE, debt_id="quarantine:v1.3.0", text="v1.3.0 is <quarantined>."
        ),
        e.QuarantineLifted(at=at("14:31:01"), by=story.BOB, version="v1.3.0"),
        not_filed("Add a <timeout>", "14:32:00", "14:33:00"),
        e.FilingAsked(at=at("14:32:30"), by=story.CAROL),
        filed("Add a <timeout>", "14:32:31"),
        not_published(1, "14:32:32", None),
        published(2, "14:33:00"),
        e.ChannelArchived(at=at("14:40:00"), channel_id="C0INC"),
    )
