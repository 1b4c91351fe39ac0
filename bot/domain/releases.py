"""Which version to go back to: chosen by a record of what was good, never by toggling."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from bot.domain.base import Refusal, Value, Version

_SHAPE = re.compile(r"\+r[0-9]+$")
_REVISION = re.compile(r"(?:(?P<version>.+)\+)?r(?P<revision>[0-9]+)")
_DIGITS, _MANY_DIGITS = 4, 12
_LENGTH = 128  # of a version
_NAMED = 4  # releases in one sentence


def spoken(version: Version) -> Version:
    """What the running service calls it: `v1.2.9+r4711`, kaeru's name for one shape of `v1.2.9`, says `v1.2.9`."""
    return _SHAPE.sub("", version)


def shape_name(version: Version, ref: str, *, digits: int = _DIGITS) -> Version:
    """The exact name of the shape `ref` of `version`, `v1.2.9+r4711`: made of nothing but the two, so that it stays."""
    drawn = int(hashlib.sha256(ref.encode()).hexdigest(), 16)
    least = 10 ** (digits - 1)
    suffix = f"+r{least + drawn % (9 * least)}"
    return f"{version[: _LENGTH - len(suffix)]}{suffix}"


def shape_names(version: Version, refs: Sequence[str], *, plain: str) -> dict[str, Version]:
    """What people call the shapes `refs` of one version, by ref: `plain` has the plain name, the others exact ones.

    Two that would be called the same have more digits.
    """
    short = {ref: shape_name(version, ref) for ref in refs}
    names = list(short.values())
    return {
        ref: version
        if ref == plain
        else (name if names.count(name) == 1 else shape_name(version, ref, digits=_MANY_DIGITS))
        for ref, name in short.items()
    }


class Standing(StrEnum):
    """What is known about a version in production."""

    UNKNOWN = "unknown"
    GOOD = "good"
    QUARANTINED = "quarantined"


class Release(Value):
    """A version that the target can run, with what is remembered of it.

    `revision` is the target's own count, where there is one for the whole service; `note` what it says of it.
    `released_at` is the tag's time, `last_good_at` the last time kaeru saw it serve well (both UTC). `refs` are the
    exact shapes that it means, by component, where the target tells shapes apart; `aliases` the exact names of them.
    `did_not_help` says of a quarantined one that it was gone back to in vain, and not that it was left.
    """

    version: Version
    standing: Standing = Standing.UNKNOWN
    released_at: datetime | None = None
    last_good_at: datetime | None = None
    quarantined_by: str | None = None
    revision: int | None = None
    note: str = ""
    refs: Mapping[str, str] = {}
    aliases: tuple[Version, ...] = ()
    did_not_help: bool = False

    @property
    def quarantine(self) -> str:
        """The end of a sentence that begins with a quarantined version: by which incident, and why."""
        by = f" by {self.quarantined_by}" if self.quarantined_by else ""
        why = "it did not help when it was gone back to" if self.did_not_help else "it was rolled back before"
        return f"is quarantined{by}: {why}"

    def is_at(self, component: str, version: Version, ref: str) -> bool:
        """Whether `component` is as this release has it: by the shape where shapes are told apart, else by name."""
        known = self.refs.get(component, "")
        return known == ref if known and ref else version == self.version


class Choice(Value):
    """The version to return to and, in half a sentence, why it."""

    version: Version
    why: str


def order(releases: Iterable[Release], newest_first: Sequence[Version]) -> tuple[Release, ...]:
    """Sort `releases` as `newest_first` says (the repository's own version order); unlisted ones last.

    The shapes of one version stand together, in the order in which they are given.
    """
    rank = {version: place for place, version in enumerate(newest_first)}

    def place(release: Release) -> tuple[int, Version]:
        version = release.version if release.version in rank else spoken(release.version)
        return rank.get(version, len(rank)), version

    return tuple(sorted(releases, key=place))


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
    raise _nothing_left(releases, current)


NOTHING_KNOWN = "no other release is known here"


def _nothing_left(releases: Sequence[Release], current: Version | None) -> Refusal:
    """Why nothing is offered unasked, and what could be."""
    others = [r for r in releases if r.version != current]
    bad = [r for r in others if r.standing is Standing.QUARANTINED]
    newer = [r.version for r in others if r not in bad]
    end = "Put a good release in place, or fix forward."
    why = [f"{r.version} {r.quarantine}" for r in bad[:_NAMED]]
    if len(bad) > _NAMED:
        why.append(f"{len(bad) - _NAMED} more are quarantined")
    if newer:
        listed = ", ".join(newer[:_NAMED])
        why.append(f"no other release is older than {current} or was seen serving well")
        end = f"A newer one can be asked for by its name ({listed}). {end}"
    if bad:
        end = f"If a quarantined one is well, let it be chosen with `kaeru quarantine lift`. {end}"
    return Refusal(f"There is no version to return to: {'; '.join(why) or NOTHING_KNOWN}. {end}")


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
    found = meant(releases, wanted)
    if found is None:
        on_offer = (r for r in releases if r.version != current and r.standing is not Standing.QUARANTINED)
        names = ", ".join(r.version for r in on_offer) or "none"
        raise Refusal(f"{wanted} is not a release that can be run here. These are: {names}.")
    if found.version == current:
        raise Refusal(f"{found.version} is what runs now. Choose another version.")
    if found.standing is Standing.QUARANTINED:
        raise Refusal(
            f"{found.version} {found.quarantine}. Choose another version, or lift the quarantine with `kaeru quarantine lift`."
        )
    if found.version != wanted and wanted not in found.aliases:
        return Choice(version=found.version, why=f"revision {found.revision}, chosen by hand")
    return Choice(version=found.version, why="chosen by hand")


def meant(releases: Sequence[Release], wanted: Version) -> Release | None:
    """The release that `wanted` means: by its name, by an exact name, or by the target's revision (`r4`, `v2+r4`)."""
    named = next((r for r in releases if r.version == wanted), None)
    named = named or next((r for r in releases if wanted in r.aliases), None)
    if named is not None:
        return named
    number = _REVISION.fullmatch(wanted)
    if number is None:
        return None
    of, revision = number["version"], int(number["revision"])
    return next((r for r in releases if r.revision == revision and of in (None, spoken(r.version))), None)
