"""Calls to one service of AWS, off the event loop, with their errors named."""

import asyncio
import threading
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from bot.ports.errors import Conflict, Gone
from integrations.aws_access import Access
from integrations.aws_errors import Asking, told
from integrations.aws_session import ATTEMPTS, AwsSession

_NAMES = {"elbv2": "Elastic Load Balancing", "cloudwatch": "CloudWatch", "cloudfront": "CloudFront"}
_GONE = "Correct its ARN or id, or take it out of the settings."
MISSING = dict.fromkeys(
    ("ListenerNotFound", "RuleNotFound", "TargetGroupNotFound", "NoSuchDistribution"), (Gone, _GONE)
)


def moved(sentence: str) -> Conflict:
    """What to raise where somebody else was there in between."""
    return Conflict(sentence, remedy="Look at what they did, and plan again.")


async def together(*reads: Awaitable[Any]) -> list[Any]:
    """All of them at once. Raises the first one's error, when none of them is under way any more."""
    answers = await asyncio.gather(*reads, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


class Calls:
    """One service in one account and region. Operations and parameters are boto3's own."""

    def __init__(self, access: Access, session: AwsSession, service: str) -> None:
        self._session, self._service = session, service
        self._asking = Asking(service=_NAMES[service], who=access.who, region=access.region, known=MISSING)
        self._lock = threading.Lock()
        self._clients: dict[int, Any] = {}

    async def read(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Ask, and ask again a few times where that may help. Raises Unavailable, Refused, AuthFailed, Gone."""
        return await asyncio.to_thread(self._call, operation, parameters, ATTEMPTS, self._asking)

    async def change(self, operation: str, where: str, **parameters: Any) -> dict[str, Any]:
        """Do it once. Raises what `read` does, with nothing changed, or OutcomeUnknown."""
        asking = replace(self._asking, where=f" for {where}", changes=True)
        return await asyncio.to_thread(self._change, operation, parameters, asking)

    async def aclose(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await asyncio.to_thread(client.close)

    def _change(self, operation: str, parameters: dict[str, Any], asking: Asking) -> dict[str, Any]:
        with told(self._asking):
            self._session.renew()
        return self._call(operation, parameters, 1, asking)

    def _call(
        self, operation: str, parameters: dict[str, Any], attempts: int, asking: Asking
    ) -> dict[str, Any]:
        with told(asking):
            answer: dict[str, Any] = getattr(self._client(attempts), operation)(**parameters)
        return answer

    def _client(self, attempts: int) -> Any:
        with self._lock:
            if attempts not in self._clients:
                self._clients[attempts] = self._session.client(self._service, attempts=attempts)
            return self._clients[attempts]
