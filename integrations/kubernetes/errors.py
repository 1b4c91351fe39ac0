"""What the API server's answers mean to whoever asked: sentences that name verb, resource, namespace and who we are.

The text of an answer may quote the object that was sent. None of it is passed on but names, reasons and fields.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from bot.ports.errors import AuthFailed, Conflict, Gone, OutcomeUnknown, PortError, Refused, Unavailable

RBAC = "integrations/kubernetes/rbac"

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?(?:/(?P<resource>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>.+))?)?)?"
)
_WHO = re.compile(r'User "(?P<user>[^"]{1,253})" cannot ')
_ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
_WEBHOOK = re.compile(r'admission webhook "([A-Za-z0-9.-]{1,253})" denied')
_QUOTA = re.compile(r"exceeded quota: ([a-z0-9.-]{1,253})")
_FIELD = re.compile(r"[A-Za-z0-9_.\[\]/-]{1,200}")
_LOST = (500, 502, 504)  # what a change may have happened behind


class Missing(Gone):
    """The object does not exist, or the cluster does not serve its kind."""


class Expired(Unavailable):
    """The resource version is too old to watch from: list again."""


@dataclass(frozen=True)
class Doing:
    """One request as people say it. `changes` is whether it changes something."""

    verb: str
    path: str
    changes: bool = False
    context: str = ""

    @property
    def group(self) -> str:
        return self._part("group")

    @property
    def namespace(self) -> str:
        return self._part("namespace")

    @property
    def resource(self) -> str:
        """The plural, with its subresource: `pods/log`."""
        sub = self._part("sub")
        return f"{self._part('resource')}/{sub}" if sub else self._part("resource")

    @property
    def what(self) -> str:
        """`deployments in namespace shop`."""
        if not self.resource:
            return self.path
        return f"{self.resource} in namespace {self.namespace}" if self.namespace else self.resource

    @property
    def thing(self) -> str:
        """`deployment shop/web`, where it is one object."""
        name, sub = self._part("name"), self._part("sub")
        where = f"{self.namespace}/{name}" if self.namespace else name
        one = f"{_singular(self._part('resource'))} {where}"
        if not name:
            return self.what
        return f"{sub} of {one}" if sub else one

    def _part(self, name: str) -> str:
        found = _PATH.fullmatch(self.path)
        return (found.group(name) or "") if found else ""


def _singular(plural: str) -> str:
    if plural.endswith("ies"):
        return f"{plural[:-3]}y"
    return plural.removesuffix("es") if plural.endswith(("sses", "xes")) else plural.removesuffix("s")


@dataclass(frozen=True)
class Answer:
    """An answer that is no success. `retry_after_s` is what its header says, if anything."""

    status: int
    body: bytes
    retry_after_s: float | None = None


def answered(answer: Answer, doing: Doing) -> PortError:  # noqa: PLR0911 - one answer for each status
    """The error that `answer` to `doing` is."""
    status = _status(answer.body)
    match answer.status:
        case 401:
            return unauthorized(doing)
        case 403:
            return _forbidden(str(status.get("message", "")), doing)
        case 404:
            return _not_found(status, doing)
        case 410:
            return Expired(f"What was known of {doing.what} is too old to go on from.", retry_after_s=0.0)
        case 409:
            return Conflict(f"Somebody else changed {doing.thing} at the same moment; nothing was changed.")
        case 422 | 400:
            return _unprocessable(status, doing)
        case 429 | 503:
            wait = answer.retry_after_s if answer.retry_after_s is not None else 1.0
            return Unavailable(
                f"The API server is too busy or not ready to {doing.verb} {doing.what} ({answer.status}).",
                retry_after_s=wait,
            )
    if answer.status >= 500:
        if doing.changes and answer.status in _LOST:
            return lost(doing, f"the API server answered {answer.status}")
        return Unavailable(
            f"The API server failed to {doing.verb} {doing.what} ({answer.status}).",
            retry_after_s=answer.retry_after_s or 1.0,
        )
    return Refused(
        f"The API server does not {doing.verb} {doing.thing}: it answered {answer.status}{_reason(status)}."
    )


def lost(doing: Doing, why: str) -> OutcomeUnknown:
    """The answer to a request that changes something did not arrive."""
    return OutcomeUnknown(
        f"Whether {doing.thing} was changed is not known: {why}.",
        remedy="It is looked at before anything is tried again.",
    )


def unauthorized(doing: Doing) -> AuthFailed:
    whose = f"of context {doing.context}" if doing.context else "of this pod's service account"
    return AuthFailed(
        f"The cluster does not accept the credentials {whose}: they have expired or are not valid.",
        remedy="Renew them where the kubeconfig gets them from, and try again."
        if doing.context
        else "See that the service account exists and its token is mounted.",
    )


def may_not(doing: Doing, user: str = "") -> AuthFailed:
    """A right that is missing."""
    who = _who(user) if user else "kaeru"
    return AuthFailed(
        f"{who} may not {doing.verb} {doing.what}.",
        remedy=f"Apply the roles of {RBAC} there, or have them bound to kaeru's account.",
    )


def _who(user: str) -> str:
    account = _ACCOUNT.fullmatch(user)
    return f"The service account {account[2]} of namespace {account[1]}" if account else f"The user {user}"


def _forbidden(message: str, doing: Doing) -> Refused:
    found = _WHO.search(message)
    if found or not message:
        return may_not(doing, found["user"] if found else "")
    # Admission says 403 as well, and nobody's rights are at fault.
    if webhook := _WEBHOOK.search(message):
        by = f"The admission webhook {webhook[1]} of the cluster"
    elif quota := _QUOTA.search(message):
        by = f"The quota {quota[1]}"
    else:
        by = "The cluster's admission"
    return Refused(
        f"{by} does not let kaeru {doing.verb} {doing.thing}.",
        remedy="Ask whoever runs the cluster, or try it with kubectl to read its reason.",
    )


def _not_found(status: dict[str, Any], doing: Doing) -> Missing:
    if status.get("reason") == "NotFound" and (status.get("details") or {}).get("name"):
        return Missing(f"There is no {doing.thing}.", remedy="Correct kaeru.yml, or create it.")
    where = f"the group {doing.group}" if doing.group else "that"
    return Missing(f"This cluster does not serve {doing.what} ({where} is not installed).")


def _unprocessable(status: dict[str, Any], doing: Doing) -> PortError:
    causes = (status.get("details") or {}).get("causes") or []
    wrong = [_cause(cause) for cause in causes if isinstance(cause, dict)]
    if wrong:
        return Refused(
            f"The cluster does not accept {doing.thing}: {', '.join(dict.fromkeys(wrong))}.",
            remedy="Choose another version, or change it by hand.",
        )
    if doing.verb == "patch" and status.get("reason") == "Invalid":
        # A failed `test` names neither field nor value.
        return Conflict(f"{doing.thing} is not as it was when this was planned; nothing was changed.")
    return Refused(f"The API server cannot {doing.verb} {doing.thing} as asked{_reason(status)}.")


def _cause(cause: dict[str, Any]) -> str:
    field, reason = str(cause.get("field", "")), str(cause.get("reason", ""))
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", reason.removeprefix("FieldValue")).lower()
    shown = field if _FIELD.fullmatch(field) else "a field"
    return f"{shown} is {words}" if words.replace(" ", "").isalpha() else f"{shown} is not valid"


def _reason(status: dict[str, Any]) -> str:
    reason = str(status.get("reason", ""))
    return f" ({reason})" if reason.isalpha() and len(reason) < 64 else ""


def _status(body: bytes) -> dict[str, Any]:
    try:
        status = json.loads(body)
    except ValueError:  # a proxy's page, or nothing
        return {}
    return status if isinstance(status, dict) and status.get("kind") == "Status" else {}
