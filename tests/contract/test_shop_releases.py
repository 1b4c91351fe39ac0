"""The shop's repository and releases are what they say they are."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.shop.releases import BuildError, Shop, build


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("shop"))


def git(shop: Shop, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=shop.repo, capture_output=True, text=True, check=True)
    return done.stdout


def listing(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Inode, modification time and content of every file: a rebuild would change at least one."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_building_again_changes_nothing(shop: Shop) -> None:
    before = listing(shop.root)
    build(shop.root)
    assert listing(shop.root) == before


def test_the_same_commits_come_out_everywhere(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    settings = "[user]\nname = Someone\n[commit]\ngpgsign = true\n[core]\nautocrlf = true\n"
    (tmp_path / "home" / ".gitconfig").write_text(settings, encoding="ascii")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    other = build(tmp_path / "shop")
    monkeypatch.undo()
    assert git(other, "show-ref") == git(shop, "show-ref")


def test_tags_and_releases(shop: Shop) -> None:
    tags = git(shop, "tag", "--list").split()
    assert sorted(tags) == ["v1.2.7", "v1.2.8", "v1.2.9", "v1.3.0", "v1.3.0-rc1"]
    assert sorted(entry.name for entry in shop.releases.iterdir()) == ["v1.2.8", "v1.2.9", "v1.3.0"]
    assert str(shop.current.readlink()) == "releases/v1.2.9"
    assert git(shop, "status", "--porcelain") == ""


@pytest.mark.parametrize("version", ["v1.2.8", "v1.2.9", "v1.3.0"])
def test_a_release_is_what_its_tag_holds(shop: Shop, version: str) -> None:
    names = git(shop, "ls-tree", "-r", "--name-only", version).split()
    folder = shop.releases / version
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == names
    for name in names:
        assert git(shop, "show", f"{version}:{name}") == (folder / name).read_text(encoding="utf-8")
    assert f'VERSION = "{version}"' in (folder / "shop" / "__init__.py").read_text(encoding="utf-8")


def test_the_bad_change_can_be_seen_in_the_diff(shop: Shop) -> None:
    subjects = git(shop, "log", "--format=%s", "v1.2.9..v1.3.0").splitlines()
    assert len(subjects) == 7
    diff = git(shop, "diff", "v1.2.9", "v1.3.0")
    assert '+    wanted = account["currency"]' in diff
    assert '+    return [{**row, "pieces": pieces(row["id"])} for row in rows]' in diff


def test_other_arguments_exchange_the_releases_and_leave_current(shop: Shop, tmp_path: Path) -> None:
    plain = build(tmp_path / "shop", current="v1.2.8")
    good = (plain.releases / "v1.2.9" / "shop" / "checkout.py").read_bytes()
    again = build(plain.root, bad_versions=("v1.2.9",), broken_versions=("v1.2.8",))
    assert (again.releases / "v1.2.9" / "shop" / "checkout.py").read_bytes() != good
    assert again.current_version() == "v1.2.8"
    newest = (shop.releases / "v1.3.0" / "shop" / "checkout.py").read_bytes()
    assert (again.releases / "v1.3.0" / "shop" / "checkout.py").read_bytes() == newest
    assert git(again, "log", "--format=%s", "-1", "v1.2.8").startswith("Settings: the payment account")


def test_an_unknown_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"no release v9; choose from v1\.2\.8"):
        build(tmp_path / "shop", bad_versions=("v9",))
    assert not (tmp_path / "shop").exists()


def test_without_git_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="git is not installed"):
        build(tmp_path / "shop")


def test_the_command_builds(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "sandbox.shop.releases", str(tmp_path / "shop"), "--current", "v1.3.0"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("current is v1.3.0\n")
