"""The switch that the settings ask for."""

from integrations.bluegreen.nginx import NginxSwitch
from integrations.bluegreen.settings import BlueGreenSettings
from integrations.bluegreen.switch import Switch


def switch_of(settings: BlueGreenSettings) -> Switch:
    """Of the three in the settings exactly one is given."""
    if settings.switch.nginx is not None:
        return NginxSwitch(settings, settings.switch.nginx)
    raise NotImplementedError
