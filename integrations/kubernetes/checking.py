"""What has to hold before a workload is rolled back, each thing as a check with what was seen of it."""

import asyncio
from collections.abc import Sequence

from bot.domain.plan import Check, Level, Warn
from bot.ports.errors import AuthFailed, Conflict, Refused
from bot.ports.target import Change
from integrations.kubernetes.api import Api
from integrations.kubernetes.errors import RBAC
from integrations.kubernetes.history import Revision
from integrations.kubernetes.looking import Look, workload_of
from integrations.kubernetes.owner import Owner
from integrations.kubernetes.patch import cause_of, to_template
from integrations.kubernetes.settings import KubernetesSettings
from integrations.kubernetes.template import Json
from integrations.kubernetes.workload import Workload

Right = tuple[str, str, str, str]
"""Verb, group, resource, and a name or nothing."""

DRY_RUN = "the cluster accepts it"


def there(seen: Look, change: Change, found: Revision | None) -> Check:
    title, version = seen.workload.title, change.to_version
    if found is not None:
        where = "in the cluster's history" if found.object_names else "in kaeru's own record"
        return Check(name="version is there", ok=True, detail=f"{version} is {where}")
    named = ", ".join(seen.history.names.values())
    detail = f"{title} has no revision {version}, and kaeru remembers none; there are: {named}"
    return Check(name="version is there", ok=False, detail=detail)


def unchanged(seen: Look, change: Change) -> Check:
    return Check(
        name="nobody changed it",
        ok=seen.workload.fingerprint == change.fingerprint,
        detail=f"{seen.workload.title} is set to {seen.current}",
    )


def running_freely(workload: Workload) -> Check:
    if not workload.paused:
        return Check(name="not paused", ok=True, detail=f"{workload.title} is not paused")
    remedy = f"kubectl --namespace {workload.namespace} rollout resume {workload.kind}/{workload.name}"
    return Check(name="not paused", ok=False, detail=f"{workload.title} is paused; resume it first: {remedy}")


def undoing(owners: Sequence[Owner]) -> list[Check]:
    """Owners that would undo the rollback, whatever kaeru does."""
    return [
        Check(name=f"{owner.kind} lets it be", ok=False, detail=owner.refusal)
        for owner in owners
        if owner.refusal
    ]


def to_roll_back(settings: KubernetesSettings) -> list[Right]:
    """What a rollback takes: the one write, and watching what becomes of it; a watch that is too old lists again."""
    plural = settings.kind.resource
    return [
        ("patch", "apps", plural, settings.name),
        ("watch", "apps", plural, settings.name),
        ("list", "apps", plural, ""),
        ("watch", "", "pods", ""),
    ]


async def rights(
    api: Api, settings: KubernetesSettings, wanted: Sequence[Right], *, name: str = "rights"
) -> Check:
    """Whether kaeru may do all of `wanted` in the workload's namespace. Raises Unavailable."""
    namespace = settings.namespace
    try:
        may = await asyncio.gather(
            *(
                api.allowed(verb, group, what, namespace=namespace, name=one)
                for verb, group, what, one in wanted
            )
        )
    except AuthFailed as error:
        # Whoever may not even ask may still have the rights; the dry run tells more.
        detail = f"they could not be asked for: {error.advice}"
        return Check(name=name, ok=False, detail=detail, required=False)
    lacking = [
        f"{verb} {what}" for (verb, _, what, _), allowed in zip(wanted, may, strict=True) if not allowed
    ]
    if lacking:
        detail = (
            f"kaeru may not {', '.join(lacking)} in namespace {namespace}: apply the roles of {RBAC} there"
        )
        return Check(name=name, ok=False, detail=detail)
    held = ", ".join(f"{verb} {what}" for verb, _, what, _ in wanted)
    return Check(name=name, ok=True, detail=f"kaeru may {held} in namespace {namespace}")


async def explaining(api: Api, settings: KubernetesSettings) -> list[Warn]:
    """A warning where kaeru could not say why a rollback fails. Raises Unavailable."""
    wanted = [("get", "", "pods/log", ""), ("list", "", "events", "")]
    check = await rights(api, settings, wanted)
    # Where even asking is not allowed, another check has said so.
    if check.ok or not check.required:
        return []
    return [Warn(level=Level.INFO, text=f"If this fails, its reason may not be seen: {check.detail}.")]


async def dry_run(
    api: Api,
    settings: KubernetesSettings,
    workload: Workload,
    found: Revision,
    change: Change,
    *,
    surge: str | None,
) -> tuple[Check, Json | None]:
    """Let the API server judge the very patch that would be sent; the template as it would be, where it accepts it.

    Raises Unavailable. Whoever scales the workload at the same moment makes it be tried once more.
    """
    try:
        try:
            after = await _tried(api, workload, found, change, surge)
        except Conflict:
            after = await _tried(api, await workload_of(api, settings), found, change, surge)
    except (Conflict, Refused) as error:
        return Check(name=DRY_RUN, ok=False, detail=error.advice), None
    template: Json = after["spec"]["template"]
    return Check(name=DRY_RUN, ok=True, detail=f"a dry run of {change.to_version} passed"), template


async def _tried(api: Api, workload: Workload, found: Revision, change: Change, surge: str | None) -> Json:
    cause = cause_of(change.to_version, "dry run")
    operations = to_template(workload.raw, found.template, cause=cause, surge=surge)
    return await api.patch(workload.path, operations, dry_run=True)
