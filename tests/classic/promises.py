"""The contract suite's tests for targets that have worlds of their own here."""

from collections.abc import Callable, Mapping

from tests.contract import test_target_contract as contract

Test = Callable[..., object]


def promised(*, but: Mapping[str, str]) -> dict[str, Test]:
    """Every test of the contract by its name, to be put into a module's globals; `but` are the ones left out, and why.

    Those for targets behind a network choose their worlds themselves, so they are left out as well.
    """
    found = {name: test for name, test in vars(contract).items() if name.startswith("test_")}
    unknown = but.keys() - found.keys()
    assert not unknown, f"the contract has no {', '.join(unknown)}"
    return {name: test for name, test in found.items() if name not in but and not _is_networked(test)}


def _is_networked(test: Test) -> bool:
    return any(
        mark.name == "parametrize" and mark.args[0] == "shared" for mark in getattr(test, "pytestmark", [])
    )
