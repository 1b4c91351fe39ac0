"""What changes between two versions, from a git repository."""

from integrations.git.settings import GitSettings
from integrations.git.source import GitChanges

__all__ = ["GitChanges", "GitSettings"]
