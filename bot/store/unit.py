"""One unit of work: every repository over one transaction."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from bot.store.bad_shapes import BadShapes
from bot.store.documents import Documents
from bot.store.facts import Facts
from bot.store.inbox import Inbox
from bot.store.incidents import Incidents
from bot.store.outbox import Outbox
from bot.store.probes import Probes
from bot.store.releases import Releases
from bot.store.scope import Scope
from bot.store.shapes import Shapes
from bot.store.timeline import Timeline


class UnitOfWork:
    """What work is given. It is only good within that work; all methods are synchronous."""

    def __init__(self, connection: Connection, clock: Callable[[], datetime], *, writes: bool) -> None:
        scope = Scope(connection, clock, writes)
        self.incidents = Incidents(scope)
        self.timeline = Timeline(scope)
        self.inbox = Inbox(scope)
        self.outbox = Outbox(scope)
        self.releases = Releases(scope)
        self.shapes = Shapes(scope)
        self.bad_shapes = BadShapes(scope)
        self.probes = Probes(scope)
        self.documents = Documents(scope)
        self.facts = Facts(scope)
