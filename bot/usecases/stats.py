"""Numbers over all incidents: read from their timelines, as data for a picture, and brought to whoever asks."""

import calendar
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, tzinfo

from bot.catalog import Catalog
from bot.domain import events as e
from bot.domain.base import Refusal, UserId
from bot.domain.incident import Incident
from bot.domain.stats import JUDGED, Case, Ending, Group, Stats, case_of, stats_of
from bot.domain.timeline import Kind
from bot.ports import Charts, PortError
from bot.ports.charts import Dots, Stack, StatsData
from bot.ports.chat import Upload
from bot.store import Store
from bot.store.unit import UnitOfWork

_log = logging.getLogger(__name__)

MOST = 2000
"""The newest incidents that are read; their timelines are read one by one, so that nothing else waits."""
_AGO = re.compile(r"(\d{1,4})\s*(d|w|m|y)", re.IGNORECASE)
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
_FURTHEST = 100 * 365
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_SHORTEST = timedelta(days=28)


def since_of(text: str, *, now: datetime, zone: tzinfo) -> datetime | None:
    """`30d`, `8w`, `6m`, `1y`, a month such as `2026-10` or a day such as `2026-10-24`; None for nothing or `all`.

    Raises Refusal.
    """
    word = text.strip().lower()
    if word in ("", "all"):
        return None
    if (ago := _AGO.fullmatch(word)) is not None and (days := int(ago[1]) * _DAYS[ago[2]]) <= _FURTHEST:
        return now - timedelta(days=days)
    day = f"{word}-01" if _MONTH.fullmatch(word) else word
    try:
        return datetime.combine(datetime.strptime(day, "%Y-%m-%d").date(), time(), zone)  # noqa: DTZ007 - a day; the zone is added here
    except ValueError as error:
        raise Refusal(
            f"{text[:40]!r} is no beginning. Say `30d`, `8w`, `6m`, `1y`, `2026-10` or `2026-10-24`."
        ) from error


def is_beginning(word: str, *, now: datetime) -> bool:
    """Whether `since_of` takes it."""
    try:
        since_of(word, now=now, zone=UTC)
    except Refusal:
        return False
    return True


async def gather(
    store: Store, *, service: str | None, since: datetime | None, until: datetime, zone: tzinfo
) -> Stats:
    """The numbers of the incidents declared since then."""
    listed = await store.read(
        lambda uow: uow.incidents.list(open_only=False, limit=MOST + 1, service=service)
    )
    wanted = [one for one in listed[:MOST] if since is None or one.declared_at >= since]
    cases = [await store.read(lambda uow, one=one: _case(uow, one)) for one in wanted]  # type: ignore[misc]  # binds the loop's value
    left_out = len(listed) > MOST and len(wanted) == MOST
    return stats_of(cases, since=since, until=until, zone=zone, service=service, left_out=left_out)


def _case(uow: UnitOfWork, incident: Incident) -> Case:
    entries = uow.timeline.entries(incident.id, kinds=(Kind.EVENT,))
    return case_of(incident, [e.parse(entry.body) for entry in entries])


def picture_of(stats: Stats, zone: tzinfo) -> StatsData:
    """What the picture shows: every incident as a dot, and the rollbacks of every month."""
    first = min((case.declared_at for case in stats.cases), default=stats.until)
    since = stats.since or min(first, stats.until - _SHORTEST)
    air = max(stats.until - since, timedelta(hours=1)) * 0.02
    whole = stats.whole
    named = f" of {stats.service}" if stats.service else ""
    return StatsData(
        title=f"All incidents{named}",
        subtitle=f"{stats.sentence} · {_span(stats, zone)}",
        since=since - air,
        until=stats.until + air,
        panels=(
            _dots("Decide", "declared until decided", whole, stats, "decide"),
            _dots("Approve", "plan ready until approved", whole, stats, "approve"),
            _dots("Mitigate", "declared until mitigated", whole, stats, "mitigate"),
        ),
        rollbacks=tuple(_stack(month, zone) for month in stats.months if month.rollbacks),
        caption=whole.sentence,
    )


def _span(stats: Stats, zone: tzinfo) -> str:
    until = f"{stats.until.astimezone(zone):%Y-%m-%d}"
    if stats.since is None:
        return f"until {until}"
    return f"{stats.since.astimezone(zone):%Y-%m-%d} until {until}"


def _dots(label: str, what: str, whole: Group, stats: Stats, name: str) -> Dots:
    found = ((case.declared_at, getattr(case.times, name)) for case in stats.cases)
    spread = getattr(whole, name)
    return Dots(
        label=label,
        caption=f"{what}: {spread.sentence}",
        dots=tuple((at, length.total_seconds()) for at, length in found if length is not None),
        median_s=None if spread.median is None else spread.median.total_seconds(),
    )


def _stack(month: Group, zone: tzinfo) -> Stack:
    year, number = (int(part) for part in month.name.split("-"))
    begin = datetime(year, number, 1, tzinfo=zone)
    days = calendar.monthrange(year, number)[1]
    end = datetime.combine(begin.date() + timedelta(days=days), time(), zone)
    right = month.endings.get(Ending.RIGHT, 0)
    wrong = sum(month.endings.get(ending, 0) for ending in JUDGED) - right
    return Stack(since=begin, until=end, right=right, wrong=wrong, unknown=month.rollbacks - right - wrong)


class AllIncidents:
    """Answers `/incident stats`."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        charts: Charts,
        *,
        clock: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._charts = charts
        self._clock = clock
        self._wake = wake

    async def asked(self, text: str) -> Stats:
        """The numbers for `[SERVICE] [SINCE]`, as people type it. Raises Refusal."""
        words = text.split()
        first = words[:1]
        is_service = bool(first) and (
            first[0] in self._catalog.services or not is_beginning(first[0], now=self._clock())
        )
        return await self.numbers(first[0] if is_service else None, " ".join(words[is_service:]))

    async def numbers(self, service: str | None, since: str) -> Stats:
        """Raises Refusal for what is no service (of kaeru.yml, or of an incident) or no beginning."""
        now, zone = self._clock(), self._catalog.timezone
        begin = since_of(since, now=now, zone=zone)
        if service is not None and not await self._is_known(service):
            self._catalog.service(service)
        return await gather(self._store, service=service, since=begin, until=now, zone=zone)

    async def _is_known(self, service: str) -> bool:
        """Also of a service that is in kaeru.yml no longer."""
        return bool(
            await self._store.read(lambda uow: uow.incidents.list(open_only=False, limit=1, service=service))
        )

    async def send_picture(self, stats: Stats, user: UserId, *, key: str) -> str:
        """Draw it, and bring it to that person's own conversation; a sentence about where it is, or why it is not."""
        if not stats.cases:
            return "There is no picture, because no incident is in the numbers."
        try:
            picture = await self._charts.stats(picture_of(stats, self._catalog.timezone))
        except PortError as error:
            _log.warning("the picture of all incidents could not be drawn: %s", error)
            return f"There is no picture. {error.advice}"
        name = f"incidents-{self._clock():%Y%m%d}.png"

        def put(uow: UnitOfWork) -> None:
            ref = uow.documents.put(picture, "image/png")
            upload = Upload(channel=user, filename=name, title=name, comment="", content_ref=ref)
            uow.outbox.put(f"whisper:{user}", key, upload)

        await self._store.write(put)
        self._wake()
        return "The picture is on its way to your own conversation with kaeru."
