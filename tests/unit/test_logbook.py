"""What the log says of an incident."""

import logging

from bot.domain import events as e
from bot.domain.evidence import Outcome
from bot.domain.lifecycle import fold
from bot.usecases.logbook import entry
from tests.story import ID, at, events, rough_events


def test_an_incident_that_ends_well_leaves_its_milestones() -> None:
    told = [entry(fold(events()[: n + 1]), event) for n, event in enumerate(events())]
    logged = [found for found in told if found is not None]
    assert {level for level, _ in logged} == {logging.INFO}
    texts = [text for _, text in logged]
    assert texts[0] == f"{ID}: declared for shop by U0ALICE"
    assert all(text.startswith(f"{ID}: ") for text in texts)
    for said in ("plan 2 is ready: v1.3.0 to v1.2.9", "is approved by", "mitigated", "verified", "closed by"):
        assert any(said in text for text in texts), (said, texts)


def test_what_went_wrong_is_an_error_of_one_line() -> None:
    incident = fold(rough_events()[:23])
    assert incident.run is not None
    failed = e.RollbackFailed(
        at=at("14:30:00"),
        run_id=incident.run.id,
        outcome=Outcome.FAILED,
        reason="web did not start.\nIt said:\n" + "x" * 2000,
        safe_state="v1.3.0 runs.",
    )
    found = entry(incident, failed)
    assert found is not None
    level, text = found
    assert level == logging.ERROR
    assert text.startswith(f"{incident.id}: the rollback failed: web did not start. It said: xxx")
    assert len(text) < 600
    blocked = e.PlanBlocked(at=at("14:11:33"), number=1, reason="The host does not answer.")
    assert entry(incident, blocked) == (
        logging.WARNING,
        f"{incident.id}: plan 1 could not be made: The host does not answer.",
    )
