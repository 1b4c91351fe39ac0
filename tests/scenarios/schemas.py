"""A shop whose releases bring Alembic migrations for a real PostgreSQL: real files in its tags, really run."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import psycopg

from sandbox.shop.releases import Shop
from tests.scenarios.world import BAD, GOOD

ALEMBIC = str(Path(sys.executable).with_name("alembic"))
_INI = "[alembic]\nscript_location = %(here)s\npath_separator = os\n"
_ENV = """
import os
from alembic import context
from sqlalchemy import create_engine, pool

with open(os.environ["RUNS"], "a") as runs:
    runs.write(f"{os.getpid()}\\n")
print("connecting to", os.environ["SHOP_DB"], flush=True)
engine = create_engine(os.environ["SHOP_DB"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
_FIRST = (
    "op.create_table('customers', sa.Column('id', sa.Integer, primary_key=True), sa.Column('nickname', sa.Text))",
    "op.drop_table('customers')",
)
RENAMES = (
    "op.alter_column('customers', 'nickname', new_column_name='handle')",
    "op.alter_column('customers', 'handle', new_column_name='nickname')",
)
DROPS = (
    "op.drop_column('customers', 'nickname')",
    "op.add_column('customers', sa.Column('nickname', sa.Text))",
)
ADDS = (
    "op.add_column('customers', sa.Column('email', sa.Text))",
    "op.drop_column('customers', 'email')",
)
SHOPS_QUERY = "SELECT nickname FROM customers ORDER BY id"
"""What v1.2.9 asks."""


@dataclass(frozen=True)
class Schema:
    """The shop's database and how it is migrated. `runs` has a line for each time that Alembic was run."""

    url: str
    shop: Shop
    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "alembic-runs"

    @property
    def count(self) -> int:
        """How often Alembic was run."""
        return len(self.runs.read_text(encoding="ascii").splitlines())

    @property
    def environment(self) -> dict[str, str]:
        return {"SHOP_DB": self.url.replace("postgresql://", "postgresql+psycopg://"), "RUNS": str(self.runs)}

    def alembic(self, version: str, *words: str) -> None:
        """Run Alembic with the migrations of `version`."""
        done = subprocess.run(
            [ALEMBIC, "-c", "db/alembic.ini", *words],
            cwd=self.shop.releases / version,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def query(self, sql: str) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return [row[0] for row in cursor] if cursor.description else []

    def applied(self) -> list[Any]:
        return self.query("SELECT version_num FROM alembic_version")

    def settings(self, **more: object) -> dict[str, Any]:
        """Of the migrations, as they stand in kaeru.yml."""
        return {
            "kind": "git",
            "tool": "alembic",
            "paths": ["*/db/versions/*"],
            "database_url": self.url,
            "down": [ALEMBIC, "-c", "db/alembic.ini", "downgrade", "{to}"],
            "down_folder": str(self.shop.current),
            "down_state": str(self.folder / "down"),
            "down_environment": self.environment,
            **more,
        }

    def changes(self, **more: object) -> dict[str, Any]:
        """For the kaeru.yml of a world."""
        return {"services": {"shop": {"databases": {"orders": {"migrations": self.settings(**more)}}}}}


def furnish(shop: Shop, url: str, folder: Path, *migrations: tuple[str, str]) -> Schema:
    """Put `migrations` into the newer version, one before them into both, and run all of them."""
    for version, bodies in ((GOOD, (_FIRST,)), (BAD, (_FIRST, *migrations))):
        files = {"db/alembic.ini": _INI, "db/env.py": _ENV}
        files |= {f"db/versions/{n:04}_it.py": _revision(n, *body) for n, body in enumerate(bodies, start=1)}
        for name, text in files.items():
            path = shop.releases / version / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        _retag(shop.repo, version, shop.releases / version / "db")
    schema = Schema(url, shop, folder)
    schema.alembic(BAD, "upgrade", "head")
    if RENAMES in migrations:
        schema.query("INSERT INTO customers (id, handle) VALUES (1, 'ann')")
    schema.runs.write_text("", encoding="ascii")
    return schema


def _revision(number: int, up: str, down: str) -> str:
    before = repr(f"{number - 1:04}") if number > 1 else "None"
    return dedent(f"""
        import sqlalchemy as sa
        from alembic import op

        revision = "{number:04}"
        down_revision = {before}


        def upgrade():
            {up}


        def downgrade():
            {down}
    """)


def _retag(repo: Path, version: str, db: Path) -> None:
    """The tag gets one commit more."""

    def git(*words: str) -> None:
        identity = {"GIT_AUTHOR_NAME": "ann", "GIT_AUTHOR_EMAIL": "ann@example.com"}
        identity |= {"GIT_COMMITTER_NAME": "ann", "GIT_COMMITTER_EMAIL": "ann@example.com"}
        environment = {**os.environ, **identity}
        subprocess.run(
            ["git", *words], cwd=repo, env=environment, check=True, capture_output=True, timeout=30
        )

    git("checkout", "--quiet", "--detach", version)
    shutil.copytree(db, repo / "db")
    git("add", "--all")
    git("commit", "--quiet", "--no-verify", "--message=Migrations")
    git("tag", "--force", version)
    git("checkout", "--quiet", "main")
