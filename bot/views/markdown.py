"""Any text made harmless in Markdown: whatever somebody wrote, a table keeps its shape and nobody is pinged."""

import re
import unicodedata

CELL_LIMIT = 600
"""Characters of a table cell, before escaping; longer text is cut and says so."""

_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_BREAK = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_PUNCTUATION = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
_MARKER = re.compile(r"^([#+=-])")
_NUMBERING = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_INVISIBLE = "\u200b"
_RTL = frozenset({"R", "AL", "AN"})


class Markdown(str):
    """Text that is Markdown already and must not be escaped again."""

    __slots__ = ()


def cleaned(text: object) -> str:
    """Every line break a newline; no control characters, no lone surrogates, no direction overrides."""
    return _CONTROL.sub("", _BREAK.sub("\n", "" if text is None else str(text)).replace("\t", " "))


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, then how many were cut. Never cuts between a letter and its accents."""
    if len(text) <= limit:
        return text
    end = limit
    while end > 0 and (
        unicodedata.combining(text[end]) or text[end] in "\u200d\ufe0f" or text[end - 1] == "\u200d"
    ):
        end -= 1
    return f"{text[:end].rstrip()} … (cut; {len(text) - end} more characters in the timeline export)"


def inline(text: object, limit: int = CELL_LIMIT) -> Markdown:
    """One line for anywhere in Markdown, a line's beginning included."""
    if isinstance(text, Markdown):
        return text
    return _guarded(shortened(" ".join(cleaned(text).split()), limit))


def cell(text: object, limit: int = CELL_LIMIT) -> Markdown:
    """One table cell: its lines stay apart as `<br>`."""
    if isinstance(text, Markdown):
        return text
    lines = (" ".join(line.split()) for line in shortened(cleaned(text).strip(), limit).split("\n"))
    return Markdown("<br>".join(_guarded(line) for line in lines if line))


def block(text: object, limit: int = 20_000) -> Markdown:
    """Paragraphs: blank lines part them, single line breaks stay."""
    if isinstance(text, Markdown):
        return text
    whole = re.sub(r"\n\s*\n", "\n\n", shortened(cleaned(text).strip(), limit))
    paragraphs = (
        "\\\n".join(_guarded(" ".join(line.split())) for line in paragraph.split("\n"))
        for paragraph in whole.split("\n\n")
    )
    return Markdown("\n\n".join(paragraphs))


def _guarded(line: str) -> Markdown:
    shown = _PUNCTUATION.sub(lambda match: f"\\{match.group()}", line)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _NUMBERING.sub(r"\1\\\2", _MARKER.sub(r"\\\1", shown)).replace("@", f"@{_INVISIBLE}")
    return Markdown(f"\u2068{shown}\u2069" if _is_rtl(line) else shown)


def _is_rtl(text: str) -> bool:
    """Whether any character runs from right to left; such a line is isolated so that its neighbours stay put."""
    return any(unicodedata.bidirectional(character) in _RTL for character in text)
