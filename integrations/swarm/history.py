"""Which shapes of a service can be returned to: those kaeru remembers, and the one the daemon keeps itself."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.base import Version
from bot.ports.memory import Shape
from bot.ports.target import Available
from integrations.images import version_of
from integrations.swarm.service import Json, image_of, ref_of, short_image, template_of


@dataclass(frozen=True)
class Known:
    """One shape. `rank` tells apart those of one version: the order in which kaeru saw them first, 0 if it never did."""

    ref: str
    version: Version
    template: Json
    first_at: datetime | None = None
    good_at: datetime | None = None
    rank: int = 0
    note: str = ""


class History:
    """Every shape by its ref, and by the name that people see."""

    def __init__(self, shapes: Iterable[Known]) -> None:
        self._by_ref = {shape.ref: shape for shape in shapes}
        self._names = _names(self._by_ref.values())
        self._by_name = {name: self._by_ref[ref] for ref, name in self._names.items()}

    def by_ref(self, ref: str) -> Known | None:
        return self._by_ref.get(ref)

    def find(self, ref: str, name: Version) -> Known | None:
        """The shape that a change means: by its ref where it has one, else by the name."""
        return self._by_ref.get(ref) if ref else self._by_name.get(name)

    def name(self, ref: str) -> Version | None:
        return self._names.get(ref)

    def name_of(self, template: Mapping[str, Any]) -> Version:
        """What people call the shape of a template, also of one that is not known."""
        return self._names.get(ref_of(template)) or version_of(image_of(template))

    def available(self) -> tuple[Available, ...]:
        """By name, so that the order does not depend on when somebody looked."""
        return tuple(
            Available(
                version=name,
                ref=ref,
                since=(shape := self._by_ref[ref]).first_at,
                good_at=shape.good_at,
                note=shape.note,
            )
            for ref, name in sorted(self._names.items(), key=lambda pair: pair[1])
        )


def history(service: Mapping[str, Any], remembered: Iterable[Shape]) -> History:
    """What is remembered, plus the current and the previous spec of `service` where they are not."""
    ranks: dict[Version, int] = {}
    found: dict[str, Known] = {}
    for shape in sorted(remembered, key=lambda shape: (shape.first_at, shape.ref)):
        ranks[shape.version] = ranks.get(shape.version, 0) + 1
        template = template_of(json.loads(shape.spec))
        found[shape.ref] = Known(
            ref=shape.ref,
            version=shape.version,
            template=template,
            first_at=shape.first_at,
            good_at=shape.good_at,
            rank=ranks[shape.version],
            note=f"{short_image(image_of(template))}, from kaeru's own record",
        )
    specs = [(service["Spec"], "what is set now")]
    if service.get("PreviousSpec"):
        note = "the daemon's previous spec; kaeru never saw it run"
        specs.append((service["PreviousSpec"], note))
    for spec, note in specs:
        template = template_of(spec)
        image, ref = image_of(template), ref_of(template)
        if image and ref not in found:
            found[ref] = Known(
                ref=ref, version=version_of(image), template=template, note=f"{short_image(image)}, {note}"
            )
    return History(found.values())


def _names(shapes: Iterable[Known]) -> dict[str, Version]:
    """The plain name for the shape that was seen serving well last, else for the newest; `+rN` for the others."""
    by_version: dict[Version, list[Known]] = {}
    for shape in shapes:
        by_version.setdefault(shape.version, []).append(shape)
    names: dict[str, Version] = {}
    for version, same in by_version.items():
        plain = max(same, key=_standing)
        taken: set[Version] = set()
        for shape in sorted(same, key=lambda shape: (shape.rank, shape.ref)):
            rank = shape.rank
            while (name := f"{version[:120]}+r{rank}") in taken:
                rank += 1
            if shape is plain:
                names[shape.ref] = version
            else:
                names[shape.ref] = name
                taken.add(name)
    return names


def _standing(shape: Known) -> tuple[bool, float, int]:
    good = shape.good_at
    return (good is not None, good.timestamp() if good else 0.0, shape.rank)
