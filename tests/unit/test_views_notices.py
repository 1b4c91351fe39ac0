"""What the channel hears of notices, and what a notice looks like in Slack, whatever anybody wrote."""

from datetime import UTC

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain import events as e
from bot.domain.audiences import Addressee, Audience, Moment, NoticeRecord, Telling
from bot.domain.lifecycle import fold
from bot.views.notices_said import notice_trouble, notices_card, notices_text, posted
from tests import story
from tests.unit.test_views_properties import assert_fine_card, assert_fine_message
from tests.unit.views_worlds import texts

quick = settings(max_examples=40, deadline=None)


def failed(
    state: Telling, reason: str = "It is down. Tell them by hand.", whom: str = "page 1"
) -> e.NoticeFailed:
    fields = {
        "at": story.at("14:12:00"),
        "number": 1,
        "moment": "begun",
        "name": "page",
        "audience": "customers",
    }
    return e.NoticeFailed.model_validate({**fields, "whom": whom, "reason": reason, "state": state})


def test_what_went_wrong_is_said_and_what_did_not_is_not() -> None:
    due, sent, _, _ = story.notice_events()
    assert isinstance(sent, e.NoticeSent)
    some = notice_trouble(sent)
    assert some is not None
    assert "told, but not everybody: desk@example.com: no such mailbox." in some.text
    assert notice_trouble(sent.model_copy(update={"declined": ()})) is None
    assert notice_trouble(failed(Telling.OUTDATED)) is None
    no, unsure = notice_trouble(failed(Telling.FAILED)), notice_trouble(failed(Telling.UNKNOWN))
    assert no is not None
    assert no.text == ":warning: *Customers* (page, page 1) were not told: It is down. Tell them by hand."
    assert unsure is not None
    assert "may have been told" in unsure.text
    assert isinstance(due, e.NoticesDue)


def test_nobody_is_called_into_the_channel_by_it() -> None:
    said = notice_trouble(failed(Telling.FAILED, whom="Slack #general, <@U0DAN>"))
    assert said is not None
    assert "U0DAN" not in said.text


def test_what_was_told_to_whom() -> None:
    incident = fold((*story.events()[:1], *story.notice_events()[:3]))
    answer = notices_card(incident)
    assert_fine_card(answer)
    shown = str(answer.blocks)
    assert "support (support, e-mail to support@example.com) – told: “Tea orders has a problem”" in shown
    assert "page (customers, status page 1234) – may have been told" in shown
    lines = notices_text(incident, UTC)
    assert lines[0].endswith("begun")
    assert lines[1].split()[0] == "told"
    assert "Nobody outside" in notices_card(story.incident()).text


@quick
@given(texts, texts, st.sampled_from(Telling), st.integers(0, 40))
def test_it_fits_whatever_was_written(one: str, other: str, state: Telling, count: int) -> None:
    to = Addressee(
        name=one or "x", audience=Audience.SUPPORT, state=state, whom=other, subject=one, detail=other
    )
    record = NoticeRecord(number=1, moment=Moment.UPDATE, at=story.at("14:12:00"), by=story.BOB, to=(to,) * 3)
    assert_fine_card(notices_card(story.incident().model_copy(update={"notices": (record,) * count})))
    trouble = notice_trouble(failed(Telling.FAILED, reason=one, whom=other))
    assert trouble is not None
    assert_fine_card(trouble)
    post = posted("support", one or "x", f"{other}\n\n{one}" * 20)
    assert_fine_message(post.text, post.blocks)
