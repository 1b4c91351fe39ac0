"""What each audience may know: nothing that is not theirs gets into any notice."""

import logging
from datetime import UTC
from pathlib import Path

import pytest

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.lifecycle import evolve
from bot.domain.notices import Audience, Known, Moment, known, moment_of, notice_key
from bot.views.notices import notice, notice_strictly
from tests import story

NAMES = {"U0ALICE": "Alice", "U0BOB": "Bob", "U0CAROL": "Carol", "U0DAVE": "Dave"}


def told(audience: Audience, events: tuple[e.Event, ...] | None = None) -> list[Known]:
    """What `audience` may know at every moment of the story."""
    found: list[Known] = []
    incident: Incident | None = None
    for event in story.events() if events is None else events:
        incident = evolve(incident, event)
        if moment_of(event) is not None:
            found.append(known(incident, event, audience, public_name="Tea orders", names=NAMES, zone=UTC))
    return found


@pytest.mark.parametrize("audience", Audience)
def test_every_moment_has_words_for_every_audience(audience: Audience) -> None:
    moments = [one.moment for one in told(audience)]
    assert moments == [Moment.BEGUN, Moment.MITIGATED, Moment.VERIFIED, Moment.CLOSED]
    for one in told(audience):
        made = notice(one)
        assert made.subject.strip()
        assert "\n" not in made.subject
        assert made.text.strip()


@pytest.mark.parametrize("events", [story.events(), story.rough_events()], ids=["plain", "rough"])
def test_customers_learn_no_name_no_version_and_nothing_that_anybody_wrote(
    events: tuple[e.Event, ...],
) -> None:
    incident = None
    for event in events:
        incident = evolve(incident, event)
    assert incident is not None
    secret = [incident.id, incident.service, *NAMES, *NAMES.values(), "v1.2.", "v1.3."]
    written = [incident.summary, incident.root_cause, incident.lessons, incident.impact]
    secret += [text for text in written if text.strip()]
    notices = [notice(one) for one in told(Audience.CUSTOMERS, events)]
    assert notices
    for made in notices:
        for hidden in secret:
            assert hidden not in made.subject + made.text, hidden
        assert "Tea orders" in made.subject


def test_engineers_learn_versions_and_people() -> None:
    text = "\n".join(notice(one).text for one in told(Audience.ENGINEERS))
    assert "v1.2.9" in text
    assert "Alice" in text


def test_a_template_of_ones_own_that_does_not_work_costs_no_notice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "customers.txt.j2").write_text("{% block subject %}{{ k.nothing.at.all }}{% endblock %}")
    first = told(Audience.CUSTOMERS)[0]
    with pytest.raises(ValueError, match=r"customers\.txt\.j2 does not work"):
        notice_strictly(first, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert notice(first, tmp_path) == notice(first)
    assert "The built-in one is used." in caplog.text


def test_the_key_is_the_same_for_the_same_people_alone() -> None:
    incident = story.incident()
    assert notice_key(incident, "a") == notice_key(incident, "a") != notice_key(incident, "b")
