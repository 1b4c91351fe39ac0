"""Which shapes of a service can be returned to: those kaeru remembers, and the one the daemon keeps itself."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.base import Version
from bot.domain.releases import shape_names
from bot.ports.memory import Shape
from bot.ports.target import Available
from integrations.images import version_of
from integrations.swarm.service import Json, image_of, ref_of, short_image, template_of


@dataclass(frozen=True)
class Known:
    """One shape. `last_at` is when kaeru last saw it set, None if it never did."""

    ref: str
    version: Version
    template: Json
    first_at: datetime | None = None
    good_at: datetime | None = None
    last_at: datetime | None = None
    note: str = ""


class History:
    """Every shape by its ref, and by the name that people see."""

    def __init__(self, shapes: Iterable[Known], current_ref: str) -> None:
        self._by_ref = {shape.ref: shape for shape in shapes}
        self._names = _names(self._by_ref.values(), current_ref)
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
    found: dict[str, Known] = {}
    for shape in remembered:
        template = template_of(json.loads(shape.spec))
        found[shape.ref] = Known(
            ref=shape.ref,
            version=shape.version,
            template=template,
            first_at=shape.first_at,
            good_at=shape.good_at,
            last_at=shape.last_at,
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
    return History(found.values(), ref_of(service["Spec"]["TaskTemplate"]))


def _names(shapes: Iterable[Known], current_ref: str) -> dict[str, Version]:
    """What people call each shape; see `bot.ports.target.Available`."""
    by_version: dict[Version, list[Known]] = {}
    for shape in shapes:
        by_version.setdefault(shape.version, []).append(shape)

    def standing(shape: Known) -> tuple[float, bool, float]:
        good, last = (at.timestamp() if at else 0.0 for at in (shape.good_at, shape.last_at))
        return good, shape.ref == current_ref, last

    names: dict[str, Version] = {}
    for version, same in by_version.items():
        refs = [shape.ref for shape in same]
        names |= shape_names(version, refs, plain=max(same, key=standing).ref)
    return names
