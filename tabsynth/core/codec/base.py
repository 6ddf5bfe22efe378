"""A codec turns one column's cells into integer codes and back.

Models see codes only: 0 .. size-1, one code per atom (a value of its own), bin of a line, category, pool of rare
categories, MISSING, INVALID and OTHER. What a code means is the codec's business; which codes occur is the model's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.schema import Column
from tabsynth.core.table import Cells


class Codec(ABC):
    """Pure functions between cells and codes of one column. Immutable; two equal states behave alike."""

    column: Column

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of codes, special ones included; at least 1."""

    @property
    @abstractmethod
    def ordered(self) -> int:
        """How many of the first codes lie on a line in rising order (0 for categories)."""

    @property
    @abstractmethod
    def holds(self) -> dict[str, int]:
        """How many codes there are of each sort ("levels", "values", "atoms", "bins"), without the special ones."""

    @property
    def is_range(self) -> NDArray[np.bool_]:
        """Shape (size,): codes that stand for a range of values, drawn from anew."""
        return np.zeros(self.size, np.bool_)

    @property
    def missing(self) -> int:
        """The code of a cell that is not given. The last three codes of every codec are special."""
        return self.size - 3

    @property
    def invalid(self) -> int:
        """The code of a cell that is not readable as the column's kind."""
        return self.size - 2

    @property
    def other(self) -> int:
        """The code of a value outside the domain: out of bounds, not in the list, or pooled because rare."""
        return self.size - 1

    @abstractmethod
    def encode(self, cells: Cells) -> NDArray[np.int32]:
        """Codes of the cells. Total: every cell of the column's kind has a code, none raises."""

    @abstractmethod
    def decode(self, codes: NDArray[np.int32], rng: np.random.Generator) -> Cells:
        """Cells of the codes: atoms exactly, bins by a draw inside the bin snapped to the column's grid.

        INVALID and unprintable OTHER never come out as text: they become missing, or a redraw where not nullable.
        """

    @abstractmethod
    def probes(self, values: Sequence[bool | int | float | str]) -> Cells:
        """Cells that show what a code stands for: a condition that compares this column with `values` only, and that
        is the same for all probes of a code, is the same for all its values. Codes of values that the schema does
        not allow have no probe.
        """

    @abstractmethod
    def representative(self) -> NDArray[np.float64]:
        """Shape (size,): one number per ordered code (atom, or middle of a bin), NaN for the others."""

    @abstractmethod
    def labels(self) -> list[str]:
        """Shape (size,): what each code is called. Holds learned values unless the codec is public."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """JSON values from which ``codec.from_state(column, state)`` rebuilds an equal codec."""


class Stats(ABC):
    """What `analyze` learned from a part of a column (non-DP). `merge` is associative."""

    @abstractmethod
    def merge(self, other: Any) -> Any: ...


def same_state(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """True if two codec states describe the same codec."""
    return dict(a) == dict(b)
