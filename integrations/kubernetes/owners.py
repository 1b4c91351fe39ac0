"""Who else looks after a workload (Argo CD, Flux, Helm) and what of theirs is suspended for a rollback."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from bot.domain.debts import Debt
from bot.ports.errors import Conflict, PortError, Refused, Unavailable
from integrations.kubernetes import owner_argocd, owner_flux, owner_helm
from integrations.kubernetes.api import Api, Json, Missing
from integrations.kubernetes.owner import Owner, Unseen
from integrations.kubernetes.owner_argocd import ArgoCd
from integrations.kubernetes.owner_flux import Flux
from integrations.kubernetes.settings import KubernetesSettings, is_name

__all__ = ["Owner", "Owners"]

LOOK_S = 5.0
"""The end of a rollback does not wait longer than that to see what is suspended, for each thing."""


class _Kind(Protocol):
    """One kind of owner. See `ArgoCd` and `Flux`."""

    async def find(self, workload: Json) -> Owner | None: ...
    async def suspend(self, namespace: str, name: str, workload: str, key: str) -> None: ...
    async def confirm(self, namespace: str, name: str) -> None: ...
    async def debt(self, workload: Json, component: str) -> Debt | Unseen | None: ...
    async def owed(self, namespace: str, name: str, component: str) -> Debt | None: ...
    async def repay(self, namespace: str, name: str) -> None: ...


class Owners:
    """The owners of the workload that `settings` name.

    A token names what is to be suspended, as `argocd:NAMESPACE/NAME`; it is the id of the debt, too. All methods raise
    Unavailable and Refused; only looking is done without rights, and then the lack of them is a sentence in the owner.
    """

    def __init__(self, api: Api, settings: KubernetesSettings) -> None:
        self._settings = settings
        self._kinds: dict[str, _Kind] = {owner_argocd.PREFIX: ArgoCd(api, settings)}
        self._kinds |= {sort.prefix: Flux(api, settings, sort) for sort in owner_flux.SORTS}

    async def find(self, workload: Json) -> tuple[Owner, ...]:
        """Everybody who looks after `workload`, a raw object. Changes nothing."""
        found = await asyncio.gather(*(kind.find(workload) for kind in self._kinds.values()))
        return tuple(owner for owner in (*found, owner_helm.find(workload)) if owner is not None)

    async def suspend(self, token: str, key: str) -> None:
        """Suspend what `token` names and see that it is; nothing where that is done already.

        Raises Conflict where it does not stay suspended, OutcomeUnknown, AuthFailed.
        """
        kind, namespace, name = self._of(token)
        await kind.suspend(namespace, name, self._settings.who, key)
        await kind.confirm(namespace, name)

    async def confirm(self, token: str) -> None:
        """Raises Conflict, with a sentence, where what `token` names is not suspended (any more)."""
        kind, namespace, name = self._of(token)
        await kind.confirm(namespace, name)

    async def debts(self, workload: Json, component: str) -> tuple[tuple[Debt, ...], tuple[str, ...]]:
        """What kaeru has left suspended because of `workload`, as the world itself says.

        And the ids of what it may have left so where that cannot be seen.
        """
        found = await asyncio.gather(*(kind.debt(workload, component) for kind in self._kinds.values()))
        debts = tuple(debt for debt in found if isinstance(debt, Debt))
        return debts, tuple(debt.id for debt in found if isinstance(debt, Unseen))

    async def left(self, tokens: Sequence[str], component: str) -> tuple[tuple[Debt, ...], tuple[str, ...]]:
        """The debts of what `tokens` name, and a sentence for each of them that somebody has resumed.

        Needs no workload: one that was deleted leaves its owner suspended. Raises nothing of the API: what cannot be
        looked at counts as suspended still, and that is said.
        """
        debts, told = [], []
        for token in tokens:
            kind, namespace, name = self._of(token)
            try:
                debt = await _owed(kind, namespace, name, component)
            except Missing:  # nothing is left that could undo anything
                continue
            except Conflict as error:
                told.append(error.advice)
                continue
            except PortError as error:
                told.append(f"Whether {token} still is suspended could not be seen: {error.advice}")
                debt = Debt(
                    id=token,
                    component=component,
                    text=f"{token} may still be suspended for a rollback: what is merged is not deployed then.",
                    until="Give it back once Git says what runs: revert the bad change there.",
                )
            if debt is not None:
                debts.append(debt)
        return tuple(debts), tuple(told)

    async def repay(self, debt: Debt) -> None:
        """Give back what `debt` says is suspended, exactly as it was; nothing where somebody has done so.

        Raises Refused where it is known that this would undo the rollback at once.
        """
        kind, namespace, name = self._of(debt.id)
        await kind.repay(namespace, name)

    def _of(self, token: str) -> tuple[_Kind, str, str]:
        prefix, _, where = token.partition(":")
        namespace, _, name = where.partition("/")
        kind = self._kinds.get(prefix)
        # A token comes back from the plan; nothing in it may lead to another path of the API.
        if kind is None or not is_name(namespace) or not is_name(name):
            raise Refused(f"{token} is nothing that kaeru suspends.", remedy="Approve a fresh plan.")
        return kind, namespace, name


async def _owed(kind: _Kind, namespace: str, name: str, component: str) -> Debt | None:
    """What is owed. Raises Conflict where somebody has resumed it."""
    try:
        async with asyncio.timeout(LOOK_S):
            debt = await kind.owed(namespace, name, component)
            if debt is None:
                await kind.confirm(namespace, name)
    except TimeoutError as error:
        raise Unavailable(f"The API server did not answer within {LOOK_S:g} s.") from error
    return debt
