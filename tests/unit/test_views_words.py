"""What the cards say where a careless word would mislead."""

from datetime import UTC, timedelta

import pytest

from bot.cli.words import about
from bot.domain import events as e
from bot.domain.evidence import Baseline, BaselineSource, Probe, judge
from bot.domain.incident import Incident
from bot.domain.lifecycle import fold
from bot.domain.plan import Check, Plan
from bot.domain.policy import Policy
from bot.domain.releases import Release, Standing
from bot.views import modals
from bot.views.announce import stakeholder_note
from bot.views.evidence import evidence
from bot.views.plan_card import plan_card
from bot.views.plan_facts import facts
from bot.views.severity_card import severity_card
from bot.views.wording import next_step
from tests.story import ALICE, BOB, at, events, plan
from tests.unit.views_outline import lines, outline, outline_view

POLICY = Policy(quorum=1, approvers=(BOB, ALICE))
THRESHOLDS = Baseline(source=BaselineSource.THRESHOLDS)


def planned(*checks: Check, components: tuple[str, ...] = ("web",)) -> Plan:
    calm = plan(1)
    web = calm.components[0]
    parts = tuple(web.model_copy(update={"component": name}) for name in components)
    return calm.model_copy(update={"checks": checks, "components": parts})


def ready(made: Plan, *, severity: bool) -> Incident:
    """The plan is ready: before anybody has said how bad it is, or after."""
    before = [event for event in events()[:11] if severity or not isinstance(event, e.SeveritySet)]
    number = fold(tuple(before)).plans[-1].number
    return fold((*before, e.PlanReady(at=at("14:12:06"), plan=made.model_copy(update={"number": number}))))


def answers(*took_ms: float) -> tuple[Probe, ...]:
    return tuple(
        Probe(endpoint="/version", at=at("14:00:00") + timedelta(seconds=n), ok=True, latency_ms=took)
        for n, took in enumerate(took_ms)
    )


@pytest.mark.parametrize(
    ("took_ms", "said"),
    [
        ((4, 5, 6), ":white_check_mark: `/version`  0 % errors (limit 2 %) · p95 6 ms (limit 1000 ms)"),
        (
            (4, 5, 1179),
            (
                ":white_check_mark: `/version`  0 % errors (limit 2 %) · p95 1179 ms (limit 1000 ms)"
                " · too few bad answers to call it ill"
            ),
        ),
        ((4, 1100, 1179), ":x: `/version`  0 % errors (limit 2 %) · p95 1179 ms (limit 1000 ms)"),
    ],
)
def test_a_tick_beside_a_number_above_its_limit_explains_itself(
    took_ms: tuple[float, ...], said: str
) -> None:
    assert lines(evidence(judge(answers(*took_ms), THRESHOLDS)))[-1].splitlines()[-1].strip() == said


RIGHTS = Check(name="web: rights", ok=False, detail="kaeru may not patch deployments")
PAUSED = Check(name="worker: not paused", ok=False, detail="worker is paused")
HINT = Check(name="web: observed", ok=False, detail="nothing answers", required=False)


def test_a_plan_that_cannot_be_approved_is_not_announced_with_a_tick() -> None:
    shown = outline(severity_card(ready(planned(RIGHTS, HINT), severity=False)))
    assert ":white_check_mark: The plan is ready" not in shown
    assert (
        "The plan is ready meanwhile, back to `v1.2.9`, but it cannot be approved yet: "
        "web: rights, kaeru may not patch deployments."
    ) in shown
    assert ":white_check_mark: The plan is ready" in outline(
        severity_card(ready(planned(HINT), severity=False))
    )


def test_what_is_next_names_why_a_plan_cannot_be_approved_and_nobody_who_could() -> None:
    incident = ready(planned(RIGHTS, HINT), severity=True)
    said = "The plan cannot be approved yet: web: rights, kaeru may not patch deployments."
    assert next_step(incident, POLICY) == said
    told = "\n".join(about(incident, POLICY, {}, UTC))
    assert ": ready, cannot be approved yet" in told
    assert said in told
    assert "approval" not in told
    well = ready(planned(HINT), severity=True)
    assert "1 approval needed" in next_step(well, POLICY)
    assert "cannot" not in "\n".join(about(well, POLICY, {}, UTC))


def test_every_reason_why_it_cannot_be_approved_is_named_up_to_three() -> None:
    more = [PAUSED.model_copy(update={"name": f"part-{n}: rights"}) for n in range(3)]
    incident = ready(planned(RIGHTS, HINT, PAUSED, *more), severity=True)
    assert incident.record is not None
    shown = outline(plan_card(incident, incident.record, POLICY))
    assert (
        "web: rights, kaeru may not patch deployments; worker: not paused, worker is paused; "
        "part-0: rights, worker is paused; and 2 more. "
        "Put it right: a new card comes by itself where kaeru sees the change, else press *Refresh*."
    ) in shown


def test_what_passed_of_several_components_is_one_line() -> None:
    passed = tuple(Check(name=f"{name}: rights", ok=True, detail="kaeru may") for name in ("web", "worker"))
    both = lines(facts(planned(RIGHTS, *passed, components=("web", "worker"))))
    assert [text for text in both if "white_check_mark" in text] == [
        "  (:white_check_mark: 2 checks passed: web: rights; worker: rights)"
    ]
    assert "*web: rights*: kaeru may not patch deployments" in "\n".join(both)
    alone = lines(facts(planned(Check(name="rights", ok=True, detail="kaeru may"))))
    assert any(":white_check_mark: rights: kaeru may" in text for text in alone)


def test_people_outside_do_not_hear_the_names_that_kaeru_gives_to_settings() -> None:
    told = events()
    number = next(n for n, event in enumerate(told) if isinstance(event, e.IncidentMitigated))
    incident = fold(told[: number + 1])
    assert incident.run is not None
    run = incident.run.model_copy(update={"to_version": "v1.2.9+r7"})
    incident = incident.model_copy(update={"runs": (*incident.runs[:-1], run)})
    said = stakeholder_note(incident, told[number], watch_s=300.0)
    assert said is not None
    assert "+r7" not in outline(said)
    assert "on `v1.2.9` with its earlier settings" in outline(said)


def test_a_shape_on_offer_says_what_the_target_knows_of_it() -> None:
    shape = Release(version="v1.2.9+r4711", standing=Standing.UNKNOWN, note="revision 4, kubectl")
    made = planned().model_copy(update={"candidates": (*plan(1).candidates, shape)})
    shown = outline_view(modals.choose_version(ready(made, severity=True)))
    assert "v1.2.9+r4711" in shown
    assert "other settings (revision 4, kubectl)" in shown
