"""A column that is a function of an earlier one: a table, exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._trees.rows import Rows
from tabsynth.models._trees.tree import FLOOR

NONE: Final = -1
ROWS_PER_CODE: Final = 20
"""A column that has fewer rows for each of its codes, on average, determines others by chance."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """table: int32, shape (codes of the parent,): the code that follows, NONE for a code that was never seen."""

    parent: int
    table: NDArray[np.int32]

    @classmethod
    def find(cls, codes: NDArray[np.int32], column: int, earlier: NDArray[np.int32],
             sizes: tuple[int, ...]) -> Lookup | None:
        """The first of the `earlier` columns that determines this one in every row. codes: shape (columns, n)."""
        wanted = codes[column]
        for parent in earlier.tolist():
            table = np.full(sizes[parent], NONE, np.int32)
            for part in (slice(0, 1000), slice(None)):     # most candidates fail within a few rows
                table[codes[parent, part]] = wanted[part]
                if (table[codes[parent, part]] != wanted[part]).any():
                    break
            else:
                if len(wanted) >= ROWS_PER_CODE * int((table != NONE).sum()):
                    return cls(parent, table)
        return None

    def draw(self, rows: Rows, key: np.uint64) -> NDArray[np.int32]:
        """The code that follows; after a code that was never seen, the last of those that the table knows."""
        found = self.table[rows.codes[self.parent]]
        return np.asarray(np.where(found == NONE, self.table.max(), found))

    def log_probability(self, rows: Rows, codes: NDArray[np.int32]) -> NDArray[np.float64]:
        return np.where(self.draw(rows, np.uint64(0)) == codes, 0.0, np.log(FLOOR))
