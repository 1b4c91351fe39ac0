"""What kaeru has switched off in the world so that a rollback lasts, and that somebody has to switch on again."""

import hashlib

from bot.domain.base import Value


class Debt(Value):
    """A suspension that is to be given back.

    `id` names the thing and stays the same (`argocd:argocd/shop`); `text` says what is suspended and what that
    means, `until` when it is right to give it back: both are sentences.
    """

    id: str
    component: str
    text: str
    until: str

    @property
    def key(self) -> str:
        """12 hex digits that stand for the id where there is no room for it."""
        return hashlib.sha256(self.id.encode()).hexdigest()[:12]
