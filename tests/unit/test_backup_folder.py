"""Whether a backup in a folder is on the disk, and not only in the memory of the machine, when it is called taken."""

import os
from pathlib import Path

import pytest

from integrations.backups.directory import Directory


def test_data_manifest_and_folder_are_on_the_disk_before_and_after_each_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, list[str]]] = []
    really = os.fsync

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((path.name, sorted(one.name for one in (tmp_path / "shop").iterdir())))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    destination = Directory(tmp_path, "shop")
    sink = destination.create("one", None)
    sink.write(memoryview(b"rows"))
    sink.close()
    sink.abort()
    destination.write_manifest("one", b"{}")
    assert synced == [
        (".one.partial", [".one.partial"]),
        ("shop", ["one.dump"]),
        (".one.json.partial", [".one.json.partial", "one.dump"]),
        ("shop", ["one.dump", "one.json"]),
    ]
