"""What every source of changes promises, and what only git can get wrong."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.domain.plan import Commit, FileChange
from bot.ports import ChangeSource, Refused
from integrations.git import GitChanges, GitSettings
from sandbox.shop.releases import Shop, build
from tests.fakes.changes import MemoryChanges, MemoryCommit

SUBJECTS = (
    "Release v1.3.0",
    "Page: prices with their currency, and the stock",
    "Products: show the pieces in stock",
    "Checkout: charge in the customer's currency",
    "Cart: show the customer's currency",
    "Sign-up asks for the currency",
    "Currencies: rates for euro, pound, yen and krona",
)
FILES = (
    FileChange(path="CHANGELOG.md", added=5, deleted=0),
    FileChange(path="data/customers.json", added=7, deleted=7),
    FileChange(path="data/rates.json", added=6, deleted=0),
    FileChange(path="data/stock.json", added=44, deleted=0),
    FileChange(path="shop/__init__.py", added=1, deleted=1),
    FileChange(path="shop/cart.py", added=9, deleted=2),
    FileChange(path="shop/catalog.py", added=8, deleted=2),
    FileChange(path="shop/checkout.py", added=8, deleted=5),
    FileChange(path="shop/currency.py", added=12, deleted=0),
    FileChange(path="shop/page.html", added=3, deleted=3),
)
RELEASED = datetime(2026, 11, 23, 8, 34, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("shop"))


def memory() -> MemoryChanges:
    """The shop's history, as far as the contract asks for it."""

    def at(number: int) -> datetime:
        return RELEASED.replace(hour=number)

    early = ("v1.2.7", "v1.2.8", "v1.2.9")
    history = [
        MemoryCommit(Commit(sha=f"{n:040x}", author="Carol", at=at(n), subject=f"Release {tag}"), (), tag)
        for n, tag in enumerate(early)
    ]
    tags = {"Release v1.3.0": "v1.3.0", "Products: show the pieces in stock": "v1.3.0-rc1"}
    for number, subject in enumerate(reversed(SUBJECTS), 8 - len(SUBJECTS) + 1):
        commit = Commit(sha=f"{number + 90:040x}", author="Bob", at=at(number), subject=subject)
        last = subject == "Release v1.3.0"
        history.append(
            MemoryCommit(
                commit.model_copy(update={"at": RELEASED, "author": "Carol"}) if last else commit,
                FILES if last else (),
                tags.get(subject),
            )
        )
    return MemoryChanges(tuple(history))


@pytest.fixture(params=["memory", "git"])
def source(request: pytest.FixtureRequest, shop: Shop) -> ChangeSource:
    return memory() if request.param == "memory" else GitChanges(GitSettings(repository=shop.repo))


async def test_it_says_what_a_rollback_takes_away(source: ChangeSource) -> None:
    found = await source.between("v1.2.9", "v1.3.0")
    assert (found.known, found.note) == (True, "")
    assert tuple(commit.subject for commit in found.commits) == SUBJECTS
    assert (found.commits[0].author, found.commits[0].at) == ("Carol", RELEASED)
    assert all(len(commit.sha) == 40 for commit in found.commits)
    assert found.files == FILES
    assert (found.commit_count, found.file_count, found.migrations) == (7, 10, ())


async def test_nothing_lies_between_a_version_and_itself(source: ChangeSource) -> None:
    found = await source.between("v1.2.9", "v1.2.9")
    assert found.known
    assert (found.commits, found.files, found.commit_count, found.file_count) == ((), (), 0, 0)


@pytest.mark.parametrize(
    ("older", "newer", "missing"),
    [("v0.0.1", "v1.3.0", "v0.0.1"), ("v1.2.9", "v9", "v9"), ("v8", "v9", "v8 and v9")],
)
async def test_an_unknown_version_is_an_answer(
    source: ChangeSource, older: str, newer: str, missing: str
) -> None:
    found = await source.between(older, newer)
    assert not found.known
    assert f"The repository has no tag {missing}" in found.note
    assert (found.commits, found.files) == ((), ())


async def test_versions_come_newest_first(source: ChangeSource) -> None:
    found = await source.versions()
    assert [tagged.version for tagged in found] == ["v1.3.0", "v1.3.0-rc1", "v1.2.9", "v1.2.8", "v1.2.7"]
    assert found[0].at == RELEASED


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> None:
        who = ["-c", "user.name=Carol", "-c", "user.email=carol@example.com", "-c", "commit.gpgSign=false"]
        subprocess.run(["git", *who, *arguments], cwd=self.folder, check=True, capture_output=True)

    def commit(self, *names: str, tag: str | None = None, subject: str = "Change") -> None:
        for name in names:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (self.folder / name).open("a", encoding="utf-8") as file:
                file.write("line\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={subject}")
        if tag is not None:
            self.git("tag", tag)

    def source(self, **other: object) -> GitChanges:
        return GitChanges(GitSettings.model_validate({"repository": self.folder, **other}))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.commit("README.md", tag="v1")
    return made


def paths(files: Sequence[FileChange]) -> list[str]:
    return [file.path for file in files]


async def test_lists_are_cut_and_counts_are_whole(repository: Repository) -> None:
    for number in range(60):
        repository.commit(f"db/migrations/{number:04}.sql")
    repository.git("tag", "v2")
    found = await repository.source().between("v1", "v2")
    assert (found.commit_count, found.file_count) == (60, 60)
    assert (len(found.commits), len(found.files), len(found.migrations)) == (50, 50, 50)


async def test_migrations_are_recognised(repository: Repository) -> None:
    likely = [
        "migrations/0001_first.py",
        "app/db/migrate/2026.rb",
        "x/alembic/versions/ab.py",
        "sql/V12__cart.sql",
    ]
    repository.commit(*likely, "docs/migrations.md", "shop/immigration.py", tag="v2")
    found = await repository.source().between("v1", "v2")
    assert sorted(found.migrations) == sorted(likely)
    own = await repository.source(migrations=("*/docs/*",)).between("v1", "v2")
    assert own.migrations == ("docs/migrations.md",)


async def test_odd_names_and_subjects_come_through(repository: Repository) -> None:
    repository.commit('a "quoted" naïve\tname', tag="v2", subject="50 % of \u2028 <!channel> & more")
    (repository.folder / "picture").write_bytes(bytes(range(256)))
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message=Picture")
    repository.git("tag", "v3")
    found = await repository.source().between("v1", "v3")
    assert paths(found.files) == ['a "quoted" naïve\tname', "picture"]
    assert (found.files[1].added, found.files[1].deleted) == (None, None)
    assert found.commits[1].subject == "50 % of \u2028 <!channel> & more"


@pytest.mark.parametrize(("seconds", "year"), [(99_999_999_999_999, 9999), (0, 1970)])
async def test_a_date_that_no_calendar_has_does_not_stop_a_plan(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, seconds: int, year: int
) -> None:
    """A broken clock, or an import that counted in milliseconds."""
    (repository.folder / "x").write_text("x", encoding="ascii")
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message=Wild", f"--date=@{seconds} +0000")
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"@{seconds} +0000")
    repository.git("tag", "--annotate", "v2", "--message=v2")
    found = await repository.source().between("v1", "v2")
    assert found.known
    (commit,) = found.commits
    assert (commit.subject, commit.at.year) == ("Wild", year)
    assert {tagged.version for tagged in await repository.source().versions()} == {"v1", "v2"}


async def test_versions_of_different_branches_are_told(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "fix")
    repository.commit("fix", tag="v1.1")
    repository.git("checkout", "--quiet", "main")
    repository.commit("feature", tag="v2")
    found = await repository.source().between("v1.1", "v2")
    assert found.known
    assert found.note == "v1.1 has a commit that v2 has not: they are on different branches."
    assert paths(found.files) == ["feature", "fix"]


async def test_only_tags_that_are_versions_of_this_service_count(repository: Repository) -> None:
    for tag in ("shop/v1.9", "shop/v1.10-rc1", "shop/v1.10", "shop/deep/v3", "cart/v7"):
        repository.git("tag", tag)
    repository.git("tag", "shop/tree", "HEAD^{tree}")
    found = await repository.source(tag_prefix="shop/").versions()
    assert [tagged.version for tagged in found] == ["v1.10", "v1.10-rc1", "v1.9"]
    assert [tagged.version for tagged in await repository.source().versions()] == ["v1"]
    changes = await repository.source(tag_prefix="shop/").between("v1.9", "v1.10")
    assert (changes.known, changes.commit_count) == (True, 0)


async def test_a_branch_is_not_taken_for_a_version(repository: Repository) -> None:
    repository.git("branch", "v2")
    found = await repository.source().between("v1", "v2")
    assert found.note == ("The repository has no tag v2, so what changed is not known. Its newest tag is v1.")


async def test_a_stale_clone_fetches_what_it_does_not_know(repository: Repository, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", str(repository.folder), str(clone))
    repository.commit("news", tag="v2")
    stale = await GitChanges(GitSettings(repository=clone)).between("v1", "v2")
    assert not stale.known
    fresh = await GitChanges(GitSettings(repository=clone, fetch_from="origin")).between("v1", "v2")
    assert paths(fresh.files) == ["news"]


async def test_a_fetch_that_fails_is_told_beside_what_is_missing(repository: Repository) -> None:
    found = await repository.source(fetch_from="nowhere").between("v1", "v2")
    assert not found.known
    assert found.note.startswith("The repository has no tag v2, so what changed is not known.")
    assert "git fetch failed" in found.note


async def test_what_is_no_repository_does_not_stop_a_plan(tmp_path: Path, repository: Repository) -> None:
    inner = repository.folder / "inner"
    inner.mkdir()
    for folder, says in (
        (tmp_path, "not a git repository"),
        (inner, "not a git repository"),
        (tmp_path / "x", "no folder"),
    ):
        source = GitChanges(GitSettings(repository=folder))
        found = await source.between("v1", "v2")
        assert not found.known
        assert says in found.note
        with pytest.raises(Refused, match=says):
            await source.versions()


async def test_a_repository_of_someone_else_is_told_with_the_remedy(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    # git's own switch for trying this out, since a test that is not root cannot give a folder away
    git.write_text(
        f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {shutil.which("git")} "$@"\n', encoding="utf-8"
    )
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}{os.pathsep}{os.environ['PATH']}")
    found = await repository.source().between("v1", "v2")
    assert not found.known
    assert "fatal: detected dubious ownership" in found.note
    assert found.note.endswith(f"git config --global --add safe.directory {repository.folder}")


async def test_a_git_that_hangs_does_not_stop_a_plan(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n", encoding="ascii")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    found = await repository.source(timeout=0.2).between("v1", "v2")
    assert (found.known, found.note) == (False, "git rev-parse took longer than 0.2 s.")


async def test_a_persons_own_git_settings_change_nothing(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("é", tag="v2")
    before = await repository.source().between("v1", "v2")
    settings = (
        "[diff]\nexternal = false\nnoprefix = true\nrenames = copies\n[log]\nshowSignature = true\ndate = human\n"
        "[color]\nui = always\n[core]\nquotePath = true\npager = false\n[format]\npretty = fuller\n"
    )
    (tmp_path / ".gitconfig").write_text(settings, encoding="ascii")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert await repository.source().between("v1", "v2") == before


@pytest.mark.parametrize(
    "wrong", [{"tag_prefix": "--all"}, {"fetch_from": "--upload-pack=x"}, {"fetch_from": ""}]
)
def test_settings_are_no_options_for_git(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        GitSettings.model_validate({"repository": "/srv/shop.git", **wrong})
