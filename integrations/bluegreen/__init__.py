"""Blue-green: two places that a service runs in, of which one serves; a switch moves users to the other."""

from integrations.bluegreen.settings import BlueGreenSettings
from integrations.bluegreen.target import BlueGreenTarget

__all__ = ["BlueGreenSettings", "BlueGreenTarget"]
