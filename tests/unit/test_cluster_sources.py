"""Which archives Debian's source may come from, read out of apt's own configuration."""

import hashlib
from pathlib import Path

import pytest

from sandbox.clusters.build import PROGRAMS, Clock, described_packages, missing
from sandbox.clusters.places import Places
from sandbox.clusters.sources import _complete, archives_of

HERE = "http://mirror.example/debian"
DEB822 = """\
Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no
"""
ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian bookworm main contrib
deb http://security.example/debian bookworm-security main
deb https://packages.example/apt stable main
deb http://plain.example/debian/ bookworm main
"""


def test_stanzas(tmp_path: Path) -> None:
    (tmp_path / "debian.sources").write_text(DEB822)
    keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
    assert archives_of(tmp_path / "none", tmp_path) == [(keyring, HERE)]


def test_lines(tmp_path: Path) -> None:
    lists = tmp_path / "sources.list"
    lists.write_text(ONE_LINE)
    (tmp_path / "parts").mkdir()
    assert archives_of(lists, tmp_path / "parts") == [
        ("[signed-by=/k.gpg arch=amd64] ", HERE),
        ("", "http://plain.example/debian/"),
    ]


def test_an_archive_is_named_once(tmp_path: Path) -> None:
    for name in ("a.list", "b.list"):
        (tmp_path / name).write_text(f"deb {HERE} bookworm main\n")
    assert archives_of(tmp_path / "none", tmp_path) == [("", HERE)]


def test_a_machine_that_is_no_debian_has_none(tmp_path: Path) -> None:
    (tmp_path / "ubuntu.list").write_text("deb http://mirror.example/ubuntu noble main universe\n")
    assert archives_of(tmp_path / "none", tmp_path) == []


@pytest.mark.parametrize(("kept", "whole"), [(5, True), (4, False), (None, False)])
def test_half_a_download_is_no_source(tmp_path: Path, kept: int | None, whole: bool) -> None:
    content = b"12345"
    checksum = hashlib.sha256(content).hexdigest()
    description = tmp_path / "kubernetes_1.dsc"
    description.write_text(f"Source: kubernetes\nChecksums-Sha256:\n {checksum} 5 source.tar.gz\nFiles:\n")
    if kept is not None:
        (tmp_path / "source.tar.gz").write_bytes(content[:kept])
    assert (_complete(tmp_path) == description) is whole


def test_only_what_is_missing_is_compiled(tmp_path: Path) -> None:
    where = Places(tmp_path)
    assert missing(where) == list(PROGRAMS)
    where.binaries.mkdir(parents=True)
    (where.binaries / "kubelet").touch()
    assert missing(where) == [name for name in PROGRAMS if name != "kubelet"]


def test_the_time_left_follows_the_pace_so_far() -> None:
    first, second, *rest = PROGRAMS
    clock = Clock([first, second, *rest])
    assert clock.left_s() == pytest.approx(sum(PROGRAMS.values()), abs=2)
    clock.started -= 2 * PROGRAMS[first]  # it took twice as long as it should have
    clock.finish(first)
    left = 2 * sum(PROGRAMS[name] for name in (second, *rest))
    assert clock.left_s() == pytest.approx(left, abs=2)
    assert clock.words() == f"about {left / 60:.0f} minutes left"


def test_a_step_that_takes_too_long_promises_nothing() -> None:
    names = list(PROGRAMS)
    clock = Clock(names)
    clock.started -= 600
    clock._since -= 600
    assert clock.words() == "slower than expected, 10 minutes so far"


def test_the_described_types_are_found_by_their_tag(tmp_path: Path) -> None:
    tagged = "// +k8s:openapi-gen=true\npackage v1\n"
    for path, text in {
        "staging/src/k8s.io/api/apps/v1/doc.go": tagged,
        "staging/src/k8s.io/code-generator/x/doc.go": tagged,
        "pkg/apis/abac/v0/doc.go": tagged,
        "pkg/other/doc.go": "package other\n",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True)
        file.write_text(text)
    assert described_packages(tmp_path) == [
        "k8s.io/kubernetes/pkg/apis/abac/v0",
        "k8s.io/kubernetes/vendor/k8s.io/api/apps/v1",
    ]
