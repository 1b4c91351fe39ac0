"""What `kaeru check` looks at in one service: its targets, repository, health, policies, people, template."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.catalog import Catalog, Component, Service
from bot.catalog.model import Database
from bot.clock import now
from bot.domain.plan import Level
from bot.domain.policy import Policy
from bot.domain.severity import Severity
from bot.domain.sizes import size
from bot.ports import PortError, Target
from bot.ports.backups import Backups, Proof
from bot.ports.health import Listening
from bot.ports.target import Change, Inspection
from bot.usecases.check_databases import look_at_migrations
from bot.usecases.check_ends import look_at_ends
from bot.usecases.check_evidence import look_at_log, look_at_metric
from bot.usecases.check_notices import look_at_notices
from bot.usecases.check_oncall import look_at_on_call
from bot.usecases.check_report import Row, State, attempt, row_of
from bot.usecases.check_traffic import look_around
from bot.usecases.fleet import Hands

Shared = defaultdict[str, list[tuple[str, str]]]
"""Who changes what: service and component, by `Target.identity`."""


async def look_at_service(
    service: Service,
    catalog: Catalog,
    *,
    make_hands: Callable[[Service], Hands],
    template: Callable[[Path | None], None],
    shared: Shared,
) -> list[Row]:
    """Every row of one service. `make_hands` and `template` are those of `Surroundings`."""
    area = service.name
    rows: list[Row] = []
    try:
        hands = make_hands(service)
    except PortError as error:
        return [row_of(area, "adapters", State.FAIL, str(error), error.remedy)]
    for name, target in hands.targets.items():
        shared[target.identity].append((area, name))
    if hands.outside.traffic is not None:
        shared[hands.outside.traffic.identity].append((area, "traffic"))
    inspections: dict[str, Inspection] = {}
    for component in service.components:
        looking = _target(area, component, hands.targets[component.name], inspections)
        rows += await attempt(area, component.name, looking, "Look at this target's settings in kaeru.yml.")
    versions = {seen.current for seen in inspections.values()}
    if len(versions) > 1:
        said = ", ".join(f"{name} {seen.current}" for name, seen in inspections.items())
        rows.append(
            row_of(area, "components", State.WARN, f"they differ: {said}", "Deploy the same version to all.")
        )
    rows += await attempt(
        area, "changes", _changes(area, hands, inspections), "Look at `changes` in kaeru.yml."
    )
    rows += await attempt(area, "health", _health(area, hands, versions), "Look at `health` in kaeru.yml.")
    for database in service.databases:
        taken = hands.databases[database.name].backups
        if taken is not None:
            remedy = f"Look at the backup of {database.name} in kaeru.yml."
            rows += await attempt(area, f"backup of {database.name}", _backups(area, database, taken), remedy)
        if (migrations := hands.databases[database.name].migrations) is not None:
            looking = look_at_migrations(area, database.name, migrations, next(iter(versions), None))
            remedy = f"Look at the migrations of {database.name} in kaeru.yml."
            rows += await attempt(area, f"migrations of {database.name}", looking, remedy)
    rows += await look_around(area, hands)
    rows += await _evidence(area, service, hands)
    if hands.outside.on_call is not None:
        looking_up = look_at_on_call(area, hands.outside.on_call, catalog)
        rows += await attempt(area, "on call", looking_up, "Look at `on_call` in kaeru.yml.")
    rows += await look_at_notices(area, catalog, hands)
    rows += await look_at_ends(area, hands)
    rows.append(_policies(area, catalog))
    rows.append(_who(service))
    rows.append(await asyncio.to_thread(_template, template, service))
    return rows


def look_at_sharing(shared: Shared) -> list[Row]:
    """One warning for each thing that several components would change: their rollbacks would undo each other's."""
    rows = []
    for users in shared.values():
        if len(users) > 1:
            (area, name), *others = sorted(users)
            named = " and ".join(f"{component} of {service}" for service, component in others)
            seen = f"this is the same target as {named}"
            remedy = "Give each component a target of its own, or make them one service: rollbacks of one would undo the other's."
            rows.append(row_of(area, name, State.WARN, seen, remedy))
    return sorted(rows, key=lambda row: (row.area, row.name))


async def _target(area: str, component: Component, target: Target, found: dict[str, Inspection]) -> list[Row]:
    seen = found[component.name] = await target.inspect()
    name = component.name
    others = [a for a in seen.available if a.version != seen.current]
    runs = f"{seen.current} is set" + (
        f", {seen.running} runs" if seen.running else ", what runs cannot be seen"
    )
    if seen.running == seen.current:
        runs = f"{seen.current} runs"
    rows = [
        row_of(area, name, State.WARN, w.text, "Look into it before you need a rollback.")
        for w in seen.warnings
    ]
    if others:
        rows.append(
            row_of(
                area,
                name,
                State.OK,
                f"{runs}; {len(others)} to return to: {_some([a.version for a in others])}",
            )
        )
    else:
        remedy = "Keep older releases in place; a rollback needs one."
        rows.append(row_of(area, name, State.WARN, f"{runs}; there is no version to return to", remedy))
    # Where there is nothing to return to yet, what is set is asked for: the rights that are missing then are
    # missing later as well.
    change = Change(
        component=name,
        from_version=seen.current,
        to_version=others[0].version if others else seen.current,
        fingerprint=seen.fingerprint,
        from_ref=seen.current_ref,
        to_ref=others[0].ref if others else seen.current_ref,
    )
    checks = (await target.plan(change)).checks
    bad = [c for c in checks if not c.ok]
    remedy = "A rollback would be refused or fail here; put this right."
    rows += [row_of(area, f"{name}: {c.name}", State.FAIL, c.detail, remedy) for c in bad]
    if not bad:
        rows.append(
            row_of(area, f"{name}: preflight", State.OK, f"holds: {', '.join(c.name for c in checks)}")
        )
    return rows


async def _changes(area: str, hands: Hands, inspections: dict[str, Inspection]) -> list[Row]:
    if hands.changes is None:
        seen = (
            "no repository is configured (`changes`): plans cannot show which commits a rollback takes away, and "
            "versions are ordered by when they were seen and by their names"
        )
        return [row_of(area, "changes", State.OK, seen)]
    tags = [tagged.version for tagged in await hands.changes.versions()]
    installed = dict.fromkeys(a.version for seen in inspections.values() for a in seen.available)
    untagged = [version for version in installed if version not in tags]
    seen = f"{len(tags)} version tags" if len(tags) != 1 else "1 version tag"
    if untagged:
        remedy = "Look at the tags' prefix in kaeru.yml, or push the missing tags."
        return [row_of(area, "changes", State.WARN, f"{seen}; none for {_some(untagged)}", remedy)]
    return [row_of(area, "changes", State.OK, f"{seen}, every installed version has one")]


async def _backups(area: str, database: Database, backups: Backups) -> list[Row]:
    """What a backup would be refused for, and the newest one that there is."""
    plan, name = await backups.plan(), f"backup of {database.name}"
    rows = [
        row_of(area, name, State.WARN, w.text, "Look into it before you need a backup.")
        for w in plan.warnings
    ]
    remedy = "A backup would be refused or fail here; put this right."
    bad = [row_of(area, f"{name}: {c.name}", State.FAIL, c.detail, remedy) for c in plan.checks if not c.ok]
    newest = next(iter(await backups.list()), None)
    if newest is None:
        remedy = f"Take one with `kaeru backup {area} {database.name}`, so that the first is not that of an incident."
        rows.append(row_of(area, name, State.WARN, "there is none yet", remedy))
    else:
        dangers = [w.text for w in newest.warnings if w.level is Level.DANGER]
        state = State.WARN if dangers or newest.proof is Proof.NONE else State.OK
        proof = "not proven" if newest.proof is Proof.NONE else f"proven ({newest.proof})"
        seen = f"the newest, of {newest.at:%Y-%m-%d %H:%M} UTC, has {size(newest.bytes)} and is {proof}"
        remedy = f"Look at the database; `kaeru backup {area} {database.name}` takes another one."
        if not dangers:
            remedy = f"`kaeru backup-verify {area} {database.name}` proves it."
        rows.append(row_of(area, name, state, " ".join((f"{seen}.", *dangers)) if dangers else seen, remedy))
    if not bad:
        holds = ", ".join(c.name for c in plan.checks)
        rows.append(row_of(area, f"{name}: preflight", State.OK, f"holds: {holds}"))
    return rows + bad


async def _health(area: str, hands: Hands, versions: set[str]) -> list[Row]:
    if hands.health is None:
        remedy = "Add `health` to kaeru.yml; without it no rollback can be proven."
        return [row_of(area, "health", State.WARN, "nothing outside is asked", remedy)]
    rows: list[Row] = []
    probes = await hands.health.round()
    for probe in probes:
        took = f" in {probe.latency_ms:.0f} ms" if probe.latency_ms is not None else ""
        answer = f"{probe.status or 'no answer'}{took}{f': {probe.error}' if probe.error else ''}"
        state = State.OK if probe.ok else State.FAIL
        if (
            not probe.ok
            and isinstance(hands.health, Listening)
            and (heard := hands.health.heard(probe.endpoint))
        ):
            answer += f" ({heard})"
        rows.append(
            row_of(area, probe.endpoint, state, answer, "Look at the service, or at `health` in kaeru.yml.")
        )
    said = sorted({probe.version for probe in probes if probe.version})
    if not said:
        remedy = "Look at `health.version`: without it a rollback cannot be proven."
        rows.append(row_of(area, "version", State.FAIL, "no answer says which version runs", remedy))
    elif versions and set(said) != versions:
        seen = f"{' and '.join(said)} answers, {' and '.join(sorted(versions))} is deployed"
        rows.append(row_of(area, "version", State.WARN, seen, "Is this address served by this target?"))
    else:
        rows.append(row_of(area, "version", State.OK, f"{' and '.join(said)} answers"))
    return rows


async def _evidence(area: str, service: Service, hands: Hands) -> list[Row]:
    """Metrics and logs, all at once."""
    outside, asked, moment = hands.outside, service.outside, now()
    looks = [
        *(
            (f"metric {m.name}", look_at_metric(area, m, outside.metrics[m.name], moment))
            for m in asked.metrics
        ),
        *((f"log {log.name}", look_at_log(area, log, outside.logs[log.name], moment)) for log in asked.logs),
    ]
    remedy = "Look at {} in kaeru.yml."
    found = await asyncio.gather(*(attempt(area, name, look, remedy.format(name)) for name, look in looks))
    return [row for rows in found for row in rows]


def _policies(area: str, catalog: Catalog) -> Row:
    """Whether they can be met was settled when the file was loaded; here they are read back to people."""
    said = [f"{severity.value}: {_policy(catalog.policy(area, severity))}" for severity in Severity]
    return row_of(area, "policies", State.OK, "; ".join(said))


def _policy(policy: Policy) -> str:
    of = f" of {len(policy.approvers)}" if policy.approvers else " of anyone"
    alone = ", may ask and approve" if policy.requester_may_approve else ""
    return f"{policy.quorum}{of}{alone}{', break-glass' if policy.break_glass else ''}"


def _who(service: Service) -> Row:
    told = f"{service.stakeholders} is told" if service.stakeholders else "no channel is told"
    count = len(service.responders)
    seen = f"{count} {'person is' if count == 1 else 'people are'} invited, {told}"
    state = State.OK if count else State.WARN
    return row_of(
        service.name, "responders", state, seen, "Name `responders` or `owners`; nobody would be called."
    )


def _template(template: Callable[[Path | None], None], service: Service) -> Row:
    which = service.postmortem_template
    name = str(which) if which else "kaeru's own"
    try:
        template(which)
    except (ValueError, OSError) as error:
        said = f"{name}: {error.strerror if isinstance(error, OSError) else error}"
        return row_of(service.name, "postmortem", State.FAIL, said, "Correct the template.")
    return row_of(service.name, "postmortem", State.OK, f"{name} renders")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
