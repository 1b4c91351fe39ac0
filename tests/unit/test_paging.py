"""When people are called, what the state asks for then, who they are in Slack, and what the card says."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.catalog import Catalog
from bot.catalog.workspace_spec import WorkspaceSpec
from bot.domain import decide
from bot.domain import events as e
from bot.domain.alerts import Alert
from bot.domain.base import BOT, Refusal
from bot.domain.incident import Incident
from bot.domain.lifecycle import evolve, fold
from bot.domain.paging import OnCallName, on_call_users
from bot.domain.policy import Policy
from bot.domain.severity import Severity
from bot.ports.oncall import OnCallPerson
from bot.usecases.paging import PAGE, PAGE_ACKNOWLEDGE, PAGE_RESOLVE, due_pages, on_call_names
from bot.views.page_card import page_card, paged_in_short
from bot.views.wording import invited, lead, lead_words
from sandbox.workspace import forms
from tests import story
from tests.story import ALICE, BOB, CAROL, at

NOW = at("14:30:00")


def declared(*more: e.Event, by: str = ALICE) -> Incident:
    first = e.IncidentDeclared(
        at=at("14:00:00"), by=by, incident_id="inc-20261124-shop-1", service="shop", source_channel=None
    )
    return fold((first, *more))


def happens(incident: Incident, *events: e.Event) -> Incident:
    for event in events:
        incident = evolve(incident, event)
    return incident


def due(incident: Incident) -> list[str]:
    return [name for name, _, _ in due_pages(incident)]


ALERT = Alert(group="g", state="firing", title="HighErrorRate")
SEVERE = e.SeveritySet(at=at("14:01:00"), by=ALICE, severity=Severity.HIGH)
BEGUN = e.PageBegun(at=at("14:01:00"), number=1)
CALLED = e.Paged(
    at=at("14:01:02"),
    number=1,
    through="PagerDuty x/P1",
    people=(OnCallName(name="Bob", user=BOB), OnCallName(name="<Ben>", level=2)),
)


@pytest.mark.parametrize(
    ("page", "severity", "calls"),
    [
        (None, None, False),
        (None, Severity.CRITICAL, True),
        (None, Severity.HIGH, True),
        (None, Severity.MEDIUM, False),
        (None, Severity.LOW, False),
        (True, None, True),
        (True, Severity.LOW, True),
        (False, Severity.CRITICAL, False),
    ],
)
def test_whom_a_policy_calls_for(page: bool | None, severity: Severity | None, calls: bool) -> None:
    assert Policy(page=page).pages(severity) is calls


def test_once_for_an_incident_and_once_more_for_a_relapse() -> None:
    incident = declared(SEVERE)
    assert decide.page_due(incident, (SEVERE,), wanted=False) == ()
    (begun,) = decide.page_due(incident, (SEVERE,), wanted=True)
    assert begun == BEGUN
    paged = happens(incident, BEGUN, CALLED)
    worse = e.SeveritySet(at=NOW, by=BOB, severity=Severity.CRITICAL)
    assert decide.page_due(happens(paged, worse), (worse,), wanted=True) == ()
    relapse = e.IncidentRelapsed(at=NOW, run_id="r", reason="ill")
    assert decide.page_due(paged, (relapse,), wanted=True) == (e.PageBegun(at=NOW, number=2, why="relapsed"),)
    closed = happens(paged, e.IncidentClosed(at=NOW, by=BOB))
    assert decide.page_due(closed, (relapse,), wanted=True) == ()


def test_a_severity_that_is_corrected_while_users_are_well_calls_nobody() -> None:
    incident = declared(SEVERE).model_copy(update={"mitigated_at": NOW})
    worse = e.SeveritySet(at=NOW, by=BOB, severity=Severity.CRITICAL)
    assert decide.page_due(happens(incident, worse), (worse,), wanted=True) == ()
    # Ill again, it calls.
    relapse = e.IncidentRelapsed(at=NOW, run_id="r", reason="ill")
    assert decide.page_due(incident, (relapse,), wanted=True)


def test_an_incident_of_before_an_upgrade_calls_nobody_out_of_the_blue() -> None:
    note = e.NoteAdded(at=NOW, by=BOB, text="still looking")
    assert decide.page_due(declared(SEVERE, note), (note,), wanted=True) == ()


def test_what_is_due_follows_from_the_state() -> None:
    incident = declared(SEVERE, BEGUN)
    assert due_pages(incident) == ((PAGE, f"page:{incident.id}/1", f"{incident.id}/1"),)
    paged = happens(incident, CALLED)
    assert due(paged) == []
    on_it = happens(paged, *decide.acknowledge_page(paged, by=BOB, now=NOW))
    assert due(on_it) == [PAGE_ACKNOWLEDGE]
    told = happens(on_it, *decide.pager_told(on_it, 1, "acknowledge", through="x", now=NOW))
    assert due(told) == []
    # Over before it was told that somebody is on it: that is not told any more.
    closed = happens(on_it, e.IncidentClosed(at=NOW, by=BOB))
    assert due(closed) == [PAGE_RESOLVE]
    assert due(happens(closed, *decide.pager_told(closed, 1, "resolve", through="x", now=NOW))) == []


@pytest.mark.parametrize(("unknown", "expected"), [(False, []), (True, [PAGE_RESOLVE])])
def test_what_failed_is_resolved_only_where_somebody_may_have_been_called(
    unknown: bool, expected: list[str]
) -> None:
    incident = declared(SEVERE, BEGUN)
    failed = decide.page_failed(incident, 1, through="x", reason="No.", unknown=unknown, now=NOW)
    assert due(happens(incident, *failed, e.IncidentClosed(at=NOW, by=BOB))) == expected


@pytest.mark.parametrize(("unknown", "expected"), [(False, []), (True, [PAGE_ACKNOWLEDGE])])
def test_whom_a_page_may_have_reached_is_left_alone_by_the_pager_too(
    unknown: bool, expected: list[str]
) -> None:
    incident = declared(SEVERE, BEGUN, e.PageAcknowledged(at=NOW, by=BOB, number=1))
    spared = decide.page_spared(incident, 1, reason="on it", unknown=unknown, now=NOW)
    assert due(happens(incident, *spared)) == expected


def test_each_page_ends_once() -> None:
    incident = declared(SEVERE, BEGUN, CALLED)
    assert decide.page_failed(incident, 1, through="", reason="No.", unknown=True, now=NOW) == ()
    assert decide.page_spared(incident, 1, reason="over", unknown=False, now=NOW) == ()
    assert decide.paged(incident, 1, through="", people=(), note="", now=NOW) == ()
    assert decide.pager_not_told(incident, 7, "resolve", through="", reason="No.", now=NOW) == ()


def refused(incident: Incident, by: str) -> str:
    with pytest.raises(Refusal) as refusal:
        decide.acknowledge_page(incident, by=by, now=NOW)
    return str(refusal.value)


def test_the_first_one_who_acknowledges_counts() -> None:
    assert "Nobody was paged" in refused(declared(SEVERE), BOB)
    incident = happens(declared(SEVERE, BEGUN, CALLED), e.PageAcknowledged(at=NOW, by=BOB, number=1))
    assert refused(incident, BOB) == "You have acknowledged it already."
    assert refused(incident, CAROL) == f"<@{BOB}> has acknowledged it already."
    assert "closed" in refused(happens(incident, e.IncidentClosed(at=NOW, by=BOB)), CAROL)


def test_an_alert_after_the_end_takes_it_up_again_and_calls() -> None:
    verified = happens(fold(story.events()[: story_until(e.IncidentVerified)]), BEGUN, CALLED)
    alert = ALERT
    again = decide.alert_heard(verified, alert, fresh=True, now=NOW)
    assert [event.type for event in again] == ["alert_received", "plan_requested"]
    after = happens(verified, *again)
    (page,) = decide.page_due(after, again, wanted=True)
    assert (page.number, page.why) == (2, "relapsed")
    # The same outbreak, its end, and one while it is being decided, are entries and nothing more.
    assert len(decide.alert_heard(verified, alert, fresh=False, now=NOW)) == 1
    resolved = alert.model_copy(update={"state": "resolved"})
    assert len(decide.alert_heard(verified, resolved, fresh=True, now=NOW)) == 1
    assert len(decide.alert_heard(after, alert, fresh=True, now=NOW)) == 1


def story_until(kind: type[e.Happened]) -> int:
    return next(n for n, event in enumerate(story.events(), start=1) if isinstance(event, kind))


def catalog(people: dict[str, str], emails: dict[str, str]) -> Catalog:
    return Catalog(
        path=Path("kaeru.yml"), workspace=WorkspaceSpec(), people=people, services={}, emails=emails
    )


def test_people_are_found_by_id_mail_or_a_name_that_one_has() -> None:
    known = catalog({ALICE: "Alice", BOB: "Chris", CAROL: "chris"}, {"alice@example.com": ALICE})
    people = (
        OnCallPerson(name="A. L.", email="Alice@Example.com"),
        OnCallPerson(name="alice", level=2),
        OnCallPerson(name="Chris", level=2),
        OnCallPerson(name="Somebody", slack="U0ELSE"),
    )
    assert [one.user for one in on_call_names(known, people)] == [ALICE, ALICE, None, "U0ELSE"]


def test_they_are_invited_and_whoever_is_on_it_leads_what_an_alert_began() -> None:
    incident = declared(SEVERE, BEGUN, CALLED, by=BOT)
    assert on_call_users(incident.pages) == (BOB,)
    assert BOB in invited(incident, (), ())
    assert BOT not in invited(incident, (), ())
    assert lead(incident) == BOT
    assert lead_words(incident) == "nobody yet"
    assert lead(happens(incident, e.PageAcknowledged(at=NOW, by=CAROL, number=1))) == CAROL
    assert lead(declared(SEVERE, BEGUN, e.PageAcknowledged(at=NOW, by=CAROL, number=1))) == ALICE


def shown(incident: Incident, trouble: str = "") -> tuple[str, list[str]]:
    assert incident.page is not None
    card = page_card(incident, incident.page, trouble)
    message: dict[str, Any] = {"text": card.text, "blocks": list(card.blocks)}
    return forms.text_of(message), [forms.label(x) for _, x in forms.elements(message)]


def acts(incident: Incident, *decisions: Iterable[e.Event]) -> Incident:
    return happens(incident, *(event for events in decisions for event in events))


def test_the_card_from_the_call_to_the_end() -> None:
    calling = declared(SEVERE, BEGUN)
    assert shown(calling)[1] == ["Acknowledge"]
    assert "Calling whoever is on call* for shop" in shown(calling)[0]
    late = shown(calling, "PagerDuty asks <to> wait")[0]
    assert "Nobody could be paged yet*: PagerDuty asks &lt;to&gt; wait. kaeru keeps trying" in late
    called = happens(calling, CALLED)
    text, buttons = shown(called)
    assert f"*Paged* (PagerDuty x/P1): <@{BOB}> (level 1), &lt;Ben&gt; (level 2)." in text
    assert ("Nobody has acknowledged it yet." in text, buttons) == (True, ["Acknowledge"])
    on_it = acts(called, decide.acknowledge_page(called, by=CAROL, now=NOW))
    assert (f"<@{CAROL}> is on it." in shown(on_it)[0], shown(on_it)[1]) == (True, [])
    stopped = acts(on_it, decide.pager_told(on_it, 1, "acknowledge", through="x", now=NOW))
    assert "The pager is stopped." in shown(stopped)[0]
    over = acts(stopped, decide.pager_told(stopped, 1, "resolve", through="x", now=NOW))
    assert "The pager knows that it is over." in shown(over)[0]
    in_vain = acts(
        stopped, decide.pager_not_told(stopped, 1, "resolve", through="x", reason="No answer", now=NOW)
    )
    assert "The pager could not be told: No answer." in shown(in_vain)[0]
    assert paged_in_short(stopped)[0].startswith(":pager: *Paged*")
    assert paged_in_short(declared(SEVERE)) == []


def test_the_card_where_nobody_was_called() -> None:
    calling = declared(SEVERE, BEGUN)
    failed = acts(
        calling, decide.page_failed(calling, 1, through="x", reason="No key.", unknown=False, now=NOW)
    )
    assert "*Nobody could be paged*: No key." in shown(failed)[0]
    assert shown(failed)[1] == ["Acknowledge"]
    spared = acts(
        calling, decide.page_spared(calling, 1, reason=f"<@{BOB}> was on it.", unknown=False, now=NOW)
    )
    assert (f"Nobody was paged: <@{BOB}> was on it." in shown(spared)[0], shown(spared)[1]) == (True, [])


def test_only_the_newest_card_can_be_pressed() -> None:
    first = declared(SEVERE, BEGUN, CALLED)
    second = happens(first, e.PageBegun(at=NOW + timedelta(minutes=1), number=2, why="relapsed"))
    card = page_card(second, second.pages[0])
    assert not any(block["type"] == "actions" for block in card.blocks)
    assert shown(second)[1] == ["Acknowledge"]
