"""The switch that the settings ask for."""

from integrations.bluegreen.command import CommandSwitch
from integrations.bluegreen.haproxy import HaproxySwitch
from integrations.bluegreen.nginx import NginxSwitch
from integrations.bluegreen.settings import BlueGreenSettings
from integrations.bluegreen.switch import Switch


def switch_of(settings: BlueGreenSettings) -> Switch:
    """Of the three in the settings exactly one is given."""
    if settings.switch.nginx is not None:
        return NginxSwitch(settings, settings.switch.nginx)
    if settings.switch.haproxy is not None:
        return HaproxySwitch(settings, settings.switch.haproxy)
    assert settings.switch.command is not None  # noqa: S101 - the settings have checked it; this tells the type checker
    return CommandSwitch(settings.switch.command)
