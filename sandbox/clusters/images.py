"""Container images made here, from files: nothing is pulled. Equal content has an equal id in every daemon."""

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.clusters.engine import Engine
from sandbox.clusters.places import Places, places

Content = bytes | str | Path  # text of a file, or a file to copy
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Layer:
    """A tar file in the cache, named by the SHA-256 of its bytes."""

    sha256: str
    path: Path


@dataclass(frozen=True)
class Image:
    """`name` includes the tag: kaeru-test/web:v1.2.9."""

    name: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    port: int = 8080

    def config(self) -> bytes:
        """The image's configuration, whose SHA-256 is the image's id."""
        settings = {
            "Env": [
                "PATH=/usr/local/bin:/usr/bin:/bin",
                *(f"{key}={value}" for key, value in sorted(self.environment.items())),
            ],
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "WorkingDir": self.workdir,
            "ExposedPorts": {f"{self.port}/tcp": {}},
        }
        whole = {
            "architecture": architecture(),
            "os": "linux",
            "created": _EPOCH,
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}" for layer in self.layers]},
            "history": [{"created": _EPOCH, "created_by": "kaeru"} for _ in self.layers],
        }
        return json.dumps(whole, sort_keys=True).encode()

    @property
    def id(self) -> str:
        return f"sha256:{hashlib.sha256(self.config()).hexdigest()}"


def architecture() -> str:
    """Go's and Docker's name of this machine's architecture."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def layer(files: Mapping[str, Content], links: Mapping[str, str] | None = None) -> Layer:
    """Make a layer of files by their path in the image, and of symbolic links. Files that begin with #! run."""
    entries: list[tuple[tarfile.TarInfo, bytes]] = []
    for name, content in sorted(files.items()):
        data = content.encode() if isinstance(content, str) else content
        runs = isinstance(data, Path) and data.stat().st_mode & 0o111
        raw = data.read_bytes() if isinstance(data, Path) else data
        info = tarfile.TarInfo(name.lstrip("/"))
        info.size = len(raw)
        info.mode = 0o755 if runs or raw.startswith((b"#!", b"\x7fELF")) else 0o644
        entries.append((info, raw))
    for name, target in sorted((links or {}).items()):
        info = tarfile.TarInfo(name.lstrip("/"))
        info.type, info.linkname = tarfile.SYMTYPE, target
        entries.append((info, b""))
    parents = {str(up) for info, _ in entries for up in Path(info.name).parents} - {"."}
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for parent in sorted(parents):
                info = tarfile.TarInfo(parent)
                info.type = tarfile.DIRTYPE
                info.mode = 0o1777 if parent == "tmp" else 0o755
                tar.addfile(info)
            for info, raw in entries:
                tar.addfile(info, io.BytesIO(raw))
        return keep(file, places())


def keep(
    tar: "tempfile._TemporaryFileWrapper[bytes] | io.BufferedRandom | io.BufferedReader", where: Places
) -> Layer:
    """Put a tar into the cache under its checksum."""
    tar.seek(0)
    sha256 = hashlib.file_digest(tar, "sha256").hexdigest()
    path = where.images / f"{sha256}.tar"
    if not path.exists():
        where.images.mkdir(parents=True, exist_ok=True)
        tar.seek(0)
        with tempfile.NamedTemporaryFile(dir=where.images, delete=False) as new:
            while chunk := tar.read(1 << 20):
                new.write(chunk)
        Path(new.name).rename(path)
    return Layer(sha256, path)


def build_image(
    name: str,
    files: Mapping[str, Content],
    *,
    entrypoint: Sequence[str],
    environment: Mapping[str, str] | None = None,
    base: Image | None = None,
    workdir: str = "/",
    port: int = 8080,
) -> Image:
    """Make an image of `files` upon `base`. It is in no daemon before `load`."""
    below = base.layers if base else ()
    return Image(
        name=name,
        layers=(*below, layer(files)),
        entrypoint=tuple(entrypoint),
        environment={**(base.environment if base else {}), **(environment or {})},
        workdir=workdir,
        port=port,
    )


def load(docker_host: str, images: Sequence[Image]) -> None:
    """Bring images into a daemon; those it has already cost one question."""
    engine = Engine(docker_host)
    there = {
        tag: entry["Id"] for entry in engine.ask("GET", "/images/json") for tag in entry["RepoTags"] or []
    }
    missing = [image for image in images if there.get(image.name) != image.id]
    if not missing:
        return
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for one in {part.sha256: part for image in missing for part in image.layers}.values():
                tar.add(one.path, f"{one.sha256}/layer.tar", recursive=False)
            manifest = []
            for image in missing:
                config = image.config()
                config_name = f"{hashlib.sha256(config).hexdigest()}.json"
                _add(tar, config_name, config)
                manifest.append(
                    {
                        "Config": config_name,
                        "RepoTags": [image.name],
                        "Layers": [f"{part.sha256}/layer.tar" for part in image.layers],
                    }
                )
            _add(tar, "manifest.json", json.dumps(manifest).encode())
        file.flush()
        engine.load(Path(file.name))


def _add(tar: tarfile.TarFile, name: str, raw: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(raw)
    tar.addfile(info, io.BytesIO(raw))
