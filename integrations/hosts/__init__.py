"""Releases in folders on one or many hosts, each with a symbolic link to the current one, reached by SSH."""

from integrations.hosts.settings import HostSettings, HostsSettings

__all__ = ["HostSettings", "HostsSettings"]
