"""A base image with Debian's Python and its standard library, put together from Debian's packages."""

import contextlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sandbox.clusters import debian
from sandbox.clusters.commands import run
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.images import Image, Layer, keep
from sandbox.clusters.places import Places, locked, places
from sandbox.clusters.shop_images import busybox_layer

NAME = "kaeru-demo/python:3"
# Needed to install packages, not to run Python.
_NOT_NEEDED = ("dpkg", "gcc-", "install-info", "libperl", "mailcap", "mime-support", "perl", "tar")
_LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/perl5")


def python_image() -> Image:
    """The image, made at the first call on this machine (about ten seconds). Raises ClusterError."""
    where = places()
    marker = where.images / "python.sha256"
    if not marker.exists():
        with locked(where.images / "python.lock", patience_s=600, doing="making the image with Python"):
            if not marker.exists():
                _make(where, marker)
    sha256 = marker.read_text().strip()
    made = Layer(sha256, where.images / f"{sha256}.tar")
    return Image(
        NAME,
        (busybox_layer(), made),
        entrypoint=("/usr/bin/python3",),
        environment={"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"},
    )


def _make(where: Places, marker: Path) -> None:
    log = where.root / "apt.log"
    print("Making a container image with Python from Debian's packages …", flush=True)
    packages = _packages()
    if not packages:
        debian.apt_get(["update"], log)
        packages = _packages()
    if not packages:
        raise ClusterError("apt knows no package python3: mend its sources and try again.")
    with tempfile.TemporaryDirectory(dir=where.images) as scratch:
        root = Path(scratch) / "root"
        downloads = Path(scratch) / "packages"
        for folder in (root, downloads):
            folder.mkdir()
        _download(packages, log, downloads)
        for package in sorted(downloads.glob("*.deb")):
            run(["dpkg-deb", "--extract", str(package), str(root)])
        for name in _LEFT_OUT:
            shutil.rmtree(root / name, ignore_errors=True)
        _compile(root)
        with tempfile.TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
                for path in _walk(root):
                    tar.add(path, str(path.relative_to(root)), recursive=False, filter=_anonymous)
            made = keep(file, where)
    new = marker.with_suffix(".new")
    new.write_text(made.sha256)
    new.rename(marker)


def _packages() -> list[str]:
    """Python and what it depends on."""
    narrow = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"]
    argv = ["apt-cache", "depends", "--recurse", *(f"--no-{kind}" for kind in narrow), "python3"]
    with contextlib.suppress(_Unknown):
        names = {line for line in _ask(argv).splitlines() if line and line[0].isalnum()}
        return sorted(name for name in names if not name.startswith(_NOT_NEEDED))
    return []


class _Unknown(ClusterError):
    pass


def _ask(argv: list[str]) -> str:
    try:
        return run(argv)
    except ClusterError as error:
        if "No packages found" in str(error):
            raise _Unknown(str(error)) from error
        raise


def _download(packages: list[str], log: Path, folder: Path) -> None:
    arguments = ["-o", "APT::Sandbox::User=root", "download", *packages]
    try:
        debian.apt_get(arguments, log, cwd=folder)
    except ClusterError:
        # Lists that are out of date name packages that are gone.
        debian.apt_get(["update"], log)
        debian.apt_get(arguments, log, cwd=folder)


def _compile(root: Path) -> None:
    """Compile the standard library ahead, or every container would do it again at its start."""
    library = next(root.glob("usr/lib/python3.*"))
    argv = ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    run(
        ["chroot", str(root), f"/usr/bin/{argv[0]}", *argv[1:], f"/{library.relative_to(root)}"],
        timeout_s=300,
    )


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        # Links to folders are listed as folders, and not walked into.
        for name in sorted([*folders, *files]):
            yield Path(folder) / name


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry
