"""A public scale on which the bounds of an open column are bought: signed powers of two, and zero for itself.

It follows from the column's kind, grid and scale alone, so that its number of bins is public.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import clock
from tabsynth.core.codec.axis import Axis
from tabsynth.core.schema import Column
from tabsynth.core.table import Cells

FINEST: Final = -30
"""Power of two below which a number without a grid counts as near zero: about 1e-9."""
_LARGEST: Final = 62
_LARGEST_ON_GRID: Final = 52
_CALENDAR: Final = (-719_000, 2_932_000)
"""Days from 1970 to the years 2 and 9997: inside what every calendar can write, in any zone."""


@dataclass(frozen=True)
class Scale:
    """Bins of one column, rising: negative powers, zero, positive powers.

    The p-th bin beyond zero holds the points above 2^(first + p - 2) and up to 2^(first + p - 1); the first of them
    all that are nearer to zero, too. Below zero it is the same mirrored.

    Args:
        axis: what the powers count: steps of the column's grid, or its own unit.
        first: power of two at the outer end of the first bin beyond zero.
        zero: the bin of zero = number of bins below it; 0 for ``scale: log``, whose columns are not negative.
        positive: number of bins above zero.
        limits: least and largest point that a bound may be.
    """

    axis: Axis
    first: int
    zero: int
    positive: int
    limits: tuple[Any, Any]

    @classmethod
    def of(cls, column: Column) -> Self:
        """The scale of a column on a line, from its public facts."""
        axis = Axis.public(column)
        if axis.step is None:
            first, limits = FINEST, (-(2.0**_LARGEST), 2.0**_LARGEST)
        else:
            first, limits = 0, _grid_limits(column, axis.step)
        last = _LARGEST if axis.step is None else max((int(end) - 1).bit_length() for end in map(abs, limits))
        positive = last - first + 1
        return cls(axis, first, 0 if column.scale == "log" else positive, positive, limits)

    @property
    def size(self) -> int:
        """Number of bins."""
        return self.zero + 1 + self.positive

    def bins(self, cells: Cells) -> NDArray[np.int64]:
        """Bin of every cell; -1 for one that is not given, unreadable or beyond the scale. Total."""
        out = np.full(len(cells), -1, np.int64)
        points = self.axis.points(cells.values[cells.present]).astype(np.float64)
        mantissa, exponent = np.frexp(np.abs(points))
        power = exponent - (mantissa == 0.5)
        place = np.where(points == 0, 0, np.maximum(power - self.first + 1, 1))
        bins = self.zero + np.where(points < 0, -place, place)
        out[cells.present] = np.where(np.isfinite(points) & (bins >= 0) & (bins < self.size), bins, -1)
        return out

    def ends(self, low: int, high: int) -> tuple[Any, Any]:
        """First and last point of the bins `low` to `high`, rounded outwards to powers of two."""
        least, most = self.limits
        return min(max(self._span(low)[0], least), most), min(max(self._span(high)[1], least), most)

    def fits(self, bounds: tuple[Any, ...]) -> bool:
        """True if such bounds can have been bought."""
        spans = [self.ends(b, b) for b in range(self.size)]
        return bounds[0] in {low for low, _ in spans} and bounds[1] in {high for _, high in spans}

    def _span(self, index: int) -> tuple[Any, Any]:
        place = abs(index - self.zero)
        two: Any = 2.0 if self.axis.step is None else 2
        outer = two ** (self.first + place - 1) if place else 0 * two
        nearest = 0.0 if self.axis.step is None else outer  # on a grid the first bin is the point 1 alone
        inner = two ** (self.first + place - 2) if place > 1 else nearest
        return (inner, outer) if index >= self.zero else (-outer, -inner)


def _grid_limits(column: Column, step: float | int) -> tuple[int, int]:
    if column.kind == "number":
        return -(2**_LARGEST_ON_GRID), 2**_LARGEST_ON_GRID
    if column.kind in ("date", "datetime"):
        unit = 1 if column.kind == "date" else clock.DAY
        return _CALENDAR[0] * unit // int(step), _CALENDAR[1] * unit // int(step)
    return -(2**_LARGEST // int(step)), 2**_LARGEST // int(step)
