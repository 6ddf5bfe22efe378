"""The order in which columns are drawn."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import ROWS, Coding
from tabsynth.core.errors import UsageError
from tabsynth.core.formulas import Formulas

RULES = ("small", "schema")


def column_order(order: str | Sequence[str], coding: Coding, counts: Sequence[NDArray[np.int64]]) -> list[int]:
    """Columns in the order in which they are drawn.

    Args:
        order: "small" (few values first) or "schema" (as the table has them), both after the declared target, or
            names; columns that are not named follow by "small".
        coding: of the modelled columns.
        counts: how often each code of each of them occurs.

    A column with formulas comes after the columns in them, unless it is named, and right after its pseudo-column.
    The number of rows of a unit comes first, then what its rows share: further rows of a unit are drawn given these.

    Raises:
        UsageError: a rule or a column that does not exist.
    """
    if isinstance(order, str) and order not in RULES:
        raise UsageError(f"seqforest knows no order {order!r}; there are: {', '.join(RULES)}, or a list of columns.")
    wanted = {name: place for place, name in enumerate([] if isinstance(order, str) else order)}
    pseudo = {one.column.name for one in coding.formulas}
    names = [name for name in coding.names if name not in pseudo]
    for name in wanted:
        if name not in names:
            raise UsageError(f"order names column {name!r}, which is not modelled; modelled are: {', '.join(names)}.")
    place = {name: j for j, name in enumerate(coding.names)}
    target = coding.schema.evaluation.target if coding.schema.evaluation else None

    def key(name: str) -> tuple[int, ...]:
        j = place[name]
        kinds = int((counts[j] > 0).sum())
        block = 0 if name == ROWS else 1 if coding.codecs[name].column.constant_per_unit else 2
        if order == "schema":
            return block, int(name != target), j
        if name in wanted:
            return block, 0, wanted[name]
        return block, 1, int(name != target), kinds, j

    placed = _formulas_in_place(sorted(names, key=key), coding.formulas, wanted)
    return [place[name] for name in placed]


def _formulas_in_place(order: Sequence[str], formulas: Sequence[Formulas], fixed: Collection[str]) -> list[str]:
    """Columns with formulas moved behind their sources, and their pseudo-columns put before them."""
    of = {one.to.name: one for one in formulas}
    waiting, placed = list(order), list[str]()
    while waiting:
        unknown = set(waiting)
        name = next(n for n in waiting if n not in of or n in fixed or not unknown.intersection(of[n].sources))
        waiting.remove(name)
        placed += [of[name].column.name, name] if name in of else [name]
    return placed
