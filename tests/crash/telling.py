"""More places at which a bot dies: somebody outside was told, and nothing remembers that yet."""

from collections.abc import Callable

from bot.domain.notices import Notice
from bot.ports.notices import Sent
from integrations.notices.email import EmailNotifier
from integrations.notices.statuspage import StatuspageNotifier


def watch(passing: Callable[[str], None]) -> None:
    """`passing` hears of `told:email` and `told:page`."""
    mail, page = EmailNotifier.send, StatuspageNotifier.send

    async def mailed(self: EmailNotifier, notice: Notice, key: str) -> Sent:
        sent = await mail(self, notice, key)
        passing("told:email")
        return sent

    async def updated(self: StatuspageNotifier, notice: Notice, key: str) -> Sent:
        sent = await page(self, notice, key)
        passing("told:page")
        return sent

    EmailNotifier.send = mailed  # type: ignore[method-assign]  # notices, and goes on
    StatuspageNotifier.send = updated  # type: ignore[method-assign]  # notices, and goes on
