"""From `sandbox/shop/source` to a git repository, release folders and the `current` link."""

import dataclasses
import hashlib
import io
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from sandbox.shop.releases.history import BAD, HISTORY, RELEASES, Commit

SOURCE = Path(__file__).parents[1] / "source"
GIT_TIMEOUT_S = 30


class BuildError(Exception):
    """The shop could not be made; the message says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Shop:
    """Where everything is. `current` is a relative link such as `releases/v1.2.9`."""

    root: Path

    @property
    def repo(self) -> Path:
        return self.root / "repo"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def current(self) -> Path:
        return self.root / "current"

    def current_version(self) -> str:
        return self.current.readlink().name


def build(
    target: Path,
    *,
    current: str = "v1.2.9",
    bad_versions: Collection[str] = (),
    broken_versions: Collection[str] = (),
) -> Shop:
    """Make `repo/`, `releases/` and, if there is none, the link `current` under `target`.

    `bad_versions` behave like v1.3.0 (slow products, a failing checkout); `broken_versions` exit with 1 and a
    sentence instead of starting. Building again with the same arguments changes nothing; with other ones it
    exchanges the repository and the release folders and leaves `current` where it points.

    Raises BuildError for a version that does not exist and when git is missing or fails.
    """
    for version in (current, *bad_versions, *broken_versions):
        if version not in RELEASES:
            raise BuildError(f"The shop has no release {version}; choose from {', '.join(RELEASES)}.")
    shop = Shop(target.absolute())
    variant = {version: BAD for version in bad_versions if version != BAD}
    variant |= dict.fromkeys(broken_versions, "broken")
    fingerprint = _fingerprint(variant)
    marker = shop.root / ".built"
    if not marker.exists() or marker.read_text(encoding="ascii") != fingerprint:
        shop.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=shop.root, prefix=".building-") as scratch:
            fresh = Shop(Path(scratch))
            _make_repository(fresh.repo, variant)
            for version in RELEASES:
                _export(fresh.repo, version, fresh.releases / version)
            marker.unlink(missing_ok=True)
            for name in ("repo", "releases"):
                shutil.rmtree(shop.root / name, ignore_errors=True)
                (fresh.root / name).replace(shop.root / name)
        marker.write_text(fingerprint, encoding="ascii")
    if not shop.current.is_symlink():
        shop.current.symlink_to(Path("releases", current))
    return shop


def _fingerprint(variant: dict[str, str]) -> str:
    digest = hashlib.sha256(repr((HISTORY, sorted(variant.items()))).encode())
    for file in sorted(path for path in SOURCE.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(str(file.relative_to(SOURCE)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _make_repository(repo: Path, variant: dict[str, str]) -> None:
    repo.mkdir(parents=True)
    _git(repo, "init", "--quiet", "--initial-branch=main", "--template=")
    for commit in HISTORY:
        for name in commit.files:
            _take(repo, name, SOURCE / commit.version / name)
        _commit(repo, commit.message, commit.author, commit.at)
        if commit.tag is None:
            continue
        if commit.tag in variant:
            _commit_variant(repo, commit, variant[commit.tag])
        else:
            _tag(repo, commit)


def _commit_variant(repo: Path, commit: Commit, kind: str) -> None:
    """Tag a release off the main branch, so that the history after it stays as it is."""
    _git(repo, "checkout", "--quiet", "-b", f"release/{commit.tag}")
    if kind == "broken":
        message = "Settings: the payment account has to be given"
        _take(repo, "shop/settings.py", SOURCE / "broken" / "shop" / "settings.py")
    else:
        message = "Bring the currencies and the stock to this release"
        for name in (name for later in HISTORY if later.version == kind for name in later.files):
            if name not in ("shop/__init__.py", "CHANGELOG.md"):
                _take(repo, name, SOURCE / kind / name)
    _commit(repo, message, commit.author, commit.at + timedelta(minutes=20))
    _tag(repo, commit)
    _git(repo, "checkout", "--quiet", "main")


def _take(repo: Path, name: str, source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    if text.startswith("# ruff:"):  # a note to this project's linter, not part of the shop
        text = text.partition("\n")[2]
    (repo / name).parent.mkdir(parents=True, exist_ok=True)
    (repo / name).write_text(text, encoding="utf-8")


def _commit(repo: Path, message: str, author: str, at: datetime) -> None:
    _git(repo, "add", "--all")
    _git(repo, "commit", "--quiet", "--no-verify", f"--message={message}", author=author, at=at)


def _tag(repo: Path, commit: Commit) -> None:
    tag = str(commit.tag)
    _git(repo, "tag", "--annotate", f"--message=Shop {tag}", tag, author=commit.author, at=commit.at)


def _export(repo: Path, version: str, folder: Path) -> None:
    archive = _git(repo, "archive", "--format=zip", version)
    folder.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(folder)


def _git(repo: Path, *arguments: str, author: str = "Carol", at: datetime | None = None) -> bytes:
    """Run git without the settings of this machine, so that the same commits come out everywhere."""
    fixed = {
        "core.autocrlf": "false",
        "commit.gpgSign": "false",
        "tag.gpgSign": "false",
        "gc.auto": "0",
        "user.name": author,
        "user.email": f"{author.lower()}@example.com",
    }
    argv = ["git", *(part for name, value in fixed.items() for part in ("-c", f"{name}={value}")), *arguments]
    keep = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = keep | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    if at is not None:
        environment |= dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), at.isoformat())
    try:
        done = subprocess.run(
            argv, cwd=repo, env=environment, capture_output=True, check=True, timeout=GIT_TIMEOUT_S
        )
    except FileNotFoundError as error:
        raise BuildError("git is not installed; install it and build the shop again.") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"`git {arguments[0]}` took longer than {GIT_TIMEOUT_S} s; try again.") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise BuildError(f"`git {arguments[0]}` failed in {repo}: {said}") from error
    return done.stdout
