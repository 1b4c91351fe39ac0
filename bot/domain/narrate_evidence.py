"""What was found of the evidence, one sentence per event, in Slack's text form (see `bot.domain.prose`)."""

from typing import assert_never

from bot.domain import events as e
from bot.domain.lifecycle_evidence import EvidenceEvent
from bot.domain.prose import typed
from bot.domain.verdict import Moment, Verdict, VerdictTable

_WHEN = {
    Moment.MITIGATED: "when mitigated",
    Moment.VERIFIED: "after the watch",
    Moment.RELAPSED: "at the relapse",
}


def narrate_evidence(event: EvidenceEvent) -> str:
    """One sentence."""
    match event:
        case e.VerdictReached():
            return f"Verdict {_WHEN[event.table.moment]}: {event.table.overall}{_rows(event.table)}"
        case e.IncidentLeftUnverified():
            return f"Not verified: {typed(event.reason)}"
        case _:
            assert_never(event)


def _rows(table: VerdictTable) -> str:
    """Only what is not well; with everything well, how much was looked at."""
    if not table.rows:
        return " (nothing was measured)"
    bad = [
        f"{typed(row.what)} {row.verdict}: {typed(row.sentence)}"
        for row in table.ranked
        if row.verdict is not Verdict.PASS
    ]
    return f" ({'; '.join(bad)})" if bad else f" (all {len(table.rows)} rows pass)"
