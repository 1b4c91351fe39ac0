"""A plausible incident, told once for every test that wants one: the shop's v1.3.0 goes bad and v1.2.9 comes back.

`events()` fold into `incident()`; `entries()` are the sealed timeline with the channel's messages between
them; `probes()` are what was measured from outside. `rough_events()` is the same service on a worse day:
a hold, a rejected and an expired plan, broken glass, a failed run, a relapse. Everything is the same on
every call. All times are UTC.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from bot.domain import events as e
from bot.domain.audiences import Addressee, Audience, Telling
from bot.domain.audiences import Moment as Told
from bot.domain.backups import Taken
from bot.domain.debts import Debt
from bot.domain.evidence import Baseline, BaselineSource, Finding, Outcome, Probe, judge, summarize
from bot.domain.incident import Incident
from bot.domain.lifecycle import fold
from bot.domain.plan import Changes, Check, Commit, ComponentChange, FileChange, Level, Plan, Warn
from bot.domain.releases import Release, Standing
from bot.domain.restores import RestorePlan
from bot.domain.run import Step, steps_for
from bot.domain.series import SHARE, Series
from bot.domain.severity import Severity
from bot.domain.timeline import GENESIS, Entry, Kind, Verification, seal, verify
from bot.domain.verdict import Cell, Moment, Row, Verdict, VerdictTable

ID = "inc-20261124-shop-1"
ROUGH_ID = "inc-20261124-shop-2"
SERVICE = "shop"
BAD, GOOD, OLDER = "v1.3.0", "v1.2.9", "v1.2.8"
ALICE, BOB, CAROL, DAVE = "U0ALICE", "U0BOB", "U0CAROL", "U0DAVE"
NAMES = {ALICE: "Alice", BOB: "Bob", CAROL: "Carol", DAVE: "Dave"}
CHANNEL = "C0INC1"
ENDPOINTS = ("/version", "/", "/cart", "/checkout")
DAY = datetime(2026, 11, 24, tzinfo=UTC)
BEGIN, DEPLOYED, BACK, END = "14:00:00", "14:08:00", "14:13:03.2", "14:20:00"


def at(clock: str) -> datetime:
    """`at("14:11:30.5")` on the day of the incident."""
    hours, minutes, seconds = clock.split(":")
    return DAY + timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))


@cache
def probes() -> tuple[Probe, ...]:
    """A round of four endpoints every five seconds: well, then ill with v1.3.0, then well again."""
    chance = random.Random(130)  # noqa: S311 - the same weather every day, nobody is to be kept out
    found = []
    moment = at(BEGIN)
    while moment < at(END):
        bad = at(DEPLOYED) <= moment < at(BACK)
        found += [_probe(endpoint, moment, bad=bad, chance=chance) for endpoint in ENDPOINTS]
        moment += timedelta(seconds=5)
    return tuple(found)


def _probe(endpoint: str, moment: datetime, *, bad: bool, chance: random.Random) -> Probe:
    usual = {"/version": 4.0, "/": 22.0, "/cart": 31.0, "/checkout": 48.0}[endpoint]
    latency = round(usual * chance.lognormvariate(0, 0.25), 1)
    ill = bad and endpoint in ("/cart", "/checkout")
    if ill and chance.random() < 0.06:
        return Probe(endpoint=endpoint, at=moment, ok=False, error="timeout")
    if ill and chance.random() < (0.55 if endpoint == "/checkout" else 0.2):
        return Probe(endpoint=endpoint, at=moment, ok=False, status=500, latency_ms=latency, version=BAD)
    if ill:
        latency = round(latency * chance.uniform(6, 14), 1)
    version = BAD if bad else GOOD
    return Probe(endpoint=endpoint, at=moment, ok=True, status=200, latency_ms=latency, version=version)


def probes_between(since: str, until: str) -> tuple[Probe, ...]:
    return tuple(p for p in probes() if at(since) <= p.at < at(until))


@cache
def baseline() -> Baseline:
    """What was measured of v1.2.9 before the deploy."""
    good = probes_between(BEGIN, DEPLOYED)
    return Baseline(
        source=BaselineSource.PROBES,
        version=GOOD,
        since=good[0].at,
        until=good[-1].at,
        endpoints=summarize(good),
    )


def findings(since: str, until: str) -> tuple[Finding, ...]:
    return judge(probes_between(since, until), baseline())


def plan(number: int = 1, *, fingerprint: str = "3f2a", ready: str = "14:11:33.4") -> Plan:
    return Plan(
        number=number,
        service=SERVICE,
        from_version=BAD,
        to_version=GOOD,
        why="the last version that was seen serving well",
        components=(
            ComponentChange(
                component="web",
                kind="directory",
                from_version=BAD,
                to_version=GOOD,
                fingerprint=fingerprint,
                actions=(f"Point current at releases/{GOOD}", "Reload the web process"),
                expected_s=2.0,
            ),
        ),
        changes=Changes(
            known=True,
            commits=(
                Commit(
                    sha="9d41c07",
                    author="Mara",
                    at=at("11:02:00"),
                    subject="Convert prices at the till | and cache the rates",
                ),
                Commit(sha="51be2aa", author="Jonas", at=at("09:40:00"), subject="Add a currency menu"),
            ),
            files=(
                FileChange(path="shop/currency.py", added=61, deleted=0),
                FileChange(path="shop/checkout.py", added=19, deleted=7),
            ),
            commit_count=2,
            file_count=2,
        ),
        warnings=(Warn(level=Level.WARNING, text="Prices go back to euros only."),),
        checks=(Check(name="release", ok=True, detail=f"releases/{GOOD} is complete"),),
        baseline=baseline(),
        candidates=(
            Release(version=GOOD, standing=Standing.GOOD, last_good_at=at("14:07:55")),
            Release(version=OLDER, standing=Standing.GOOD),
        ),
        created_at=at(ready),
    )


def steps() -> tuple[Step, ...]:
    return steps_for(plan(), watch=timedelta(minutes=5))


@cache
def events() -> tuple[e.Event, ...]:
    """From the declaration to the close, without the postmortem's own event."""
    second = plan(2, fingerprint="91bc", ready="14:12:06.1")
    run_id = f"{ID}-run-1"
    return (
        e.IncidentDeclared(
            at=at("14:11:30"),
            by=ALICE,
            incident_id=ID,
            service=SERVICE,
            source_channel="C0GENERAL",
            detected_at=at(DEPLOYED),
        ),
        e.PlanRequested(at=at("14:11:30"), by=ALICE, number=1),
        e.ChannelOpened(at=at("14:11:30.9"), channel_id=CHANNEL, name=ID),
        e.DeliveryFailed(
            at=at("14:11:32"),
            what="the bookmark “Dashboard”",
            reason="Slack answered that this workspace allows no more bookmarks here.",
        ),
        e.PlanReady(at=at("14:11:33.4"), plan=plan(1)),
        e.StakeholdersTold(
            at=at("14:11:34"), channel_id="C0STATUS", text="We are looking into failing checkouts."
        ),
        e.RoleAssigned(at=at("14:11:41"), by=ALICE, role="commander", user=ALICE),
        e.SomeoneJoined(at=at("14:11:44"), by=BOB, source_channel="C0SUPPORT"),
        e.SeveritySet(at=at("14:11:52"), by=ALICE, severity=Severity.HIGH),
        e.PlanSuperseded(
            at=at("14:12:05"), number=1, reason="web was deployed again since the plan was made"
        ),
        e.PlanRequested(at=at("14:12:05"), number=2, reason="web was deployed again since the plan was made"),
        e.PlanReady(at=at("14:12:06.1"), plan=second),
        e.SeveritySet(at=at("14:12:20"), by=BOB, severity=Severity.CRITICAL),
        e.ApprovalGiven(at=at("14:12:41"), by=BOB, number=2, digest=second.digest),
        e.ApprovalGiven(at=at("14:13:02"), by=CAROL, number=2, digest=second.digest),
        e.RollbackApproved(
            at=at("14:13:02"),
            by=CAROL,
            run_id=run_id,
            number=2,
            digest=second.digest,
            approved_by=(BOB, CAROL),
            steps=steps(),
        ),
        e.StepStarted(at=at("14:13:03"), run_id=run_id, step_id="apply:web"),
        e.StepFinished(
            at=at("14:13:03.4"),
            run_id=run_id,
            step_id="apply:web",
            outcome=Outcome.SUCCEEDED,
            detail=f"web runs {GOOD}; {BAD} is stopped.",
        ),
        e.StepStarted(at=at("14:13:03.5"), run_id=run_id, step_id="prove"),
        e.StepFinished(
            at=at("14:13:40"),
            run_id=run_id,
            step_id="prove",
            outcome=Outcome.SUCCEEDED,
            detail=f"Every endpoint answered as {GOOD} within its limits.",
            findings=findings(BACK, "14:13:40"),
        ),
        e.IncidentMitigated(at=at("14:13:40"), run_id=run_id, findings=findings(BACK, "14:13:40")),
        e.StepStarted(at=at("14:13:40.1"), run_id=run_id, step_id="watch"),
        e.NoteAdded(
            at=at("14:15:10"), by=CAROL, text="Orders from 14:08 to 14:13 are being checked by hand."
        ),
        e.ActionAdded(
            at=at("14:16:00"), by=ALICE, text="Give the currency call a timeout and a fallback", owner=BOB
        ),
        e.ActionAdded(at=at("14:16:30"), by=BOB, text="Probe the checkout before a release takes traffic"),
        e.StepFinished(
            at=at("14:18:40"),
            run_id=run_id,
            step_id="watch",
            outcome=Outcome.SUCCEEDED,
            detail="It stayed well for 5 minutes.",
            findings=findings("14:13:40", "14:18:40"),
        ),
        e.IncidentVerified(at=at("14:18:40"), run_id=run_id, findings=findings("14:13:40", "14:18:40")),
        e.LessonsRecorded(
            at=at("14:29:00"),
            by=ALICE,
            root_cause="The checkout asks the currency service for every line of the cart and waits for it.",
            lessons="The probes saw it at once; nobody was told before a customer called.",
            impact="About half of all checkouts failed for five minutes.",
        ),
        e.IncidentClosed(
            at=at("14:31:05"), by=ALICE, summary=f"Checkout failed with {BAD}; back on {GOOD}, verified."
        ),
    )


def table(moment: Moment, clock: str) -> VerdictTable:
    """A metric that is not known at first, and passes in the end."""
    known = moment is Moment.VERIFIED
    before = series("13:58:00", *(0.003, 0.004, None, 0.002))
    during = series("14:08:00", *(0.31, 0.42, 0.4, 0.38))
    row = Row(
        source="metrics",
        what="failed checkouts",
        before=Cell(shown="0.3 %", numbers={"value": 0.003}, series=before),
        during=Cell(shown="38 %", numbers={"value": 0.38}, series=during),
        after=Cell(shown="0.2 %", series=series("14:14:00", 0.002, 0.003, 0.001)) if known else None,
        verdict=Verdict.PASS if known else Verdict.UNVERIFIED,
        sentence="0.2 %, 0.3 % before: at most 0.9 %" if known else "nothing was measured since",
    )
    log = Row(
        source="logs",
        what="errors in app.log",
        before=None,
        during=Cell(shown="41.0/min"),
        after=Cell(shown="0.4/min"),
        verdict=Verdict.PASS,
        sentence="0.4/min errors",
        required=False,
        lines=("twice since 14:14:10 UTC: ERROR no rate for <b>",),
    )
    return VerdictTable(moment=moment, at=at(clock), rows=(row, log))


def series(since: str, *values: float | None) -> Series:
    return Series(unit=SHARE, since=at(since), step=timedelta(minutes=1), values=values)


def evidence_events() -> tuple[e.Event, ...]:
    """What is said of all evidence when it is mitigated and after the watch; and how it ends where that is not enough."""
    run_id = f"{ID}-run-1"
    return (
        e.VerdictReached(at=at("14:13:40.4"), run_id=run_id, table=table(Moment.MITIGATED, "14:13:40.3")),
        e.VerdictReached(at=at("14:18:40"), run_id=run_id, table=table(Moment.VERIFIED, "14:18:40")),
        e.IncidentLeftUnverified(at=at("14:28:40"), run_id=run_id, reason="<orders>: 1 value is missing"),
    )


def notice_events() -> tuple[e.Event, ...]:
    """Who is told that it has begun, right after the declaration, and of an update."""
    to = (
        Addressee(name="support", audience=Audience.SUPPORT),
        Addressee(name="page", audience=Audience.CUSTOMERS),
    )
    return (
        e.NoticesDue(at=at("14:11:30"), number=1, moment=Told.BEGUN, addressees=to),
        e.NoticeSent(
            at=at("14:11:31"),
            number=1,
            moment=Told.BEGUN,
            name="support",
            audience=Audience.SUPPORT,
            whom="e-mail to support@example.com",
            subject="Tea orders has a problem",
            text="Tea orders has a <problem>.",
            declined=("desk@example.com: no such mailbox",),
        ),
        e.NoticeFailed(
            at=at("14:11:35"),
            number=1,
            moment=Told.BEGUN,
            name="page",
            audience=Audience.CUSTOMERS,
            whom="status page 1234",
            reason="It did not answer. Look there whether it arrived.",
            state=Telling.UNKNOWN,
        ),
        e.UpdateWritten(at=at("14:12:00"), by=BOB, audience=Audience.CUSTOMERS, text="Half <is> back."),
    )


def incident() -> Incident:
    return fold(events())


DEBT = Debt(
    id="argocd:argocd/shop",
    component="web",
    text="Argo CD's automated sync of argocd/shop is switched off, so that it does not deploy v1.3.0 again.",
    until=f"Give it back once Git says {GOOD}.",
)


@cache
def debt_events() -> tuple[e.Event, ...]:
    """What becomes of a suspension: given back in vain, taken over, given back. They fit in after the apply."""
    reason = "Argo CD would sync v1.3.0 at once. Revert the commit first."
    return (
        e.DebtTaken(at=at("14:13:03.4"), debt=DEBT),
        e.RepaymentAsked(at=at("14:16:40"), by=BOB, debt_id=DEBT.id),
        e.DebtKept(at=at("14:16:41"), debt_id=DEBT.id, reason=reason),
        e.DebtTakenOver(at=at("14:17:00"), by=CAROL, debt_id=DEBT.id),
        e.RepaymentAsked(at=at("14:18:00"), by=CAROL, debt_id=DEBT.id),
        e.DebtRepaid(at=at("14:18:02"), by=CAROL, debt_id=DEBT.id, text=DEBT.text),
    )


def indebted(until: int, debts: int) -> tuple[e.Event, ...]:
    """The first `until` events of the story (from 20 on) with the first `debts` events of the suspension in them."""
    happened = (*events()[:until], *debt_events()[:debts])
    return tuple(sorted(happened, key=lambda event: event.at))


@cache
def rough_events() -> tuple[e.Event, ...]:
    """A worse day, over midnight: what failed, expired, was refused, and came back."""
    first, third, fourth = plan(1), plan(3, fingerprint="77aa"), plan(4, fingerprint="80cc")
    run_1, run_2 = f"{ROUGH_ID}-run-1", f"{ROUGH_ID}-run-2"
    ill = findings("14:08:30", "14:09:30")
    return (
        e.IncidentDeclared(
            at=at("23:50:00"),
            by=DAVE,
            incident_id=ROUGH_ID,
            service=SERVICE,
            source_channel=None,
            wanted=GOOD,
        ),
        e.PlanRequested(at=at("23:50:00"), by=DAVE, number=1, wanted=GOOD),
        e.ChannelOpened(at=at("23:50:01"), channel_id="C0INC2", name=ROUGH_ID),
        e.PlanReady(at=at("23:50:03"), plan=first),
        e.SeveritySet(
            at=at("23:50:40"),
            by=DAVE,
            severity=Severity.LOW,
            owner=DAVE,
            forward_fix_due_at=at("24:20:40"),
        ),
        e.ForwardFixReminded(at=at("24:20:40"), due_at=at("24:50:40")),
        e.HoldPlaced(at=at("24:21:00"), by=BOB, reason="the database is being dumped"),
        e.HoldReleased(at=at("24:26:00"), by=BOB),
        e.RollbackChosen(at=at("24:27:00"), by=BOB),
        e.PlanRejected(at=at("24:28:00"), by=CAROL, number=1, reason="v1.2.9 has the old tax table"),
        e.PlanRequested(at=at("24:28:30"), by=BOB, number=2, wanted=OLDER),
        e.PlanBlocked(at=at("24:28:31"), number=2, reason="v1.2.8 is not complete. Choose another version."),
        e.PlanRequested(at=at("24:29:00"), by=BOB, number=3, wanted=GOOD),
        e.PlanReady(at=at("24:29:02"), plan=third),
        e.PlanExpired(at=at("24:44:02"), number=3),
        e.PlanRequested(at=at("24:45:00"), by=BOB, number=4, wanted=GOOD),
        e.PlanReady(at=at("24:45:02"), plan=fourth),
        e.SeveritySet(at=at("24:45:10"), by=BOB, severity=Severity.CRITICAL),
        e.GlassBroken(
            at=at("24:46:00"), by=BOB, number=4, digest=fourth.digest, reason="Nobody else is awake."
        ),
        e.RollbackApproved(
            at=at("24:46:00"),
            by=BOB,
            run_id=run_1,
            number=4,
            digest=fourth.digest,
            approved_by=(BOB,),
            steps=steps(),
            break_glass_reason="Nobody else is awake.",
        ),
        e.StepStarted(at=at("24:46:01"), run_id=run_1, step_id="apply:web"),
        e.StepFinished(
            at=at("24:46:31"),
            run_id=run_1,
            step_id="apply:web",
            outcome=Outcome.UNKNOWN,
            detail="The connection was lost while web was being switched.",
        ),
        e.RollbackFailed(
            at=at("24:46:40"),
            run_id=run_1,
            outcome=Outcome.FAILED,
            reason="web could not be switched: the disk is full.",
            safe_state=f"{BAD} serves as before.",
            findings=ill,
        ),
        e.PlanRequested(at=at("24:50:00"), by=BOB, number=5, wanted=GOOD),
        e.PlanReady(at=at("24:50:02"), plan=plan(5, fingerprint="99ee")),
        e.ApprovalGiven(at=at("24:50:30"), by=CAROL, number=5, digest=plan(5, fingerprint="99ee").digest),
        e.RollbackApproved(
            at=at("24:50:30"),
            by=CAROL,
            run_id=run_2,
            number=5,
            digest=plan(5, fingerprint="99ee").digest,
            approved_by=(CAROL,),
            steps=steps(),
        ),
        e.StepStarted(at=at("24:50:31"), run_id=run_2, step_id="apply:web"),
        e.StepFinished(
            at=at("24:50:33"),
            run_id=run_2,
            step_id="apply:web",
            outcome=Outcome.SUCCEEDED,
            detail=f"web runs {GOOD}.",
        ),
        e.IncidentMitigated(at=at("24:51:00"), run_id=run_2),
        e.IncidentRelapsed(at=at("24:53:00"), run_id=run_2, reason="/checkout fails again.", findings=ill),
        e.IncidentClosed(at=at("25:40:00"), by=BOB, summary=""),
    )


def rough_incident() -> Incident:
    return fold(rough_events())


_Line = tuple[datetime, Kind, str, str | None, dict[str, Any]]
_CHAT: tuple[tuple[str, Kind, str, dict[str, Any]], ...] = (
    ("14:11:36", Kind.MESSAGE, ALICE, {"text": "Checkouts fail since about 14:08, see the graph"}),
    ("14:11:48", Kind.MESSAGE, BOB, {"text": "Support has 14 calls already | <!here> please hold"}),
    ("14:11:50", Kind.MESSAGE, DAVE, {"text": "it's the cache"}),
    ("14:12:10", Kind.MESSAGE, CAROL, {"text": "The rates call hangs:\n```\nTimeoutError: rates\n```"}),
    ("14:12:30", Kind.MESSAGE, BOB, {"text": "same here", "thread_ts": "14:12:10"}),
    ("14:14:02", Kind.MESSAGE, DAVE, {"text": "the key is tea-time-42"}),
    (
        "14:14:20",
        Kind.MESSAGE,
        ALICE,
        {"text": "Graph before and after", "files": [{"id": "F0GRAPH", "name": "graph.png"}]},
    ),
)
_LATER: tuple[tuple[str, Kind, str, str, dict[str, Any]], ...] = (
    ("14:12:40", Kind.REACTION_ADDED, DAVE, "14:12:10", {"name": "eyes"}),
    ("14:12:55", Kind.EDIT, DAVE, "14:11:50", {"text": "it's the currency call"}),
    ("14:14:05", Kind.DELETION, DAVE, "14:14:02", {}),
    ("14:17:00", Kind.MARK, ALICE, "14:12:10", {"note": "first sight of the cause"}),
)


def slack_ts(clock: str) -> str:
    return f"{at(clock).timestamp():.6f}"


def _lines(happened: Sequence[e.Event]) -> list[_Line]:
    lines: list[_Line] = [
        (event.at, Kind.EVENT, event.by, None, event.model_dump(mode="json")) for event in happened
    ]
    for clock, kind, who, body in _CHAT:
        data: dict[str, Any] = dict(body)
        if "thread_ts" in data:
            data["thread_ts"] = slack_ts(data["thread_ts"])
        lines.append((at(clock), kind, who, slack_ts(clock), data))
    for clock, kind, who, of, body in _LATER:
        lines.append((at(clock), kind, who, slack_ts(of), dict(body)))
    lines.append((at("14:11:45"), Kind.JOINED, BOB, None, {}))
    return sorted(lines, key=lambda line: line[0])


@cache
def entries() -> tuple[Entry, ...]:
    """The sealed timeline: every event, and what was said in the channel."""
    return seal_all(ID, _lines(events()))


@cache
def rough_entries() -> tuple[Entry, ...]:
    """The sealed events of the rough day; nobody said a word."""
    return seal_all(
        ROUGH_ID,
        [(event.at, Kind.EVENT, event.by, None, event.model_dump(mode="json")) for event in rough_events()],
    )


def seal_all(incident_id: str, lines: Sequence[_Line]) -> tuple[Entry, ...]:
    """Chain lines `(at, kind, actor, slack_ts, body)` as the store would."""
    sealed: list[Entry] = []
    for seq, (moment, kind, actor, ts, body) in enumerate(lines, start=1):
        content: dict[str, Any] = {
            "incident_id": incident_id,
            "seq": seq,
            "at": moment,
            "recorded_at": moment + timedelta(milliseconds=120),
            "kind": kind,
            "actor": actor,
            "slack_ts": ts,
            "body": body,
            "prev_hash": sealed[-1].hash if sealed else GENESIS,
        }
        sealed.append(Entry(**content, hash=seal(**content)))
    return tuple(sealed)


def verification(sealed: Sequence[Entry] | None = None) -> Verification:
    """The chain's own verdict on `entries()`."""
    chain = entries() if sealed is None else sealed
    return verify(chain, head=chain[-1].hash, length=len(chain))


BACKUP = Taken(
    id="inc-20261124-shop-1-backup-orders-2",
    at=at("14:12:00"),
    bytes=12_300_000,
    sha256="5e" * 32,
    seconds=4.2,
    proof="restored",
    warnings=(
        Warn(level=Level.DANGER, text="The backup is suddenly much smaller: 12.3 MB, usual are 45.0 MB."),
    ),
    place="/var/backups/kaeru/orders.dump",
)


def backup_events() -> tuple[e.Event, ...]:
    """One that failed, and one that somebody relied on; of another database none was waited for."""
    return (
        e.BackupBegun(at=at("14:11:30"), by=ALICE, database="orders", number=1),
        e.BackupFailed(at=at("14:11:40"), database="orders", number=1, reason="The disk is full. Make room."),
        e.BackupBegun(at=at("14:12:00"), by=BOB, database="orders", number=2),
        e.BackupFinished(at=at("14:12:05"), database="orders", number=2, backup=BACKUP),
        e.BackupAccepted(at=at("14:12:30"), by=CAROL, database="orders", number=2),
        e.BackupBegun(at=at("14:12:31"), database="users", number=1),
        e.BackupSkipped(at=at("14:12:40"), by=CAROL, database="users", number=1),
    )


def restore_events() -> tuple[e.Event, ...]:
    """A restore that could not be planned at first, was set aside, and came to its end the second time."""
    plan = RestorePlan(
        backup="inc-20261124-shop-1-backup-orders",
        into="orders",
        replaces=True,
        actions=("Restore it beside orders.", "Swap the two."),
        fingerprint="f00d",
        lost_since=at("13:58:00"),
    )
    first, second = {"number": 1}, {"number": 2}
    wish = {"database": "orders", "replace": True}
    return (
        e.RestoreAsked(at=at("14:15:00"), by=BOB, **first, **wish),
        e.RestoreBlocked(at=at("14:15:01"), **first, reason="The server of orders did not answer."),
        e.RestoreRejected(at=at("14:15:30"), by=BOB, **first, reason="another restore was asked for"),
        e.RestoreAsked(at=at("14:15:30"), by=BOB, **second, **wish),
        e.RestorePlanned(at=at("14:15:31"), **second, plan=plan),
        e.RestoreApproved(at=at("14:16:00"), by=BOB, **second, digest="0123456789abcdef"),
        e.RestoreApproved(at=at("14:16:20"), by=CAROL, **second, digest="0123456789abcdef"),
        e.RestoreBegun(at=at("14:16:20"), by=CAROL, **second),
        e.RestoreEnded(
            at=at("14:17:00"), **second, outcome=Outcome.SUCCEEDED, detail="orders has 3 tables with 12 rows."
        ),
    )
