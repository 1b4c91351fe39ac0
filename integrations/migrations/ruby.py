"""A conservative reader of Ruby: calls with plain arguments and blocks, as migrations are made of. Anything else is refused."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from integrations.migrations.python import NotUnderstood

Value: TypeAlias = "str | bool | float | list[Value] | dict[str, Value] | Sql | Opaque | None"


@dataclass(frozen=True)
class Sql:
    """`-> { "now()" }`: SQL that is written as a default."""

    text: str


@dataclass(frozen=True)
class Opaque:
    """A constant or a variable, whose value is not known."""

    name: str


@dataclass
class Call:
    """`receiver.name(arguments, key: value) { |params| body }`."""

    name: str
    receiver: str = ""
    arguments: list[Value] = field(default_factory=list)
    options: dict[str, Value] = field(default_factory=dict)
    params: list[str] = field(default_factory=list)
    body: list["Call"] | None = None


@dataclass
class Token:
    kind: str
    text: str


_TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("space", r"[ \t\r]+|\\\n|#[^\n]*"),
        ("newline", r"\n|;"),
        ("label", r"(?:[A-Za-z_]\w*|\"[\w ]+\"|'[\w ]+'):(?!:)(?=\s)"),
        ("symbol", r":(?:[A-Za-z_]\w*[?!]?|\"[\w .-]+\"|'[\w .-]+')"),
        ("string", r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\#]|\\.|#(?!\{))*\""),
        ("words", r"%[iw]\[[\w \n]*\]"),
        ("number", r"-?\d[\d_]*(?:\.\d+)?"),
        ("constant", r"(?:::)?[A-Z]\w*(?:::[A-Z]\w*)*(?:\[\d+\.\d+\])?"),
        ("name", r"[a-z_]\w*[?!]?"),
        ("punctuation", r"=>|->|[,(){}\[\].|<]"),
    )
)
_HEREDOC = re.compile(r"<<[~-]?(?P<quote>['\"]?)(?P<mark>[A-Z_]+)(?P=quote)(?:\.(?:squish|strip|chomp))?")
_KEYWORDS = frozenset(
    {"if", "unless", "while", "until", "case", "begin", "for", "return", "rescue", "else", "elsif", "ensure", "yield",
     "and", "or", "not", "module", "raise", "then", "self", "super", "next", "break"}
)  # fmt: skip


def tokens_of(text: str) -> list[Token]:
    """Raises NotUnderstood where it is not the plain Ruby that is read here."""
    tokens, place, waiting = [], 0, list[re.Match[str]]()
    while place < len(text):
        heredoc = _HEREDOC.match(text, place)
        if heredoc:
            tokens.append(Token("heredoc", ""))
            waiting.append(heredoc)
            place = heredoc.end()
            continue
        kind, match = _next(text, place)
        place = match.end()
        if kind != "space":
            tokens.append(Token(kind, match.group()))
        if match.group() == "\n" and waiting:
            place = _fill(text, place, waiting, tokens)
    if waiting:
        raise NotUnderstood
    return [*tokens, Token("newline", "\n"), Token("end", "")]


def _next(text: str, place: int) -> tuple[str, re.Match[str]]:
    for kind, pattern in _TOKENS:
        match = pattern.match(text, place)
        if match:
            return kind, match
    raise NotUnderstood


def _fill(text: str, place: int, waiting: list[re.Match[str]], tokens: list[Token]) -> int:
    """The text of each heredoc that the line before began, up to its mark on a line of its own."""
    holes = [token for token in tokens if token.kind == "heredoc"][-len(waiting) :]
    for heredoc, hole in zip(waiting, holes, strict=True):
        end = re.compile(rf"^[ \t]*{heredoc['mark']}[ \t]*$", re.MULTILINE).search(text, place)
        body = text[place : end.start()] if end else ""
        if end is None or ("#{" in body and heredoc["quote"] != "'"):
            raise NotUnderstood
        hole.kind, hole.text = "string", "'" + body.replace("\\", "\\\\").replace("'", "\\'") + "'"
        place = end.end()
    waiting.clear()
    return place


class Parser:
    """Reads a whole file: calls, and `class` and `def` as calls with a body."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens_of(text)
        self._place = 0

    @property
    def _now(self) -> Token:
        return self._tokens[self._place]

    def _take(self, text: str = "", kind: str = "") -> Token:
        token = self._now
        if (text and token.text != text) or (kind and token.kind != kind) or token.kind == "end":
            raise NotUnderstood
        self._place += 1
        return token

    def _is(self, *texts: str) -> bool:
        return self._now.kind in ("name", "punctuation") and self._now.text in texts

    def statements(self, *ends: str) -> list[Call]:
        """Statements up to one of `ends`, which is taken; to the end of the file where there are none."""
        found: list[Call] = []
        while True:
            while self._now.kind == "newline":
                self._place += 1
            if self._now.kind == "end" and not ends:
                return found
            if ends and self._is(*ends):
                self._place += 1
                return found
            found.append(self._statement())
            if self._now.kind != "newline" and not (ends and self._is(*ends)):
                raise NotUnderstood

    def _statement(self) -> Call:
        token = self._now
        if token.kind == "name" and token.text in ("class", "def"):
            return self._definition()
        if token.kind != "name" or token.text in _KEYWORDS:
            raise NotUnderstood
        self._place += 1
        call = Call(token.text)
        while self._is("."):
            self._place += 1
            call = Call(self._take(kind="name").text, receiver=call.name)
        if self._is("("):
            self._place += 1
            self._arguments(call, lambda: self._is(")"))
            self._take(")")
        elif self._now.kind != "newline" and not self._is("do", "{", "}", "end"):
            self._arguments(call, lambda: self._now.kind == "newline" or self._is("do", "{", "}"))
        if self._is("do", "{"):
            end = "end" if self._take().text == "do" else "}"
            call.params = self._params()
            call.body = self.statements(end)
        return call

    def _definition(self) -> Call:
        kind = self._take().text
        if kind == "class":
            name = self._take(kind="constant").text
            self._take("<")
            return Call(kind, arguments=[name, self._take(kind="constant").text], body=self.statements("end"))
        name = self._take(kind="name").text
        if name == "self" and self._is("."):
            self._place += 1
            name = self._take(kind="name").text
        return Call(kind, arguments=[name], body=self.statements("end"))

    def _params(self) -> list[str]:
        found: list[str] = []
        if self._is("|"):
            self._place += 1
            while not self._is("|"):
                found.append(self._take(kind="name").text)
                if self._is(","):
                    self._place += 1
            self._place += 1
        return found

    def _arguments(self, call: Call, ended: Callable[[], bool]) -> None:
        while True:
            self._skip_newlines(inside=self._tokens[self._place - 1].text in ("(", ","))
            if ended():
                return
            if self._now.kind == "label":
                key = self._take().text[:-1].strip("\"'")
                self._skip_newlines(inside=True)
                call.options[key] = self._value()
            else:
                value = self._value()
                if self._is("=>"):
                    self._place += 1
                    call.options[str(value)] = self._value()
                else:
                    call.arguments.append(value)
            self._skip_newlines(inside=self._is_last_of_parentheses())
            if not self._is(","):
                return
            self._place += 1

    def _is_last_of_parentheses(self) -> bool:
        """Whether only line breaks stand before a closing bracket."""
        place = self._place
        while self._tokens[place].kind == "newline" and self._tokens[place].text == "\n":
            place += 1
        return self._tokens[place].text in (")", "]", "}") and place > self._place

    def _skip_newlines(self, *, inside: bool) -> None:
        while inside and self._now.kind == "newline" and self._now.text == "\n":
            self._place += 1

    def _value(self) -> Value:
        token = self._take()
        if token.text in _CONSTANTS:
            return _CONSTANTS[token.text]
        if token.text in ("[", "{"):
            return self._collection("]" if token.text == "[" else "}")
        if token.text == "->":
            self._take("{")
            text = self._take(kind="string").text
            self._take("}")
            return Sql(_unquoted(text))
        plain = _PLAIN.get(token.kind)
        if plain is None or token.text in _KEYWORDS:
            raise NotUnderstood
        return plain(token.text)

    def _collection(self, end: str) -> Value:
        inner = Call("")
        self._skip_newlines(inside=True)
        self._arguments(inner, lambda: self._is(end))
        self._take(end)
        if end == "}":
            if inner.arguments:
                raise NotUnderstood
            return inner.options
        return inner.arguments


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
_PLAIN: dict[str, Callable[[str], Value]] = {
    "string": _unquoted,
    "symbol": lambda text: text[1:].strip("\"'"),
    "words": lambda text: list[Value](text[3:-1].split()),
    "number": lambda text: float(text.replace("_", "")),
    "constant": Opaque,
    "name": Opaque,
}
