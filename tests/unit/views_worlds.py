"""Incidents that nobody would invent: random but possible, with long lists and hostile texts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from bot.domain import events as e
from bot.domain.afterwards import CachePart, TrafficPart
from bot.domain.alerts import Alert, Suspect
from bot.domain.backups import BackupState, Taken
from bot.domain.databases import BackupWish, DatabasePart, Sideways
from bot.domain.debts import Debt
from bot.domain.evidence import Baseline, BaselineSource, EndpointStats, Finding, Outcome
from bot.domain.incident import Impossible, Incident, Status
from bot.domain.lifecycle import evolve
from bot.domain.migrations import Effect, Migration, Tool, Undo
from bot.domain.paging import OnCallName
from bot.domain.plan import Changes, Check, Commit, ComponentChange, FileChange, Level, Plan, Warn
from bot.domain.policy import Policy
from bot.domain.ramp import Ramp
from bot.domain.releases import Release, Standing
from bot.domain.restores import RestorePlan, Shelved
from bot.domain.run import steps_for
from bot.domain.severity import Severity
from bot.domain.verdict import Cell, Moment, Row, VerdictTable
from bot.domain.verdict import Verdict as Found
from bot.domain.ways_back import MATRIX, Verdict, Way
from bot.views.project import Context, Slot, project, project_event
from tests.story import ALICE, BOB, CAROL, DAVE, at

BOT_USER = "U0KAERU"
PEOPLE = (ALICE, BOB, CAROL, DAVE, "cli:root", "cli:<!here>", "kaeru")
HOSTILE = (
    "<!channel> look",
    "<!here|here> <@U0ALICE> <#C0GENERAL> <https://example.org|click>",
    "a & b &amp; c < d > e",
    "> not a quote\n• not a list\n```not code```",
    "`*_~ ` *_~",
    "\u202eevil\u202c \u200bhidden \x07 bell \x00 nul",
    "👩‍👩‍👧‍👦 日本語 עברית e\u0301" * 20,
    "&" * 4000,
    "<" * 700,
    "word " * 900,
    "",
    "   ",
)
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))
people = st.sampled_from(PEOPLE)
versions = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._+-]{0,127}\Z")
counts = st.sampled_from((0, 1, 2, 7, 40))


def times(kind: st.SearchStrategy[Any], most: int = 40) -> st.SearchStrategy[tuple[Any, ...]]:
    """A few of a kind, sometimes very many of the same."""
    many = st.builds(lambda one, n: (one,) * n, kind, st.integers(0, most))
    return st.one_of(st.lists(kind, max_size=3).map(tuple), many)


stats = st.builds(
    EndpointStats,
    endpoint=texts,
    count=st.integers(0, 10_000),
    errors=st.integers(0, 100),
    p50_ms=st.none() | st.floats(0, 1e6),
    p95_ms=st.none() | st.floats(0, 1e6),
)
finding_lists = times(
    st.builds(
        Finding,
        endpoint=texts,
        stats=stats,
        limit_error_rate=st.floats(0, 1),
        limit_p95_ms=st.floats(0, 1e6),
        verdict=st.sampled_from(Outcome),
        sentence=texts,
    )
)


_wishes = st.builds(
    BackupWish,
    wait=st.booleans(),
    why=texts,
    expected_bytes=st.none() | st.integers(0, 10**13),
    expected_s=st.none() | st.floats(0, 10**5),
)
_migrations = st.builds(
    Migration,
    tool=st.sampled_from(Tool),
    id=texts,
    path=texts,
    effect=st.sampled_from(Effect),
    does=times(texts, 8),
    undo=st.builds(Undo, exists=st.booleans(), loses=times(texts, 8), understood=st.booleans()),
)
_sideways = st.builds(
    Sideways, actions=times(texts, 4), fingerprint=st.just("f"), about=times(texts, 8), loses=times(texts, 8)
)


@st.composite
def parts(draw: st.DrawFn, name: str) -> DatabasePart:
    """A database about which somebody has decided, or has to, or nobody needs to; or of which nothing is known."""
    backup = draw(st.none() | _wishes)
    row = draw(st.none() | st.sampled_from(MATRIX))
    if row is None:
        return DatabasePart(name=name, backup=backup)
    verdict = Verdict(
        situation=row.situation,
        allowed=row.allowed,
        recommended=row.recommended,
        decision=row.decision,
        second_person=row.second_person,
        why=draw(texts),
    )
    way = draw(st.none() | st.sampled_from(row.allowed))
    return DatabasePart(
        name=name,
        migrations=draw(times(_migrations, 30)),
        verdict=verdict,
        way=way,
        chosen_by=draw(st.none() | people) if way is not None else None,
        offered=row.allowed,
        notes=draw(times(texts, 8)),
        down=draw(st.none() | _sideways),
        restore=draw(st.none() | _sideways),
        backup=backup,
    )


def _named(part: DatabasePart, count: int) -> tuple[DatabasePart, ...]:
    return tuple(part.model_copy(update={"name": f"{'d' * 60}-{n}"}) for n in range(count))


_databases = st.just(()) | st.builds(_named, parts("orders"), st.sampled_from((1, 20)))


_traffic = st.builds(TrafficPart, off=st.booleans(), ramp=st.just(Ramp()), actions=times(texts, 3))


@st.composite
def plans(draw: st.DrawFn, number: int) -> Plan:
    current, target = draw(versions), draw(versions)
    names = [f"part-{n}" for n in range(draw(st.sampled_from((1, 2, 40))))]
    actions, diff = draw(times(texts, 10)), draw(times(texts, 10))
    components = tuple(
        ComponentChange(
            component=name,
            kind="directory",
            from_version=current,
            to_version=target,
            fingerprint="f",
            actions=actions,
            diff=diff,
            tier=draw(st.integers(0, 2)),
            expected_s=draw(st.sampled_from((0.0, 2.5, 90.0))),
        )
        for name in names
    )
    commit = st.builds(Commit, sha=st.just("abc"), author=texts, at=st.just(at("09:00:00")), subject=texts)
    changed = st.builds(FileChange, path=texts, added=st.none() | st.integers(0, 99), deleted=st.just(None))
    changes = Changes(
        known=draw(st.booleans()),
        note=draw(texts),
        commits=draw(times(commit)),
        files=draw(times(changed, 500)),
        commit_count=draw(st.integers(0, 5000)),
        file_count=draw(st.integers(0, 5000)),
        migrations=draw(times(texts)),
    )
    candidates = tuple(
        Release(
            version=version,
            standing=draw(st.sampled_from(Standing)),
            last_good_at=draw(st.sampled_from((None, at("12:00:00")))),
            quarantined_by=draw(st.none() | texts),
        )
        for version in dict.fromkeys(
            [target, *draw(times(versions, 1)), *(f"v{n}" for n in range(draw(counts)))]
        )
    )
    return Plan(
        number=number,
        service="shop",
        from_version=current,
        to_version=target,
        why=draw(texts),
        components=components,
        changes=changes,
        warnings=draw(times(st.builds(Warn, level=st.sampled_from(Level), text=texts))),
        checks=draw(times(st.builds(Check, name=texts, ok=st.booleans(), detail=texts))),
        baseline=Baseline(source=draw(st.sampled_from(BaselineSource)), version=draw(st.none() | texts)),
        candidates=candidates,
        created_at=at("14:00:00"),
        databases=draw(_databases),
        traffic=draw(st.none() | _traffic),
        caches=draw(times(st.builds(CachePart, name=st.just("cdn"), actions=times(texts, 4)), 1)),
    )


_shelved = st.builds(
    Shelved,
    id=versions,
    at=st.just(at("13:00:00")),
    bytes=st.integers(0, 10**13),
    proof=st.sampled_from(("none", "read", "restored")),
)
_restore_plans = st.builds(
    RestorePlan,
    backup=versions,
    into=texts,
    replaces=st.booleans(),
    actions=times(texts, 8),
    fingerprint=st.just("f"),
    lost_since=st.none() | st.just(at("13:00:00")),
    warnings=times(st.builds(Warn, level=st.sampled_from(Level), text=texts), 8),
    checks=times(st.builds(Check, name=texts, ok=st.booleans(), detail=texts, required=st.booleans()), 8),
    expected_s=st.none() | st.floats(0, 10_000),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return Policy(
        quorum=draw(st.integers(1, 3)),
        approvers=draw(st.sampled_from(((), (ALICE, BOB, CAROL), tuple(f"U0P{n}" for n in range(30))))),
        requester_may_approve=draw(st.booleans()),
        break_glass=draw(st.booleans()),
    )


def contexts() -> st.SearchStrategy[Context]:
    return st.builds(
        Context,
        policy=policies(),
        responders=st.sampled_from(((), (ALICE, BOB), (BOT_USER,))),
        stakeholders=st.sampled_from((None, "C0STATUS", "#incidents")),
        watch_s=st.sampled_from((0.0, 300.0)),
        critical=st.just(("/checkout",)),
        bot_user=st.just(BOT_USER),
    )


class World:
    """An incident as it grows, with everything that Slack has been told so far."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.incident: Incident | None = None
        self.clock = at("14:00:00")
        self.history: list[tuple[Incident, Slot]] = []
        self.shown: dict[tuple[str, str], Slot] = {}
        self.seq = 0

    def happens(self, event: e.Event) -> bool:
        """Whether `event` was possible; if so everything it shows is recorded."""
        before = self.incident
        try:
            self.incident = evolve(before, event)
        except Impossible:
            return False
        self.seq += 1
        told = project_event(self.incident, event, self.seq, self.context)
        for slot in (*told, *project(self.incident, self.context, before)):
            self.history.append((self.incident, slot))
            self.shown[slot.lane, slot.slot] = slot
        return True


@st.composite
def worlds(draw: st.DrawFn, most: int = 14) -> World:
    """An incident of up to `most` random events after its declaration."""
    world = World(draw(contexts()))
    world.happens(
        e.IncidentDeclared(
            at=world.clock,
            by=ALICE,
            incident_id="inc-20261124-shop-1",
            service="shop",
            source_channel="C0GENERAL",
        )
    )
    world.happens(e.PlanRequested(at=world.clock, by=ALICE, number=1))
    for _ in range(draw(st.integers(0, most))):
        world.clock += timedelta(seconds=draw(st.sampled_from((0.1, 1, 30, 4000))))
        assert world.incident is not None
        event = _next(draw, world.incident, world.clock)
        if event is not None:
            world.happens(event)
    return world


_Maker = Callable[[st.DrawFn, Incident, dict[str, Any]], e.Event | None]


def _next(draw: st.DrawFn, incident: Incident, now: Any) -> e.Event | None:
    name = draw(st.sampled_from(sorted(_MAKERS)))
    likely = {  # what usually comes next, so that a short story gets somewhere
        Status.OPEN: ("plan_ready", "severity_set", "backup_begun"),
        Status.DECIDING: (
            "plan_ready",
            "approval",
            "approved",
            "severity_set",
            "hold",
            "backup_finished",
            "backup_failed",
        ),
        Status.ROLLING_BACK: (
            "step_started",
            "step_printed",
            "step_finished",
            "traffic_shifted",
            "traffic_asked",
            "debt",
            "mitigated",
            "failed",
        ),
        Status.MITIGATED: ("verified", "relapsed", "debt"),
        Status.FIXING_FORWARD: ("reminded", "chosen", "severity_set", "requested"),
    }.get(incident.status)
    if likely is not None and draw(st.booleans()):
        name = draw(st.sampled_from(likely))
    return _MAKERS[name](draw, incident, {"at": now, "by": draw(people)})


def _severity(draw: st.DrawFn, _: Incident, base: dict[str, Any]) -> e.Event:
    severity = draw(st.sampled_from(Severity))
    if severity.rolls_back:
        return e.SeveritySet(**base, severity=severity)
    due = base["at"] + timedelta(minutes=30)
    return e.SeveritySet(**base, severity=severity, owner=draw(people), forward_fix_due_at=due)


def _with_number(kind: Callable[..., e.Event]) -> _Maker:
    def make(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event:
        number = incident.record.number if incident.record else 1
        extra = {"reason": draw(texts)} if kind is not e.PlanExpired else {}
        return kind(**base, number=number, **extra)

    return make


def _plan_ready(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event:
    return e.PlanReady(**base, plan=draw(plans(incident.record.number if incident.record else 1)))


def _requested(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event:
    number = incident.record.number + 1 if incident.record else 1
    return e.PlanRequested(**base, number=number, wanted=draw(st.none() | versions), reason=draw(texts))


def _decided(kind: Callable[..., e.Event]) -> _Maker:
    def make(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event | None:
        record = incident.record
        if record is None or record.plan is None:
            return None
        extra: dict[str, Any] = {"number": record.number, "digest": record.plan.digest}
        if kind is e.GlassBroken:
            extra["reason"] = draw(texts)
        if kind is e.RollbackApproved:
            extra |= {
                "run_id": f"{incident.id}-run-{len(incident.runs) + 1}",
                "approved_by": draw(st.sampled_from(((BOB,), (BOB, CAROL)))),
                "steps": steps_for(record.plan, watch=timedelta(minutes=5)),
                "break_glass_reason": draw(st.sampled_from(("", *HOSTILE))),
            }
        return kind(**base, **extra)

    return make


def _of_run(kind: Callable[..., e.Event]) -> _Maker:
    def make(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event | None:
        run = incident.run
        if run is None:
            return None
        extra: dict[str, Any] = {"run_id": run.id}
        if kind is e.StepAdded:
            return kind(**base, **extra, step_id=f"revert:{len(run.steps)}", title=draw(texts))
        if kind is e.StepPrinted:
            extra |= {"step_id": draw(st.sampled_from(run.steps)).id, "left_out": draw(st.integers(0, 9))}
            return kind(**base, **extra, lines=tuple(draw(st.lists(texts, min_size=1, max_size=40))))
        if kind in (e.StepStarted, e.StepFinished):
            extra |= {"step_id": draw(st.sampled_from(run.steps)).id, "detail": draw(texts)}
        if kind is e.StepFinished:
            extra["outcome"] = draw(st.sampled_from(Outcome))
        if kind is e.RollbackFailed:
            outcome = draw(st.sampled_from((Outcome.FAILED, Outcome.UNKNOWN)))
            extra |= {"outcome": outcome, "reason": draw(texts), "safe_state": draw(texts)}
        if kind in (e.IncidentRelapsed, e.IncidentLeftUnverified):
            extra["reason"] = draw(texts)
        if kind is not e.StepStarted:
            extra["findings"] = draw(finding_lists)
        return kind(**base, **extra)

    return make


_cells = st.none() | st.builds(Cell, shown=texts)
_tables = st.builds(
    VerdictTable,
    moment=st.sampled_from(Moment),
    at=st.just(at("13:00:00")),
    waits_until=st.none() | st.just(at("13:10:00")),
    rows=times(
        st.builds(
            Row,
            source=texts,
            what=texts,
            before=_cells,
            during=_cells,
            after=_cells,
            verdict=st.sampled_from(Found),
            sentence=texts,
            required=st.booleans(),
            lines=times(texts, 3),
        ),
        30,
    ),
)


def _judged(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event | None:
    run = incident.run
    return None if run is None else e.VerdictReached(**base, run_id=run.id, table=draw(_tables))


def _of_traffic(kind: Callable[..., e.Event], **strategies: st.SearchStrategy[Any]) -> _Maker:
    def make(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event | None:
        if incident.run is None:
            return None
        drawn = {name: draw(each) for name, each in strategies.items()}
        return kind(**base, run_id=incident.run.id, **drawn)

    return make


def _simple(kind: Callable[..., e.Event], **strategies: st.SearchStrategy[Any]) -> _Maker:
    def make(draw: st.DrawFn, _: Incident, base: dict[str, Any]) -> e.Event:
        return kind(**base, **{name: draw(strategy) for name, strategy in strategies.items()})

    return make


def _page_begun(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event:
    return e.PageBegun(
        **base, number=len(incident.pages) + 1, why=draw(st.sampled_from(("declared", "relapsed", "worse")))
    )


def _of_page(kind: Callable[..., e.Event], **strategies: st.SearchStrategy[Any]) -> _Maker:
    def make(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event | None:
        if not incident.pages:
            return None
        number = draw(st.integers(1, len(incident.pages)))
        return kind(**base, number=number, **{n: draw(strategy) for n, strategy in strategies.items()})

    return make


_alerts = st.builds(
    Alert,
    group=texts,
    state=st.sampled_from(("firing", "resolved")),
    title=texts,
    text=texts,
    firing=counts,
    at=st.none() | st.just(at("14:01:00")),
    link=texts | st.just("https://prometheus.example.com/graph?g0.expr=up"),
)
_suspects = st.builds(
    Suspect,
    component=texts,
    version=versions,
    since=st.just(at("13:58:00")),
    before=st.none() | versions,
    commits=st.none() | counts,
    subjects=times(texts, 5),
    migrations=counts,
)


def _about_debt(kind: Callable[..., e.Event], **strategies: st.SearchStrategy[Any]) -> _Maker:
    def make(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event | None:
        if not incident.debts:
            return None
        debt_id = draw(st.sampled_from(incident.debts)).debt.id
        return kind(**base, debt_id=debt_id, **{name: draw(each) for name, each in strategies.items()})

    return make


def _debt_taken(draw: st.DrawFn, _: Incident, base: dict[str, Any]) -> e.Event:
    kinds = (f"argocd:{draw(st.integers(0, 9))}/{'s' * 250}", "traffic:shop", "cache:shop/cdn")
    debt = Debt(
        id=draw(st.sampled_from(kinds)),
        component="web",
        text=draw(texts),
        until=draw(texts),
    )
    return e.DebtTaken(**base, debt=debt)


def _about_restore(kind: Callable[..., e.Event]) -> _Maker:
    def make(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event | None:
        if kind is e.RestoreAsked:
            number, where = len(incident.restores) + 1, draw(st.sampled_from(("", "shop_test")))
            return kind(**base, number=number, database="shop", backup=draw(versions), into=where)
        if not incident.restores:
            return None
        extra: dict[str, Any] = {"number": draw(st.sampled_from(incident.restores)).number}
        if kind is e.RestorePlanned:
            extra |= {"plan": draw(_restore_plans), "others": draw(times(_shelved, 10))}
        if kind in (e.RestoreBlocked, e.RestoreRejected):
            extra["reason"] = draw(texts)
        if kind is e.RestoreApproved:
            extra["digest"] = incident.restore(extra["number"]).digest
        if kind is e.RestoreEnded:
            extra |= {"outcome": draw(st.sampled_from(Outcome)), "detail": draw(texts)}
        return kind(**base, **extra)

    return make


def _backup_begun(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event | None:
    database = draw(st.sampled_from(("orders", "users")))
    known = incident.backup(database)
    if known is not None and known.state is BackupState.UNDER_WAY:
        return None
    return e.BackupBegun(**base, database=database, number=known.number + 1 if known else 1)


def _about_backup(kind: Callable[..., e.Event], *states: BackupState) -> _Maker:
    def make(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event | None:
        fitting = [one for one in incident.backups if one.state in states]
        if kind is e.BackupAccepted:
            fitting = [one for one in fitting if one.doubtful]
        if not fitting:
            return None
        record = draw(st.sampled_from(fitting))
        extra: dict[str, Any] = {"database": record.database, "number": record.number}
        if kind is e.BackupFailed:
            extra["reason"] = draw(texts)
        if kind is e.BackupFinished:
            extra["backup"] = draw(_taken)
        return kind(**base, **extra)

    return make


_taken = st.builds(
    Taken,
    id=versions,
    at=st.just(at("13:00:00")),
    bytes=st.integers(0, 10**13),
    sha256=st.just("0" * 64),
    seconds=st.floats(0, 10**5),
    proof=st.sampled_from(("none", "read", "restored")),
    warnings=times(st.builds(Warn, level=st.sampled_from(Level), text=texts)),
    place=texts,
)


def _way_chosen(draw: st.DrawFn, incident: Incident, base: dict[str, Any]) -> e.Event | None:
    if incident.record is None:
        return None
    extra: dict[str, Any] = {"number": incident.record.number, "database": draw(texts)}
    extra |= {"why": draw(texts), "loses": draw(times(texts, 8))}
    way = draw(st.sampled_from(Way))
    if way is Way.FORWARD_FIX:
        extra |= {"owner": draw(people), "forward_fix_due_at": base["at"] + timedelta(minutes=30)}
    return e.WayChosen(**base, **extra, way=way)


def _reminded(_draw: st.DrawFn, _: Incident, base: dict[str, Any]) -> e.Event:
    return e.ForwardFixReminded(**base, due_at=base["at"] + timedelta(minutes=30))


_MAKERS: dict[str, _Maker] = {
    "traffic_shifted": _of_traffic(
        e.TrafficShifted, share=st.floats(0, 1), sentence=texts, back=st.booleans()
    ),
    "traffic_asked": _of_traffic(e.TrafficAsked, sentence=texts),
    "traffic_continued": _of_traffic(e.TrafficContinued),
    "traffic_stopped": _of_traffic(e.TrafficStopped),
    "channel": _simple(e.ChannelOpened, channel_id=st.just("C0INC1"), name=st.just("inc-20261124-shop-1")),
    "joined": _simple(e.SomeoneJoined, source_channel=st.just("C0SUPPORT")),
    "severity_set": _severity,
    "role": _simple(e.RoleAssigned, role=texts, user=people),
    "note": _simple(e.NoteAdded, text=texts),
    "action": _simple(e.ActionAdded, text=texts, owner=st.none() | people),
    "requested": _requested,
    "plan_ready": _plan_ready,
    "blocked": _with_number(e.PlanBlocked),
    "superseded": _with_number(e.PlanSuperseded),
    "expired": _with_number(e.PlanExpired),
    "rejected": _with_number(e.PlanRejected),
    "approval": _decided(e.ApprovalGiven),
    "glass": _decided(e.GlassBroken),
    "approved": _decided(e.RollbackApproved),
    "hold": _simple(e.HoldPlaced, reason=texts),
    "release": _simple(e.HoldReleased),
    "chosen": _simple(e.RollbackChosen),
    "reminded": _reminded,
    "step_started": _of_run(e.StepStarted),
    "step_added": _of_run(e.StepAdded),
    "step_printed": _of_run(e.StepPrinted),
    "step_finished": _of_run(e.StepFinished),
    "way": _way_chosen,
    "mitigated": _of_run(e.IncidentMitigated),
    "verified": _of_run(e.IncidentVerified),
    "failed": _of_run(e.RollbackFailed),
    "relapsed": _of_run(e.IncidentRelapsed),
    "judged": _judged,
    "left_unverified": _of_run(e.IncidentLeftUnverified),
    "debt": _debt_taken,
    "debt_owned": _about_debt(e.DebtTakenOver),
    "debt_asked": _about_debt(e.RepaymentAsked),
    "debt_kept": _about_debt(e.DebtKept, reason=texts),
    "debt_repaid": _about_debt(e.DebtRepaid, text=texts),
    "backup_begun": _backup_begun,
    "backup_finished": _about_backup(e.BackupFinished, BackupState.UNDER_WAY),
    "backup_failed": _about_backup(e.BackupFailed, BackupState.UNDER_WAY),
    "backup_accepted": _about_backup(e.BackupAccepted, BackupState.TAKEN),
    "backup_skipped": _about_backup(e.BackupSkipped, *BackupState),
    "restore_asked": _about_restore(e.RestoreAsked),
    "restore_planned": _about_restore(e.RestorePlanned),
    "restore_blocked": _about_restore(e.RestoreBlocked),
    "restore_approved": _about_restore(e.RestoreApproved),
    "restore_rejected": _about_restore(e.RestoreRejected),
    "restore_begun": _about_restore(e.RestoreBegun),
    "restore_ended": _about_restore(e.RestoreEnded),
    "page_begun": _page_begun,
    "paged": _of_page(
        e.Paged,
        through=texts,
        note=texts,
        people=times(st.builds(OnCallName, name=texts, level=counts, user=st.none() | people)),
    ),
    "page_failed": _of_page(
        e.PageFailed,
        action=st.sampled_from(("page", "acknowledge", "resolve")),
        reason=texts,
        unknown=st.booleans(),
    ),
    "page_spared": _of_page(e.PageSpared, reason=texts, unknown=st.booleans()),
    "page_acknowledged": _of_page(e.PageAcknowledged),
    "pager_told": _of_page(e.PagerTold, action=st.sampled_from(("acknowledge", "resolve"))),
    "alert": _simple(
        e.AlertReceived,
        alert=_alerts,
        opened=st.booleans(),
        suspects=times(_suspects, 6),
        worse=st.none() | st.sampled_from(Severity),
    ),
    "reported": _simple(
        e.UserReported,
        report_id=st.sampled_from(("r7", "r8", "m1764000000.000100")),
        text=texts,
        users=st.integers(1, 10_000_000),
        standing=st.sampled_from(("still", "again", "gone")),
        slack_ts=st.none() | st.just("1764000000.000100"),
        author=st.none() | people,
    ),
    "exercise": _simple(e.ExerciseMarked, exercise=st.booleans()),
    "report_withdrawn": _simple(e.UserReportWithdrawn, report_id=st.sampled_from(("r7", "r8")), text=texts),
    "told": _simple(e.StakeholdersTold, channel_id=st.just("C0STATUS"), text=texts),
    "undelivered": _simple(e.DeliveryFailed, what=texts, reason=texts),
    "lessons": _simple(e.LessonsRecorded, root_cause=texts, lessons=texts, impact=texts),
    "closed": _simple(e.IncidentClosed, summary=texts),
    "posted": _simple(e.PostmortemPosted, revision=st.integers(1, 3), sha256=st.just("0" * 64)),
}
