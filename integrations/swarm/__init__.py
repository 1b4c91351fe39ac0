"""Docker Swarm services, taken back by explicit, version-guarded updates to a recorded spec."""

from integrations.swarm.settings import SwarmSettings
from integrations.swarm.target import SwarmTarget

__all__ = ["SwarmSettings", "SwarmTarget"]
