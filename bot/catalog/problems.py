"""What is wrong with a file, where, and what was expected there."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake. `line` and `column` count from 1; 0 where there is no place (the file is missing)."""

    file: str
    line: int
    column: int
    path: str
    sentence: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place} {self.path}: {self.sentence}" if self.path else f"{place}: {self.sentence}"


class CatalogInvalid(Exception):
    """The services file cannot be used; nothing of it was. `str` is one line per problem, top to bottom."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(wrong: str, known: Sequence[str]) -> str:
    """`Did you mean shop?` or what there is to choose from; for the end of a sentence."""
    lowered = {name.casefold(): name for name in known}
    near = [lowered[match] for match in difflib.get_close_matches(wrong.casefold(), lowered, n=3, cutoff=0.6)]
    if near:
        return f"Did you mean {one_of(near)}?"
    return f"Known: {', '.join(sorted(known))}." if known else ""


def one_of(names: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
