"""An engine that starts nothing: the command line decides, the running bot acts.

A command commits its decision to the database that it shares with the bot. Within a second the bot's tick
finds that a plan has to be made, a run has to begin or a postmortem is due, and starts it; where no bot runs, its
next start does. So nothing is lost when this process ends, and no step runs in two processes.
"""

from bot.ports.engine import Parked


class DeferredEngine:
    """`bot.ports.Engine` that leaves everything to the bot."""

    async def start(self, name: str, workflow_id: str, argument: str) -> None:
        """Does nothing: the decision that calls for this workflow is committed already."""

    async def parked(self) -> tuple[Parked, ...]:
        """Nothing, because nothing is started here."""
        return ()
