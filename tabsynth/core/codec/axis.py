"""The line that numbers, dates and times lie on: an integer lattice where there is a grid, else float64.

On a lattice every computation is exact: 0.01 steps do not drift, and integers above 2**53 keep their last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import notation
from tabsynth.core.schema import Column
from tabsynth.core.table import CANONICAL

Points = NDArray[Any]
"""int64 lattice points, or float64 where the axis has no step."""

_EXACT: Final = 2.0**53
_MAX_DECIMALS: Final = 9
_ON_GRID: Final = 0.995


@dataclass(frozen=True)
class Axis:
    """Canonical values as points: value = offset + step * point; with no step a point is the value itself.

    >>> axis = Axis("number", step=0.05)
    >>> axis.points(np.array([0.35])), axis.values(np.array([7]))
    (array([7]), array([0.35]))
    """

    kind: str
    step: float | int | None
    offset: float | int = 0

    @classmethod
    def public(cls, column: Column) -> Axis:
        """The axis that follows from the schema."""
        return cls(column.kind, _usable(notation.tick(column), column))

    @classmethod
    def learn(cls, column: Column, values: NDArray[Any], weights: NDArray[np.float64]) -> Axis:
        """The axis of a column whose distinct values are these (sorted); a declared grid wins.

        An offset and a step are found with the greatest common divisor of the differences; digits after the mark
        count as a grid if 99.5 % of the weight keeps them.
        """
        if column.step is not None or (column.kind == "number" and column.decimals is not None):
            return cls.public(column)
        if column.kind == "number":
            return cls(column.kind, *_float_grid(values, weights))
        return cls(column.kind, *_integer_grid(values))

    @property
    def dtype(self) -> Any:
        return np.float64 if self.step is None else np.int64

    @cached_property
    def _digits(self) -> int:
        return max(notation.decimals_of(float(self.step or 1)), notation.decimals_of(float(self.offset or 1)))

    def points(self, values: NDArray[Any]) -> Points:
        """The nearest points of canonical values."""
        if self.step is None:
            return np.asarray(values, np.float64)
        if self.kind == "number":
            with np.errstate(over="ignore"):  # far out of bounds: clipped below
                scaled = np.rint((np.asarray(values, np.float64) - self.offset) / self.step)
            return np.clip(scaled, -_EXACT, _EXACT).astype(np.int64)
        whole = np.asarray(values, np.int64)
        if self.step == 1 and self.offset == 0:
            return whole
        moved = whole - np.int64(self.offset)
        return np.asarray(moved // np.int64(self.step) + (moved % np.int64(self.step) * 2 >= self.step), np.int64)

    def values(self, points: Points) -> NDArray[Any]:
        """Canonical values of points."""
        if self.step is None:
            return np.asarray(points, np.float64)
        if self.kind == "number":
            return np.asarray(np.round(points * self.step + self.offset, self._digits) + 0.0, np.float64)
        return np.asarray(points * np.int64(self.step) + np.int64(self.offset), CANONICAL[self.kind])

    def state(self) -> dict[str, Any]:
        return {"step": self.step, "offset": self.offset}


def _usable(step: float | int | None, column: Column) -> float | int | None:
    """No lattice where its points could not all be told apart in float64."""
    if step is None or column.kind != "number":
        return step
    bounds = notation.bounds(column) or (0, 0)
    return step if max(abs(edge) for edge in bounds) / step < _EXACT else None


def _integer_grid(values: NDArray[Any]) -> tuple[int, int]:
    if len(values) < 2:
        return 1, 0
    # unsigned: the difference of two int64 may not fit into int64
    gaps = values[1:].astype(np.uint64) - values[:-1].astype(np.uint64)
    step = int(np.gcd.reduce(gaps))
    return (step, int(values[0]) % step) if 1 < step < 2**62 else (1, 0)


def _float_grid(values: NDArray[Any], weights: NDArray[np.float64]) -> tuple[float | None, float]:
    if not len(values):
        return None, 0
    total = weights.sum()
    for decimals in range(_MAX_DECIMALS + 1):
        scale = 10.0**decimals
        if np.abs(values).max() * scale >= _EXACT:
            return None, 0
        kept = np.round(values, decimals) == values
        if weights[kept].sum() >= _ON_GRID * total:
            step, offset = _integer_grid(np.unique(np.rint(values[kept] * scale).astype(np.int64)))
            return step / scale, offset / scale
    return None, 0
