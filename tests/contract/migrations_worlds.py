"""One history of a shop's schema, in the languages of the tools that can run it for real.

Every tool makes `users` and `orders` in the older version. The newer version's migrations are named by what they do.
"""

from dataclasses import dataclass, field
from textwrap import dedent

OLD_CODE = (
    "INSERT INTO users (email, name, age) VALUES ('n@example.com', 'n', 3)",
    "INSERT INTO users (email, name) VALUES ('m@example.com', 'm')",
    "UPDATE users SET name = 'x', age = NULL WHERE email = 'a@example.com'",
    "SELECT id, email, name, age FROM users WHERE age > 1",
    "SELECT name FROM users",
    "INSERT INTO orders (user_id, total, note) SELECT id, 5, NULL FROM users WHERE email = 'a@example.com'",
    "INSERT INTO orders (user_id, total, note) SELECT id, 5, 'same' FROM users WHERE email = 'a@example.com'",
    "INSERT INTO orders (user_id, total, note) SELECT id, 5, 'same' FROM users WHERE email = 'a@example.com'",
    "SELECT o.total, o.note, u.email FROM orders o JOIN users u ON u.id = o.user_id",
    "UPDATE orders SET note = NULL, total = 0",
    "DELETE FROM orders WHERE note IS NULL",
    "DELETE FROM users WHERE email = 'c@example.com'",
)
ROWS = (
    "INSERT INTO users (email, name, age) VALUES ('a@example.com', 'a', 20), ('b@example.com', 'b', NULL), ('c@example.com', 'c', 40)",
    "INSERT INTO orders (user_id, total, note) SELECT id, 5, 'x' FROM users WHERE email <> 'c@example.com'",
)


@dataclass(frozen=True)
class Tale:
    """A tool's files. `older` and `newer` are path to text; `then` is what the newer code writes after a migration."""

    older: dict[str, str]
    newer: dict[str, str]
    expected: dict[str, str]
    """The class of each of the newer version's migrations, by its id."""
    then: dict[str, str] = field(default_factory=dict)


def _clean(files: dict[str, str]) -> dict[str, str]:
    return {path: dedent(text).lstrip("\n") for path, text in files.items()}


_CART = "INSERT INTO carts (user_id) SELECT id FROM users WHERE email = 'c@example.com'"


def _alembic(number: int, up: str, down: str = "pass") -> str:
    before = f"'r{number - 1}'" if number > 1 else "None"
    body = "\n".join(f"    {line}" for line in dedent(up).strip().splitlines())
    undo = "\n".join(f"    {line}" for line in dedent(down).strip().splitlines())
    return (
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f"revision = 'r{number}'\ndown_revision = {before}\nbranch_labels = None\ndepends_on = None\n\n\n"
        f"def upgrade() -> None:\n{body}\n\n\ndef downgrade() -> None:\n{undo}\n"
    )


_ALEMBIC = {
    1: ("""
        op.create_table(
            "users",
            sa.Column("id", sa.Integer(), primary_key=True),
            sa.Column("email", sa.String(length=50), nullable=False, unique=True),
            sa.Column("name", sa.String(length=50), nullable=False),
            sa.Column("age", sa.Integer(), nullable=True),
        )
        op.create_table(
            "orders",
            sa.Column("id", sa.Integer(), primary_key=True),
            sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False),
            sa.Column("total", sa.Numeric(10, 2), nullable=False),
            sa.Column("note", sa.Text(), nullable=True),
        )
        """, "op.drop_table('orders')\nop.drop_table('users')"),
    2: ("""
        op.add_column("users", sa.Column("nickname", sa.String(length=20), nullable=True))
        op.add_column("users", sa.Column("visits", sa.Integer(), server_default=sa.text("0"), nullable=False))
        op.create_index(op.f("ix_orders_user"), "orders", ["user_id"], unique=False)
        """, "op.drop_index('ix_orders_user', table_name='orders')\nop.drop_column('users', 'visits')\nop.drop_column('users', 'nickname')"),
    3: ('op.execute("UPDATE users SET nickname = name WHERE nickname IS NULL")', "pass"),
    4: ("""
        op.create_table(
            "carts",
            sa.Column("id", sa.Integer(), primary_key=True),
            sa.Column("user_id", sa.Integer(), nullable=False),
            sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
            sa.UniqueConstraint("user_id"),
        )
        """, "op.drop_table('carts')"),
    5: ("""
        with op.batch_alter_table("users") as batch_op:
            batch_op.add_column(sa.Column("country", sa.String(length=2), nullable=True))
            batch_op.alter_column("name", existing_type=sa.String(length=50), nullable=True)
        """, "op.drop_column('users', 'country')"),
    6: ("""
        op.execute("UPDATE users SET age = 1 WHERE age IS NULL")
        op.alter_column("users", "age", existing_type=sa.Integer(), nullable=False)
        """, "op.alter_column('users', 'age', existing_type=sa.Integer(), nullable=True)"),
    7: ("""
        op.create_unique_constraint("one_note", "orders", ["user_id", "note"])
        """, "op.drop_constraint('one_note', 'orders', type_='unique')"),
    8: ("""
        op.create_table(
            "wishes",
            sa.Column("id", sa.Integer(), primary_key=True),
            sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False),
        )
        """, "op.drop_table('wishes')"),
    9: ("""
        bind = op.get_bind()
        for table in ("orders",):
            bind.execute(sa.text(f"ALTER TABLE {table} ALTER COLUMN note SET NOT NULL"))
        """, "raise NotImplementedError"),
    10: ('op.drop_column("users", "age")', "op.add_column('users', sa.Column('age', sa.Integer()))"),
    11: ('op.alter_column("users", "name", existing_type=sa.String(length=50), new_column_name="full_name")', "op.alter_column('users', 'full_name', new_column_name='name')"),
}  # fmt: skip
ALEMBIC = Tale(
    older={"app/alembic/versions/r1.py": _alembic(1, *_ALEMBIC[1])},
    newer={f"app/alembic/versions/r{n}.py": _alembic(n, *_ALEMBIC[n]) for n in _ALEMBIC},
    expected={"r2": "expand", "r3": "data", "r4": "expand", "r5": "expand", "r6": "contract", "r7": "contract",
              "r8": "contract", "r9": "unknown", "r10": "contract", "r11": "contract"},
    then={"r4": _CART, "r8": _CART.replace("carts", "wishes")},
)  # fmt: skip

# MySQL has no unique key over a whole text, and no such ALTER as in the ninth.
_ON_MARIADB = dict(enumerate((_ALEMBIC[n] for n in (1, 2, 3, 4, 5, 6, 8, 10, 11)), 1))
ALEMBIC_ON_MARIADB = Tale(
    older={"app/alembic/versions/r1.py": _alembic(1, *_ALEMBIC[1])},
    newer={f"app/alembic/versions/r{n}.py": _alembic(n, *_ON_MARIADB[n]) for n in _ON_MARIADB},
    expected={"r2": "expand", "r3": "data", "r4": "expand", "r5": "expand", "r6": "contract", "r7": "contract",
              "r8": "contract", "r9": "contract"},
    then={"r4": _CART, "r7": _CART.replace("carts", "wishes")},
)  # fmt: skip


def _django(number: int, operations: str) -> str:
    before = f"[('shop', '{_DJANGO_NAMES[number - 1]}')]" if number > 1 else "[]"
    body = "\n".join(f"        {line}" for line in dedent(operations).strip().splitlines())
    return (
        "from django.db import migrations, models\nimport django.db.models.deletion\n\n\n"
        "def tidy(apps, schema_editor):\n    schema_editor.execute('ALTER TABLE orders ALTER COLUMN note SET NOT NULL')\n\n\n"
        f"class Migration(migrations.Migration):\n    dependencies = {before}\n    operations = [\n{body}\n    ]\n"
    )


_DJANGO = {
    1: """
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("email", models.CharField(max_length=50, unique=True)),
                ("name", models.CharField(max_length=50)),
                ("age", models.IntegerField(null=True)),
            ],
            options={"db_table": "users"},
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="shop.user")),
                ("total", models.DecimalField(max_digits=10, decimal_places=2)),
                ("note", models.TextField(null=True)),
            ],
            options={"db_table": "orders"},
        ),
        """,
    2: """
        migrations.AddField("user", "nickname", models.CharField(max_length=20, null=True)),
        migrations.AddField("user", "visits", models.IntegerField(db_default=0)),
        migrations.AddIndex("order", models.Index(fields=["total"], name="orders_total")),
        """,
    3: 'migrations.RunSQL("UPDATE users SET nickname = name WHERE nickname IS NULL", migrations.RunSQL.noop),',
    4: """
        migrations.CreateModel(
            name="Setting",
            fields=[("key", models.CharField(max_length=20, primary_key=True)), ("value", models.TextField())],
            options={"db_table": "settings"},
        ),
        migrations.AddField("setting", "level", models.IntegerField(default=1)),
        migrations.AddConstraint("setting", models.UniqueConstraint(fields=["level"], name="one_level")),
        """,
    5: """
        migrations.AlterField("user", "age", models.IntegerField(null=True, verbose_name="years", help_text="full years")),
        migrations.AlterModelOptions(name="user", options={"ordering": ["name"]}),
        """,
    6: 'migrations.AddField("user", "points", models.IntegerField(default=0)),',
    7: """
        migrations.AddConstraint("order", models.UniqueConstraint(fields=["user", "note"], name="one_note")),
        """,
    8: """
        migrations.CreateModel(
            name="Cart",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="shop.user")),
            ],
            options={"db_table": "carts"},
        ),
        """,
    9: "migrations.RunPython(tidy, migrations.RunPython.noop),",
    10: 'migrations.RemoveField("user", "age"),',
    11: 'migrations.RenameField("user", "name", "full_name"),',
}
_DJANGO_NAMES = {n: f"{n:04d}_step" for n in _DJANGO}
DJANGO = Tale(
    older={"shop/__init__.py": "", "shop/migrations/__init__.py": "", "shop/migrations/0001_step.py": _django(1, _DJANGO[1])},
    newer={
        "shop/migrations/__init__.py": "",
        **{f"shop/migrations/{_DJANGO_NAMES[n]}.py": _django(n, _DJANGO[n]) for n in _DJANGO},
    },
    expected={f"shop.{_DJANGO_NAMES[n]}": effect for n, effect in {
        2: "expand", 3: "data", 4: "expand", 5: "expand", 6: "contract", 7: "contract", 8: "contract", 9: "unknown",
        10: "contract", 11: "contract"}.items()},
    then={"shop.0008_step": _CART},
)  # fmt: skip


def _rails(number: int, body: str) -> str:
    inner = "\n".join(f"  {line}" for line in dedent(body).strip().splitlines())
    return (
        f"# frozen_string_literal: true\n\nclass Step{number} < ActiveRecord::Migration[6.1]\n{inner}\nend\n"
    )


_RAILS = {
    1: """
        def change
          create_table :users do |t|
            t.string :email, limit: 50, null: false, index: { unique: true }
            t.string :name, limit: 50, null: false
            t.integer :age
          end
          create_table :orders do |t|
            t.references :user, null: false, foreign_key: true
            t.decimal :total, precision: 10, scale: 2, null: false
            t.text :note
          end
        end
        """,
    2: """
        def change
          add_column :users, :nickname, :string, limit: 20
          add_column :users, :visits, :integer, null: false, default: 0
          add_index :orders, [:total, :note]
        end
        """,
    3: """
        def up
          execute <<~SQL
            UPDATE users SET nickname = name WHERE nickname IS NULL
          SQL
        end

        def down
        end
        """,
    4: """
        def change
          create_table :carts do |t|
            t.belongs_to :user, null: false, foreign_key: { on_delete: :cascade }
            t.timestamps null: true
          end
          add_index :carts, :created_at, unique: true
        end
        """,
    5: """
        def change
          change_table :users do |t|
            t.string :country, limit: 2
          end
          change_column_null :users, :name, true
        end
        """,
    6: """
        def change
          add_timestamps :users, null: false, default: -> { "now()" }
          add_column :users, :points, :integer
          reversible do |dir|
            dir.up { execute "ALTER TABLE users ALTER COLUMN points SET NOT NULL" } if false
          end
        end
        """,
    7: """
        def change
          add_index :orders, [:user_id, :note], unique: true
        end
        """,
    8: """
        def change
          create_table :wishes do |t|
            t.references :user, null: false, foreign_key: true
          end
        end
        """,
    9: """
        def up
          %w[note].each { |column| change_column_null :orders, column, false }
        end
        """,
    10: """
        def change
          remove_column :users, :age, :integer
        end
        """,
    11: """
        def change
          rename_column :users, :name, :full_name
        end
        """,
}
_RAILS_PATHS = {n: f"db/migrate/{20250101000000 + n}_step{n}.rb" for n in _RAILS}
RAILS = Tale(
    older={_RAILS_PATHS[1]: _rails(1, _RAILS[1])},
    newer={_RAILS_PATHS[n]: _rails(n, _RAILS[n]) for n in _RAILS},
    expected={str(20250101000000 + n): effect for n, effect in {
        2: "expand", 3: "data", 4: "expand", 5: "expand", 6: "unknown", 7: "contract", 8: "contract", 9: "unknown",
        10: "contract", 11: "contract"}.items()},
    then={
        str(20250101000004): "INSERT INTO carts (user_id) SELECT id FROM users WHERE email = 'c@example.com'",
        str(20250101000008): _CART.replace("carts", "wishes"),
    },
)  # fmt: skip

_SQL = {
    1: ("""
        CREATE TABLE users (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, email varchar(50) NOT NULL UNIQUE,
            name varchar(50) NOT NULL, age int);
        CREATE TABLE orders (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, user_id int NOT NULL REFERENCES users (id),
            total numeric(10, 2) NOT NULL, note text);
        """, "DROP TABLE orders;\nDROP TABLE users;"),
    2: ("""
        BEGIN;
        ALTER TABLE users ADD COLUMN nickname varchar(20), ADD COLUMN visits int NOT NULL DEFAULT 0;
        CREATE INDEX orders_user ON orders (user_id) WHERE note IS NOT NULL;
        COMMIT;
        """, "DROP INDEX orders_user;\nALTER TABLE users DROP COLUMN nickname, DROP COLUMN visits;"),
    3: ("UPDATE users SET nickname = name WHERE nickname IS NULL;", "SELECT 1;"),
    4: ("""
        CREATE TABLE carts (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, user_id int NOT NULL REFERENCES users (id) ON DELETE CASCADE);
        CREATE UNIQUE INDEX one_cart ON carts (user_id);
        """, "DROP TABLE carts;"),
    5: ("ALTER TABLE users ADD COLUMN code int;\nUPDATE users SET code = 1;\nALTER TABLE users ALTER COLUMN code SET NOT NULL;", None),
    6: ("ALTER TABLE users ADD CONSTRAINT long CHECK (name <> 'x') NOT VALID;", "ALTER TABLE users DROP CONSTRAINT long;"),
    7: ("CREATE UNIQUE INDEX one_note ON orders (user_id, note);", "DROP INDEX one_note;"),
    8: ("CREATE TABLE wishes (user_id int NOT NULL REFERENCES users (id));", "DROP TABLE wishes;"),
    9: ("DO $$ BEGIN EXECUTE 'ALTER TABLE orders ALTER COLUMN note SET NOT NULL'; END $$;", None),
    10: ("ALTER TABLE users DROP COLUMN age;", "ALTER TABLE users ADD COLUMN age int;"),
    11: ("ALTER TABLE users RENAME COLUMN name TO full_name;", "ALTER TABLE users RENAME COLUMN full_name TO name;"),
}  # fmt: skip
_CLASSES = {2: "expand", 3: "data", 4: "expand", 5: "contract", 6: "contract", 7: "contract", 8: "contract",
            9: "unknown", 10: "contract", 11: "contract"}  # fmt: skip


def _golang(number: int) -> dict[str, str]:
    up, down = _SQL[number]
    found = {f"db/migrations/{number:06d}_step.up.sql": up}
    return found if down is None else {**found, f"db/migrations/{number:06d}_step.down.sql": down}


GOLANG_MIGRATE = Tale(
    older=_clean(_golang(1)),
    newer=_clean({path: text for n in _SQL for path, text in _golang(n).items()}),
    expected={str(n): effect for n, effect in _CLASSES.items()},
    then={"4": _CART, "8": _CART.replace("carts", "wishes")},
)
