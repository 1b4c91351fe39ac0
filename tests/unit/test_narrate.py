"""Every event has a sentence, and no sentence obeys what somebody typed."""

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from bot.domain import events as e
from bot.domain.evidence import Outcome
from bot.domain.narrate import Weight, narrate, weight
from bot.domain.prose import person, plain, typed
from bot.domain.severity import Severity
from bot.domain.ways_back import Way
from tests import story
from tests.unit.leaving import leaving_events
from tests.unit.paging_events import alert_events, paging_events
from tests.unit.report_events import report_events

ALL = (
    *story.events(),
    *story.rough_events(),
    *story.debt_events(),
    *story.backup_events(),
    *story.restore_events(),
    *story.evidence_events(),
    *story.notice_events(),
    *leaving_events(),
    *paging_events(),
    *alert_events(),
    *report_events(),
    e.WayChosen(
        at=story.at("14:12:08"),
        by=story.BOB,
        number=1,
        database="<orders>",
        way=Way.DOWN_MIGRATION,
        why="The older code may fail <b>.",
        loses=("the rows of <carts>",),
    ),
    e.WayChosen(
        at=story.at("14:12:09"),
        by=story.BOB,
        number=1,
        database="orders",
        way=Way.FORWARD_FIX,
        owner=story.ALICE,
        forward_fix_due_at=story.at("14:42:09"),
    ),
    e.TrafficShifted(at=story.at("14:25:00"), run_id="r", share=0.25, sentence="on to <25 %>", before=1.0),
    e.TrafficAsked(at=story.at("14:25:01"), run_id="r", sentence="<nothing> was counted"),
    e.TrafficContinued(at=story.at("14:25:02"), by=story.BOB, run_id="r"),
    e.TrafficStopped(at=story.at("14:25:03"), by=story.BOB, run_id="r"),
    e.PostmortemPosted(at=story.at("14:31:09"), revision=1, sha256="ab" * 32),
    e.StepAdded(at=story.at("14:13:02"), run_id="r", step_id="revert:web", title="Put <web> back"),
    e.StepPrinted(at=story.at("14:13:04"), run_id="r", step_id="apply:web", lines=("a", "<b>"), left_out=3),
)
UNION = get_args(get_args(e.Event)[0])


def test_every_event_of_the_union_is_told_in_these_tests() -> None:
    assert {type(event) for event in ALL} == set(UNION)


def test_the_story(snapshot: SnapshotAssertion) -> None:
    incident = story.incident()
    told = [f"{weight(event):9} {narrate(event, incident)}" for event in story.events()]
    assert "\n".join(told) == snapshot


def test_the_rough_story(snapshot: SnapshotAssertion) -> None:
    incident = story.rough_incident()
    told = [f"{weight(event):9} {narrate(event, incident)}" for event in story.rough_events()]
    assert "\n".join(told) == snapshot


def test_the_story_of_a_debt() -> None:
    debt = "argocd:argocd/shop"
    assert [f"{weight(event):9} {narrate(event)}" for event in story.debt_events()] == [
        f"milestone Suspended ({debt}): {story.DEBT.text} {story.DEBT.until}",
        f"detail    <@U0BOB> asked kaeru to give back what is suspended ({debt})",
        f"milestone Could not be given back ({debt}): Argo CD would sync v1.3.0 at once. Revert the commit first.",
        f"milestone <@U0CAROL> sees to what is suspended outside kaeru ({debt})",
        f"detail    <@U0CAROL> asked kaeru to give back what is suspended ({debt})",
        f"milestone Given back by <@U0CAROL> ({debt}): {story.DEBT.text}",
    ]
    found = e.DebtRepaid(at=story.at("14:18:02"), debt_id=debt, text=story.DEBT.text)
    assert narrate(found) == f"Found given back ({debt}): {story.DEBT.text}"


def test_the_story_of_a_page() -> None:
    assert [f"{weight(event):9} {narrate(event)}" for event in paging_events()] == [
        "detail    Whoever is on call is called",
        (
            "milestone Paged through PagerDuty api.example.com/PT20YPA: <@U0BOB> (level 1), &lt;Ben&gt; &amp; co (level 2). "
            "One &lt;was&gt; left out."
        ),
        "milestone Page acknowledged by <@U0BOB>",
        "detail    Pager stopped (PagerDuty api.example.com/PT20YPA)",
        "detail    Pager told that it is over (PagerDuty api.example.com/PT20YPA)",
        "detail    Whoever is on call is called again: it relapsed",
        "detail    Whoever is on call is called: an alert is worse than the severity that was chosen",
        "milestone Nobody could be paged: The &lt;key&gt; does not hold. Call them yourself.",
        "milestone It is not known whether anybody was paged: No answer.",
        "milestone The pager could not be stopped: No answer. Do it there.",
        "milestone The pager could not be told that it is over: No answer. Do it there.",
        "milestone Nobody was paged: <@U0ALICE> was on it.",
        "milestone It is not known whether anybody was paged: it was over.",
        "milestone Paged through PagerDuty api.example.com/PT20YPA: it does not say whom",
    ]


def test_the_story_of_an_alert() -> None:
    assert [narrate(event) for event in alert_events()] == [
        (
            "Alert: HighErrorRate &lt;shop&gt; (9 % fail), since 2026-11-24 14:01:00 UTC. v1.3.0 came 2026-11-24 13:58:00 UTC, "
            "after v1.2.9, with 3 commits and 1 migration; v7 of pictures came 2026-11-24 12:00:00 UTC"
        ),
        "Alert: HighErrorRate &lt;shop&gt;, since 2026-11-24 14:01:00 UTC. No recent deploy is known",
        "Alert: HighErrorRate &lt;shop&gt; (9 % fail), since 2026-11-24 14:01:00 UTC",
        (
            "Alert: HighErrorRate &lt;shop&gt; (9 % fail), since 2026-11-24 14:01:00 UTC. "
            "By it, it is worse than the severity that was chosen: High"
        ),
        "Alert resolved: HighErrorRate &lt;shop&gt; (9 % fail)",
    ]


def test_the_story_of_a_backup() -> None:
    told = "12.3 MB in 4.2 s, restored and counted, SHA-256 5e5e5e5e5e5e…, at /var/backups/kaeru/orders.dump"
    assert [f"{weight(event):9} {narrate(event)}" for event in story.backup_events()] == [
        "detail    Backup of orders begun, asked for by <@U0ALICE>",
        "milestone Backup of orders failed: The disk is full. Make room.",
        "detail    Backup of orders begun again, asked for by <@U0BOB>",
        f"milestone Backup of orders taken: {told}. {story.BACKUP.dangers[0]}",
        "milestone <@U0CAROL> relies on the backup of orders in spite of what is said against it",
        "detail    Backup of users begun",
        "milestone <@U0CAROL> decided that the rollback does not wait for a backup of users",
    ]


def test_the_story_of_a_restore() -> None:
    assert [f"{weight(event):9} {narrate(event)}" for event in story.restore_events()] == [
        "milestone Restore 1 asked for by <@U0BOB>: the newest proven backup of orders, to replace it",
        "milestone Restore 1 cannot be planned: The server of orders did not answer.",
        "milestone Restore 1 set aside by <@U0BOB>: another restore was asked for",
        "milestone Restore 2 asked for by <@U0BOB>: the newest proven backup of orders, to replace it",
        "detail    Restore 2 planned, with backup inc-20261124-shop-1-backup-orders: Restore it beside orders. Swap the two.",
        "milestone Restore 2 agreed to by <@U0BOB> (digest 0123456789abcdef)",
        "milestone Restore 2 agreed to by <@U0CAROL> (digest 0123456789abcdef)",
        "milestone Restore 2 begun",
        "milestone Restore 2 succeeded: orders has 3 tables with 12 rows.",
    ]


def test_the_story_of_a_notice() -> None:
    assert [f"{weight(event):9} {narrate(event)}" for event in story.notice_events()] == [
        "detail    Notice due (begun) for support and page",
        "milestone Told support (support, e-mail to support@example.com): “Tea orders has a problem”; not told: desk@example.com: no such mailbox",
        "milestone Nobody knows whether customers (page, status page 1234) were told (begun): It did not answer. Look there whether it arrived.",
        "milestone Update for customers by <@U0BOB>: Half &lt;is&gt; back.",
    ]


@pytest.mark.parametrize("event", ALL, ids=lambda event: event.type)
def test_a_sentence_is_one_line_and_begins_like_one(event: e.Event) -> None:
    sentence = narrate(event)
    assert "\n" not in sentence
    assert sentence == sentence.strip()
    assert sentence[0].isupper() or sentence.startswith(("<@", "kaeru"))


def test_severity_names_the_person() -> None:
    event = e.SeveritySet(at=story.at("14:12:00"), by=story.ALICE, severity=Severity.CRITICAL)
    assert narrate(event) == "Severity set to Critical by <@U0ALICE>"


def test_a_step_without_its_incident_is_called_by_its_id() -> None:
    event = e.StepStarted(at=story.at("14:13:03"), run_id="r", step_id="apply:web")
    assert narrate(event) == "Step “apply:web” started"
    assert narrate(event, story.incident()) == "Step “apply:web” started"


def test_a_step_that_joins_the_checklist_is_called_by_its_title() -> None:
    event = e.StepAdded(at=story.at("14:13:03"), run_id="r", step_id="revert:web", title="Put web back")
    assert narrate(event) == "Step “Put web back” added to the checklist"
    assert weight(event) is Weight.DETAIL


def test_what_a_step_prints_is_counted_and_ends_with_its_last_line() -> None:
    event = e.StepPrinted(
        at=story.at("14:13:04"), run_id="r", step_id="apply:web", lines=("one", "two <!here>"), left_out=3
    )
    assert narrate(event) == "Step “apply:web” printed 5 lines, the last: two &lt;!here&gt;"
    assert weight(event) is Weight.DETAIL
    alone = event.model_copy(update={"lines": ("one",), "left_out": 0})
    assert narrate(alone) == "Step “apply:web” printed 1 line, the last: one"


def test_a_failed_step_is_a_milestone_and_a_good_one_a_detail() -> None:
    step = e.StepFinished(
        at=story.at("14:13:03"), run_id="r", step_id="prove", outcome=Outcome.SUCCEEDED, detail="Well."
    )
    assert weight(step) is Weight.DETAIL
    for outcome in (Outcome.FAILED, Outcome.UNKNOWN):
        assert weight(step.model_copy(update={"outcome": outcome})) is Weight.MILESTONE


def test_people_of_the_command_line_and_the_bot_are_not_mentioned() -> None:
    assert person("cli:root") == "root (command line)"
    assert person("cli:<!here>") == "&lt;!here&gt; (command line)"
    assert person("kaeru") == "kaeru"


def test_what_people_typed_keeps_mentions_and_nothing_else() -> None:
    assert (
        typed("ask <@U0BOB|bob>\nin <#C1|general> & <!channel>")
        == "ask <@U0BOB|bob> in <#C1|general> &amp; &lt;!channel&gt;"
    )


@given(st.text(alphabet=st.sampled_from("<>&!@#|UC019 \nabclgtmp;^"), max_size=40))
def test_typed_text_never_rings_everybody_and_is_stable(text: str) -> None:
    shown = typed(text)
    assert all(re.fullmatch(r"<[@#][A-Z0-9]+(\|[^<>|]*)?>", m) for m in re.findall(r"<[^>]*>?", shown))
    assert typed(shown) == shown


@given(st.text(max_size=60).filter(lambda text: not re.search(r"<[@#]|&(amp|lt|gt);", text)))
def test_plain_gives_back_what_was_typed(text: str) -> None:
    assert plain(typed(text), {}) == " ".join(text.split())


def test_plain_resolves_what_slack_marks_up() -> None:
    text = "<@U0BOB> <@U9> <#C1|general> <#C2> <!here> <!subteam^S1|@oncall> <https://a.example|it> &lt;b&gt;"
    assert plain("<#C2>", {"C2": "#inc-1"}) == "#inc-1"
    assert (
        plain(text, story.NAMES) == "Bob U9 #general another channel @here @oncall it (https://a.example) <b>"
    )
