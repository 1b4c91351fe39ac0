"""Migrations written in Python and Ruby: read from their text, never run."""

from textwrap import dedent, indent

import pytest

from bot.domain.migrations import Effect, worst
from integrations.migrations.alembic import read_alembic
from integrations.migrations.django import read_django
from integrations.migrations.rails import read_rails
from integrations.migrations.scripts import Script


def alembic(up: str, down: str = "pass", *, before: str = "") -> Script:
    text = f"""import sqlalchemy as sa
from alembic import op
revision = "r1"
down_revision = None
{before}
def upgrade():
{indent(dedent(up).strip(), "    ")}

def downgrade():
{indent(dedent(down).strip(), "    ")}
"""
    (script,) = read_alembic({"v/r1.py": text}, "postgres").scripts
    return script


def effect(script: Script) -> Effect:
    return worst(step.effect for step in script.steps)


@pytest.mark.parametrize(
    ("up", "expected"),
    [
        ('op.add_column("users", sa.Column("a", sa.Integer()))', "expand"),
        ('op.add_column("users", sa.Column("a", sa.Integer(), nullable=False))', "contract"),
        ('op.add_column("users", sa.Column("a", sa.Integer(), nullable=False, default=0))', "contract"),
        ('op.add_column("users", sa.Column("a", sa.Integer(), nullable=False, server_default="0"))', "expand"),
        ('op.add_column("users", sa.Column("a", sa.DateTime(), nullable=False, server_default=sa.func.now()))', "expand"),
        ('op.add_column("users", sa.Column("a", sa.Integer(), nullable=False, server_default=sa.text("NULL")))', "contract"),
        ('op.add_column("users", sa.Column("a", sa.Integer(), server_default=sa.text("odd()")))', "unknown"),
        ('op.add_column("users", sa.Column("a", sa.Integer(), sa.ForeignKey("x.id")))', "contract"),
        ('op.add_column("users", sa.Column("a", sa.Integer(), sa.ForeignKey("x.id", ondelete="SET NULL")))', "expand"),
        ('op.add_column("users", sa.Column("a", sa.Integer(), sa.Computed("b * 2")))', "contract"),
        ('op.add_column("users", sa.Column("a", sa.Integer(), **options))', "unknown"),
        ('op.add_column(TABLE, sa.Column("a", sa.Integer()))', "expand"),
        ('op.add_column(f"{TABLE}s", sa.Column("a", sa.Integer()))', "unknown"),
        ('op.create_table("t", sa.Column("id", sa.Integer(), primary_key=True))\nop.drop_column("t", "x")', "expand"),
        ('op.create_index("i", "users", ["a"], unique=True)', "contract"),
        ('op.create_index("i", "users", [sa.text("lower(a)")])', "expand"),
        ('op.create_index("i", "users", [sa.text("a::int")])', "unknown"),
        ('op.alter_column("users", "a", server_default=None)', "contract"),
        ('op.alter_column("users", "a", existing_type=sa.Integer(), nullable=True)', "expand"),
        ('op.alter_column("users", "a", type_=sa.BigInteger())', "contract"),
        ('op.drop_table("users")', "contract"),
        ('op.execute("DROP TABLE users")', "contract"),
        ('op.execute(sa.text("UPDATE users SET a = 1"))', "data"),
        ("op.execute(QUERY)", "unknown"),
        ('op.bulk_insert(table, [{"a": 1}])', "data"),
        ('op.bulk_insert(table, [{"a": 1}, {"id": 7, "a": 1}])', "unknown"),
        ("op.bulk_insert(table, ROWS)", "unknown"),
        ('op.alter_column("users", "org_id", server_default="999")', "unknown"),
        ('op.alter_column("users", "age", server_default="9")', "expand"),
        ("for t in tables:\n    op.drop_table(t)", "unknown"),
        ('if True:\n    op.add_column("users", sa.Column("a", sa.Integer()))', "unknown"),
        ("helper()", "unknown"),
        ("op.get_bind().execute('DROP TABLE users')", "unknown"),
        ('with op.batch_alter_table("users") as batch_op:\n    batch_op.drop_column("a")', "contract"),
        ('with op.batch_alter_table("users") as batch_op:\n    batch_op.add_column(sa.Column("a", sa.Integer()))', "expand"),
        ('with op.get_context().autocommit_block():\n    op.execute("CREATE INDEX CONCURRENTLY i ON t (a)")', "expand"),
        ('sa.Enum("a", name="mood").create(op.get_bind())', "expand"),
        ("pass", "expand"),
    ],
)  # fmt: skip
def test_alembic(up: str, expected: str) -> None:
    assert effect(alembic(up, before='TABLE = "users"')).value == expected


CARTS = """
op.create_table("carts", sa.Column("id", sa.Integer(), primary_key=True),
    sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id", ondelete="CASCADE")))
"""


@pytest.mark.parametrize(
    ("up", "expected"),
    [
        (CARTS, "expand"),
        (CARTS + 'op.create_table("items", sa.Column("cart_id", sa.Integer(), sa.ForeignKey("carts.id")))', "contract"),
        (CARTS + 'op.create_table("items", sa.Column("c", sa.Integer(), sa.ForeignKey("carts.id", ondelete="CASCADE")))', "expand"),
        (CARTS + 'op.create_table("items", sa.Column("c", sa.Integer()))\n'
         'op.create_foreign_key("f", "items", "carts", ["c"], ["id"])', "contract"),
        ('op.create_table("t", sa.Column("u", sa.Integer(), sa.ForeignKey("users.id", ondelete="SET NULL")))', "expand"),
        ('op.create_table("t", sa.Column("u", sa.Integer(), sa.ForeignKey("users.id", ondelete="SET NULL"), nullable=False))', "contract"),
        ('op.create_table("t", sa.Column("u", sa.Integer(), sa.ForeignKey("users.id", ondelete="SET NULL"), primary_key=True))', "contract"),
        ('op.create_table("t", sa.Column("u", sa.Integer(), sa.ForeignKey("users.id", ondelete="SET DEFAULT"), server_default="7"))', "contract"),
        (('op.create_table("t", sa.Column("u", sa.Integer(), nullable=False), '
         'sa.ForeignKeyConstraint(["u"], ["users.id"], ondelete="SET NULL"))'), "contract"),
        (('op.create_table("t", sa.Column("u", sa.Integer()), sa.PrimaryKeyConstraint("u"), '
         'sa.ForeignKeyConstraint(["u"], ["users.id"], ondelete="SET NULL"))'), "contract"),
        (('op.create_table("t", sa.Column("u", sa.Integer()), sa.CheckConstraint("u IS NOT NULL"), '
         'sa.ForeignKeyConstraint(["u"], ["users.id"], ondelete="SET NULL"))'), "contract"),
        ('op.create_table("t", sa.Column("u", sa.Integer()), sa.ForeignKeyConstraint(["u"], ["users.id"], ondelete="SET NULL"))', "expand"),
        (('op.create_table("t", sa.Column("u", sa.Integer(), sa.ForeignKey("users.id", ondelete="SET NULL")))\n'
         'op.alter_column("t", "u", nullable=False)'), "contract"),
        (('op.create_table("t", sa.Column("u", sa.Integer(), nullable=False))\n'
         'op.create_foreign_key("f", "t", "users", ["u"], ["id"], ondelete="SET NULL")'), "contract"),
        (('op.create_table("t", sa.Column("u", sa.Integer()))\n'
         'op.create_foreign_key("f", "t", "users", ["u"], ["id"], ondelete="SET NULL")'), "expand"),
    ],
)  # fmt: skip
def test_alembic_sees_what_keeps_older_code_from_deleting(up: str, expected: str) -> None:
    assert effect(alembic(up)).value == expected


def test_alembic_says_what_its_way_back_destroys() -> None:
    undo = alembic(
        'op.add_column("users", sa.Column("a", sa.Integer()))', 'op.drop_column("users", "a")'
    ).undo
    assert (undo.exists, undo.loses) == (True, ("the values of users.a",))
    assert not alembic('op.drop_table("x")', "raise NotImplementedError").undo.exists
    assert not alembic('op.drop_table("x")', "pass").undo.exists
    assert not alembic('op.drop_table("x")', "helper()").undo.understood


def test_alembic_orders_by_what_builds_on_what_and_tells_of_branches() -> None:
    def revision(name: str, down: str) -> str:
        return (
            f"revision: str = '{name}'\ndown_revision = {down}\ndef upgrade(): pass\ndef downgrade(): pass\n"
        )

    files: dict[str, str | None] = {
        "v/1.py": revision("c", "('a', 'b')"), "v/2.py": revision("a", "'z'"), "v/3.py": revision("b", "'z'"),
        "v/4.py": revision("z", "None"), "v/5.py": revision("d", "'z'"), "v/env.py": "x = 1",
    }  # fmt: skip
    reading = read_alembic(files, "postgres")
    order = [script.id for script in reading.scripts]
    assert order.index("z") < min(order.index("a"), order.index("b")) < order.index("c")
    assert reading.history.up_to(["c"]) == {"a", "b", "c", "z"}
    assert reading.notes == ("There are 2 heads, on branches of their own: d, c.",)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("from alembic import op", "from ours import op"),
        ("from alembic import op", "from alembic import op\nop = ours"),
        ("down_revision = None", "down_revision = None\nengine.execute('DROP TABLE users')"),
        ("down_revision = None", "down_revision = None\nfor x in y:\n    pass"),
        ("def downgrade", "def upgrade():\n    helper()\ndef downgrade"),
    ],
)
def test_alembic_is_not_taken_in(text: str, other: str) -> None:
    plain = (
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = 'a'\ndown_revision = None\n"
        "def upgrade():\n    op.add_column('users', sa.Column('a', sa.Integer()))\ndef downgrade():\n    pass\n"
    )
    (script,) = read_alembic({"a.py": plain}, "postgres").scripts
    assert effect(script) is Effect.EXPAND
    (script,) = read_alembic({"a.py": plain.replace(text, other)}, "postgres").scripts
    assert effect(script) is Effect.UNKNOWN


def test_comments_and_layout_do_not_make_a_migration_another_one() -> None:
    one = alembic('op.drop_column("users", "a")')
    other = alembic('# why\nop.drop_column(\n    "users",\n    "a",\n)')
    assert one.content == other.content
    assert one.content != alembic('op.drop_column("users", "b")').content


def django(*operations: str) -> list[Script]:
    """One migration for each text of operations."""
    files: dict[str, str | None] = {"shop/migrations/__init__.py": ""}
    for number, text in enumerate(operations, 1):
        before = f"('shop', '{number - 1:04d}_x')" if number > 1 else ""
        files[f"shop/migrations/{number:04d}_x.py"] = (
            f"from django.db import migrations, models\nclass Migration(migrations.Migration):\n    dependencies = [{before}]\n"
            f"    operations = [{text}]\n"
        )
    return list(read_django(files, "postgres").scripts)


CHAR = "models.CharField(max_length=9)"


@pytest.mark.parametrize(
    ("operation", "expected", "undone"),
    [
        ('migrations.AddField("user", "a", models.IntegerField(null=True))', "expand", True),
        # Django takes the default away again, so the database has none.
        ('migrations.AddField("user", "a", models.IntegerField(default=0))', "contract", True),
        ('migrations.AddField("user", "a", models.IntegerField(db_default=0))', "expand", True),
        ('migrations.AddField("user", "a", models.PositiveIntegerField(null=True))', "expand", True),
        ('migrations.AddField("user", "a", models.ForeignKey("shop.other", models.CASCADE, null=True))', "contract", True),
        ('migrations.AddField("user", "a", models.ForeignKey("x.y", models.CASCADE, null=True, db_constraint=False))', "expand", True),
        ('migrations.AddField("user", "a", models.ManyToManyField("shop.other"))', "contract", True),
        ('migrations.AddField("user", "a", odd())', "contract", True),
        ('migrations.RemoveField("user", "a")', "contract", True),
        ('migrations.AlterModelOptions(name="user", options={})', "expand", True),
        ('migrations.AddIndex("user", models.Index(fields=["a"], name="i"))', "expand", True),
        ('migrations.AddIndex("user", models.Index(Cast("a", models.IntegerField()), name="i"))', "unknown", True),
        ('migrations.RunSQL("ALTER TABLE users ADD COLUMN a int")', "expand", False),
        ('migrations.RunSQL(["SELECT 1", ("DROP TABLE users", None)], migrations.RunSQL.noop)', "contract", True),
        ("migrations.RunSQL(QUERY)", "unknown", False),
        ("migrations.RunPython(forwards)", "unknown", False),
        ("migrations.RunPython(migrations.RunPython.noop, backwards)", "expand", True),
        ("migrations.SeparateDatabaseAndState([migrations.RunSQL('DROP TABLE users')])", "contract", False),
        ("migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel('x')])", "expand", True),
        ('migrations.CreateModel("X", [("id", models.AutoField(primary_key=True))], options={"managed": False})', "expand", True),
        ("TrigramExtension()", "expand", True),
        ("MyOperation()", "unknown", True),
        ("*more", "unknown", False),
    ],
)  # fmt: skip
def test_django(operation: str, expected: str, undone: bool) -> None:
    (script,) = django(operation)
    assert (effect(script).value, script.undo.exists) == (expected, undone)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            CHAR,
            "models.CharField(max_length=9, verbose_name='x', choices=[('a', 'b')], default='a')",
            "expand",
        ),
        (CHAR, "models.CharField(max_length=9, null=True)", "expand"),
        ("models.CharField(max_length=9, null=True)", CHAR, "contract"),
        (CHAR, "models.CharField(max_length=5)", "contract"),
        (CHAR, "models.IntegerField()", "contract"),
        (CHAR, "models.CharField(max_length=9, unique=True)", "contract"),
    ],
)
def test_django_compares_a_field_with_what_it_was(before: str, after: str, expected: str) -> None:
    first = f'migrations.CreateModel("User", [("name", {before})])'
    scripts = django(first, f'migrations.AlterField("user", "name", {after})')
    assert effect(scripts[1]).value == expected


def test_django_tells_of_leaves_that_were_not_merged() -> None:
    text = "class Migration(migrations.Migration):\n    dependencies = [('shop', '0001_a')]\n    operations = []\n"
    files: dict[str, str | None] = {f"shop/migrations/{name}.py": text for name in ("0002_b", "0002_c")}
    files["shop/migrations/0001_a.py"] = text.replace("('shop', '0001_a')", "")
    (note,) = read_django(files, "postgres").notes
    assert note.startswith("shop.0002_b and shop.0002_c both come last")


MADE = """
create_table :t do |t|
  t.string :a,
           null: false
  t.index [:a], unique: true
end
add_column :t, :b, :string, null: false
"""


def rails(body: str, *, method: str = "change") -> Script:
    inner = indent(dedent(body).strip(), "    ")
    text = f"# a comment\nclass X < ActiveRecord::Migration[6.1]\n  def {method}\n{inner}\n  end\nend\n"
    (script,) = read_rails({"db/migrate/20250101000000_x.rb": text}, "postgres").scripts
    return script


@pytest.mark.parametrize(
    ("body", "expected", "undone"),
    [
        ("add_column :users, :a, :string", "expand", True),
        ("add_column(:users, :a, :string, null: false)", "contract", True),
        ("add_column :users, :a, :string, :null => false, :default => ''", "expand", True),
        ("add_column :users, :a, :uuid, null: false, default: -> { 'gen_random_uuid()' }", "expand", True),
        ("add_column :users, :a, :uuid, default: -> { 'odd()' }", "unknown", True),
        ("add_column :users, :a, :string, default: SOMETHING", "unknown", True),
        ("add_column TABLE, :a, :string", "unknown", False),
        ("add_reference :users, :org, foreign_key: true", "contract", True),
        ("add_reference :users, :org, foreign_key: { to_table: :o, on_delete: :nullify }", "expand", True),
        ("add_column :users, :a, :string, default: 'x', index: { unique: true }", "contract", True),
        ("add_timestamps :users", "contract", True),
        ("add_index :users, %i[a b], algorithm: :concurrently", "expand", True),
        ("add_index :users, :a, unique: true", "contract", True),
        ("add_index :users, 'lower(a)'", "unknown", True),
        ("remove_column :users, :a", "contract", False),
        ("remove_column :users, :a, :string", "contract", True),
        ("change_column :users, :a, :bigint", "contract", False),
        ("change_column_null :users, :a, true", "expand", True),
        ("change_column_null :users, :a, false", "contract", True),
        ("change_column_default :users, :a, from: nil, to: 'x'", "expand", True),
        ("change_column_default :users, :org_id, from: nil, to: 999", "unknown", False),
        ("change_column_default :users, :a, nil", "contract", False),
        ("execute 'DROP TABLE users'", "contract", False),
        ("execute <<~SQL\n  UPDATE users SET a = 1\nSQL", "data", False),
        ('execute "DROP TABLE #{name}"', "unknown", False),
        (MADE, "expand", True),
        ("create_table :t, force: :cascade do |t|\n  t.string :a\nend", "contract", False),
        ("create_table :t do |t|\n  t.references :user, foreign_key: true\nend", "contract", True),
        ("create_table :t do |t|\n  t.references :user, foreign_key: { on_delete: :nullify }\nend", "expand", True),
        ("create_table :t do |t|\n  t.references :user, null: false, foreign_key: { on_delete: :nullify }\nend", "contract", True),
        ("create_table :t do |t|\n  t.bigint :user_id, null: false\n  t.foreign_key :users, on_delete: :nullify\nend", "contract", True),
        ("create_table :t do |t|\n  t.bigint :user_id\nend\nadd_foreign_key :t, :users, on_delete: :nullify", "expand", True),
        ("create_table :t do |t|\n  t.bigint :user_id, null: false\nend\nadd_foreign_key :t, :users, on_delete: :nullify", "contract", True),
        (("create_table :carts do |t|\n  t.references :user, foreign_key: { on_delete: :cascade }\nend\n"
         "create_table :items do |t|\n  t.references :cart, foreign_key: true\nend"), "contract", True),
        ("change_table :users do |t|\n  t.string :a\n  t.rename :b, :c\nend", "contract", True),
        ("change_table :users do |t|\n  t.odd :a\nend", "unknown", False),
        ("safety_assured { remove_column :users, :a, :string }", "contract", True),
        ("reversible do |dir|\n  dir.up { execute 'SELECT 1' }\nend", "unknown", False),
        ("User.update_all(a: 1)", "unknown", False),
        ("add_column :users, :a, :string if something", "unknown", False),
        ("add_column :users, :a, :string unless column_exists?(:users, :a)", "unknown", False),
        ("drop_table :users", "contract", False),
        ("enable_extension 'citext'", "expand", True),
    ],
)  # fmt: skip
def test_rails(body: str, expected: str, undone: bool) -> None:
    script = rails(body)
    assert (effect(script).value, script.undo.exists) == (expected, undone)


def test_rails_with_up_alone_cannot_be_undone() -> None:
    assert not rails("add_column :users, :a, :string", method="up").undo.exists
    assert not rails("add_column :users, :a, :string", method="self.up").undo.exists


@pytest.mark.parametrize("text", ["", "puts 1", "class X < ActiveRecord::Migration[6.1]\nend\n`rm -rf /`\n",
                                  "class X < Other\n  def change\n  end\nend\n", "def change\nend\n", "\x00"])  # fmt: skip
def test_ruby_that_is_no_migration_is_unknown(text: str) -> None:
    (script,) = read_rails({"db/migrate/1_x.rb": text}, "postgres").scripts
    assert effect(script) is Effect.UNKNOWN
