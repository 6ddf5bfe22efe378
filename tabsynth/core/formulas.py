"""Exact relations between columns on a line: a payment that equals an earlier bill, a total, a date plus a duration.

A draw inside a bin would lose them. So each column that has formulas gets a modelled pseudo-column, which says by
which of them a row's value follows, if by any; models learn it as one more category. Once cells are decoded, the
column takes the formula's value over, where that lies about where the model drew: then margins stay what they are,
and what a model drew given the column still fits it.

Only columns before it in the schema go into a column's formulas. So what is needed is finished first, and nothing is
missed: an equality or a sum can be solved for its last column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.codec.axis import Axis
from tabsynth.core.codec.base import Codec
from tabsynth.core.codec.line import LineCodec
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Cells

NEAR: Final = 1 / 8
"""Share of a column's codes by which a formula's value may lie beside the drawn code."""
ROUNDING: Final = 1e-9
"""Relative error of a sum of floats."""
SEVEN_DIGITS: Final = 2e-6
"""The same where they were written with the seven digits of single precision, as statistics packages do."""
NUMBERS: Final = frozenset({"number", "integer"})
TICKS: Final = {"date": 86_400_000_000, "integer": 86_400_000_000, "datetime": 1, "timedelta": 1}
"""Microseconds that one is, where dates and durations are added up; a whole number is then a number of days."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Formula:
    """``to`` = x, or x + z (sign 1), or x - z (sign -1).

    Args:
        to: the column that follows.
        sources: x, or x and z.
        sign: of z.
        share: of all rows, those that follow it.
    """

    to: Column
    sources: tuple[Column, ...]
    sign: int = 1
    share: float = 0.0

    @property
    def text(self) -> str:
        return f" {'+' if self.sign > 0 else '-'} ".join(column.name for column in self.sources)

    def value(self, columns: Mapping[str, Cells], axis: Axis) -> tuple[NDArray[Any], Mask]:
        """The value on the axis of ``to``, shape (n,), and where there is one: sources given, result on the axis."""
        cells = [columns[column.name] for column in self.sources]
        with np.errstate(over="ignore", invalid="ignore"):
            total = cells[0].values if len(cells) == 1 else self._sum(*(one.values for one in cells))
            found = axis.values(axis.points(total))
            fits = np.abs(found - total) <= ROUNDING * np.abs(total)
        return found, np.logical_and.reduce([fits, *(one.present for one in cells)])

    def _sum(self, x: NDArray[Any], z: NDArray[Any]) -> NDArray[Any]:
        kinds = [column.kind for column in (self.to, *self.sources)]
        if NUMBERS.issuperset(kinds):
            return np.asarray(x + self.sign * z)
        per_to, per_x, per_z = (TICKS[kind] for kind in kinds)
        ticks = x * per_x + self.sign * z * per_z
        return np.asarray(ticks if per_to == 1 else ticks / per_to)

    def holds(self, columns: Mapping[str, Cells], axis: Axis) -> Mask:
        """Shape (n,): rows in which ``to`` has the value of the formula: exactly, but for the rounding of a sum."""
        found, known = self.value(columns, axis)
        to = columns[self.to.name]
        if self.to.kind != "number" or len(self.sources) == 1:
            return np.asarray(known & to.present & (to.values == found))
        return np.asarray(known & to.present & (np.abs(to.values - found) <= SEVEN_DIGITS * np.abs(found)))

    def state(self) -> dict[str, Any]:
        return {"to": self.to.name, "from": [column.name for column in self.sources], "sign": self.sign,
                "share": self.share}

    @classmethod
    def from_state(cls, schema: Schema, state: Mapping[str, Any]) -> Self:
        sources = tuple(schema[name] for name in state["from"])
        return cls(schema[state["to"]], sources, int(state["sign"]), float(state["share"]))


@dataclass(frozen=True)
class Formulas:
    """The formulas of one column; a row follows the first that it obeys.

    Its pseudo-column has code 0 where it follows none, i + 1 where it follows formula i.
    """

    to: Column
    each: tuple[Formula, ...]

    @property
    def column(self) -> Column:
        """Public facts of the pseudo-column."""
        return Column(f"({self.to.name} equals)", "category", nullable=False,
                      levels=tuple(map(str, range(len(self.each) + 1))), constant_per_unit=self.to.constant_per_unit)

    @property
    def sources(self) -> tuple[str, ...]:
        """Columns that come before it."""
        return tuple(dict.fromkeys(column.name for formula in self.each for column in formula.sources))

    def codes(self, columns: Mapping[str, Cells], codec: LineCodec) -> NDArray[np.int32]:
        """Which formula each row of a real table follows, shape (n,). A value with a code of its own needs none."""
        free = codec.in_bins(columns[self.to.name])
        return np.select([free & formula.holds(columns, codec.axis) for formula in self.each],
                         range(1, len(self.each) + 1), 0).astype(np.int32)

    def applied(self, columns: Mapping[str, Cells], codec: LineCodec) -> Cells:
        """The column's drawn cells, with a formula's value where the row follows it.

        The value has to lie in a bin, near the drawn one; else the drawn one stays.
        """
        drawn = columns[self.to.name]
        values, follows = drawn.values.copy(), columns[self.column.name].values
        for number, formula in enumerate(self.each, 1):
            rows = np.flatnonzero((follows == number) & drawn.present)
            taken = {column.name: columns[column.name].take(rows) for column in formula.sources}
            found, known = formula.value(taken, codec.axis)
            before = drawn.take(rows[known])
            after = replace(before, values=found[known])
            near = np.abs(codec.encode(after) - codec.encode(before)) <= NEAR * codec.ordered
            good = near & codec.in_bins(after)
            values[rows[known][good]] = after.values[good]
        return replace(drawn, values=values)


def apply(formulas: Iterable[Formulas], columns: Mapping[str, Cells], codecs: Mapping[str, Codec],
          given: Collection[str] = ()) -> dict[str, Cells]:
    """Decoded columns, those with formulas brought up to date, unless they are `given` or what they need is not there.

    Args:
        formulas: sources first.
        columns: decoded cells, shape (n,) each, pseudo-columns among them.
    """
    found = dict(columns)
    for one in formulas:
        name = one.to.name
        if name not in given and all(needed in found for needed in (name, one.column.name, *one.sources)):
            codec = codecs[name]
            assert isinstance(codec, LineCodec)
            found[name] = one.applied(found, codec)
    return found


def needed_for(formulas: Iterable[Formulas], names: Iterable[str]) -> set[str]:
    """These columns, and all that must be drawn before they are final."""
    wanted = set(names)
    for one in reversed(tuple(formulas)):
        if one.to.name in wanted:
            wanted.update((one.column.name, *one.sources))
    return wanted

