"""What the incidents here share with the scenarios: a workspace, a bot, and people."""

from tests.scenarios.conftest import new_world, shops

__all__ = ["new_world", "shops"]
