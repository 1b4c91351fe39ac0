"""What a run's traffic is after an event that concerns it. Part of the fold in `lifecycle`."""

from typing import Any

from bot.domain import events as e
from bot.domain.afterwards import UNSEEN
from bot.domain.incident import Incident

TrafficEvent = e.TrafficShifted | e.TrafficAsked | e.TrafficContinued | e.TrafficStopped


def shifted(incident: Incident, event: TrafficEvent) -> dict[str, Any]:
    """What changes in the incident. Raises Impossible for an unknown run."""
    run = incident.find_run(event.run_id)
    traffic = run.traffic
    match event:
        case e.TrafficShifted():
            changes: dict[str, Any] = {
                "share": event.share,
                "before": event.before if traffic.before is None else traffic.before,
                "moves": traffic.moves + 1,
                "failures": traffic.failures + event.back,
            }
            if UNSEEN in traffic.asked:
                changes |= {"asked": "", "asked_at": None}  # it is seen again, and that is the answer
        case e.TrafficAsked():
            changes = {"asked": event.sentence, "asked_at": event.at, "asks": traffic.asks + 1}
        case e.TrafficContinued():
            changes = {"asked": "", "asked_at": None, "failures": 0, "continued": traffic.continued + 1}
        case e.TrafficStopped():
            changes = {"asked": "", "asked_at": None, "stopped_by": event.by}
    changed = run.model_copy(update={"traffic": traffic.model_copy(update=changes)})
    return {"runs": tuple(changed if one.id == run.id else one for one in incident.runs)}
