"""What the incidents here share with the scenarios, and the two colours that every switch stands before."""

from collections.abc import Iterator

import pytest

from tests.classic.backends import Backends, two_backends
from tests.classic.colours import STARTS
from tests.classic.proxies import Ports
from tests.scenarios.conftest import new_world, shops

__all__ = ["new_world", "shops"]


@pytest.fixture(scope="module")
def all_backends() -> Iterator[Backends]:
    with two_backends() as found:
        yield found


@pytest.fixture(scope="module")
def ports(all_backends: Backends) -> Ports:
    """Where each colour answers."""
    return {colour: backend.port for colour, backend in all_backends.items()}


@pytest.fixture
def backends(all_backends: Backends) -> Backends:
    """Both as they are before anything happens."""
    for colour, backend in all_backends.items():
        backend.reset(STARTS[colour])
    return all_backends
