"""Independent columns: each column's own distribution and nothing between columns. The floor.

Rows are drawn around a unit's row count, so a column that varies within a unit is learned by rows, a constant of the
unit (and the row count itself) by units. Then the rows that come out have the real rows' one-way distributions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import ROWS, Codes, Coding
from tabsynth.core.errors import ModelError
from tabsynth.core.progress import Progress, silent
from tabsynth.core.synthesizer import State, Synthesizer

FACTS = {
    "name": "independent",
    "entry": "Independent",
    "summary": "Each column by itself, no relations: the floor that every other model must beat.",
    "private": False,
}


class Independent(Synthesizer):
    """Frequency of every code, column by column.

    Attributes:
        shares_: per column the share of each code, shape (size,), summing to 1.
    """

    name: ClassVar[str] = "independent"
    shares_: dict[str, NDArray[np.float64]]

    def fit_codes(self, codes: Codes, *, rng: np.random.Generator, progress: Progress = silent) -> None:
        if not len(codes.weights):
            raise ModelError("there are no rows to learn from.", fix="Check the unit column and the file.")
        self.shares_ = {}
        for j, (name, size) in enumerate(zip(codes.names, codes.sizes, strict=True)):
            by_unit = name == ROWS or self.coding_.codecs[name].column.constant_per_unit
            counts = np.bincount(codes.values[:, j], codes.weights if by_unit else None, minlength=size)
            self.shares_[name] = counts / counts.sum()
            progress("fit", j + 1, len(codes.names))

    def draw(self, n: int, *, rng: np.random.Generator,
             given: Mapping[str, NDArray[np.int32]] | None = None) -> dict[str, NDArray[np.int32]]:
        known = given or {}
        return {name: known[name] if name in known else _draw(shares, n, rng)
                for name, shares in self.shares_.items()}

    def state(self) -> State:
        return State({}, {f"shares.{i}": share for i, share in enumerate(self.shares_.values())})

    @classmethod
    def from_state(cls, state: State, coding: Coding) -> Self:
        model = cls()
        model.coding_ = coding
        model.shares_ = {name: state.arrays[f"shares.{i}"] for i, name in enumerate(coding.names)}
        return model


def _draw(shares: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """`n` codes by inversion; a code of share 0 never comes."""
    cumulative = np.cumsum(shares)
    return np.searchsorted(cumulative / cumulative[-1], rng.random(n), side="right").astype(np.int32)
