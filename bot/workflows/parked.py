"""Workflows that gave up, read from the engine's database without an engine: beside a running bot, or while none runs."""

from dbos import DBOSClient, DBOSPortableJSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from bot.ports import Unavailable
from bot.ports.engine import Parked


def parked_in(url: str) -> tuple[Parked, ...]:
    """Newest first. It blocks; callers use a thread. Raises Unavailable."""
    try:
        client = DBOSClient(
            system_database_url=url, serializer=DBOSPortableJSONSerializer(), retry_connection_errors=False
        )
        try:
            listed = client.list_workflows(
                status=["ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"], sort_desc=True, limit=100
            )
        finally:
            client.destroy()
    except SQLAlchemyError as error:
        raise Unavailable(
            "The engine's database cannot be read now.",
            remedy="Check KAERU_ENGINE_DATABASE_URL and that it runs.",
        ) from error
    return tuple(
        Parked(workflow_id=w.workflow_id, name=w.name, reason=f"ended with {w.error or w.status}")
        for w in listed
    )
