"""Tables on paper: how wide each column has to be, and which columns go side by side on a page that does not scroll."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tabsynth.reports.blocks import Table

LONG: Final = r"\S{20,}"
"""Words of so many characters may break; the template breaks what the widths here expect to break."""
PIECE: Final = r"[^\s_./:,;=&|+-]{1,12}[_./:,;=&|+-]{0,2}|[_./:,;=&|+-]{1,2}"
"""What stays together of a long word: up to a joining character, and never more than twelve letters."""

WIDTH: Final = 470.0
"""Points between the margins of an A4 page."""
SIZES: Final = (8.6, 7.4)
"""Points: the size of a table's text, and the size where it would not fit."""
GAP: Final = 1.0
"""Space between two columns, in em."""

SHORT: Final = 8.0
"""Cells up to this many em keep their line where there is room."""

_FIGURE: Final = re.compile(r"[−+≤≥<>~-]?\s?\d[\d.,  ]*(e-?\d+)?\s?%?|–|")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A table, or some of its columns, that fits between the margins.

    Args:
        widths: of the columns in em; None = as wide as their text. size: of the text in points.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    numeric: tuple[int, ...]
    widths: tuple[float, ...] | None
    size: float
    gap: float = GAP


def fit(table: Table) -> tuple[Fitted, ...]:
    """The table in one piece if it fits, else its columns in groups that each begin with the first column.

    >>> wide = Table(tuple("column" + str(i) for i in range(40)), (("123456",) * 40,))
    >>> [len(part.head) for part in fit(wide)]
    [11, 11, 11, 10]
    """
    columns = [(head, *(row[i] for row in table.rows)) for i, head in enumerate(table.head)]
    need = [GAP + max(map(_least, column)) for column in columns]
    size = next((size for size in SIZES if sum(need) <= WIDTH / size), SIZES[-1])
    groups = _groups(need, WIDTH / size)
    wish = [max(least, GAP + max(map(em, column))) for least, column in zip(need, columns, strict=True)]
    numeric = {i for i, column in enumerate(columns) if i in table.numeric or _is_numeric(column[1:])}
    return tuple(Fitted(
        tuple(table.head[i] for i in group), tuple(tuple(row[i] for i in group) for row in table.rows),
        table.caption if len(groups) == 1 else f"{table.caption or 'Table'} (part {part} of {len(groups)})",
        tuple(place for place, i in enumerate(group) if i in numeric),
        _widths([need[i] for i in group], [wish[i] for i in group], WIDTH / size), size)
        for part, group in enumerate(groups, start=1))


def em(text: str) -> float:
    """About how wide a line of text is, rather too wide than too narrow."""
    return sum(0.72 if c.isupper() or c in "mw%" else 0.48 if c < "\u0250" else 0.9 for c in text)


def _least(text: str) -> float:
    """The widest part of a cell that cannot break."""
    words = (re.findall(PIECE, word) if re.fullmatch(LONG, word) else [word] for word in text.split())
    return max((em(part) for word in words for part in word), default=0.0)


def _groups(need: Sequence[float], room: float) -> list[list[int]]:
    """Columns side by side: as even as they come, and the first one again in each group."""
    if sum(need) <= room or len(need) < 3:
        return [list(range(len(need)))]
    parts = math.ceil(sum(need[1:]) / max(room - need[0], max(need[1:])))
    while True:
        even = need[0] + sum(need[1:]) / parts
        groups: list[list[int]] = [[0]]
        for i in range(1, len(need)):
            if len(groups[-1]) > 1 and sum(need[k] for k in groups[-1]) + need[i] / 2 > even:
                groups.append([0])
            groups[-1].append(i)
        if parts >= len(need) or all(sum(need[k] for k in group) <= room for group in groups):
            return groups
        parts += 1


def _widths(need: Sequence[float], wish: Sequence[float], room: float) -> tuple[float, ...] | None:
    """None where every cell has its line; else as the root of what is wished, never less than needed.

    With the root, long cells of several columns come out about as high as each other, and short ones keep their line.
    """
    if sum(wish) <= room:
        return None
    short = [most if most <= SHORT else least for least, most in zip(need, wish, strict=True)]
    need = widths = short if sum(short) <= room else list(need)
    for step in range(1, 200):
        wider = [max(least, min(most, 0.05 * step * math.sqrt(most))) for least, most in zip(need, wish, strict=True)]
        if sum(wider) > room:
            break
        widths = wider
    return tuple(round(width, 3) for width in widths)


def _is_numeric(cells: Sequence[str]) -> bool:
    return any(c.isdigit() for cell in cells for c in cell) and all(_FIGURE.fullmatch(cell) for cell in cells)
