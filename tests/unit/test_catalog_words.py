"""What kaeru says of settings that are nearly right: in the words of the file, once."""

from pathlib import Path

import pytest

from bot.catalog import CatalogInvalid, load_catalog
from integrations import registry

_SHOP = "services:\n  shop:\n    health: {url: 'http://127.0.0.1:1'}\n"


def mistakes(folder: Path, text: str, **environ: str) -> list[str]:
    file = folder / "kaeru.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogInvalid) as caught:
        load_catalog(file, registry.kinds(), environ=environ)
    return [f"{problem.path}: {problem.sentence}" for problem in caught.value.problems]


@pytest.mark.parametrize("written", ["60s", "soon", "59m", "[]"])
def test_how_soon_a_channel_may_be_archived_is_said_once(tmp_path: Path, written: str) -> None:
    said = [
        one
        for one in mistakes(tmp_path, f"workspace: {{archive_after: {written}}}\n{_SHOP}")
        if one.startswith("workspace.archive_after")
    ]
    assert len(said) == 1, said
    assert "expected a duration of at least 1h such as 14d, or never, got" in said[0]


def test_a_limit_of_a_length_is_a_length(tmp_path: Path) -> None:
    repository = "{kind: git, remote: /srv/git/x, timeout: 0s}"
    said = mistakes(tmp_path, f"{_SHOP}    papers: {{repo: {repository}}}\n")
    assert not [one for one in said if "timedelta" in one], said


def test_a_relative_repository_is_told_to_be_absolute(tmp_path: Path) -> None:
    said = mistakes(tmp_path, f"{_SHOP}    papers: {{repo: {{kind: git, remote: papers.git}}}}\n")
    assert any(
        "remote: expected a repository such as" in one and "its absolute path" in one for one in said
    ), said


def test_an_empty_variable_is_named(tmp_path: Path) -> None:
    text = f"workspace: {{channel_prefix: '${{SPKEY}}'}}\n{_SHOP}"
    said = mistakes(tmp_path, text, SPKEY="")
    assert (
        "workspace.channel_prefix: the environment variable SPKEY is empty. Set it, or write the value here."
        in said
    )


def test_several_empty_variables_are_named(tmp_path: Path) -> None:
    text = f"workspace: {{channel_prefix: '${{A}}${{B}}'}}\n{_SHOP}"
    said = mistakes(tmp_path, text, A="", B="")
    assert any("variables A and B are empty." in one for one in said), said


def test_a_number_keeps_its_words(tmp_path: Path) -> None:
    said = mistakes(tmp_path, f"policies: {{high: {{quorum: 0}}}}\n{_SHOP}")
    assert any("a number of at least 1" in one for one in said), said
