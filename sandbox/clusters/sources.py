"""Debian's source package of Kubernetes, fetched without changing how this machine is set up."""

import re
import shutil
import tempfile
from pathlib import Path

from sandbox.clusters.commands import run
from sandbox.clusters.debian import apt_get
from sandbox.clusters.errors import ClusterError

RELEASE = "bookworm"  # the newest release with the complete source, not kubectl's alone
VERSION = "1.20.2"

_LISTS = Path("/etc/apt/sources.list")
_PARTS = Path("/etc/apt/sources.list.d")


def fetch(folder: Path, log: Path) -> Path:
    """Download the source package into `folder` and return its .dsc. What is there already is kept."""
    if found := _complete(folder):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        lists = Path(scratch) / "sources.list"
        lists.write_text("".join(f"deb-src {options}{uri} {RELEASE} main\n" for options, uri in archives()))
        state, cache = Path(scratch) / "state", Path(scratch) / "cache"
        for part in (state / "partial", cache / "archives" / "partial"):
            part.mkdir(parents=True)
        apart = [
            "-o", f"Dir::Etc::SourceList={lists}",
            "-o", "Dir::Etc::SourceParts=/dev/null",
            "-o", f"Dir::State::Lists={state}",
            "-o", f"Dir::Cache={cache}",
            "-o", "APT::Sandbox::User=root",
        ]  # fmt: skip
        print(f"Fetching the source of Kubernetes {VERSION} (35 MB) from Debian …", flush=True)
        apt_get([*apart, "update"], log)
        apt_get([*apart, "source", "--download-only", f"kubernetes/{RELEASE}"], log, cwd=folder)
    if found := _complete(folder):
        return found
    raise ClusterError(f"apt-get source left no source of Kubernetes in {folder}; see {log}.")


def archives() -> list[tuple[str, str]]:
    """The Debian archives that this machine's apt uses."""
    return archives_of(_LISTS, _PARTS)


def archives_of(lists: Path, parts: Path) -> list[tuple[str, str]]:
    """The archives that hold Debian itself, as (options, URI), from apt's own configuration.

    Options come as apt writes them in one line: "[signed-by=/usr/share/keyrings/debian.gpg] ".
    """
    found: list[tuple[str, str]] = []
    for file in [lists, *sorted(parts.glob("*.list"))]:
        if file.exists():
            found += [entry for line in file.read_text().splitlines() for entry in _one_line(line)]
    for file in sorted(parts.glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", file.read_text()):
            found += _stanza(stanza)
    return list(dict.fromkeys(found))


def _one_line(line: str) -> list[tuple[str, str]]:
    match = re.match(r"deb(?:-src)?\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)", line.strip())
    if match is None:
        return []
    options, uri, suite, components = match.groups()
    if not _is_debian(uri, [suite], components.split()):
        return []
    return [(f"{options.strip()} " if options else "", uri)]


def _stanza(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    fields = {}
    for line in lines:
        name, separator, value = line.partition(":")
        if separator and not line[0].isspace():
            fields[name.strip().lower()] = value.strip()
    if fields.get("enabled", "yes").lower() in {"no", "false"}:
        return []
    key = fields.get("signed-by", "")
    options = f"[signed-by={key}] " if key.startswith("/") else ""
    suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
    return [(options, uri) for uri in fields.get("uris", "").split() if _is_debian(uri, suites, components)]


def _is_debian(uri: str, suites: list[str], components: list[str]) -> bool:
    """Whether an entry is Debian's main archive, and not its security updates or somebody else's packages."""
    return (
        "main" in components
        and uri.rstrip("/").endswith("/debian")
        and any("security" not in suite for suite in suites)
    )


def unpack(description: Path, folder: Path) -> None:
    """Unpack the source into `folder`, all or nothing."""
    if folder.exists():
        return
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    # apt has checked the signature of what it downloaded.
    run(["dpkg-source", "--no-check", "-x", str(description), str(partial)], timeout_s=600)
    partial.rename(folder)


def _complete(folder: Path) -> Path | None:
    """The .dsc, if it and every file that it names are there whole (apt downloads to the final name)."""
    for description in sorted(folder.glob("kubernetes_*.dsc")):
        block = re.search(r"^Checksums-Sha256:\n((?: .*\n)+)", description.read_text(), re.MULTILINE)
        parts = [line.split() for line in block[1].splitlines()] if block else []
        if parts and all(_has(folder / name, int(size)) for _, size, name in parts):
            return description
    return None


def _has(file: Path, size: int) -> bool:
    return file.exists() and file.stat().st_size == size
