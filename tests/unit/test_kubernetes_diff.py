"""What is said to change between two pod templates, and what is not said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.kubernetes.configs import Held, compared, hashed, references
from integrations.kubernetes.diff import diff_lines
from integrations.kubernetes.template import shape_ref

Json = dict[str, Any]

SECRET = "hunter2"


def template(*, pod: Json | None = None, metadata: Json | None = None, **container: Any) -> Json:
    web = {"name": "web", "image": "shop/web:v1", **container}
    return {"metadata": metadata or {}, "spec": {"containers": [web], **(pod or {})}}


def env(**values: str) -> list[Json]:
    return [{"name": name, "value": value} for name, value in values.items()]


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (template(), template(), []),
        (template(), template(image="shop/web:v2"), ["image of web: shop/web:v1 → shop/web:v2"]),
        (
            template(env=env(A="1", B="2", D="4")),
            template(env=env(B="3", C="3", D="4")),
            ["env of web: C added; A removed; B changed"],
        ),
        (
            template(envFrom=[{"configMapRef": {"name": "a"}}]),
            template(envFrom=[{"secretRef": {"name": "a"}}]),
            ["envFrom of web: Secret a added; ConfigMap a removed"],
        ),
        (
            template(resources={"limits": {"memory": "512Mi"}}),
            template(resources={"limits": {"memory": "256Mi"}, "requests": {"cpu": "1"}}),
            ["web resources.limits.memory: 512Mi → 256Mi", "web resources.requests.cpu: 1 added"],
        ),
        (
            template(readinessProbe={"httpGet": {"path": "/a", "port": 80}, "periodSeconds": 1}),
            template(readinessProbe={"httpGet": {"path": "/b", "port": 80}, "periodSeconds": 5}),
            ["web readinessProbe.httpGet.path: /a → /b", "web readinessProbe.periodSeconds: 1 → 5"],
        ),
        (
            template(args=["serve", "--cache=1", "--verbose"]),
            template(args=["serve", "--cache=2", "--fast"]),
            ["args of web: --fast added; --verbose removed; --cache changed"],
        ),
        (template(command=["a"]), template(command=["b", "c"]), ["command of web: changed (1 → 2 words)"]),
        (
            template(volumeMounts=[{"name": "c", "mountPath": "/etc/c"}]),
            template(volumeMounts=[{"name": "c", "mountPath": "/etc/d"}]),
            ["mounts of web: /etc/d added; /etc/c removed"],
        ),
        (
            template(pod={"volumes": [{"name": "c", "configMap": {"name": "one"}}]}),
            template(
                pod={
                    "volumes": [{"name": "c", "secret": {"secretName": "two"}}, {"name": "t", "emptyDir": {}}]
                }
            ),
            ["volume c: ConfigMap one → Secret two", "volume t: added (emptyDir)"],
        ),
        (
            template(pod={"initContainers": [{"name": "schema", "image": "schema:v1"}]}),
            template(pod={"initContainers": [{"name": "schema", "image": "schema:v2"}]}),
            ["image of schema: schema:v1 → schema:v2"],
        ),
        (
            template(pod={"serviceAccountName": "a", "hostNetwork": True}),
            template(pod={"serviceAccountName": "b"}),
            ["pod serviceAccountName: a → b", "pod hostNetwork: true removed"],
        ),
        (
            template(metadata={"labels": {"tier": "a"}, "annotations": {"sum": "1"}}),
            template(metadata={"labels": {"tier": "b"}, "annotations": {"sum": "2"}}),
            ["pod labels: tier changed", "pod annotations: sum changed"],
        ),
    ],
)
def test_lines(before: Json, after: Json, lines: list[str]) -> None:
    assert list(diff_lines(before, after)) == lines


def test_containers_come_and_go_and_images_are_first() -> None:
    before, after = template(env=env(A="1")), template(image="shop/web:v2")
    before["spec"]["containers"].append({"name": "proxy", "image": "proxy:v1"})
    after["spec"]["containers"].append({"name": "log", "image": "log:v1"})
    assert diff_lines(before, after) == (
        "image of web: shop/web:v1 → shop/web:v2",
        "env of web: A removed",
        "container proxy: removed (proxy:v1)",
        "container log: added (log:v1)",
    )


def test_a_restart_changes_nothing() -> None:
    restarted = template(metadata={"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}})
    assert diff_lines(template(), restarted) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (template(env=env(A="1")), template(env=env(A=SECRET, B=SECRET))),
        (template(), template(args=[f"--password={SECRET}", SECRET])),
        (template(), template(command=["sh", "-c", f"run {SECRET}"])),
        (template(), template(livenessProbe={"exec": {"command": ["check", SECRET]}})),
        (
            template(),
            template(
                livenessProbe={"httpGet": {"httpHeaders": [{"name": "Authorization", "value": SECRET}]}}
            ),
        ),
        (template(), template(lifecycle={"preStop": {"exec": {"command": [SECRET]}}})),
        (template(), template(metadata={"annotations": {"vault": SECRET}})),
        (
            template(),
            template(pod={"volumes": [{"name": "v", "csi": {"volumeAttributes": {"key": SECRET}}}]}),
        ),
    ],
)
def test_what_may_be_secret_is_not_shown(before: Json, after: Json) -> None:
    for lines in (diff_lines(before, after), diff_lines(after, before)):
        assert lines
        assert SECRET not in "".join(lines)


def test_a_long_list_is_cut_and_counted() -> None:
    after = template(resources={"limits": {f"example.com/{n}": str(n) for n in range(60)}})
    lines = diff_lines(template(), after)
    assert len(lines) == 40
    assert lines[-1] == "and 21 changes more"


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=4,
)
fields = st.dictionaries(st.sampled_from(["resources", "securityContext", "ports", "args", "stdin"]), values)


@given(fields, fields)
def test_there_are_lines_where_and_only_where_the_shapes_differ(one: Json, other: Json) -> None:
    before, after = template(**clean(one)), template(**clean(other))
    if shape_ref(before) == shape_ref(after):
        assert diff_lines(before, after) == ()
    else:
        assert diff_lines(before, after)


def clean(container: Json) -> Json:
    """`args` are words; the others may be anything."""
    words = container.get("args")
    known = [str(word) for word in words] if isinstance(words, list) else []
    return {**container, "args": known}


def refers() -> Json:
    return template(
        env=[
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "size"}}},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "extra", "key": "k", "optional": True}}},
        ],
        envFrom=[{"configMapRef": {"name": "settings"}}],
        pod={
            "initContainers": [{"name": "i", "image": "i", "envFrom": [{"secretRef": {"name": "init"}}]}],
            "volumes": [
                {"name": "a", "configMap": {"name": "files", "items": [{"key": "web.conf", "path": "p"}]}},
                {"name": "b", "secret": {"secretName": "tls"}},
                {
                    "name": "c",
                    "projected": {"sources": [{"secret": {"name": "db"}}, {"configMap": {"name": "ca"}}]},
                },
            ],
        },
    )


def test_everything_that_is_referred_to_is_found() -> None:
    found = references(refers())
    assert list(found) == [
        "ConfigMap ca",
        "ConfigMap files",
        "ConfigMap settings",
        "Secret db",
        "Secret extra",
        "Secret init",
        "Secret tls",
    ]
    assert found["Secret db"].needed == {"password"}
    assert found["ConfigMap files"].needed == {"web.conf"}
    assert [title for title, one in found.items() if one.optional] == ["Secret extra"]


def stored(uid: str = "u1", **data: str) -> Json:
    return {"metadata": {"uid": uid}, "data": data}


def told(then: Json | None, now: Json) -> tuple[list[str], list[str]]:
    title = "Secret db"
    kept = {title: hashed(title, then)} if then else {}
    one = template(envFrom=[{"secretRef": {"name": "db"}}])
    lines, warnings = compared(one, kept, Held(hashes={title: hashed(title, now)}), "v1")
    return lines, [warning.text for warning in warnings]


def test_changed_keys_are_named_and_no_values() -> None:
    lines, warnings = told(stored(a=SECRET, b="1", c="1"), stored(b="1", c=SECRET, d="1"))
    assert lines == []
    assert warnings == [
        "Secret db is not rolled back. Since v1 last ran, d was added; a was removed; c was changed."
    ]


def test_what_is_as_it_was_is_said_as_well() -> None:
    lines, warnings = told(stored(a="1"), stored(a="1"))
    assert (lines, warnings) == (["Secret db: unchanged since v1 last ran; not rolled back"], [])


def test_one_that_was_made_anew_or_never_seen_cannot_be_compared() -> None:
    _, made_anew = told(stored(a="1"), stored(uid="u2", a="1"))
    assert "it was made anew, and whether its values are the same is not known" in made_anew[0]
    _, never_seen = told(None, stored(a="1", b="2"))
    assert never_seen == [
        "Not rolled back, and kaeru did not see how they were when v1 ran: Secret db (keys a, b)."
    ]


def test_what_is_missing_or_may_not_be_read_is_said() -> None:
    needs = template(env=[{"name": "B", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}])
    title = "Secret db"
    _, missing = compared(needs, {}, Held(missing=frozenset({title})), "v1")
    assert [w.text for w in missing] == ["v1 needs Secret db, which does not exist: its pods will not start."]
    _, lacking = compared(needs, {}, Held(hashes={title: hashed(title, stored(user="a"))}), "v1")
    assert (
        lacking[0].text == "v1 needs password in Secret db, which it does not hold: its pods will not start."
    )
    _, unread = compared(needs, {}, Held(unread={title: "kaeru may not get secrets."}), "v1")
    assert [w.text for w in unread] == [
        "Whether Secret db changed since v1 ran is not known. kaeru may not get secrets."
    ]
    optional = template(envFrom=[{"secretRef": {"name": "db", "optional": True}}])
    assert compared(optional, {}, Held(missing=frozenset({title})), "v1") == ([], [])


def test_a_hash_needs_the_object_to_be_made() -> None:
    one, other = hashed("Secret db", stored(a=SECRET)), hashed("Secret db", stored(uid="u2", a=SECRET))
    assert one["a"] != other["a"]
    assert SECRET not in str(one)
