"""Releases in folders, a symbolic link to the current one: the simplest deploy target there is."""

from integrations.symlink.settings import SymlinkSettings
from integrations.symlink.target import SymlinkTarget

__all__ = ["SymlinkSettings", "SymlinkTarget"]
