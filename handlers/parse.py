"""What a person typed, as data. Pure; a mistake raises Refusal with a sentence that shows the right form."""

import re
from typing import Any

from bot.domain.audiences import Audience
from bot.domain.base import Refusal, UserId, Value, as_version
from bot.domain.severity import Severity
from bot.domain.ways_back import Way, way_named

_USER = re.compile(r"^<@([UW][A-Z0-9]+)(?:\|[^>]*)?>$")
_ROLLBACK = "`/rollback SERVICE [VERSION] [--dry-run] [--exercise]`"
_SEVERITIES = {
    **{s.value: s for s in Severity},
    "crit": Severity.CRITICAL,
    "sev1": Severity.CRITICAL,
    "1": Severity.CRITICAL,
    "sev2": Severity.HIGH,
    "2": Severity.HIGH,
    "med": Severity.MEDIUM,
    "sev3": Severity.MEDIUM,
    "3": Severity.MEDIUM,
    "sev4": Severity.LOW,
    "4": Severity.LOW,
}


class RollbackRequest(Value):
    """`/rollback [SERVICE [VERSION]] [--dry-run] [--exercise]`. Without a service: the picker."""

    service: str | None = None
    version: str | None = None
    dry_run: bool = False
    exercise: bool = False
    help: bool = False


class IncidentRequest(Value):
    """`/incident VERB [REST]`. `incident_id` where one was named; else the channel says which."""

    verb: str
    rest: str = ""
    incident_id: str | None = None


VERBS = (
    "status", "severity", "note", "report", "exercise", "action", "role", "hold", "way", "traffic", "restore", "ack", "lessons", "close", "accept", "actions", "file", "tell", "notices", "export", "list", "stats", "help",
)  # fmt: skip
_ALIASES = {
    "sev": "severity",
    "?": "help",
    "--help": "help",
    "": "status",
    "ls": "list",
    "release": "hold",
    "acknowledge": "ack",
}


def rollback(text: str) -> RollbackRequest:
    """Raises Refusal."""
    words = text.split()
    flags = {w for w in words if w.startswith("--")}
    names = [w for w in words if not w.startswith("--")]
    if names[:1] == ["help"] or "--help" in flags:
        return RollbackRequest(help=True)
    unknown = flags - {"--dry-run", "--exercise"}
    if unknown:
        raise Refusal(f"I do not know {min(unknown)}. Use {_ROLLBACK}.")
    if len(names) > 2:
        raise Refusal(f"That is more than a service and a version. Use {_ROLLBACK}.")
    service = names[0] if names else None
    wanted = version(names[1]) if len(names) == 2 else None
    return RollbackRequest(
        service=service, version=wanted, dry_run="--dry-run" in flags, exercise="--exercise" in flags
    )


def incident(text: str) -> IncidentRequest:
    """Raises Refusal."""
    words = text.split(maxsplit=1)
    verb = words[0].lower() if words else ""
    rest = words[1].strip() if len(words) > 1 else ""
    named = None
    if verb == "release":
        rest = "off"
    verb = _ALIASES.get(verb, verb)
    if verb not in VERBS:
        raise Refusal(f"I do not know `/incident {words[0]}`. These exist: {', '.join(VERBS)}.")
    first, _, after = rest.partition(" ")
    if re.fullmatch(r"[a-z0-9_-]*-\d{8}-[a-z0-9_-]+-\d+", first):
        named, rest = first, after.strip()
    return IncidentRequest(verb=verb, rest=rest, incident_id=named)


def version(text: str) -> str:
    """Raises Refusal for what cannot be a version."""
    try:
        return as_version(text)
    except ValueError as error:
        shown = text[:40].replace("`", "'")
        raise Refusal(f"`{shown}` cannot be a version. A version looks like v1.2.9.") from error


def severity(text: str) -> Severity:
    """Raises Refusal."""
    found = _SEVERITIES.get(text.strip().lower())
    if found is None:
        raise Refusal("Say how bad it is: `/incident severity critical`, high, medium or low.")
    return found


def database_and_way(text: str) -> tuple[str, Way]:
    """`shop down migration`: a database and which way it goes. Raises Refusal."""
    name, _, rest = text.strip().partition(" ")
    way = way_named(rest)
    if not name or way is None:
        words = ", ".join(one.value for one in Way)
        raise Refusal(f"Say which database and which way: `/incident way shop code only`. The ways: {words}.")
    return name, way


def audience_and_text(rest: str) -> tuple[Audience, str]:
    """`support Orders may be late`. Raises Refusal."""
    name, _, text = rest.strip().partition(" ")
    try:
        return Audience(name.lower()), text.strip()
    except ValueError as error:
        audiences = ", ".join(one.value for one in Audience)
        raise Refusal(
            f"Say who and what: `/incident tell support Orders may be late`. The audiences: {audiences}."
        ) from error


def goes_on(text: str) -> bool:
    """`continue` or `stop`. Raises Refusal."""
    word = text.strip().lower()
    if word not in ("continue", "stop"):
        raise Refusal(
            "Say `/incident traffic continue` to let users come back further, or `/incident traffic stop`."
        )
    return word == "continue"


def user(text: str) -> UserId:
    """A mention, as Slack escapes it. Raises Refusal."""
    match = _USER.match(text.strip())
    if match is None:
        raise Refusal("Name a person with @, such as `/incident role lead @alice`.")
    return match.group(1)


def role(rest: str) -> tuple[str, UserId]:
    """`lead @alice`. Raises Refusal."""
    name, _, who = rest.partition(" ")
    if not re.fullmatch(r"[a-z][a-z-]{1,30}", name.lower()):
        raise Refusal(
            "Say which role and who: `/incident role lead @alice`. Roles: lead, comms, scribe, fixer."
        )
    return name.lower(), user(who)


def closing(rest: str) -> tuple[bool, bool, str]:
    """`unverified accept All is well`: whether it is closed unverified, whether all is accepted, and the summary."""
    words = rest.split(maxsplit=1)
    unverified = accept = False
    while words:
        first = words[0].lower().removeprefix("--")
        if first == "unverified":
            unverified = True
        elif first == "accept":
            accept = True
        else:
            break
        rest = words[1] if len(words) > 1 else ""
        words = rest.split(maxsplit=1)
    return unverified, accept, rest.strip()


def action(rest: str) -> tuple[UserId | None, str]:
    """`@ben Add a timeout`, or without an owner; the owner may also stand at the end."""
    words = rest.split()
    for place in (0, -1):
        if words and (match := _USER.match(words[place])):
            words.pop(place)
            return match.group(1), " ".join(words)
    return None, rest


def values(view: dict[str, Any]) -> dict[str, Any]:
    """A modal's inputs by block id: text, an option's value, a list of them, or a user id; None when empty."""
    state = view.get("state", {}).get("values", {})
    return {block: _value(next(iter(actions.values()))) for block, actions in state.items() if actions}


def _value(element: dict[str, Any]) -> Any:
    for key in ("value", "selected_user", "selected_date_time", "selected_conversation"):
        if element.get(key) is not None:
            return element[key]
    if element.get("selected_option"):
        return element["selected_option"]["value"]
    if "selected_options" in element:
        return [option["value"] for option in element["selected_options"]]
    return None
