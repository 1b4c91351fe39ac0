"""Images made from files: reproducible, and as `docker load` wants them."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from sandbox.clusters.images import Image, build_image, layer


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sandbox.clusters.places.LONGEST", 1000)  # no socket is made here
    monkeypatch.setenv("KAERU_CLUSTER_CACHE", str(tmp_path))


def members(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_equal_files_make_an_equal_layer(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("hello")
    first = layer({"a/file": "hello", "b": b"world"})
    again = layer({"b": b"world", "a/file": source})
    assert first == again
    assert first.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert layer({"a/file": "hello!", "b": b"world"}) != first


def test_programs_run_and_other_files_do_not() -> None:
    made = members(
        layer({"bin/go": "#!/bin/sh\n", "etc/text": "text", "tmp/.keep": ""}, {"bin/ln": "go"}).path
    )
    assert made["bin/go"].mode == 0o755
    assert made["etc/text"].mode == 0o644
    assert made["tmp"].mode == 0o1777
    assert (made["bin/ln"].issym(), made["bin/ln"].linkname) == (True, "go")
    assert {member.mtime for member in made.values()} == {0}


def test_the_id_is_that_of_the_configuration() -> None:
    image = Image("shop:v1", (layer({"a": "1"}),), ("/a",), environment={"B": "2", "A": "1"})
    config = json.loads(image.config())
    assert image.id == f"sha256:{hashlib.sha256(image.config()).hexdigest()}"
    assert config["config"]["Env"][1:] == ["A=1", "B=2"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{image.layers[0].sha256}"]


def test_the_name_is_no_part_of_the_id() -> None:
    parts = (layer({"a": "1"}),)
    assert Image("shop:v1", parts, ("/a",)).id == Image("shop:v2", parts, ("/a",)).id


def test_an_image_goes_on_where_its_base_ends() -> None:
    base = Image("base:1", (layer({"a": "1"}),), ("/a",), environment={"LANG": "C", "KEPT": "yes"})
    made = build_image("shop:v1", {"b": "2"}, entrypoint=["/b"], environment={"LANG": "D"}, base=base)
    assert made.layers[:1] == base.layers
    assert len(made.layers) == 2
    assert made.environment == {"LANG": "D", "KEPT": "yes"}
