"""A target that suspends something for its rollbacks: a file beside the bot's notes, which outlives the bot.

Only where the scene has put `suspends` there; else the link's target is as it is.
"""

from collections.abc import Callable
from pathlib import Path

from bot.domain.debts import Debt
from bot.ports import Change, Inspection, Observation
from integrations.symlink import SymlinkTarget

DEBT = Debt(
    id="sync:shop", component="shop", text="The sync of shop is suspended.", until="Give it back afterwards."
)


def suspend(notes: Path, passing: Callable[[str], None]) -> None:
    """Let every link's target owe what stands in `notes`; `passing` hears of `repaid:COMPONENT`."""
    suspended, repaid = notes / "suspended", notes / "repaid"
    apply, inspect, repay = SymlinkTarget.apply, SymlinkTarget.inspect, SymlinkTarget.repay

    def owed() -> dict[str, tuple[Debt, ...]]:
        return {"debts": (DEBT,) if suspended.exists() else ()}

    async def applied(self: SymlinkTarget, change: Change, key: str) -> Observation:
        if (notes / "suspends").exists():
            suspended.touch()
        return (await apply(self, change, key)).model_copy(update=owed())

    async def inspected(self: SymlinkTarget) -> Inspection:
        return (await inspect(self)).model_copy(update=owed())

    async def given_back(self: SymlinkTarget, debt: Debt, key: str) -> None:
        if debt.id != DEBT.id:
            await repay(self, debt, key)
        if suspended.exists():
            suspended.unlink()
            with repaid.open("a", encoding="utf-8") as times:
                times.write(f"{key}\n")
        passing(f"repaid:{debt.component}")

    SymlinkTarget.apply = applied  # type: ignore[method-assign]  # owes, and goes on
    SymlinkTarget.inspect = inspected  # type: ignore[method-assign]  # owes, and goes on
    SymlinkTarget.repay = given_back  # type: ignore[method-assign]  # gives back what the link's own does not know
