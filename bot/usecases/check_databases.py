"""What `kaeru check` looks at in the migrations of a database: their list, and the way down."""

from bot.domain.base import Version
from bot.ports.migrations import Migrations
from bot.usecases.check_report import Row, State, row_of


async def look_at_migrations(
    area: str, database: str, migrations: Migrations, version: Version | None
) -> list[Row]:
    """`version` is what is set to run; None where that could not be seen."""
    name = f"migrations of {database}"
    if version is None:
        seen = "not looked at, as it is not known which version is set to run"
        return [row_of(area, name, State.WARN, seen, "Put the targets right first.")]
    remedy = f"Look at the migrations of {database} in kaeru.yml."
    return [
        row_of(
            area, f"{name}: {check.name}", _state(ok=check.ok, required=check.required), check.detail, remedy
        )
        for check in await migrations.checks(version)
    ]


def _state(*, ok: bool, required: bool) -> State:
    if ok:
        return State.OK
    return State.FAIL if required else State.WARN
