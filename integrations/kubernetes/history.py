"""The shapes a workload had: what the cluster still knows of them, joined with what kaeru remembers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bot.domain.base import Version
from bot.domain.plan import Warn
from bot.domain.releases import shape_names
from bot.ports import Memory
from bot.ports.memory import Shape
from bot.ports.target import Available
from integrations.images import version_of
from integrations.kubernetes.authors import author_of, said_cause
from integrations.kubernetes.holes import holes
from integrations.kubernetes.keepsake import Keepsake, read_keepsake
from integrations.kubernetes.patch import CHANGE_CAUSE
from integrations.kubernetes.template import Json, image_of, plain_template, shape_ref
from integrations.kubernetes.workload import REVISION, Workload, controlled_by, history_path, moment

if TYPE_CHECKING:  # the client takes seconds to import, and nothing here needs it
    from integrations.kubernetes.api import Api


@dataclass(frozen=True)
class Revision:
    """One shape. `version` is the plain one of its image; what people call it is in `Available.version`.

    `number` is the cluster's revision number, else the one it had when kaeru last saw it, else one made of the
    ref. `object_names` are the ReplicaSets or ControllerRevisions of this shape, none where the cluster has
    forgotten it. `template` can be put into the workload as it is.
    """

    ref: str
    version: Version
    image: str
    template: Json
    number: int
    since: datetime | None
    object_names: tuple[str, ...] = ()
    cause: str = ""
    author: str = ""
    good_at: datetime | None = None
    kept: Keepsake = field(default_factory=Keepsake)


@dataclass(frozen=True)
class History:
    """`revisions` are the newest first, one per shape; the current one is always among them.

    `names` say what people call each, by ref.
    """

    revisions: tuple[Revision, ...]
    names: Mapping[str, Version]
    current_ref: str
    warnings: tuple[Warn, ...] = ()

    @property
    def current(self) -> Revision:
        return next(r for r in self.revisions if r.ref == self.current_ref)

    @property
    def available(self) -> tuple[Available, ...]:
        return tuple(
            Available(
                version=self.names[r.ref],
                ref=r.ref,
                since=r.since,
                revision=r.number if r.object_names else None,
                good_at=r.good_at,
                note=self._note(r),
            )
            for r in self.revisions
        )

    def find(self, version: Version, ref: str = "") -> Revision | None:
        """The shape that `ref` names or, without one, that people call `version`. None where there is none."""
        wanted = ref or next((r for r, name in self.names.items() if name == version), None)
        return next((r for r in self.revisions if r.ref == wanted), None)

    def _note(self, revision: Revision) -> str:
        parts = [f"revision {revision.number}"] if revision.object_names else []
        parts += [f"by {revision.author}"] if revision.author else []
        parts += [said_cause(revision.cause)] if revision.cause else []
        if not revision.object_names and revision.ref != self.current_ref:
            parts.append("not in the cluster's history any more; from kaeru's own record")
        if self.names[revision.ref] != revision.version:
            parts.append(f"the same image as {revision.version} with other settings")
        return ", ".join(parts)


async def history_of(api: "Api", workload: Workload, memory: Memory) -> History:
    """Ask the cluster (one request, by the workload's selector) and the memory. Raises as `Api.list` does."""
    path = history_path(workload.kind, workload.namespace)
    listed = await api.list(path, labels=workload.selector)
    return joined(workload, listed["items"], await memory.shapes())


def joined(workload: Workload, objects: Iterable[Json], shapes: Sequence[Shape]) -> History:
    """The history from raw ReplicaSets or ControllerRevisions and remembered shapes. Pure.

    Raises LookupError where the workload lacks the container that is to name its version.
    """
    own = [o for o in objects if controlled_by(o, workload.uid)]
    read = _in_order([r for r in (_from_object(workload, o) for o in own) if r is not None])
    by_ref = _one_per_shape(read)
    current = _current(workload, by_ref, read)
    by_ref = {**by_ref, current.ref: current}
    in_cluster = len(by_ref)
    for shape in shapes:
        kept = read_keepsake(shape.spec)
        if shape.ref in by_ref:
            known = by_ref[shape.ref]
            by_ref[shape.ref] = replace(
                known,
                since=_first(known, shape) if shape.ref == current.ref else known.since,
                good_at=shape.good_at,
                kept=kept or Keepsake(),
                author=known.author or (kept.author if kept else ""),
            )
        elif kept is not None:
            by_ref[shape.ref] = _from_memory(workload, shape, kept)
    revisions = tuple(by_ref.values())
    return History(
        revisions=revisions,
        names=_names(revisions, current.ref),
        current_ref=current.ref,
        warnings=holes(
            workload,
            own,
            [r.number for r in read],
            in_cluster=in_cluster,
            remembered=len(revisions) - in_cluster,
        ),
    )


def _from_object(workload: Workload, found: Json) -> Revision | None:
    """None for a ReplicaSet that has no number yet: its Deployment has not come to it."""
    metadata = found["metadata"]
    annotations = metadata.get("annotations") or {}
    if workload.kind == "deployment":
        number, template = annotations.get(REVISION), found["spec"]["template"]
    else:
        number, template = found.get("revision"), found["data"]["spec"]["template"]
    if number is None:
        return None
    image = _image(workload, template)
    return Revision(
        ref=shape_ref(template),
        version=version_of(image),
        image=image,
        template=plain_template(template),
        number=int(number),
        since=moment(metadata.get("creationTimestamp")),
        object_names=(str(metadata["name"]),),
        cause=str(annotations.get(CHANGE_CAUSE, "")),
    )


def _in_order(read: Sequence[Revision]) -> list[Revision]:
    """The newest first, each dated later than the ones before it.

    What is used again keeps the time it was made at first, but has been there in this place for no longer than
    the ones with lower numbers exist. The API's times are whole seconds, so what is added lies in the dark.
    Not so where the last one was used again: what was left for it, as by a rollback, must not pass for what it replaced.
    """
    dated, last, made = [], None, None
    ordered = sorted(read, key=lambda r: r.number)
    for revision in ordered:
        since = revision.since
        if last is not None and made is not None and since is not None:
            left_for_it = revision is ordered[-1] and since < made
            since = since if left_for_it else max(since, last + timedelta(microseconds=1))
        dated.append(replace(revision, since=since))
        last, made = since or last, revision.since or made
    return dated[::-1]


def _one_per_shape(newest_first: Sequence[Revision]) -> dict[str, Revision]:
    """A restart makes a new revision of the same shape: the newest stands for all, dated as the first in a row."""
    by_ref: dict[str, Revision] = {}
    newer_ref = ""
    for revision in newest_first:
        newest = by_ref.get(revision.ref)
        if newest is None:
            by_ref[revision.ref] = revision
        else:
            since = revision.since if newer_ref == revision.ref else newest.since
            names = (*newest.object_names, *revision.object_names)
            by_ref[revision.ref] = replace(newest, since=since, object_names=names)
        newer_ref = revision.ref
    return by_ref


def _current(workload: Workload, by_ref: Mapping[str, Revision], read: Sequence[Revision]) -> Revision:
    """What is set to run. It may be too new to be in the history, or be held back by a pause."""
    template, image = workload.template, workload.image
    ref = shape_ref(template)
    known = by_ref.get(ref) or Revision(
        ref=ref,
        version=version_of(image),
        image=image,
        template=plain_template(template),
        number=max((r.number for r in read), default=0) + 1,
        since=None,
    )
    cause = workload.annotations.get(CHANGE_CAUSE, known.cause)
    return replace(known, author=author_of(workload), cause=cause)


def _first(current: Revision, shape: Shape) -> datetime | None:
    """What runs now may have been forgotten by the cluster and brought back; what came meanwhile is younger."""
    return None if current.since is None else min(current.since, shape.first_at)


def _from_memory(workload: Workload, shape: Shape, kept: Keepsake) -> Revision:
    return Revision(
        ref=shape.ref,
        version=shape.version,
        image=_image(workload, kept.template),
        template=plain_template(kept.template),
        # Not from a counter: what is forgotten on either side must not rename the others.
        number=kept.revision if kept.revision is not None else 1000 + int(shape.ref[:6], 16) % 9000,
        since=shape.last_at,
        cause=kept.cause,
        author=kept.author,
        good_at=shape.good_at,
        kept=kept,
    )


def _image(workload: Workload, template: Json) -> str:
    """The image that names an earlier version; its containers may have had other names."""
    try:
        return image_of(template, name=workload.name, container=workload.container)
    except LookupError:
        return image_of(template, name=workload.name)


def _names(revisions: Sequence[Revision], current_ref: str) -> dict[str, Version]:
    """What people call each shape; see `bot.ports.target.Available`."""
    names: dict[str, Version] = {}
    for version in dict.fromkeys(r.version for r in revisions):
        same = [r for r in revisions if r.version == version]
        good = [(r.good_at, r) for r in same if r.good_at is not None]
        newest = next((r for r in same if r.ref == current_ref), same[0])
        plain = max(good, key=lambda pair: pair[0])[1] if good else newest
        names |= shape_names(version, [r.ref for r in same], plain=plain.ref)
    return names
