"""What leaves the incident once it is closed: open actions for a tracker, the postmortem for other papers."""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta

from bot.domain.base import Value
from bot.domain.incident import Filing, Incident, Status

PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720, 1440))
"""How long is waited after each try that failed. After the last one only people have it tried again."""
_PAPER = "paper:"


def action_id(text: str) -> str:
    """What names an open action within its incident: the same as long as its words are."""
    return _short(" ".join(text.split()))


def paper_id(name: str) -> str:
    """What names a place of papers, by its name in kaeru.yml."""
    return f"{_PAPER}{name}"


class Item(Value):
    """One thing that is to leave. `id` is `action_id` or `paper_id`; `revision` is that of a postmortem, else 0."""

    id: str
    revision: int
    filing: Filing

    @property
    def key(self) -> str:
        """What stands for the id where there is room for letters and digits only."""
        return _short(self.id)

    @property
    def paper(self) -> str | None:
        """The name of the place, where it is a paper."""
        return self.id.removeprefix(_PAPER) if self.id.startswith(_PAPER) else None

    def attempt(self, incident: Incident) -> str:
        """What names this try of it, once within the incident."""
        return f"{self.key}/{self.revision}.{incident.filing_asked}.{self.filing.tries}"

    def is_due(self, now: datetime | None) -> bool:
        """Whether it is to be tried now; without a `now`, whether it waits for no moment."""
        if self.filing.stopped:
            return False
        return self.filing.again_at is None or (now is not None and self.filing.again_at <= now)


def pending(incident: Incident, *, tracker: bool, papers: Collection[str]) -> tuple[Item, ...]:
    """All that has still to leave a closed incident, what has been given up included."""
    if incident.status is not Status.CLOSED:
        return ()
    items: list[Item] = []
    if tracker:
        for name in dict.fromkeys(action_id(action.text) for action in incident.actions):
            filing = incident.filings.get(name, Filing())
            if not filing.reference:
                items.append(Item(id=name, revision=0, filing=filing))
    for name in papers:
        filing = incident.filings.get(paper_id(name), Filing())
        if filing.revision < incident.postmortem_revision:
            items.append(Item(id=paper_id(name), revision=incident.postmortem_revision, filing=filing))
    return tuple(items)


def again_at(tries: int, *, now: datetime, at_least: timedelta = timedelta(0)) -> datetime | None:
    """When it is tried again after `tries` that failed; None where that is left to people."""
    return None if tries > len(PAUSES) else now + max(PAUSES[tries - 1], at_least)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
