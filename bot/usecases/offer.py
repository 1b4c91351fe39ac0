"""What can be gone back to: what the targets can run, with what is remembered of it. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.base import Version
from bot.domain.releases import Release, Standing, by_name, order, shape_name, spoken
from bot.ports import Available, Inspection
from bot.ports.changes import Tagged
from bot.store.bad_shapes import BadShapeRecord
from bot.store.releases import ReleaseRecord


@dataclass(frozen=True)
class Offer:
    """A release, and what each component would run of it, by the component's own name."""

    release: Release
    shapes: Mapping[str, Available]


@dataclass(frozen=True)
class Span:
    """A time, from `since` to `until`, both UTC."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Remembered:
    """The ledger of a service, and its bad shapes."""

    ledger: Mapping[Version, ReleaseRecord]
    bad_shapes: Sequence[BadShapeRecord] = ()

    def image(self, version: Version) -> ReleaseRecord | None:
        """Why no shape of `version` may be chosen; None where one may."""
        known = self.ledger.get(version)
        return known if known is not None and known.standing is Standing.QUARANTINED else None

    def shape(self, component: str, ref: str) -> BadShapeRecord | None:
        return next(
            (b for b in self.bad_shapes if (b.shape.component, b.shape.ref) == (component, ref)), None
        )


def offers(
    inspections: Mapping[str, Inspection], tags: Sequence[Tagged], remembered: Remembered
) -> tuple[Offer, ...]:
    """The releases that every component can run, newest first.

    A release is called as a component calls its shape. Where another component has no shape of that name, it has
    its own of the same version; two names for the same shapes are one release.
    """
    worlds = {name: _with_refs(seen) for name, seen in inspections.items()}
    names = {a.version: None for seen in worlds.values() for a in seen.available}
    tagged = {tag.version: tag.at for tag in tags}
    found: dict[tuple[Version, ...], Offer] = {}
    since: dict[Version, datetime | None] = {}
    for name in sorted(names, key=lambda name: (spoken(name) != name, name)):
        shapes = _shapes(name, worlds, remembered)
        if shapes is None:
            continue
        same = tuple(a.version for a in shapes.values())
        if (known := found.get(same)) is not None:
            aliases = (*known.release.aliases, name)
            release = known.release.model_copy(update={"aliases": aliases})
            found[same] = Offer(release, shapes)
            continue
        since[name] = next(a.since for a in shapes.values() if a.version == name)
        release = _release(name, shapes, worlds, remembered)
        at = tagged.get(release.version) or tagged.get(spoken(name)) or since[name]
        found[same] = Offer(release.model_copy(update={"released_at": at}), shapes)
    by_version = {offer.release.version: offer for offer in found.values()}

    def age(offer: Offer) -> tuple[float, tuple[object, ...]]:
        at = since[offer.release.version]
        return at.timestamp() if at else 0.0, by_name(offer.release.version)

    newest_first = [o.release for o in sorted(by_version.values(), key=age, reverse=True)]
    in_order = [tag.version for tag in tags] or [r.version for r in newest_first]
    return tuple(by_version[release.version] for release in order(newest_first, in_order))


def well_time(offer: Offer) -> Span | None:
    """When all components had these very shapes and served well, as far as that is remembered."""
    until = offer.release.last_good_at
    since = [a.since for a in offer.shapes.values() if a.since is not None]
    if until is None or len(since) < len(offer.shapes) or max(since) >= until:
        return None
    return Span(max(since), until)


def in_place_since(offer: Offer | None) -> datetime | None:
    """Since when the first component has its shape; None where that is not remembered of all."""
    since = [a.since for a in offer.shapes.values() if a.since is not None] if offer is not None else []
    return min(since) if offer is not None and len(since) == len(offer.shapes) and since else None


def _with_refs(seen: Inspection) -> Inspection:
    """What is set now has its ref in any case."""
    return seen.model_copy(
        update={
            "available": tuple(
                a.model_copy(update={"ref": seen.current_ref}) if a.version == seen.current else a
                for a in seen.available
            )
        }
    )


def _shapes(
    name: Version, worlds: Mapping[str, Inspection], remembered: Remembered
) -> dict[str, Available] | None:
    """What each component would run as `name`; None where one has nothing of the kind."""
    called = {c: a for c, seen in worlds.items() for a in seen.available if a.version == name}
    like = next(iter(called.values()))
    as_now = any(worlds[c].current == name for c in called)
    shapes = {}
    for component, seen in worlds.items():
        shape = called.get(component)
        if shape is None and like.ref:
            shape = _beside(like, seen, remembered, component, as_now=as_now)
        if shape is None:
            return None
        shapes[component] = shape
    return shapes


def _beside(
    like: Available, seen: Inspection, remembered: Remembered, component: str, *, as_now: bool
) -> Available | None:
    """What a component runs that has no shape by the name of another one's: as it is beside that one.

    `as_now` is whether the other one is what runs now. Else it is what served well last, or was there at that time.
    """
    same = [a for a in seen.available if a.ref and spoken(a.version) == spoken(like.version)]
    now = next((a for a in same if a.version == seen.current), None)
    if as_now and now is not None:
        return now

    def merit(a: Available) -> tuple[bool, float, float]:
        apart = abs((a.since - like.since).total_seconds()) if a.since and like.since else float("inf")
        good = a.good_at.timestamp() if a.good_at else 0.0
        return remembered.shape(component, a.ref) is None, good, -apart

    return max(same, key=merit, default=None)


def _release(
    name: Version,
    shapes: Mapping[str, Available],
    worlds: Mapping[str, Inspection],
    remembered: Remembered,
) -> Release:
    refs = {component: a.ref for component, a in shapes.items() if a.ref}
    bad = [b for c, ref in refs.items() if (b := remembered.shape(c, ref)) is not None]
    known = remembered.image(spoken(name)) or remembered.image(name)
    quarantined_by = known.quarantined_by if known else bad[0].quarantined_by if bad else None
    good = [_good_at(a, worlds[c].available, remembered.ledger) for c, a in shapes.items()]
    seen_good = [at for at in good if at is not None]
    good_at = min(seen_good) if len(seen_good) == len(good) else None
    standing = Standing.UNKNOWN if good_at is None else Standing.GOOD
    one = next(iter(shapes.values())) if len(shapes) == 1 else None
    return Release(
        version=name,
        standing=Standing.QUARANTINED if known or bad else standing,
        last_good_at=good_at,
        quarantined_by=quarantined_by,
        revision=one.revision if one else None,
        note=one.note if one else "",
        refs=refs,
        aliases=tuple(sorted({shape_name(name, ref) for ref in refs.values()}))
        if name == spoken(name)
        else (),
    )


def _good_at(
    shape: Available, available: Collection[Available], ledger: Mapping[Version, ReleaseRecord]
) -> datetime | None:
    """When it was last seen serving well. What an image earned counts for a shape only if that is its only one."""
    known = ledger.get(shape.version)
    of_image = known.last_good_at if known else None
    shapes = [a for a in available if a.ref and spoken(a.version) == spoken(shape.version)]
    return shape.good_at if shape.ref and len(shapes) > 1 else of_image or shape.good_at
