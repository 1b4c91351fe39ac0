"""The Cache port for a CloudFront distribution. What makes an invalidation happen once is its caller reference."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bot.domain.plan import Check, Level, Warn
from bot.ports.caches import CachePlan, Invalidation
from bot.ports.errors import Conflict, Refused, Unavailable
from integrations.aws.calls import Calls
from integrations.aws.settings import CloudFrontSettings, path_problem
from integrations.aws_errors import code_of
from integrations.aws_session import AwsSession

MOST_PATHS, MOST_WILDCARDS, NEWEST = 3000, 15, 20
FIRST_WAIT_S, LONGEST_WAIT_S = 10.0, 160.0


class CloudFrontCache:
    """Raises what the port says, and Gone where the distribution does not exist."""

    def __init__(self, settings: CloudFrontSettings) -> None:
        self._settings = settings
        access = settings.access(settings.region)
        self._calls = Calls(access, AwsSession(access), "cloudfront")
        self._ids: dict[str, str] = {}
        self._waits: dict[str, float] = {}

    @property
    def identity(self) -> str:
        return f"cloudfront:{self._settings.distribution}"

    async def plan(self, paths: Sequence[str] = ()) -> CachePlan:
        wanted = self._wanted(paths)
        running = [one for one in await self._newest(100) if not _is_done(one)]
        count = "`/*` is billed as one path" if wanted == ("/*",) else f"billed as {len(wanted)} paths"
        warnings = []
        if wanted == ("/*",):
            text = "Everything is fetched anew: the origin gets the load that the cache kept from it."
            warnings.append(Warn(level=Level.WARNING, text=text))
        return CachePlan(
            paths=wanted,
            actions=(
                f"Invalidate {_listed(wanted)} of the distribution {self._settings.distribution} ({count})",
                "Wait until CloudFront says that it is complete",
            ),
            warnings=tuple(warnings),
            checks=(
                Check(
                    name="room for another invalidation",
                    ok=len(running) < MOST_WILDCARDS,
                    detail=f"{len(running)} under way; CloudFront takes {MOST_WILDCARDS} with a wildcard at once",
                    required=False,  # it is tried again until there is
                ),
            ),
        )

    async def invalidate(self, paths: Sequence[str], key: str) -> Invalidation:
        wanted = self._wanted(paths)
        found = await self.observe(key)
        if found is not None:
            if set(found.paths) != set(wanted):
                raise _used(key)
            return found
        batch = {"CallerReference": key, "Paths": {"Quantity": len(wanted), "Items": list(wanted)}}
        distribution = self._settings.distribution
        try:
            answer = await self._calls.change(
                "create_invalidation",
                f"the distribution {distribution}",
                DistributionId=distribution,
                InvalidationBatch=batch,
            )
        except Refused as error:
            code = code_of(error.__cause__)
            if code == "InvalidationBatchAlreadyExists":
                raise _used(key) from error
            if code == "TooManyInvalidationsInProgress":
                raise self._later(key) from error
            raise
        self._waits.pop(key, None)
        self._ids[key] = answer["Invalidation"]["Id"]
        return _seen(answer["Invalidation"])

    async def observe(self, key: str) -> Invalidation | None:
        if key in self._ids:
            return _seen(await self._get(self._ids[key]))
        # The list does not tell the references, so each has to be asked: the newest first.
        for one in await self._newest(NEWEST):
            full = await self._get(one["Id"])
            reference = full["InvalidationBatch"]["CallerReference"]
            self._ids[reference] = one["Id"]
            if reference == key:
                return _seen(full)
        return None

    async def aclose(self) -> None:
        await self._calls.aclose()

    async def _newest(self, count: int) -> list[dict[str, Any]]:
        answer = await self._calls.read(
            "list_invalidations", DistributionId=self._settings.distribution, MaxItems="100"
        )
        found = answer["InvalidationList"].get("Items") or []
        return sorted(found, key=lambda one: one["CreateTime"], reverse=True)[:count]

    async def _get(self, invalidation: str) -> dict[str, Any]:
        answer = await self._calls.read(
            "get_invalidation", DistributionId=self._settings.distribution, Id=invalidation
        )
        found: dict[str, Any] = answer["Invalidation"]
        return found

    def _wanted(self, paths: Sequence[str]) -> tuple[str, ...]:
        wanted = tuple(dict.fromkeys(paths or self._settings.paths))
        if problem := next((p for p in map(path_problem, wanted) if p), None):
            raise Refused(f"{problem}.")
        if len(wanted) > MOST_PATHS:
            raise Refused(
                f"{len(wanted)} paths are more than the {MOST_PATHS} that CloudFront takes at once.",
                remedy="Use a path with a wildcard, such as /images/* or /*.",
            )
        return wanted

    def _later(self, key: str) -> Unavailable:
        wait = self._waits.get(key, FIRST_WAIT_S)
        self._waits[key] = min(wait * 2, LONGEST_WAIT_S)
        return Unavailable(
            f"The distribution {self._settings.distribution} has too many invalidations under way "
            "(TooManyInvalidationsInProgress).",
            retry_after_s=wait,
        )


def _used(key: str) -> Conflict:
    return Conflict(
        f"CloudFront knows an invalidation of the reference {key}, with other paths.",
        remedy="Begin it as a step of its own, with a key of its own.",
    )


def _is_done(one: dict[str, Any]) -> bool:
    return str(one["Status"]).lower() == "completed"


def _seen(one: dict[str, Any]) -> Invalidation:
    since = one["CreateTime"].astimezone(UTC)
    age = max((datetime.now(UTC) - since).total_seconds(), 0.0)
    return Invalidation(
        key=one["InvalidationBatch"]["CallerReference"],
        paths=tuple(one["InvalidationBatch"]["Paths"]["Items"]),
        since=since,
        done=_is_done(one),
        look_again_s=min(max(age / 4, 2.0), 20.0),
        detail=f"invalidation {one['Id']}: {one['Status']}",
    )


def _listed(paths: tuple[str, ...]) -> str:
    shown = ", ".join(paths[:5])
    return shown if len(paths) <= 5 else f"{shown} and {len(paths) - 5} more"
