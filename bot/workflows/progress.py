"""How a step that is under way fares: often enough to be watched, seldom enough to be kept."""

import asyncio
import re
from collections import deque

from bot.domain.evidence import Outcome
from bot.domain.run import Run
from bot.ports import Observation
from bot.workflows.journal import Journal

SHOW_S = 1.0
"""Each is an edit of the checklist; Slack shows about one a second."""
KEEP_S = 30.0
"""Each is an entry in the timeline as well: those who read it later want to know that it went on, not every count."""
PRINT_S = 3.0
"""Each is an entry and a message in the thread below the checklist."""
LINES = 40
LINE = 500
"""Characters of a line; what is longer is cut."""

_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))|^.*\r(?=.)")
"""Colours, and what a progress bar has written over itself."""


class Progress:
    """Of one step. What it prints is kept, `LINES` every `PRINT_S`; its counts are shown, and kept now and then."""

    def __init__(self, journal: Journal, incident_id: str, run: Run, step_id: str) -> None:
        self._journal = journal
        self._incident_id = incident_id
        self._run = run
        self._step_id = step_id
        self._kept = ""
        self._printed: deque[str] = deque(maxlen=LINES)
        self._left_out = 0
        self._show_from = self._keep_from = self._print_from = 0.0

    async def tell(self, seen: Observation) -> None:
        """One look at the step's change. The last one, with the outcome, is for the step's end to say."""
        for line in seen.output:
            self._left_out += len(self._printed) == LINES
            self._printed.append(_TERMINAL.sub("", line.rstrip())[:LINE])
        if asyncio.get_running_loop().time() >= self._print_from:
            await self.print()
        if seen.outcome is Outcome.UNKNOWN:
            await self.say(seen.detail)

    async def say(self, detail: str, *, keep: bool = False) -> None:
        """`keep`: it is kept at once, because what was kept before is wrong by now."""
        now = asyncio.get_running_loop().time()
        if (keep or now >= self._keep_from) and detail != self._kept:
            self._kept, self._keep_from = detail, now + KEEP_S
            await self._journal.started(self._incident_id, self._run, self._step_id, detail)
        elif now >= self._show_from:
            await self._journal.shown(self._incident_id, self._run.id, self._step_id, detail)
        else:
            return
        self._show_from = now + SHOW_S

    async def print(self) -> None:
        """Write down what was printed and has not been yet; also to be called at the step's end."""
        if not self._printed:
            return
        self._print_from = asyncio.get_running_loop().time() + PRINT_S
        lines, left_out = tuple(self._printed), self._left_out
        self._printed.clear()
        self._left_out = 0
        await self._journal.printed(self._incident_id, self._run.id, self._step_id, lines, left_out)
