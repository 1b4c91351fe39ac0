"""A deploy script of somebody's own: kaeru runs it, reads along, and believes what answers afterwards."""

from integrations.script.settings import ScriptSettings
from integrations.script.target import ScriptTarget

__all__ = ["ScriptSettings", "ScriptTarget"]
