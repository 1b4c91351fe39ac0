"""What runs now and what could: the workload, its history and its pods, remembered while they are there to be seen."""

import asyncio
from collections.abc import Mapping

from bot.ports import Memory
from bot.ports.target import Available, Inspection
from integrations.kubernetes.api import Api
from integrations.kubernetes.configs import Configs, Held
from integrations.kubernetes.keepsake import Keepsake
from integrations.kubernetes.looking import Look, look, warnings_of, workload_of
from integrations.kubernetes.owners import Owners
from integrations.kubernetes.settings import KubernetesSettings
from integrations.kubernetes.surge import debt_of
from integrations.kubernetes.template import RESTARTED_AT, Json


async def inspect(
    api: Api, settings: KubernetesSettings, memory: Memory, owners: Owners, *, configs: Configs | None = None
) -> Inspection:
    """Look, and let `memory` keep the shape that is set now. Raises Unavailable, Refused, AuthFailed.

    `configs` spares requests where it is the same from one call to the next.
    """
    workload = await workload_of(api, settings)
    (seen, held), (suspended, unseen) = await asyncio.gather(
        look(api, workload, memory, configs or Configs(api, settings.namespace)),
        owners.debts(workload.raw, settings.name),
    )
    current = seen.history.current
    await memory.keep(current.ref, current.version, keepsake_of(seen, held).dumped())
    widened = debt_of(workload)
    return Inspection(
        current=seen.current,
        running=seen.running,
        available=available_of(seen),
        fingerprint=workload.fingerprint,
        current_ref=current.ref,
        warnings=warnings_of(seen),
        debts=(*suspended, widened) if widened else suspended,
        unseen_debts=unseen,
    )


def available_of(seen: Look) -> tuple[Available, ...]:
    """The versions, each with its image and, where pods of it were met, the digest of that."""
    told = []
    for available, revision in zip(seen.history.available, seen.history.revisions, strict=True):
        digests = dict(revision.kept.digests)
        if revision.ref == seen.history.current_ref:
            digests = {**seen.digests, **digests}
        digest = digests.get(revision.image, "").rpartition(":")[2][:12]
        image = f"image {revision.image} ({digest})" if digest else f"image {revision.image}"
        note = f"{available.note}, {image}" if available.note else image
        told.append(available.model_copy(update={"note": note}))
    return tuple(told)


def keepsake_of(seen: Look, held: Held) -> Keepsake:
    """What is worth keeping of the shape that is set now. The same as before where nothing is new."""
    current = seen.history.current
    kept = current.kept
    return Keepsake(
        template=_unrestarted(current.template),
        revision=current.number,
        author=current.author or kept.author,
        cause=current.cause,
        # What was met first stays: that it is another one now is worth a warning for as long as it is so.
        digests=dict(sorted({**seen.digests, **kept.digests}.items())),
        configs=_configs(kept.configs, held),
    )


def _configs(before: Mapping[str, Mapping[str, str]], held: Held) -> Mapping[str, Mapping[str, str]]:
    """What could not be read now is as it was."""
    unread = {title: before[title] for title in held.unread if title in before}
    return dict(sorted({**unread, **held.hashes}.items()))


def _unrestarted(template: Json) -> Json:
    """A restart makes no other shape, so that it is not worth writing down."""
    metadata = template.get("metadata") or {}
    notes = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != RESTARTED_AT}
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**template, "metadata": {**rest, "annotations": notes} if notes else rest}
