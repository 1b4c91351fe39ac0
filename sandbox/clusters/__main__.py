"""`python -m sandbox.clusters up|down|status [kubernetes] [swarm]`; without a name, both."""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sandbox.clusters import given, kubernetes, swarm
from sandbox.clusters.errors import ClusterError


def _kubernetes_up() -> str:
    cluster = kubernetes.up()
    return f"Kubernetes {_answers(given_one=cluster.given)}. Use it: export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}"


def _swarm_up() -> str:
    cluster = swarm.up()
    ingress = "" if cluster.ingress else " (no IPVS in this kernel: publish ports with mode=host)"
    return (
        f"Swarm {_answers(given_one=cluster.given)}; published ports answer on {cluster.address}{ingress}. "
        f"Use it: export DOCKER_HOST={shlex.quote(cluster.docker_host)}"
    )


def _answers(*, given_one: bool) -> str:
    return "is given and answers" if given_one else "answers"


def _kubernetes_down() -> str:
    kubernetes.down()
    return "Kubernetes is down."


def _swarm_down() -> str:
    swarm.down()
    return "Swarm is down."


def _kubernetes_status() -> str:
    if cluster := kubernetes.find():
        return f"Kubernetes answers: KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}"
    return f"Kubernetes is down. {kubernetes.available() or ''}".strip()


def _swarm_status() -> str:
    if cluster := swarm.find():
        return f"Swarm answers: DOCKER_HOST={shlex.quote(cluster.docker_host)}"
    return f"Swarm is down. {swarm.available() or ''}".strip()


_JOBS: dict[str, dict[str, Callable[[], str]]] = {
    "up": {"kubernetes": _kubernetes_up, "swarm": _swarm_up},
    "down": {"kubernetes": _kubernetes_down, "swarm": _swarm_down},
    "status": {"kubernetes": _kubernetes_status, "swarm": _swarm_status},
}


def _attempt(job: Callable[[], str]) -> bool:
    start = time.monotonic()
    try:
        said = job()
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return False
    print(f"{said} [{time.monotonic() - start:.1f} s]", flush=True)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.clusters",
        description="Real clusters for tests, from Debian packages alone. Given ones come first: "
        f"{given.KUBECONFIG}=PATH, {given.DOCKER_HOST}=ADDRESS.",
    )
    parser.add_argument("command", choices=sorted(_JOBS))
    parser.add_argument("clusters", nargs="*", metavar="kubernetes|swarm", help="default: both")
    asked = parser.parse_args(arguments)
    names = asked.clusters or ["kubernetes", "swarm"]
    jobs = _JOBS[asked.command]
    if unknown := [name for name in names if name not in jobs]:
        parser.error(f"there is no cluster {unknown[0]}: name kubernetes or swarm")
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(_attempt, [jobs[name] for name in names]))
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
