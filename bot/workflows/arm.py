"""Arming as a durable workflow: one read-only step, made again after a crash."""

from bot.ports.engine import Steps, Workflow
from bot.usecases.arming import Arming


def bind(arming: Arming) -> Workflow:
    """The workflow as the engine takes it. Its argument is `INCIDENT/NUMBER`."""

    async def body(steps: Steps, plan_id: str) -> None:
        incident_id, _, number = plan_id.rpartition("/")
        await steps.run("arm", lambda: arming.arm(incident_id, int(number)))

    return body
