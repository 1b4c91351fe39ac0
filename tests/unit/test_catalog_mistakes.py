"""Every mistake in kaeru.yml, read as a tired person reads it: where it is, what was expected, what is there."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.catalog import CatalogInvalid, load_catalog
from integrations import registry
from tests.unit.test_catalog import PEOPLE, SHOP, load


def mistakes(tmp_path: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(CatalogInvalid) as invalid:
        load(tmp_path, text, environ)
    lines = str(invalid.value).splitlines()
    assert lines == [str(problem) for problem in invalid.value.problems]
    folder = f"{tmp_path}/"
    assert all(line.startswith(folder) for line in lines)
    return [line.removeprefix(folder) for line in lines]


def shop(more: str) -> str:
    return f"services:\n  shop:\n    target: {{ kind: folder, root: /srv }}\n{more}"


HEALTH = '    health: { url: "http://x", version: { path: /version }, '

# The file, and the one line that is said of it.
CASES = {
    "unknown setting": (
        shop("    owner: [U0ALICE]\n"),
        "kaeru.yml:4:5 services.shop.owner: there is no setting of this name. Did you mean owners?",
    ),
    "unknown section": (
        "polices: {}\n" + SHOP,
        "kaeru.yml:1:1 polices: there is no setting of this name. Did you mean policies?",
    ),
    "text for a list": (
        shop(HEALTH + "critical: /checkout }\n"),
        (
            "kaeru.yml:4:71 services.shop.health.critical: expected a list such as [/checkout, /cart], "
            'got the text "/checkout".'
        ),
    ),
    "list for a text": (
        shop("    description: [a, b]\n"),
        "kaeru.yml:4:18 services.shop.description: expected a text such as Where tea is sold, got a list of 2.",
    ),
    "no slash": (
        shop(HEALTH + "critical: [/cart, checkout] }\n"),
        (
            "kaeru.yml:4:79 services.shop.health.critical[1]: expected a path that begins with a slash, "
            'such as /checkout, got the text "checkout".'
        ),
    ),
    "a method that changes things": (
        shop(HEALTH + "critical: [{ path: /cart, method: POST }] }\n"),
        'kaeru.yml:4:95 services.shop.health.critical[0].method: expected GET or HEAD, got the text "POST".',
    ),
    "duration": (
        shop("    watch: 5 minutes\n"),
        (
            "kaeru.yml:4:12 services.shop.watch: expected a duration such as 90s, 15m, 4h or 2d, "
            'got the text "5 minutes".'
        ),
    ),
    "no duration at all": (
        shop("    watch: 0s\n"),
        (
            "kaeru.yml:4:12 services.shop.watch: expected a duration from 1ms to a year, "
            'such as 90s or 15m, got the text "0s".'
        ),
    ),
    "missing": (
        shop("    health: { url: http://x }\n"),
        (
            "kaeru.yml:4:5 services.shop.health.version: this is missing; it is needed, "
            "such as version: {path: /version, field: version}."
        ),
    ),
    "two ways to a version": (
        shop('    health: { url: "http://x", version: { path: /v, header: X-V } }\n'),
        (
            "kaeru.yml:4:41 services.shop.health.version: expected either {path: /version, field: version} "
            "or {header: X-Version}, got a mapping (path, header)."
        ),
    ),
    "not an address": (
        shop("    health: { url: shop.example.com, version: { path: /version } }\n"),
        (
            "kaeru.yml:4:20 services.shop.health.url: expected an address such as https://shop.example.com, "
            'got the text "shop.example.com".'
        ),
    ),
    "nothing after the colon": (
        shop("    stakeholders: #incidents\n"),
        (
            "kaeru.yml:4:18 services.shop.stakeholders: nothing is written here. Remove the line, "
            "or put a value that begins with # in quotes."
        ),
    ),
    "unknown person": (
        PEOPLE + SHOP.replace("shop: {", "shop: { owners: [alcie],"),
        "kaeru.yml:6:30 services.shop.owners[0]: there is no person or group 'alcie'. Did you mean alice?",
    ),
    "unknown person, nobody is known": (
        SHOP.replace("shop: {", "shop: { owners: [alice],"),
        (
            "kaeru.yml:1:30 services.shop.owners[0]: there is no person or group 'alice'. "
            "Add them under `people`, or write a Slack id such as U0123ABCD."
        ),
    ),
    "a group of strangers": (
        "groups: { oncall: [bob] }\n" + SHOP,
        "kaeru.yml:1:20 groups.oncall[0]: there is no person or group 'bob'. Known: @oncall.",
    ),
    "not a Slack id": (
        "people: { alice: { slack: alice } }\n" + SHOP,
        'kaeru.yml:1:27 people.alice.slack: expected a text like U0123ABCD, got the text "alice".',
    ),
    "a group named like a person": (
        "people: { alice: { slack: U0ALICE } }\ngroups: { alice: [alice] }\n" + SHOP,
        "kaeru.yml:2:11 groups.alice: 'alice' is a person already; give the group another name.",
    ),
    "a time zone": (
        "workspace: { timezone: Europe/Berln }\n" + SHOP,
        (
            "kaeru.yml:1:24 workspace.timezone: 'Europe/Berln' is not a time zone; expected one such as UTC "
            "or Europe/Berlin. Did you mean Europe/Berlin, Europe/Dublin or Europe/Belfast?"
        ),
    ),
    "a channel": (
        'workspace: { stakeholders: "our incidents" }\n' + SHOP,
        (
            "kaeru.yml:1:28 workspace.stakeholders: expected a channel such as incidents, or its id such as "
            'C0123ABCD, got the text "our incidents".'
        ),
    ),
    "a name for a service": (
        SHOP.replace("shop:", "My Shop:"),
        (
            "kaeru.yml:1:13 services.My Shop: expected a name of lowercase letters, digits, - and _, "
            "at most 40 characters, got 'My Shop'."
        ),
    ),
    "no service": (
        "services: {}\n",
        "kaeru.yml:1:11 services: expected at least 1 entry, got an empty mapping.",
    ),
    "quorum": (
        PEOPLE + "policies:\n  default: { approvers: [alice, bob] }\n  high:\n    quorum: 2\n" + SHOP,
        (
            "kaeru.yml:9:13 policies.high.quorum: a quorum of 2 cannot be reached: approvers has 2 people, and only "
            "1 when one of them asks for the rollback. Name more approvers, lower the quorum, "
            "or set requester_may_approve: true."
        ),
    ),
    "quorum of one who asks": (
        PEOPLE + "policies: { default: { approvers: [alice] } }\n" + SHOP,
        (
            "kaeru.yml:6:35 policies.default.approvers: a quorum of 1 cannot be reached: approvers has 1 person, and "
            "only 0 when one of them asks for the rollback. Name more approvers, lower the quorum, "
            "or set requester_may_approve: true."
        ),
    ),
    "quorum in one service": (
        PEOPLE
        + "policies: { default: { approvers: [alice, bob], requester_may_approve: true } }\n"
        + SHOP.replace("shop: {", "shop: { policies: { critical: { quorum: 3 } },"),
        (
            "kaeru.yml:7:53 services.shop.policies.critical.quorum: a quorum of 3 cannot be reached: approvers has "
            "2 people. Name more approvers, lower the quorum."
        ),
    ),
    "break-glass where it cannot be": (
        "policies: { high: { break_glass: true } }\n" + SHOP,
        "kaeru.yml:1:34 policies.high.break_glass: break-glass is for `critical` only; remove it here.",
    ),
    "quorum as a word": (
        "policies: { high: { quorum: two } }\n" + SHOP,
        'kaeru.yml:1:29 policies.high.quorum: expected a whole number such as 1, got the text "two".',
    ),
    "too small": (
        "policies: { high: { quorum: 0 } }\n" + SHOP,
        "kaeru.yml:1:29 policies.high.quorum: expected a number of at least 1 such as 1, got the number 0.",
    ),
    "neither yes nor no": (
        "policies: { high: { requester_may_approve: maybe } }\n" + SHOP,
        'kaeru.yml:1:44 policies.high.requester_may_approve: expected true or false, got the text "maybe".',
    ),
    "unknown adapter": (
        SHOP.replace("folder", "foldr"),
        "kaeru.yml:1:37 services.shop.target.kind: there is no adapter 'foldr' here. Did you mean folder?",
    ),
    "no adapter": (
        SHOP.replace("kind: folder, ", ""),
        (
            "kaeru.yml:1:21 services.shop.target.kind: expected the name of an adapter, got nothing; "
            "`kind` says which adapter this is. Known: folder."
        ),
    ),
    "an adapter's own setting": (
        SHOP.replace("root: /srv/shop", "root: /srv/shop, attempts: 0"),
        "kaeru.yml:1:72 services.shop.target.attempts: expected a number of at least 1, got the number 0.",
    ),
    "an adapter's missing setting": (
        SHOP.replace(", root: /srv/shop", ""),
        "kaeru.yml:1:21 services.shop.target.root: this is missing; it is needed, such as root: /srv/shop.",
    ),
    "an adapter's unknown setting": (
        SHOP.replace("root: /srv/shop", "root: /srv/shop, restrat: [x]"),
        "kaeru.yml:1:62 services.shop.target.restrat: there is no setting of this name. Did you mean restart?",
    ),
    "nothing to roll back": (
        "services:\n  shop:\n    watch: 5m\n",
        (
            "kaeru.yml:2:3 services.shop: there is nothing to roll back; "
            "add `target: {kind: folder, …}` or `components`."
        ),
    ),
    "both shapes": (
        shop("    components: { web: { target: { kind: folder, root: /srv } } }\n"),
        "kaeru.yml:3:5 services.shop.target: use either `target` or `components`, not both.",
    ),
    "twice": (
        shop("    watch: 5m\n    watch: 6m\n"),
        "kaeru.yml:5:5 services.shop.watch: this name is used twice in the same place; the first is on line 4.",
    ),
    "a variable that is not set": (
        SHOP.replace("/srv/shop", "'${SHOP_ROOT}'"),
        (
            "kaeru.yml:1:51 services.shop.target.root: the environment variable SHOP_ROOT is not set. "
            "Set it, or write the value here."
        ),
    ),
    "not a variable": (
        SHOP.replace("/srv/shop", '"${SHOP ROOT}"'),
        (
            "kaeru.yml:1:51 services.shop.target.root: `${…}` does not hold the name of an environment variable. "
            "For a plain `${` write `$${`."
        ),
    ),
    "a tag": (
        shop("    watch: !!python/object:os.system x\n"),
        (
            "kaeru.yml:4:12 services.shop.watch: the tag tag:yaml.org,2002:python/object:os.system is not known here; "
            "write a plain value, in quotes if it begins with !."
        ),
    ),
    "a reserved character": (
        SHOP.replace("shop: {", "shop: { owners: [@oncall],"),
        "kaeru.yml:1:30: this is not YAML: found character '@' that cannot start any token. Put the text in quotes.",
    ),
    "a variable without quotes": (
        SHOP.replace("/srv/shop", "${SHOP_ROOT}"),
        "kaeru.yml:1:52: this is not YAML: expected ',' or '}', but got '{'. Put a text with `${…}` in quotes.",
    ),
    "a tab": (
        "services:\n\tshop: {}\n",
        "kaeru.yml:2:1: this is not YAML: a tab is used to indent; use spaces.",
    ),
    "two colons": (
        "services: shop: x\n",
        "kaeru.yml:1:15: this is not YAML: a second `:` on one line. Put the text in quotes, or mind the indentation.",
    ),
    "two documents": (
        SHOP + "---\n" + SHOP,
        "kaeru.yml:2:1: there is a second document after `---`; kaeru reads one only.",
    ),
    "an empty file": (
        "# nothing yet\n",
        "kaeru.yml:1:1: expected a mapping with `services`, got nothing. See kaeru.example.yml.",
    ),
    "a list": (
        "- shop\n",
        "kaeru.yml:1:1: expected a mapping with `services`, got a list of 1. See kaeru.example.yml.",
    ),
    "a merge of nothing": (
        shop("    <<: yes\n"),
        "kaeru.yml:4:9 services.shop: `<<` takes an alias of a mapping, such as `<<: *defaults`.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_mistake(tmp_path: Path, name: str) -> None:
    text, expected = CASES[name]
    assert mistakes(tmp_path, text) == [expected]


def test_all_at_once_from_top_to_bottom(tmp_path: Path) -> None:
    text = """\
workspace: { timezone: Nowhere/Else, colour: red }
people: { alice: { slack: U0ALICE } }
policies:
  default: { approvers: [alice, bob] }
services:
  shop:
    owners: [carol]
    target: { kind: folder, root: 7, attempts: many }
    watch: soon
  stock:
    components:
      web: { target: { kind: unknown } }
      db: { tier: low }
"""
    lines = mistakes(tmp_path, text)
    assert [line.split()[0:2] for line in lines] == [
        ["kaeru.yml:1:24", "workspace.timezone:"],
        ["kaeru.yml:1:38", "workspace.colour:"],
        ["kaeru.yml:4:33", "policies.default.approvers[1]:"],
        ["kaeru.yml:7:14", "services.shop.owners[0]:"],
        ["kaeru.yml:8:35", "services.shop.target.root:"],
        ["kaeru.yml:8:48", "services.shop.target.attempts:"],
        ["kaeru.yml:9:12", "services.shop.watch:"],
        ["kaeru.yml:12:30", "services.stock.components.web.target.kind:"],
        ["kaeru.yml:13:7", "services.stock.components.db.target:"],
        ["kaeru.yml:13:19", "services.stock.components.db.tier:"],
    ]


def test_a_mistake_in_an_anchor_is_told_where_it_is_written(tmp_path: Path) -> None:
    text = """\
x-defaults: &defaults
  watch: soon
services:
  shop: { <<: *defaults, target: { kind: folder, root: /srv } }
"""
    assert mistakes(tmp_path, text) == [
        'kaeru.yml:2:10 services.shop.watch: expected a duration such as 90s, 15m, 4h or 2d, got the text "soon".'
    ]


def test_an_anchor_that_holds_itself(tmp_path: Path) -> None:
    assert any("refers to itself" in line for line in mistakes(tmp_path, "services: &a { shop: *a }\n"))


def test_aliases_that_multiply(tmp_path: Path) -> None:
    rows = ["x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    rows += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    (line,) = mistakes(tmp_path, "\n".join(rows))
    assert line.endswith("aliases make this file larger than 20000 values.")


def test_a_variables_value_is_never_shown(tmp_path: Path) -> None:
    text = "policies: { high: { quorum: '${SECRET}' } }\n" + SHOP
    (line,) = mistakes(tmp_path, text, SECRET="hunter2")
    assert line.endswith('got the text "${SECRET}".')


OWN = (
    "services:\n  shop:\n    changes: {{ kind: git, repository: /srv }}\n"
    "    target: {{ kind: symlink, releases: /r, link: /l{target} }}\n"
    "    databases: {{ d: {{ backup: {{ kind: postgresql, database: d, directory: /b{backup} }}{database} }} }}\n"
)
SECRETS = {
    "a number": {"backup": ", password: 55667788"},
    "a number with a point": {"backup": ", password: 5566.7788"},
    "a mapping": {"backup": ", password: {Br0ken5566: 1}"},
    "a list": {"backup": ", password: [Br0ken5566]"},
    "an alias": {"backup": ", password: *Br0ken5566"},
    "an anchor used twice": {"backup": ", user: &Br0ken5566 a, password: &Br0ken5566 b"},
    "a tag": {"backup": ", password: !Br0ken5566 x"},
    "half a variable": {"backup": ', password: "My${secret-5566}"'},
    "in an environment": {"target": ", environment: {TOKEN: 55667788, PLAIN: 5566}"},
    "an environment": {"target": ", environment: 55667788"},
    "a key of S3": {"backup": ", s3: {bucket: bbb, secret_key: 55667788}"},
    "an address": {"database": ", migrations: {kind: git, paths: [m], database_url: 55667788}"},
    "a name that is close": {"backup": ", pasword: 55667788"},
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_no_text_is_never_shown(tmp_path: Path, name: str) -> None:
    path = tmp_path / "kaeru.yml"
    path.write_text(OWN.format(**({"target": "", "backup": "", "database": ""} | SECRETS[name])))
    with pytest.raises(CatalogInvalid) as invalid:
        load_catalog(path, registry.kinds(), environ={})
    assert "5566" not in str(invalid.value)


def test_a_short_text_says_how_long_it_has_to_be(tmp_path: Path) -> None:
    path = tmp_path / "kaeru.yml"
    path.write_text(OWN.format(target="", backup=", s3: {bucket: x}", database=""))
    with pytest.raises(CatalogInvalid) as invalid:
        load_catalog(path, registry.kinds(), environ={})
    assert 'expected a text of at least 3 characters, such as shop-backups, got the text "x".' in str(
        invalid.value
    )


LINES = """\
workspace:
  timezone: UTC
  channel_prefix: inc
people:
  alice:
    slack: U0ALICE
  bob:
    slack: U0BOB
groups:
  oncall:
    - alice
    - bob
policies:
  default:
    quorum: 1
    expires_after: 15m
  critical:
    break_glass: true
forward_fix:
  medium: 30m
  remind_every: 30m
nudges:
  postmortem_after: 24h
services:
  shop:
    description: tea
    owners:
      - alice
    target:
      kind: folder
      root: /srv/shop
      attempts: 2
    health:
      url: http://shop
      version:
        path: /version
        field: version
      critical:
        - /cart
        - /checkout
      consecutive: 5
      interval: 1s
      thresholds:
        max_error_rate: 0.02
        max_p95: 1s
    watch: 5m
""".splitlines()
VALUES = [n for n, line in enumerate(LINES) if not line.endswith(":")]


@given(where=st.sampled_from(VALUES), wrong=st.sampled_from(["[[]]", "{ wrong: 1 }"]), pad=st.integers(0, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_a_wrong_value_anywhere_is_reported_at_its_place(
    tmp_path: Path, where: int, wrong: str, pad: int
) -> None:
    line = LINES[where]
    head = line[: line.index(": ") + 2] if ": " in line else line[: line.index("- ") + 2]
    lines = [*(["# a comment"] * pad), *LINES[:where], head + wrong, *LINES[where + 1 :]]
    place = f"kaeru.yml:{where + pad + 1}:{len(head) + 1} "
    assert any(said.startswith(place) for said in mistakes(tmp_path, "\n".join(lines)))


@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["services", "people", "policies", "shop", "target", "kind", "health", "slack"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_any_file_is_either_right_or_refused_in_sentences(tmp_path: Path, data: Any) -> None:
    for text in (yaml.safe_dump(data, allow_unicode=True), json.dumps(data)):
        try:
            load(tmp_path, text)
        except CatalogInvalid as invalid:
            problems = invalid.problems
        else:
            continue
        assert problems
        assert [p.sentence for p in problems if not p.sentence.endswith((".", "?"))] == []
        assert [p for p in problems if p.line < 1 or p.column < 1] == []
