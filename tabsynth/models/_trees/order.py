"""The order in which columns are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import ROWS
from tabsynth.core.errors import UsageError
from tabsynth.core.schema import Schema

RULES = ("small", "schema")


def column_order(order: str | Sequence[str], schema: Schema, names: Sequence[str],
                 counts: Sequence[NDArray[np.int64]]) -> list[int]:
    """Columns in the order in which they are drawn.

    Args:
        order: "small" (few values first, after the declared target), "schema", or names; columns that are not named
            follow by "small".
        names, counts: modelled columns, and how often each of their codes occurs.

    The number of rows of a unit comes first, then what its rows share: further rows of a unit are drawn given these.

    Raises:
        UsageError: a rule or a column that does not exist.
    """
    if isinstance(order, str) and order not in RULES:
        raise UsageError(f"seqforest knows no order {order!r}; there are: {', '.join(RULES)}, or a list of columns.")
    wanted = {name: place for place, name in enumerate([] if isinstance(order, str) else order)}
    for name in wanted:
        if name not in names:
            raise UsageError(f"order names column {name!r}, which is not modelled; modelled are: {', '.join(names)}.")
    shared = {column.name for column in schema.columns if column.constant_per_unit}
    target = schema.evaluation.target if schema.evaluation else None

    def key(j: int) -> tuple[int, ...]:
        name, kinds = names[j], int((counts[j] > 0).sum())
        block = 0 if name == ROWS else 1 if name in shared else 2
        if order == "schema":
            return block, j
        if name in wanted:
            return block, 0, wanted[name]
        return block, 1, int(name != target), kinds, j

    return sorted(range(len(names)), key=key)
