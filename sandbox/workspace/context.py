"""What the parts of a running workspace share."""

from dataclasses import dataclass, field

from sandbox.workspace.faults import Faults
from sandbox.workspace.limits import Limits
from sandbox.workspace.manifest import Manifest
from sandbox.workspace.push import People
from sandbox.workspace.socket_mode import Hub
from sandbox.workspace.state import Workspace
from sandbox.workspace.stats import Stats
from sandbox.workspace.timings import Timings
from sandbox.workspace.triggers import ResponseUrls, Triggers
from sandbox.workspace.views import Views


@dataclass(slots=True)
class Context:
    """`base_url` has no slash at its end; it is known once the server listens."""

    state: Workspace
    manifest: Manifest
    bot_token: str
    app_token: str
    timings: Timings
    limits: Limits
    faults: Faults
    stats: Stats
    hub: Hub
    people: People
    views: Views
    triggers: Triggers
    responses: ResponseUrls
    base_url: str = ""
    uploads: dict[str, str] = field(default_factory=dict)


def build(
    state: Workspace,
    manifest: Manifest,
    *,
    bot_token: str,
    app_token: str,
    timings: Timings,
    rate_limits: bool,
) -> Context:
    stats, faults = Stats(), Faults()
    people = People(state)
    hub = Hub(state.app_id, timings, stats, faults)
    hub.watchers.append(people.watch_connection)
    return Context(
        state=state,
        manifest=manifest,
        bot_token=bot_token,
        app_token=app_token,
        timings=timings,
        limits=Limits(enabled=rate_limits),
        faults=faults,
        stats=stats,
        hub=hub,
        people=people,
        views=Views(state, people.push),
        triggers=Triggers(timings),
        responses=ResponseUrls(timings),
    )
