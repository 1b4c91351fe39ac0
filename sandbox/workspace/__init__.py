"""A Slack workspace on 127.0.0.1, for the demo and for tests: see README.md beside this file."""

from sandbox.workspace.faults import Fault
from sandbox.workspace.local import LocalWorkspace
from sandbox.workspace.person import Person
from sandbox.workspace.session import ClientError
from sandbox.workspace.timings import Timings

__all__ = ["ClientError", "Fault", "LocalWorkspace", "Person", "Timings"]
