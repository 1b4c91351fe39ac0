"""Which version to go back to: chosen by a record of what was good, never by toggling."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from bot.domain.base import Refusal, Value, Version

_SHAPE = re.compile(r"\+r[0-9]+$")


def spoken(version: Version) -> Version:
    """What the running service calls it: `v1.2.9+r3`, kaeru's name for an older shape of `v1.2.9`, says `v1.2.9`."""
    return _SHAPE.sub("", version)


class Standing(StrEnum):
    """What is known about a version in production."""

    UNKNOWN = "unknown"
    GOOD = "good"
    QUARANTINED = "quarantined"


class Release(Value):
    """A version that the target can run, with what is remembered of it.

    `revision` is the target's own count, where there is one for the whole service; `note` what it says of it.
    `released_at` is the tag's time, `last_good_at` the last time kaeru saw it serve well (both UTC).
    """

    version: Version
    standing: Standing = Standing.UNKNOWN
    released_at: datetime | None = None
    last_good_at: datetime | None = None
    quarantined_by: str | None = None
    revision: int | None = None
    note: str = ""


class Choice(Value):
    """The version to return to and, in half a sentence, why it."""

    version: Version
    why: str


def order(releases: Iterable[Release], newest_first: Sequence[Version]) -> tuple[Release, ...]:
    """Sort `releases` as `newest_first` says (the repository's own version order); unlisted ones last."""
    rank = {version: place for place, version in enumerate(newest_first)}
    return tuple(
        sorted(releases, key=lambda release: (rank.get(release.version, len(rank)), release.version))
    )


def by_name(version: Version) -> tuple[object, ...]:
    """A sort key, oldest first, for where nothing but the names is known: numbers as numbers, v2-rc1 before v2."""
    name, _, suffix = version.partition("-")
    return (_parts(name), not suffix, _parts(suffix))


def _parts(text: str) -> tuple[tuple[int, str], ...]:
    return tuple(
        (int(p), "") if p[0] in "0123456789" else (-1, p) for p in re.findall(r"[0-9]+|[^0-9]+", text)
    )


def choose(releases: Sequence[Release], *, current: Version | None, wanted: Version | None = None) -> Choice:
    """Choose the target version among `releases` (newest first).

    Without a wish: the version that kaeru saw serve well most recently; failing that, the newest one
    older than the current. Quarantined versions and the current one are never chosen.

    Raises Refusal where there is nothing to return to, or where the wish cannot be granted.
    """
    if wanted is not None:
        return _grant(releases, current, wanted)
    open_to_us = [r for r in releases if r.version != current and r.standing is not Standing.QUARANTINED]
    proven = [(r.last_good_at, r.version) for r in open_to_us if r.last_good_at is not None]
    if proven:
        last_good = max(proven, key=lambda pair: pair[0])[1]
        return Choice(version=last_good, why="the last version that was seen serving well")
    older = older_than(open_to_us, current, releases)
    if older:
        return Choice(
            version=older[0].version, why="the release before the current one; nobody saw it serve yet"
        )
    raise Refusal(
        "There is no version to return to: every other release is missing or quarantined. "
        "Put a good release in place, or fix forward."
    )


def older_than(
    candidates: Sequence[Release], current: Version | None, releases: Sequence[Release]
) -> tuple[Release, ...]:
    """The `candidates` that come after `current` in the newest-first `releases`; all if it is not among them."""
    known = [r.version for r in releases]
    if current not in known:
        return tuple(candidates)
    newer_or_same = set(known[: known.index(current) + 1])
    return tuple(r for r in candidates if r.version not in newer_or_same)


def _grant(releases: Sequence[Release], current: Version | None, wanted: Version) -> Choice:
    found = next((r for r in releases if r.version == wanted), None) or _by_revision(releases, wanted)
    if found is None:
        on_offer = (r for r in releases if r.version != current and r.standing is not Standing.QUARANTINED)
        names = ", ".join(r.version for r in on_offer) or "none"
        raise Refusal(f"{wanted} is not a release that can be run here. These are: {names}.")
    if found.version == current:
        raise Refusal(f"{found.version} is what runs now. Choose another version.")
    if found.standing is Standing.QUARANTINED:
        by = f" by {found.quarantined_by}" if found.quarantined_by else ""
        raise Refusal(
            f"{found.version} is quarantined{by}: it was rolled back before. Choose another version, "
            f"or lift the quarantine with `kaeru quarantine lift`."
        )
    if found.version != wanted:
        return Choice(version=found.version, why=f"revision {found.revision}, chosen by hand")
    return Choice(version=wanted, why="chosen by hand")


def _by_revision(releases: Sequence[Release], wanted: Version) -> Release | None:
    """The release that `r4` means: the target's revision 4."""
    if not re.fullmatch(r"r[0-9]+", wanted):
        return None
    return next((r for r in releases if r.revision == int(wanted[1:])), None)
