"""Where the names of moments stand above the picture, so that no two overlap and no line runs through one."""

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 14.0


@dataclass(frozen=True)
class Place:
    """`row` counts upwards from the picture; `left` is where the text begins, in the unit of the widths."""

    index: int
    row: int
    left: float


def arrange(marks: Sequence[tuple[float, float]], *, width: float, rows: int) -> tuple[Place, ...]:
    """Places for `marks` = (x of the line, width of its text) within 0 and `width`, in as few rows as possible.

    A mark's line rises from the picture to its own row. The texts fan out: those of the earlier marks stand
    to the left of their lines, the others to the right. Marks that fit nowhere are left out.
    """
    fans = (_fan(marks, split, width=width, rows=rows) for split in range(len(marks) + 1))
    return min(fans, key=lambda places: (-len(places), max((p.row for p in places), default=0)))


def _fan(marks: Sequence[tuple[float, float]], split: int, *, width: float, rows: int) -> tuple[Place, ...]:
    """The first `split` marks to the left, from the first on; the others to the right, from the last back."""
    order = sorted(range(len(marks)), key=lambda index: marks[index][0])
    placed: list[Place] = []
    for indices, leftwards in ((order[:split], True), (order[split:][::-1], False)):
        for index in indices:
            place = _find(index, marks, placed, width=width, rows=rows, leftwards=leftwards)
            if place is not None:
                placed.append(place)
    return tuple(sorted(placed, key=lambda place: place.index))


def _find(
    index: int,
    marks: Sequence[tuple[float, float]],
    placed: Sequence[Place],
    *,
    width: float,
    rows: int,
    leftwards: bool,
) -> Place | None:
    """The lowest free row on the wanted side, failing that on the other one."""
    x, text = marks[index]
    sides = (x - text - GAP / 2, x + GAP / 2)
    for left in sides if leftwards else reversed(sides):
        for row in range(rows):
            place = Place(index=index, row=row, left=left)
            if (
                left >= 0
                and left + text <= width
                and not any(_clash(place, other, marks) for other in placed)
            ):
                return place
    return None


def _clash(one: Place, other: Place, marks: Sequence[tuple[float, float]]) -> bool:
    one_end, other_end = one.left + marks[one.index][1], other.left + marks[other.index][1]
    if one.row == other.row and one.left < other_end + GAP and other.left < one_end + GAP:
        return True
    return _crosses(one, other, marks) or _crosses(other, one, marks)


def _crosses(line: Place, text: Place, marks: Sequence[tuple[float, float]]) -> bool:
    """Whether `line`'s line runs through `text`'s text on its way up."""
    x = marks[line.index][0]
    return text.row <= line.row and text.left - 3 < x < text.left + marks[text.index][1] + 3
