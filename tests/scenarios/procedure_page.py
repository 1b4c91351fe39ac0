"""docs/examples/whole-procedure.md: the written procedure, step by step, beside the timeline of an incident that went it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.contract.shop import PROJECT

PAGE = PROJECT / "docs" / "examples" / "whole-procedure.md"
_BEGIN = """\
# The whole procedure, once

What an engineer does by hand when a deploy goes wrong is twelve steps long. This is the timeline of one incident in which kaeru
went all of them: the shop's code runs in Kubernetes (`api`), in Docker Swarm (`worker`), from releases behind a link (`web`), in
two colours behind nginx (`pictures`) and on nodes that a script deploys to (`search`); its data is in PostgreSQL (`orders`), whose
schema v1.3.0 has changed, and in MariaDB (`carts`). Users come through HAProxy and CloudFront. Alertmanager raised it.

`tests/scenarios/test_whole_procedure.py` goes through it with real ones of all of these, but for CloudFront (moto) and the services
of PagerDuty, Statuspage and GitHub, which are local servers with the same API. It looks at every step twice, as people in the
channel see it and on what it was done to. Times of waiting are short there: each stage of traffic has to go well for half a
second, and the service is watched for 12 s instead of 5 minutes. Users can come back by one kind of balancer in an incident; the
same with an AWS load balancer and its target groups is [ec2-alb.yml](ec2-alb.yml), which has a test of its own.

## The twelve steps

"""
_LINE = re.compile(
    r"^- \*\*\d{4}-\d\d-\d\d (?P<at>[\d:]+) UTC\*\* · (?P<who>[^·\n]+) · (?P<text>.+)$", re.MULTILINE
)
_UNSTEADY = re.compile(
    r"under way| printed |^set the channel|^reply in the thread|^joined the channel|^Delivery"
)
"""How often these come depends on how fast the machine is."""
_ONE_BY_ONE = re.compile(
    "^(?:Severity|Bob decided|Plan 2 approved|Step “(?!Take (?:api|worker|pictures|web) back)|Traffic|Mitigated|Verified|"
    "Incident closed|Recorded|Channel archived)"
)
"""What does not come at the same time as something else."""
_LONGEST = 110


@dataclass(frozen=True)
class Step:
    """`entries` are expressions, each of which the text of an entry of the timeline has to match."""

    title: str
    entries: Sequence[str]


STEPS = (
    Step("Assess", ("^Severity set to High by", "^Bob decided about the database orders: down migration")),
    Step(
        "Incident record, channel, stakeholders",
        ("^Incident .* declared", "^Channel .* opened", "^Stakeholders told", "^Told support", "^Paged"),
    ),
    Step("Current and target version", ("^Plan 2 ready: v1.3.0 → v1.2.9", "^Plan 2 approved by Carol")),
    Step(
        "Back up the databases",
        ("^Backup of orders taken", "^Backup of carts taken", "^Step “Wait for the backup of orders” succ"),
    ),
    Step("Kubernetes", ("^Step “Take api back to v1.2.9” succeeded",)),
    Step("Docker Swarm", ("^Step “Take worker back to v1.2.9” succeeded",)),
    Step(
        "Classic deploys",
        tuple(f"^Step “Take {name} back to v1.2.9” succeeded" for name in ("pictures", "web", "search")),
    ),
    Step("Balancers and caches", ("^Step “Let cdn forget old answers” succeeded",)),
    Step("Health", ("^Step “Prove from outside that users are well” succeeded",)),
    Step(
        "Maintenance off, traffic back in stages, logs and metrics watched",
        (
            "^Traffic at 0 %",
            "^Traffic at 10 %",
            "^Traffic at 25 %",
            "^Traffic at 50 %",
            "^Traffic at 100 %",
            "^Mitigated",
            "^Step “Watch for 12 s” succeeded",
        ),
    ),
    Step("Verify", ("^Verdict after the watch: pass", "^Verified")),
    Step(
        "Incident report",
        ("^Incident closed", "^Postmortem", "published", "filed", "^Channel archived"),
    ),
)


def page(timeline: str, hidden: Mapping[str, str]) -> str:
    """The whole page of an exported timeline. `hidden` says what of the machine is called otherwise in it."""
    for what, instead in hidden.items():
        timeline = re.sub(what, instead, timeline)
    rows = "".join(_row(number, step, timeline) for number, step in enumerate(STEPS, start=1))
    body = timeline.partition("\n\n")[2]
    head = "| | step | entries |\n|---|---|---|\n"
    return f"{_BEGIN}{head}{rows}\n## The timeline\n\n`kaeru timeline export` wrote it. {body}"


def _row(number: int, step: Step, timeline: str) -> str:
    said = []
    lines = [(found["at"], found["text"]) for found in _LINE.finditer(timeline)]
    for wanted in step.entries:
        found = [(at, text) for at, text in lines if re.search(wanted, text)]
        assert found, f"step {number}: there is no entry like {wanted}"
        at, text = found[0]
        short = text if len(text) <= _LONGEST else text[: text.rfind(" ", 0, _LONGEST)] + " …"
        said.append(f"{at} {short}".replace("|", "\\|"))
    return f"| {number} | {step.title} | {'<br>'.join(said)} |\n"


@dataclass(frozen=True)
class Shape:
    """What an incident like this consists of: who did what, without numbers, ids and details; and in which order."""

    parts: frozenset[str]
    order: tuple[str, ...]


def shape(text: str) -> Shape:
    found: list[tuple[str, str]] = []
    for line in _LINE.finditer(text):
        if not _UNSTEADY.search(line["text"]):
            begin = re.split(r"[:(;,]| after \d| by plan", line["text"], maxsplit=1)[0].strip()
            found.append((line["who"], begin))
    parts = frozenset(f"{who}: {re.sub(r'[0-9]+', '#', begin)}" for who, begin in found)
    return Shape(parts, tuple(begin for _, begin in found if _ONE_BY_ONE.search(begin)))
