"""`python -m tests.bench [NAME…]`: measure, print a table, and write build/bench.json.

Exits with 0 also where an aim is missed, and says so; with 1 where something could not be measured.
What needs a cluster where none can be had is named, and the others are measured.
"""

import asyncio
import json
import os
import platform
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from sandbox.clusters.errors import Unavailable
from tests.bench import (
    backups,
    baseline,
    bluegreen,
    effect,
    growth,
    hosts,
    ingest,
    kubernetes,
    revisions,
    shop,
    start,
    swarm,
    traffic,
    verdicts,
)
from tests.bench.clusters import Clusters
from tests.bench.result import Result

BUILD = Path(__file__).resolve().parents[2] / "build"
CLUSTERS_S = 600.0
"""How long all that needs a cluster may take together. What has no time left counts as not measured."""


@dataclass(frozen=True)
class Bench:
    """One set-up that measures some things together. `run` gets an empty folder."""

    names: tuple[str, ...]
    run: Callable[[Path], Coroutine[None, None, list[Result]]]
    on_cluster: bool = False


def benches(clusters: Clusters) -> tuple[Bench, ...]:
    return (
        Bench(start.NAMES, start.measure),
        Bench(shop.NAMES, shop.measure),
        Bench(effect.NAMES, effect.measure),
        Bench(bluegreen.NAMES, bluegreen.measure),
        Bench(traffic.NAMES, traffic.measure),
        Bench(hosts.NAMES, hosts.measure),
        Bench(ingest.NAMES, ingest.measure),
        Bench(growth.NAMES, growth.measure),
        Bench(backups.NAMES, backups.measure),
        Bench(baseline.NAMES, baseline.measure),
        Bench(verdicts.NAMES, verdicts.measure),
        *(
            Bench(size.names, partial(kubernetes.measure, clusters, size), on_cluster=True)
            for size in kubernetes.SIZES
        ),
        Bench(swarm.NAMES, partial(swarm.measure, clusters), on_cluster=True),
        # The last one: the cluster goes on tidying up after it for a while.
        Bench(revisions.NAMES, partial(revisions.measure, clusters), on_cluster=True),
    )


def main(wanted: Sequence[str]) -> int:
    with closing(Clusters()) as clusters:
        return measure(benches(clusters), wanted)


def measure(available: Sequence[Bench], wanted: Sequence[str]) -> int:
    """Measure what is wanted, or all. Returns the exit code."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    known = [name for bench in available for name in bench.names]
    if unknown := [name for name in wanted if name not in known]:
        console.print(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(known)}.")
        return 2
    console.print(
        f"{os.cpu_count()} processors, {psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} before the first benchmark"
    )
    results, failed, without, left_s = [], [], [], CLUSTERS_S
    for bench in available:
        names = [name for name in bench.names if not wanted or name in wanted]
        if not names:
            continue
        began = time.monotonic()
        console.print(f"measuring {', '.join(names)} …", end=" ")
        try:
            with tempfile.TemporaryDirectory(prefix="kaeru-bench-") as folder:
                limit_s = left_s if bench.on_cluster else None
                found = asyncio.run(asyncio.wait_for(bench.run(Path(folder).resolve()), limit_s))
        except Unavailable as error:
            console.print(f"\n{error}", end=" ")
            without += names
        except Exception:  # noqa: BLE001 - told below; the others can still be measured
            traceback.print_exc()
            failed += names
        else:
            results += [result for result in found if result.name in names]
        left_s -= (time.monotonic() - began) * bench.on_cluster
        console.print(f"{time.monotonic() - began:.0f} s (load {os.getloadavg()[0]:.1f})")
    show(console, results)
    write(BUILD / "bench.json", results)
    if missed := [result.name for result in results if not result.holds]:
        console.print(f"AIM MISSED: {', '.join(missed)}")
    if without:
        console.print(f"NOT MEASURED, as there is no cluster for it here: {', '.join(without)}")
    if failed:
        console.print(f"NOT MEASURED: {', '.join(failed)}")
    return 1 if failed else 0


def show(console: Console, results: Sequence[Result]) -> None:
    table = Table("name", "value", "unit", "aim", "holds", "what it measures", box=None, pad_edge=False)
    for column in table.columns[:5]:
        column.no_wrap = True
    table.columns[1].justify = "right"
    for one in results:
        held = "yes" if one.holds else "NO"
        table.add_row(one.name, f"{one.value:.4g}", one.unit, str(one.aim), held, one.note)
    console.print(table)


def write(path: Path, results: Sequence[Result]) -> None:
    path.parent.mkdir(exist_ok=True)
    found = [
        {"name": r.name, "value": round(r.value, 4), "unit": r.unit, "aim": str(r.aim), "holds": r.holds}
        for r in results
    ]
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    # A benchmark that is ended cleans up like one that is interrupted.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.exit(main(sys.argv[1:]))
