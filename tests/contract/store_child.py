"""A process of its own that appends to an incident's timeline, and says on stdout what was acknowledged.

python -m tests.contract.store_child URL INCIDENT NAME COUNT
"""

import asyncio
import itertools
import sys
from datetime import UTC, datetime

from bot.domain.timeline import Kind
from bot.store import Store

WORKERS = 20


async def main(url: str, incident_id: str, name: str, count: int) -> None:
    store = await Store.open(url, clock=lambda: datetime.now(UTC))
    numbers = iter(range(count)) if count else itertools.count()

    async def append() -> None:
        for n in numbers:
            source = f"{name}:{n}"
            entry = await store.write(
                lambda uow, source=source: uow.timeline.append(  # type: ignore[misc]  # binds the loop's value
                    incident_id,
                    at=datetime.now(UTC),
                    kind=Kind.MESSAGE,
                    actor=name,
                    body={"text": source},
                    source=source,
                )
            )
            assert entry is not None
            print(source, flush=True)  # noqa: T201 - this is how the parent hears of it

    await asyncio.gather(*(append() for _ in range(WORKERS)))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
