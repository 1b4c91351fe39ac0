"""What the steps of a rollback work with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.catalog import Catalog
from bot.store import Store
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.probing import Probing
from bot.workflows.journal import Journal


@dataclass(frozen=True)
class Means:
    """The same for every run."""

    store: Store
    catalog: Catalog
    fleet: Fleet
    desk: Desk
    probing: Probing
    journal: Journal
    clock: Callable[[], datetime]
