"""What the picture of an incident shows."""

import itertools
from datetime import timedelta

from bot.domain.incident import Incident
from bot.domain.reports import Report, Standing
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


def reporting(*reports: tuple[int, Standing]) -> Incident:
    """The story, and what users report so many seconds after it was declared."""
    told = incident()
    return told.model_copy(
        update={
            "reports": tuple(
                Report(
                    id=f"r{n}",
                    by="U1",
                    text="500",
                    at=told.declared_at + timedelta(seconds=seconds),
                    standing=standing,
                )
                for n, (seconds, standing) in enumerate(reports)
            )
        }
    )


def test_what_users_report_is_shown_by_the_minute_until_the_close() -> None:
    data = chart_of(reporting((5, "still"), (70, "again"), (75, "still"), (80, "gone")), probes())
    curve = data.reports
    assert curve is not None
    assert curve.bars
    ends = [at for at, _ in curve.points]
    assert ends[0] <= incident().declared_at
    assert ends[-1] >= (incident().closed_at or ends[0])
    assert {later - earlier for earlier, later in itertools.pairwise(ends)} == {timedelta(minutes=1)}
    assert [value for _, value in curve.points if value] == [1, 2]


def test_where_nobody_reports_that_it_is_broken_there_is_no_rate() -> None:
    assert chart_of(incident(), probes()).reports is None
    assert chart_of(reporting((5, "gone")), probes()).reports is None
