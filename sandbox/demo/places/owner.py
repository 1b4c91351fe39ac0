"""Whose a demo's namespace or service is: what a killed demo has left behind is removed by the next one."""

import os

from sandbox.clusters.processes import Identity, identity, is_running

LABEL = "kaeru-demo-owner"


def mine() -> str:
    """This process, as the value of a label."""
    who = identity(os.getpid())
    return f"{who.pid}.{who.started}.{who.boot}" if who else "unknown"


def has_ended(value: str) -> bool:
    """Whether the demo of this label has ended. Of other machines' and of earlier boots' demos nothing is known."""
    pid, _, rest = value.partition(".")
    started, _, boot = rest.partition(".")
    here = identity(os.getpid())
    if here is None or boot != here.boot or not (pid.isdigit() and started.isdigit()):
        return False
    return not is_running(Identity(int(pid), int(started), boot))
