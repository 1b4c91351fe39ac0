"""What docs/notices.md and the adapters' page show works as it stands there, and mistakes are found when it is read."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.catalog import load_catalog
from bot.catalog.problems import CatalogInvalid
from bot.domain.audiences import Audience, Moment
from bot.usecases.check_notices import example_of
from bot.usecases.telling import those_told
from bot.views.notices import notice_strictly
from integrations.registry import kinds
from tests.unit.notices_file import written

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs/notices.md").read_text(encoding="utf-8")
README = (PROJECT / "integrations/notices/README.md").read_text(encoding="utf-8")
ENVIRON = {
    "SMTP_PASSWORD": "secret",
    "STATUSPAGE_KEY": "secret",
    "PLATFORM_HOOK": "https://hooks.example.com/1",
    "PLATFORM_HOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8G",
}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_example_of_the_page(tmp_path: Path) -> None:
    shown = yaml.safe_load(blocks(PAGE, "yaml")[0])
    shop = shown["services"]["shop"]
    path = written(tmp_path, shop["notices"], shown["workspace"])
    told = those_told(load_catalog(path, kinds(), environ=ENVIRON), "shop")
    assert {name: one.audience for name, one in told.items()} == {
        "management": Audience.EXECUTIVES,
        "status page": Audience.CUSTOMERS,
        "desk": Audience.SUPPORT,
        "platform": Audience.ENGINEERS,
    }
    assert told["management"].moments == {Moment.ASSESSED, Moment.MITIGATED, Moment.RELAPSED, Moment.CLOSED}
    assert told["desk"].moments == set(Moment)


@pytest.mark.parametrize("shown", blocks(README, "yaml"), ids=["email", "webhook", "statuspage", "slack"])
def test_the_adaptersexample_ofs(shown: str, tmp_path: Path) -> None:
    path = written(tmp_path, yaml.safe_load(shown))
    assert len(those_told(load_catalog(path, kinds(), environ=ENVIRON), "shop")) == 1


def test_the_template_of_the_page(tmp_path: Path) -> None:
    (template,) = blocks(PAGE, "jinja")
    (tmp_path / "support.txt.j2").write_text(template, encoding="utf-8")
    for moment in Moment:
        assert notice_strictly(example_of(Audience.SUPPORT, moment), tmp_path).text


EMAIL = {
    "kind": "email",
    "audience": "support",
    "to": ["a@example.com"],
    "sender": "b@example.com",
    "host": "mx",
}
HOOK = {
    "kind": "webhook",
    "audience": "support",
    "url": "https://hooks.example.com/1",
    "secret": "${PLATFORM_HOOK_SECRET}",
}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (EMAIL | {"user": "kaeru"}, "user goes together with password"),
        (EMAIL | {"user": "k", "password": "x", "security": "none"}, "a password is not sent without TLS"),
        (EMAIL | {"to": ["nobody"]}, "to"),
        (EMAIL | {"audience": "everybody"}, "audience"),
        (EMAIL | {"moments": ["begin"]}, "moments"),
        (HOOK | {"secret": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        (HOOK | {"url": "https://user:pw@hooks.example.com/"}, "without user"),
        (HOOK | {"secret_file": "s"}, "either secret or secret_file"),
        ({"kind": "slack", "audience": "support"}, "channels, people, or both"),
        ({"kind": "slack", "audience": "support", "people": ["nobody"]}, "nobody"),
    ],
)  # fmt: skip
def test_mistakes_are_found_when_it_is_read(wrong: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogInvalid) as found:
        load_catalog(written(tmp_path, {"desk": wrong}), kinds(), environ=ENVIRON)
    assert sentence in str(found.value)
    assert "pw" not in str(found.value)
    assert "c2hvcnQ" not in str(found.value)
