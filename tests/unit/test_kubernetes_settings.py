"""What people write in kaeru.yml of a workload in Kubernetes."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bot.catalog import load_catalog
from integrations import registry
from integrations.kubernetes.kind import Kind
from integrations.kubernetes.settings import KubernetesSettings

FILE = """
services:
  shop:
    owners: [alice]
    components:
      web: {{ target: {{ kind: kubernetes, namespace: shop, name: web, kubeconfig: kubeconfig, {more} }} }}
people:
  alice: {{ slack: U0ALICE }}
"""


def _settings(**more: Any) -> KubernetesSettings:
    return KubernetesSettings.model_validate({"namespace": "shop", "name": "web"} | more)


def test_a_file_says_which_workload_it_is(tmp_path: Path) -> None:
    file = tmp_path / "kaeru.yml"
    file.write_text(FILE.format(more="workload: statefulset, context: production, timeout: 5m, surge: 100%"))
    (component,) = load_catalog(file, registry.kinds()).service("shop").components
    told = component.target.settings
    assert isinstance(told, KubernetesSettings)
    assert told.kind is Kind.STATEFULSET
    assert told.kubeconfig == tmp_path / "kubeconfig"
    assert told.path == "/apis/apps/v1/namespaces/shop/statefulsets/web"
    assert told.who == "StatefulSet shop/web"


@pytest.mark.parametrize(("written", "meant"), [("100%", "100%"), (3, "3"), ("7", "7"), (None, None)])
def test_a_surge_is_a_number_or_a_share(written: object, meant: str | None) -> None:
    assert _settings(surge=written).surge == meant


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../secrets"},
        {"name": "Web"},
        {"namespace": "shop/x"},
        {"namespace": "a.b"},
        {"container": "web?x"},
        {"surge": "0%"},
        {"surge": 0},
        {"surge": True},
        {"surge": "much"},
        {"workload": "pod"},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _settings(**wrong)
