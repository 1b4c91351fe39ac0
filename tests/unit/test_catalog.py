"""A valid kaeru.yml: who is meant, what holds where, and what others may ask of it."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from bot.catalog import Catalog, CatalogInvalid, Kinds, load_catalog
from bot.domain.base import Refusal
from bot.domain.evidence import Thresholds
from bot.domain.policy import Policy
from bot.domain.severity import Severity
from bot.ports.memory import Forgetful
from integrations import registry

PROJECT = Path(__file__).parents[2]


class FolderSettings(BaseModel):
    """A stand-in adapter with a bit of everything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path = Field(examples=["/srv/shop"])
    restart: tuple[str, ...] = ()
    attempts: int = Field(default=1, ge=1)


KINDS = Kinds(targets={"folder": FolderSettings}, changes={"folder": FolderSettings})
PEOPLE = """\
people:
  alice: { slack: U0ALICE, name: Alice }
  bob: { slack: U0BOB }
groups:
  oncall: [alice, U0EVE]
"""
SHOP = "services: { shop: { target: { kind: folder, root: /srv/shop } } }\n"


def load(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Catalog:
    path = tmp_path / "kaeru.yml"
    path.write_text(text, encoding="utf-8")
    return load_catalog(path, KINDS, environ=environ or {})


def test_the_example_is_valid_with_the_real_adapters() -> None:
    catalog = load_catalog(PROJECT / "kaeru.example.yml", registry.kinds(), environ={})
    shop = catalog.service("shop")
    assert shop.responders == ("U0123ABCD", "U0123ABCE")
    assert [c.name for c in shop.components] == ["shop"]
    assert shop.critical == ("/checkout", "/cart")
    assert catalog.policy("shop", Severity.LOW).quorum == 2


TWO = """\
services:
  shop: { target: { kind: folder, root: "${SHOP_ROOT}" } }
  stock: { target: { kind: folder, root: "${STOCK_ROOT}" } }
"""


def test_of_one_service_the_variables_of_the_others_are_not_needed(tmp_path: Path) -> None:
    path = tmp_path / "kaeru.yml"
    path.write_text(TWO, encoding="utf-8")
    catalog = load_catalog(path, KINDS, environ={"SHOP_ROOT": "/srv/shop"}, only="shop")
    assert list(catalog.services) == ["shop"]
    for only, lacking in (("shop", "SHOP_ROOT"), ("nowhere", "SHOP_ROOT, STOCK_ROOT")):
        with pytest.raises(CatalogInvalid) as invalid:
            load_catalog(path, KINDS, environ={}, only=only)
        said = str(invalid.value)
        assert [n for n in ("SHOP_ROOT", "STOCK_ROOT") if n in said] == lacking.split(", ")


def test_the_smallest_file(tmp_path: Path) -> None:
    catalog = load(tmp_path, SHOP)
    shop = catalog.service("shop")
    assert (shop.owners, shop.responders, shop.stakeholders, shop.changes, shop.health) == (
        (),
        (),
        None,
        None,
        None,
    )
    assert shop.watch == timedelta(minutes=5)
    assert shop.thresholds == Thresholds()
    assert str(catalog.timezone) == "UTC"
    assert catalog.workspace.channel_prefix == "inc"
    assert catalog.policy("shop", Severity.CRITICAL) == Policy(break_glass=True)
    for severity in (None, Severity.HIGH, Severity.MEDIUM, Severity.LOW):
        assert catalog.policy("shop", severity) == Policy()
    assert catalog.forward_fix_after(Severity.MEDIUM) == timedelta(minutes=30)
    assert catalog.forward_fix_after(Severity.LOW) == timedelta(hours=4)


def test_people_by_name_group_and_id(tmp_path: Path) -> None:
    text = PEOPLE + SHOP.replace("shop: {", 'shop: { owners: [bob, "@oncall", U0EVE], responders: [oncall],')
    catalog = load(tmp_path, text)
    shop = catalog.service("shop")
    assert shop.owners == ("U0BOB", "U0ALICE", "U0EVE")
    assert shop.responders == ("U0ALICE", "U0EVE")
    assert catalog.people == {"U0ALICE": "Alice"}


def test_owners_respond_where_nobody_else_is_named(tmp_path: Path) -> None:
    catalog = load(tmp_path, PEOPLE + SHOP.replace("shop: {", "shop: { owners: [bob],"))
    assert catalog.service("shop").responders == ("U0BOB",)


def test_policies_in_layers(tmp_path: Path) -> None:
    text = (
        PEOPLE
        + """\
policies:
  default: { approvers: [alice, bob, U0EVE], expires_after: 10m }
  high: { quorum: 2 }
services:
  shop:
    target: { kind: folder, root: /srv/shop }
    policies:
      default: { requester_may_approve: true }
      critical: { approvers: [alice], break_glass: false }
  stock: { target: { kind: folder, root: /srv/stock } }
"""
    )
    catalog = load(tmp_path, text)
    three = ("U0ALICE", "U0BOB", "U0EVE")
    ten = timedelta(minutes=10)
    assert catalog.policy("stock", Severity.HIGH) == Policy(quorum=2, approvers=three, expires_after=ten)
    assert catalog.policy("stock", None) == Policy(approvers=three, expires_after=ten)
    assert catalog.policy("shop", Severity.HIGH) == Policy(
        quorum=2, approvers=three, expires_after=ten, requester_may_approve=True
    )
    assert catalog.policy("shop", Severity.CRITICAL) == Policy(
        approvers=("U0ALICE",), expires_after=ten, requester_may_approve=True
    )


def test_break_glass_by_default_reaches_critical_only(tmp_path: Path) -> None:
    catalog = load(tmp_path, "policies: { default: { break_glass: true } }\n" + SHOP)
    assert [catalog.policy("shop", s).break_glass for s in Severity] == [True, False, False, False]


def test_components_go_by_tier_then_name(tmp_path: Path) -> None:
    text = """\
services:
  shop:
    components:
      worker: { target: { kind: folder, root: w } }
      web: { target: { kind: folder, root: w }, tier: 1 }
      api: { target: { kind: folder, root: w } }
"""
    shop = load(tmp_path, text).service("shop")
    assert [(c.tier, c.name) for c in shop.components] == [(0, "api"), (0, "worker"), (1, "web")]
    assert shop.component("web").tier == 1
    with pytest.raises(Refusal, match=r"shop has no component 'wbe'. Did you mean web\?"):
        shop.component("wbe")


def test_paths_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    text = """\
services:
  shop:
    target: { kind: folder, root: releases, restart: [./restart] }
    changes: { kind: folder, root: ~/shop }
    health: { url: "http://x", version: { header: X-Version }, ca_file: ca.pem }
    postmortem_template: ours.j2
"""
    shop = load(tmp_path, text).service("shop")
    target, changes = shop.components[0].target.settings, shop.changes
    assert isinstance(target, FolderSettings)
    assert changes
    assert isinstance(changes.settings, FolderSettings)
    assert target.root == tmp_path / "releases"
    assert target.restart == ("./restart",)
    assert changes.settings.root == Path.home() / "shop"
    assert shop.health
    assert shop.health.ca_file == tmp_path / "ca.pem"
    assert shop.postmortem_template == tmp_path / "ours.j2"


def test_the_file_may_be_named_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kaeru.yml").write_text(SHOP.replace("/srv/shop", "releases"))
    monkeypatch.chdir(tmp_path)
    settings = (
        load_catalog(Path("kaeru.yml"), KINDS, environ={}).service("shop").components[0].target.settings
    )
    assert isinstance(settings, FolderSettings)
    assert settings.root == tmp_path / "releases"


def test_anchors_and_merges(tmp_path: Path) -> None:
    text = """\
x-web: &web
  version: { path: /version }
  timeout: 3s
x-strict: &strict { consecutive: 9, timeout: 9s }
services:
  shop:
    target: &there { kind: folder, root: /srv }
    health: { <<: [*web, *strict], url: "http://shop/", timeout: 1s }
  stock:
    target: *there
    health: { <<: *web, url: "http://stock" }
"""
    catalog = load(tmp_path, text)
    shop, stock = catalog.service("shop").health, catalog.service("stock").health
    assert shop
    assert stock
    assert (shop.url, shop.timeout, shop.consecutive) == ("http://shop", timedelta(seconds=1), 9)
    assert (stock.timeout, stock.consecutive) == (timedelta(seconds=3), 5)
    assert shop.version.json_field == "version"


def test_variables_are_put_in(tmp_path: Path) -> None:
    text = SHOP.replace("/srv/shop", '"${ROOT}/$${literal}/${ROOT}"')
    settings = load(tmp_path, text, {"ROOT": "/srv/$x"}).service("shop").components[0].target.settings
    assert isinstance(settings, FolderSettings)
    assert settings.root == Path("/srv/$x/${literal}//srv/$x")


def test_numbers_may_come_from_variables(tmp_path: Path) -> None:
    text = SHOP.replace("/srv/shop", '/srv/shop, attempts: "${N}"')
    settings = load(tmp_path, text, {"N": "3"}).service("shop").components[0].target.settings
    assert isinstance(settings, FolderSettings)
    assert settings.attempts == 3


@pytest.mark.parametrize(("name", "value"), [("no", "no"), ("on", "1:30"), ("null-ish", "2026-11-24")])
def test_yaml_of_today(tmp_path: Path, name: str, value: str) -> None:
    text = SHOP.replace("shop: {", f"{name}: {{ description: {value},")
    assert load(tmp_path, text).service(name).description == value


def test_thresholds_and_critical_endpoints(tmp_path: Path) -> None:
    text = """\
services:
  shop:
    target: { kind: folder, root: /srv }
    health:
      url: http://shop
      version: { path: /version, field: app.version }
      critical: [/cart, { path: /checkout, method: HEAD }]
      thresholds: { max_error_rate: 0.1, max_p95: 1500ms, latency_factor: 3, latency_slack: 0.25 }
"""
    shop = load(tmp_path, text).service("shop")
    assert shop.thresholds == Thresholds(
        max_error_rate=0.1, max_p95_ms=1500, latency_factor=3, latency_slack_ms=250
    )
    assert shop.critical == ("/cart", "/checkout")
    assert shop.health
    assert [e.method for e in shop.health.critical] == ["GET", "HEAD"]


def test_stakeholders_of_the_service_come_first(tmp_path: Path) -> None:
    text = 'workspace: { stakeholders: "#all" }\n' + SHOP.replace(
        "} } }", "} }, stock: { stakeholders: C0STOCK, target: { kind: folder, root: s } } }"
    )
    catalog = load(tmp_path, text)
    assert catalog.service("shop").stakeholders == "all"
    assert catalog.service("stock").stakeholders == "C0STOCK"


def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    catalog = load(tmp_path, SHOP)
    with pytest.raises(Refusal) as refusal:
        catalog.service("shpo")
    assert str(refusal.value) == "There is no service 'shpo'. Did you mean shop? Known: shop."
    with pytest.raises(Refusal) as refusal:
        catalog.policy("billing", None)
    assert str(refusal.value) == "There is no service 'billing'. Known: shop."


def test_the_registry_makes_what_the_catalog_describes(tmp_path: Path) -> None:
    text = (PROJECT / "kaeru.example.yml").read_text().replace("/srv/shop", str(tmp_path))
    (tmp_path / "kaeru.yml").write_text(text)
    shop = load_catalog(tmp_path / "kaeru.yml", registry.kinds(), environ={}).service("shop")
    assert registry.make_target(shop.components[0].target, Forgetful()).capabilities.kind == "symlink"
    assert shop.changes
    assert shop.health
    assert callable(registry.make_changes(shop.changes).versions)
    assert callable(registry.make_health(shop.health).round)


def test_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(CatalogInvalid) as invalid:
        load_catalog(tmp_path / "kaeru.yml", KINDS, environ={})
    assert str(invalid.value) == (
        f"{tmp_path / 'kaeru.yml'}: there is no such file. Copy kaeru.example.yml, or set KAERU_CONFIG."
    )
    (tmp_path / "kaeru.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogInvalid, match="not a text file in UTF-8"):
        load_catalog(tmp_path / "kaeru.yml", KINDS, environ={})
    (tmp_path / "folder").mkdir()
    with pytest.raises(CatalogInvalid, match=r"it cannot be read \(Is a directory\)"):
        load_catalog(tmp_path / "folder", KINDS, environ={})
    shutil.rmtree(tmp_path / "folder")


def test_values_cannot_be_changed(tmp_path: Path) -> None:
    shop: Any = load(tmp_path, SHOP).service("shop")
    with pytest.raises(AttributeError):
        shop.watch = timedelta(0)
