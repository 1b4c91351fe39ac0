"""Closing as a durable workflow: one step that writes a revision of the postmortem, once."""

from bot.ports.engine import Steps, Workflow
from bot.usecases.closing import Closing


def bind(closing: Closing) -> Workflow:
    """The workflow as the engine takes it. Its argument is `INCIDENT/REVISION`."""

    async def body(steps: Steps, argument: str) -> None:
        incident_id, _, revision = argument.rpartition("/")
        await steps.run("postmortem", lambda: closing.write_postmortem(incident_id, int(revision)))

    return body
