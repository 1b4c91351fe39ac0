"""What the API server's answers mean, and that nothing of an object's content gets out with them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ports.errors import AuthFailed, Conflict, OutcomeUnknown, PortError, Refused, Unavailable
from integrations.kubernetes.errors import Answer, Doing, Expired, Missing, answered, may_not, unauthorized

WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
CHANGING = Doing("patch", WEB, changes=True, context="production")
READING = Doing("get", WEB, context="production")


def _answer(status: int, message: str = "", reason: str = "", **details: Any) -> Answer:
    body = {"kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": status}
    return Answer(status, json.dumps(body | ({"details": details} if details else {})).encode())


@pytest.mark.parametrize(
    ("path", "group", "what", "thing"),
    [
        (WEB, "apps", "deployments in namespace shop", "deployment shop/web"),
        (f"{WEB}/status", "apps", "deployments/status in namespace shop", "status of deployment shop/web"),
        ("/api/v1/namespaces/shop/pods", "", "pods in namespace shop", "pods in namespace shop"),
        ("/api/v1/namespaces/shop/pods/a/log", "", "pods/log in namespace shop", "log of pod shop/a"),
        ("/api/v1/namespaces/shop", "", "namespaces", "namespace shop"),
        ("/api/v1/nodes", "", "nodes", "nodes"),
        ("/apis/policy/v1", "policy", "/apis/policy/v1", "/apis/policy/v1"),
        (
            "/apis/networking.k8s.io/v1/namespaces/a/ingresses/b",
            "networking.k8s.io",
            "ingresses in namespace a",
            "ingress a/b",
        ),
    ],
)
def test_a_path_as_people_say_it(path: str, group: str, what: str, thing: str) -> None:
    doing = Doing("get", path)
    assert (doing.group, doing.what, doing.thing) == (group, what, thing)


def test_a_missing_right_names_verb_resource_namespace_and_who_we_are() -> None:
    message = (
        'deployments.apps "web" is forbidden: User "system:serviceaccount:kaeru:bot" cannot patch resource '
        '"deployments" in API group "apps" in the namespace "shop"'
    )
    error = answered(_answer(403, message, "Forbidden"), CHANGING)
    assert isinstance(error, AuthFailed)
    assert (
        str(error)
        == "The service account bot of namespace kaeru may not patch deployments in namespace shop."
    )
    assert "integrations/kubernetes/rbac" in error.remedy
    person = answered(_answer(403, message.replace("system:serviceaccount:kaeru:bot", "ann")), READING)
    assert str(person) == "The user ann may not get deployments in namespace shop."
    assert str(may_not(READING)) == "kaeru may not get deployments in namespace shop."


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            'admission webhook "policy.example.com" denied the request: PASSWORD=x1y2 is weak',
            "The admission webhook policy.example.com of the cluster does not let kaeru patch deployment shop/web.",
        ),
        (
            'pods "web-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3',
            "The quota small does not let kaeru patch deployment shop/web.",
        ),
        (
            "something else is forbidden: x1y2",
            "The cluster's admission does not let kaeru patch deployment shop/web.",
        ),
    ],
)
def test_admission_is_no_missing_right(message: str, said: str) -> None:
    error = answered(_answer(403, message, "Forbidden"), CHANGING)
    assert type(error) is Refused
    assert str(error) == said


def test_expired_credentials_are_named_by_their_context() -> None:
    error = answered(_answer(401, "Unauthorized"), READING)
    assert isinstance(error, AuthFailed)
    assert "credentials of context production" in str(error)
    assert "this pod's service account" in str(unauthorized(Doing("get", WEB)))


def test_what_is_missing_is_the_object_or_its_kind() -> None:
    gone = answered(_answer(404, 'deployments.apps "web" not found', "NotFound", name="web"), READING)
    assert isinstance(gone, Missing)
    assert str(gone) == "There is no deployment shop/web."
    unserved = answered(Answer(404, b"404 page not found\n"), READING)
    assert isinstance(unserved, Missing)
    assert "does not serve deployments in namespace shop (the group apps is not installed)" in str(unserved)


def test_conflicts_are_conflicts() -> None:
    assert type(answered(_answer(409, "the object has been modified", "Conflict"), CHANGING)) is Conflict
    failed_test = _answer(422, "the server rejected our request due to an error in our request", "Invalid")
    assert type(answered(failed_test, CHANGING)) is Conflict
    assert type(answered(failed_test, Doing("create", WEB, changes=True))) is Refused


def test_what_is_invalid_is_named_by_field_and_reason() -> None:
    causes = [
        {
            "reason": "FieldValueInvalid",
            "field": "spec.template.spec.containers[0].image",
            "message": "Invalid value: x1y2",
        },
        {"reason": "FieldValueRequired", "field": "spec.selector", "message": "Required value"},
        {"reason": "x1y2: ", "field": 'spec["x1y2"]', "message": "x1y2"},
    ]
    error = answered(_answer(422, "Deployment is invalid: x1y2", "Invalid", causes=causes), CHANGING)
    assert type(error) is Refused
    assert str(error) == (
        "The cluster does not accept deployment shop/web: spec.template.spec.containers[0].image is invalid, "
        "spec.selector is required, a field is not valid."
    )


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_that_fails_leaves_a_change_unknown(status: int) -> None:
    assert type(answered(_answer(status), CHANGING)) is OutcomeUnknown
    assert type(answered(_answer(status), READING)) is Unavailable


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_has_changed_nothing(status: int) -> None:
    for doing in (CHANGING, READING):
        error = answered(Answer(status, b"", retry_after_s=4.0), doing)
        assert isinstance(error, Unavailable)
        assert error.retry_after_s == 4.0


def test_a_resource_version_that_is_too_old() -> None:
    assert type(answered(_answer(410, "too old resource version: 1 (2)", "Expired"), READING)) is Expired


_SECRET = "s3cr3t-of-an-object"
_bodies = st.one_of(
    st.just(_SECRET.encode()),
    st.builds(
        lambda before, after, reason, field: json.dumps(
            {
                "kind": "Status",
                "message": f"{before}{_SECRET}{after}",
                "reason": reason,
                "details": {
                    "name": _SECRET,
                    "causes": [{"field": f"{field} {_SECRET}", "message": _SECRET, "reason": reason}],
                },
            }
        ).encode(),
        st.text(max_size=20),
        st.text(max_size=20),
        st.sampled_from(["Invalid", "FieldValueInvalid", "Forbidden", "NotFound", f"{_SECRET}!"]),
        st.sampled_from(["", "spec.template", "spec.env[0].value:"]),
    ),
)


@given(
    status=st.sampled_from([301, 400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 500, 502, 503, 504]),
    body=_bodies,
    doing=st.sampled_from([CHANGING, READING]),
)
def test_no_answer_carries_an_objects_content(status: int, body: bytes, doing: Doing) -> None:
    error = answered(Answer(status, body), doing)
    assert isinstance(error, PortError)
    assert _SECRET not in error.advice
    assert str(error).endswith(".")
    assert not (isinstance(error, OutcomeUnknown) and not doing.changes)
