"""What may be written of a metric, and that the examples of the page can be."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from integrations.registry import METRICS

README = Path(__file__).resolve().parents[2] / "integrations" / "metrics" / "README.md"
PROMETHEUS = {"url": "https://prometheus.example.com/", "query": "up"}
JSON = {"url": "https://shop.example.com/stats", "value": "/n"}
METRIC = {"namespace": "Shop", "name": "Latency"}
CLOUDWATCH = {"region": "eu-central-1", "metric": METRIC}


def test_the_examples_of_the_page_can_be_written() -> None:
    found = re.findall(
        r"^    (\{ kind: .*?\})$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    kinds = []
    for text in found:
        written = yaml.safe_load(text)
        kinds.append(written.pop("kind"))
        METRICS[kinds[-1]].settings_model().model_validate(written)
    assert kinds == ["prometheus", "json", "cloudwatch"]


@pytest.mark.parametrize(
    ("kind", "written", "words"),
    [
        ("prometheus", PROMETHEUS | {"url": "https://a:b@prometheus.example.com"}, "without user"),
        ("prometheus", PROMETHEUS | {"url": "prometheus:9090"}, "an address such as"),
        ("prometheus", PROMETHEUS | {"url": "https://p.example.com?x=1"}, "without a query"),
        ("prometheus", PROMETHEUS | {"user": "a"}, "go together"),
        ("prometheus", PROMETHEUS | {"token": "a", "token_file": "/b"}, "only one of"),
        ("prometheus", PROMETHEUS | {"absent": "zero"}, "go with `of`"),
        ("prometheus", PROMETHEUS | {"step": "500ms"}, "greater than or equal"),
        ("prometheus", PROMETHEUS | {"tenant": "a\nb"}, "match pattern"),
        ("json", JSON | {"value": "checkout.p95"}, "match pattern"),
        ("json", JSON | {"value": "/a~2"}, "match pattern"),
        ("cloudwatch", CLOUDWATCH | {"period": "45s"}, "multiple of 60s"),
        ("cloudwatch", CLOUDWATCH | {"access_key": "a"}, "go together"),
        ("cloudwatch", CLOUDWATCH | {"external_id": "a"}, "goes with role_arn"),
        ("cloudwatch", CLOUDWATCH | {"absent": "zero"}, "goes with `of`"),
    ],
)
def test_what_cannot_be_meant_is_refused(kind: str, written: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        METRICS[kind].settings_model().model_validate(written)
    assert words in str(raised.value)


@pytest.mark.parametrize("kind", sorted(METRICS))
def test_every_setting_says_what_it_means(kind: str) -> None:
    fields = METRICS[kind].settings_model().model_fields
    assert all(field.description for field in fields.values())


def test_secrets_are_not_shown() -> None:
    made = METRICS["prometheus"].settings_model().model_validate(PROMETHEUS | {"token": "very-secret"})
    assert "very-secret" not in f"{made!r} {made}"
    with pytest.raises(ValidationError) as raised:
        METRICS["prometheus"].settings_model().model_validate(
            PROMETHEUS | {"token": "very-secret", "user": "a"}
        )
    assert "very-secret" not in str(raised.value)
