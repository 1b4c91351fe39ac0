"""The files of a version, as git has them: whole, and as nobody's settings change them."""

import subprocess
from pathlib import Path

import pytest

from bot.ports.errors import Refused
from integrations.git import GitChanges, GitSettings


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files") / "repo"
    home = folder / "db" / "migrate"
    home.mkdir(parents=True)

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=Carol", "-c", "user.email=carol@example.com", "-c", "commit.gpgSign=false"]
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch=main")
    # `git archive` would leave these out, and `git grep` would call them binary.
    (folder / ".gitattributes").write_text("db export-ignore\n*.sql binary\n")
    (home / "plain.sql").write_bytes("CREATE TABLE a (i int);\n\n\nSELECT 'ü';\r\n-- end".encode())
    (home / "odd b'[x]*.sql").write_text("SELECT 1;\n")
    (home / "empty.sql").write_text("")
    (home / "link.sql").symlink_to("plain.sql")
    (home / "null.sql").write_bytes(b"a\0b\nc\n")
    (home / "large.sql").write_text("x" * 1_100_000)
    (folder / "other.sql").write_text("SELECT 2;\n")
    for number in range(300):
        (home / f"{number}.txt").write_text(f"{number}\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")
    git("tag", "v1.0.0")
    (home / "plain.sql").write_text("changed\n")
    git("commit", "--quiet", "--all", "--message", "two")
    git("tag", "v2.0.0")
    return folder


async def test_they_are_what_was_tagged(repository: Path) -> None:
    changes = GitChanges(GitSettings(repository=repository, tag_prefix="v"))
    first = await changes.texts("1.0.0", ("*/migrate/*.sql",))
    assert first == {
        "db/migrate/plain.sql": "CREATE TABLE a (i int);\n\n\nSELECT 'ü';\r\n-- end\n",
        "db/migrate/odd b'[x]*.sql": "SELECT 1;\n",
        "db/migrate/empty.sql": "",
        "db/migrate/link.sql": None,
        "db/migrate/null.sql": "a\0b\nc\n",
        "db/migrate/large.sql": None,
    }
    second = await changes.texts("2.0.0", ("*/migrate/plain.sql", "/other.sql"))
    assert second == {"db/migrate/plain.sql": "changed\n", "other.sql": "SELECT 2;\n"}


async def test_many_are_read(repository: Path) -> None:
    changes = GitChanges(GitSettings(repository=repository, tag_prefix="v"))
    found = await changes.texts("1.0.0", ("*.txt",))
    assert found == {f"db/migrate/{number}.txt": f"{number}\n" for number in range(300)}


async def test_a_version_without_a_tag_is_refused(repository: Path) -> None:
    changes = GitChanges(GitSettings(repository=repository, tag_prefix="v"))
    with pytest.raises(Refused, match=r"has no tag v9.*newest tag is v2\.0\.0"):
        await changes.texts("9", ("*",))
