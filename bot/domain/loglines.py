"""What one line of a log says: how bad it is, and which kind of line it is. Plain text, logfmt and JSON."""

import json
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

READ = 8192
"""Characters of a line that are looked at."""
_BEFORE = 100
"""Characters in which the fields of a line have to begin: a time may stand before them, and who passed them on."""
SHAPE = 200
"""Characters of a shape that are kept."""


class Level(StrEnum):
    """How bad a line says it is. `OTHER` is a line that names a level that is neither."""

    ERROR = "error"
    WARN = "warn"
    OTHER = "other"


_ERRORS = "error|err|eror|fatal|critical|crit|severe|panic|dpanic|alert|emerg|emergency"
_WARNINGS = "warn|warning"
_OTHERS = "info|information|informational|notice|note|debug|trace|verbose|fine|finest|config|log|statement|hint|detail"
_WORDS: Mapping[str, Level] = {
    **dict.fromkeys(_ERRORS.split("|"), Level.ERROR),
    **dict.fromkeys(_WARNINGS.split("|"), Level.WARN),
    **dict.fromkeys([*_OTHERS.split("|"), "system", "success", "ok"], Level.OTHER),
    # One letter, as MongoDB, klog and others write it.
    **dict.fromkeys("ef", Level.ERROR),
    "w": Level.WARN,
    **dict.fromkeys("idvt", Level.OTHER),
}
_KEYS = ("level", "severity", "lvl", "loglevel", "log.level", "levelname", "log_level", "severity_text", "s")
_MESSAGES = ("msg", "message", "event", "body", "log")
_CAUSES = ("error", "err", "exception", "cause")

# What no line of interest is without; most lines are told apart by this alone.
_HINT = re.compile(
    r"(?i)err|eror|warn|fatal|crit|sever|panic|alert|emerg|exception|traceback|^[EFW]\d{4} |lvl|\"s\"\s*:|level\"?\s*[:=]\s*\"?\w"
)
_KLOG = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d")
_LOGFMT = re.compile(
    rf"(?:^|\s)(?:{'|'.join(re.escape(key) for key in _KEYS[:-1])})=\"?([A-Za-z]+|\d+)\"?(?=\s|$)"
)
_VALUE = re.compile(r"(?:^|\s)(msg|message|error|err|exception)=(\"(?:[^\"\\]|\\.)*\"|\S+)")
# Upper case anywhere, or in brackets as nginx, Apache and MySQL write it; the first one in the line counts.
_UPPER = re.compile(rf"(?<![\w-])({f'{_ERRORS}|{_WARNINGS}|{_OTHERS}'.upper()})(?![\w-])")
_BRACKETS = re.compile(rf"(?i)[\[(<|](?:[\w-]+:)?\s*({_ERRORS}|{_WARNINGS}|{_OTHERS}|system)\s*[\])>|]")
# Or at the beginning, also of what a program told syslog.
_OPENING = re.compile(rf"(?i)(?:^[^A-Za-z]*|^[\w./-]+: |\[\d+\]: )({_ERRORS}|{_WARNINGS})\s*:")
_THROWN = re.compile(
    r"(?:Traceback \(most recent call last\)|Exception in thread |Unhandled exception|Uncaught |thread '.*' panicked)"
)


def level_of(text: str, *, surely: bool = False) -> Level | None:
    """How bad `text` says it is; None where it says nothing of it. A named field counts more than words in the text.

    Unless it has to be told `surely`, None may also be a line that names a level that is neither: that is quicker.
    """
    text = text[:READ]
    if not surely and _HINT.search(text) is None:
        return None
    if (fields := fields_of(text)) is not None:
        return _level_of_fields(fields) or _level_of_words(text[: text.find("{")])
    if (found := _LOGFMT.search(text) or _KLOG.match(text)) is not None:
        return _level(found[1])
    return _level_of_words(text)


def _level_of_words(text: str) -> Level | None:
    named = filter(None, (_UPPER.search(text), _BRACKETS.search(text)))
    if (first := min(named, key=lambda match: match.start(1), default=None)) is not None:
        return _level(first[1])
    if (found := _OPENING.search(text)) is not None:
        return _level(found[1])
    return Level.ERROR if _THROWN.match(text) else None


def fields_of(text: str) -> Mapping[str, Any] | None:
    """The fields of a line that is JSON, as they are, also where something has put a few words before it; else None."""
    begin = text.find("{", 0, _BEFORE)
    if begin < 0 or not text.endswith("}"):
        return None
    try:
        read = json.loads(text[begin:])
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _level_of_fields(fields: Mapping[str, Any]) -> Level | None:
    for key in _KEYS:
        match fields.get(key):
            case str(said) if (level := _level(said)) is not None:
                return level
            case bool():
                continue
            case int() | float() as number:
                return _level_of_number(number)
    if isinstance(inner := fields.get("log"), dict):  # ECS, where it is not flattened
        return _level_of_fields(inner)
    return level_of(said) if (said := _message(fields)) and not said.startswith("{") else None


def _level(said: str) -> Level | None:
    return _level_of_number(int(said)) if said.isdigit() else _WORDS.get(said.lower())


def _level_of_number(number: float) -> Level:
    """As pino and bunyan count (50 and above is an error), or syslog's severities (3 and below)."""
    if number >= 10:
        return Level.ERROR if number >= 50 else Level.WARN if number >= 40 else Level.OTHER
    return Level.ERROR if number <= 3 else Level.WARN if number == 4 else Level.OTHER


_CLOCK = r"\d{1,2}:\d\d:\d\d(?:[.,]\d+)?(?:\s?(?:Z\b|UTC\b|[+-]\d\d:?\d\d\b))?"
_REPLACED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\?[^\s=?]*=\S*"), "?…"),
    (re.compile(r'"(?:[^"\\]|\\.)*"'), '"…"'),
    (re.compile(r"(?<!\w)'[^']*'(?!\w)"), "'…'"),
    (re.compile(r"`[^`]*`"), "`…`"),
    (re.compile(rf"\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}|\d\d/[A-Z][a-z]{{2}}/\d{{4}}:{_CLOCK}"), "<time>"),
    (re.compile(rf"(?:[A-Z][a-z]{{2}} )?[A-Z][a-z]{{2}} +\d{{1,2}} {_CLOCK}(?: \d{{4}})?"), "<time>"),
    (re.compile(_CLOCK), "<time>"),
    (re.compile(r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), "#"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "<email>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<ip>"),
    (re.compile(r"(?i)(?:(?<!\w)[-+])?(?:\b0x[0-9a-f]+\b|\b(?=[a-f]*\d)[0-9a-f]{7,}\b)"), "#"),
    # Names that are made up for each of many, such as a pod's, a request's or a session's.
    (re.compile(r"(?:(?<!\w)[-+])?\b(?=[A-Za-z_-]*\d)[\w-]{16,}\b"), "#"),
    (re.compile(r"(?:(?<!\w)[-+])?\d+(?:[.,:]\d+)*"), "#"),
    (re.compile(r"\s+"), " "),
)
_LEADING = re.compile(r"^(?:[\[(]?<time>[\])]?[\s:,|-]*)+")


def shape_of(text: str) -> str:
    """What all lines of one kind share: without times, numbers, ids, addresses, and what stands in quotes.

    Of a line with fields it is the message, and what is given as its cause.
    """
    shape = _said(text[:READ])[:1000]
    for pattern, instead in _REPLACED:
        shape = pattern.sub(instead, shape)
    shape = _LEADING.sub("", shape.strip()).strip()
    return shape if len(shape) <= SHAPE else f"{shape[: SHAPE - 1]}…"


def _said(text: str) -> str:
    if (fields := fields_of(text)) is not None:
        cause = next((_text(fields[key]) for key in _CAUSES if fields.get(key)), "")
        if said := _joined([_message(fields), cause]):
            return said
        return "{" + ", ".join(sorted(fields)) + "}" if text.startswith("{") else text
    if _LOGFMT.search(text) is not None:
        values = {key: value.strip('"') for key, value in _VALUE.findall(text)}
        said = values.get("msg") or values.get("message") or ""
        return _joined([said, *(values.get(key, "") for key in _CAUSES)]) or text
    return text


def _joined(parts: Iterable[str]) -> str:
    return ": ".join(dict.fromkeys(part for part in parts if part))


def _message(fields: Mapping[str, Any]) -> str:
    return next((said for key in _MESSAGES if isinstance(said := fields.get(key), str) and said), "")


def _text(found: Any) -> str:
    """What is given as a cause: a text, or an object that has one."""
    if isinstance(found, dict):
        return next(
            (said for key in ("message", "msg", "type") if isinstance(said := found.get(key), str)), ""
        )
    return found if isinstance(found, str) else ""
