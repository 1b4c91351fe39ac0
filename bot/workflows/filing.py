"""Filing as a durable workflow: one for each thing and each try, so that none waits for another.

The step may be made again after a crash: it looks for what an earlier try has made before it makes anything.
"""

from bot.ports.engine import Steps, Workflow
from bot.usecases.filing import Filing


def bind(filing: Filing) -> Workflow:
    """The workflow as the engine takes it. Its argument is `INCIDENT/KEY/TRY`."""

    async def body(steps: Steps, argument: str) -> None:
        await steps.run("file", lambda: filing.file(argument))

    return body
