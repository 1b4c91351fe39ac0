"""What the picture of an incident shows."""

from datetime import timedelta

from bot.domain.incident import Incident
from bot.usecases.picture import chart_of
from tests.story import BAD, GOOD, incident, probes, rough_incident


def test_it_shows_what_came_before_and_marks_every_moment() -> None:
    data = chart_of(incident(), probes())
    labels = [moment.label for moment in data.moments]
    assert labels[0] == "declared"
    assert labels.index("approved") < labels.index("mitigated") < labels.index("verified")
    assert [(span.label, span.good) for span in data.spans] == [(GOOD, True), (BAD, False), (GOOD, True)]
    began = incident().detected_at or incident().declared_at
    assert data.probes[0].at < began
    assert data.baseline_p95_ms is not None
    assert data.baseline_p95_ms < 200


def test_every_run_is_marked_and_how_it_failed() -> None:
    labels = [moment.label for moment in chart_of(rough_incident(), probes()).moments]
    assert labels.count("approved") == len(rough_incident().runs) > 1
    assert "failed" in labels or "unknown" in labels


def test_a_short_incident_is_not_lost_on_a_long_axis() -> None:
    short = incident().model_copy(
        update={
            "detected_at": probes()[-1].at - timedelta(seconds=40),
            "closed_at": probes()[-1].at,
        }
    )
    shown = chart_of(short, probes()).probes
    assert shown[-1].at - shown[0].at <= timedelta(seconds=85)


def test_nothing_measured_is_nothing_shown() -> None:
    data = chart_of(incident(), ())
    assert data.probes == ()
    assert data.spans == ()
    assert data.baseline_p95_ms is None


def renamed(version: str, target: str) -> Incident:
    """The story with a run that leaves `version` for `target`."""
    told = incident()
    runs = tuple(r.model_copy(update={"from_version": version, "to_version": target}) for r in told.runs)
    return told.model_copy(update={"runs": runs})


def test_one_shape_of_a_version_answers_by_the_versions_name() -> None:
    spans = [(span.label, span.good) for span in chart_of(renamed(f"{BAD}+r4711", GOOD), probes()).spans]
    assert spans == [(GOOD, True), (BAD, False), (GOOD, True)]


def test_where_only_settings_went_back_no_version_is_called_bad() -> None:
    data = chart_of(renamed(f"{GOOD}+r4711", GOOD), probes())
    assert all(span.good for span in data.spans if span.label == GOOD)
