"""Find exact relations between columns in real rows (non-DP): see ``formulas``.

A guess on few rows, then a count on all. Only values that are no atoms count; so few units hold one of them that rows
which agree by chance stay below the least number that is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.codec.base import Codec
from tabsynth.core.codec.line import LineCodec
from tabsynth.core.compact import Compact
from tabsynth.core.formulas import NUMBERS, ROUNDING, SEVEN_DIGITS, TICKS, Formula, Formulas, Mask
from tabsynth.core.schema import Column

MOST: Final = 3
"""Formulas of one column."""
LEAST_SHARE: Final = 0.01
"""Of the rows in which the column and the sources are given, how many have to follow a formula and none before it."""
LEAST_SUM_SHARE: Final = 0.2
"""Of those in which the column has no code of its own, how many a sum has to hold for. There are many more sums than
equalities, so that few rows must do to tell which to count."""
SAMPLED: Final = 20_000
PROBES: Final = 2_000
SUM_PROBES: Final = 32
"""Rows from which equalities, and sums, are guessed, and rows among which they are looked for."""
CANDIDATES: Final = 8
"""Equalities, and sums, of one column that are counted on all rows."""
LENGTHS: Final = frozenset({"integer", "timedelta"})
"""Kinds that tell how long, beside those that tell when."""

Floats = NDArray[np.float64]


def find(codecs: Mapping[str, Codec], rows: Compact, *, min_units: int) -> tuple[Formulas, ...]:
    """Formulas of every column that has some, in the order of `codecs`.

    Args:
        codecs: of columns, as learned from the rows.
        min_units: least number of units that show a formula.
    """
    search = _Search(rows, tuple(codec for codec in codecs.values() if isinstance(codec, LineCodec)), min_units)
    found = ((codec.column, tuple(search.formulas_of(place))) for place, codec in enumerate(search.lines))
    return tuple(Formulas(column, formulas) for column, formulas in found if formulas)


@dataclass(frozen=True)
class _Search:
    rows: Compact
    lines: tuple[LineCodec, ...]
    min_units: int

    @cached_property
    def sampled(self) -> NDArray[np.intp]:
        """Rows with a unit, at most `SAMPLED`, evenly over the table."""
        return _thinned(np.flatnonzero(self.rows.units >= 0), SAMPLED)

    @cached_property
    def values(self) -> Floats:
        """Values of the sampled rows, NaN where there is none; shape (lines, rows)."""
        found = np.empty((len(self.lines), len(self.sampled)))
        for line, codec in zip(found, self.lines, strict=True):
            packed = self.rows.columns[codec.column.name]
            line[:] = np.where(packed.cells.present, packed.cells.values, np.nan)[packed.index][self.sampled]
        return found

    def formulas_of(self, place: int) -> Iterator[Formula]:
        """Up to `MOST` formulas of line `place`, each with most of the rows that obey none before it."""
        codec = self.lines[place]
        packed = self.rows.columns[codec.column.name]
        free = codec.in_bins(packed.cells)[packed.index] & (self.rows.units >= 0)
        earlier = [i for i in range(place) if _may_be_source(self.lines[i].column, codec.column)]
        if not earlier or np.count_nonzero(free) < self.min_units:
            return
        probes = np.flatnonzero(free[self.sampled])
        guessed = [*_equalities(self.lines, self.values, place, earlier, _thinned(probes, PROBES)),
                   *_sums(self.lines, self.values, place, earlier, _thinned(probes, SUM_PROBES))]
        yield from self._best(guessed, codec, np.flatnonzero(free))

    def _best(self, guessed: Sequence[Formula], codec: LineCodec, free: NDArray[np.intp]) -> Iterator[Formula]:
        counted = [one for formula in guessed if (one := self._counted(formula, codec, free)) is not None]
        left = np.ones(len(free), np.bool_)
        for _ in range(MOST):
            showing = [(int(np.count_nonzero(obeyed & left)), -i) for i, (_, obeyed, least) in enumerate(counted)
                       if np.count_nonzero(obeyed & left) >= least and self._is_shown(free[obeyed & left])]
            if not showing:
                return
            n, i = max(showing)
            formula, obeyed, _ = counted[-i]
            left &= ~obeyed
            yield replace(formula, share=round(n / int(np.count_nonzero(self.rows.units >= 0)), 4))

    def _counted(self, formula: Formula, codec: LineCodec,
                 free: NDArray[np.intp]) -> tuple[Formula, Mask, float] | None:
        """The formula, which of the free rows obey it, and how many have to; None if a sum holds for too few."""
        columns = {column.name: self.rows[column.name] for column in (formula.to, *formula.sources)}
        given = np.logical_and.reduce([self.rows.units >= 0, *(cells.present for cells in columns.values())])
        obeyed = formula.holds({name: cells.take(free) for name, cells in columns.items()}, codec.axis)
        if len(formula.sources) > 1 and np.count_nonzero(obeyed) < LEAST_SUM_SHARE * np.count_nonzero(given[free]):
            return None
        return formula, obeyed, LEAST_SHARE * np.count_nonzero(given)

    def _is_shown(self, rows: NDArray[np.intp]) -> bool:
        return len(np.unique(self.rows.units[rows])) >= self.min_units


def _may_be_source(column: Column, to: Column) -> bool:
    """What rows of a unit share may follow only from what they share."""
    return column.constant_per_unit or not to.constant_per_unit


def _equalities(lines: Sequence[LineCodec], values: Floats, place: int, earlier: Sequence[int],
                probes: NDArray[np.intp]) -> Iterator[Formula]:
    """The columns of the same kind that equal it in most of the probed rows."""
    to = lines[place].column
    kinds = NUMBERS if to.kind in NUMBERS else {to.kind}
    alike = np.array([i for i in earlier if lines[i].column.kind in kinds], np.intp)
    equal = np.count_nonzero(values[np.ix_(alike, probes)] == values[place, probes], axis=1)
    for i in np.argsort(-equal, kind="stable")[:CANDIDATES]:
        if equal[i] >= max(1, LEAST_SHARE / 2 * len(probes)):
            yield Formula(to, (lines[alike[i]].column,))


def _sums(lines: Sequence[LineCodec], values: Floats, place: int, earlier: Sequence[int],
          probes: NDArray[np.intp]) -> Iterator[Formula]:
    """Sums and differences, of numbers or of dates and durations, that half of the least share of the probes obey."""
    to = lines[place].column
    families = []
    if to.kind in NUMBERS:
        families.append(_Family.of(lines, earlier, place, dict.fromkeys(NUMBERS, 1), SEVEN_DIGITS))
    if to.kind in TICKS:
        families.append(_Family.of(lines, earlier, place, TICKS, ROUNDING))
    found = Counter[tuple[int, int, int]]()
    for probe in probes:
        found.update({hit for family in families for hit in family.solutions(values[:, probe])})
    for (x, z, sign), n in sorted(found.items(), key=lambda item: (-item[1], item[0]))[:CANDIDATES]:
        formula = Formula(to, (lines[x].column, lines[z].column), sign)
        if n >= max(1, LEAST_SUM_SHARE / 2 * len(probes)) and _makes_sense(formula):
            yield formula


@dataclass(frozen=True)
class _Family:
    """Lines that may be added up to line `place`.

    Args:
        members: other lines, rising.
        place: the line.
        ticks: shape (members + 1,): what one is worth in each of them.
        rounding: relative error.
    """

    members: NDArray[np.intp]
    place: int
    ticks: NDArray[np.int64]
    rounding: float

    @classmethod
    def of(cls, lines: Sequence[LineCodec], earlier: Sequence[int], place: int, ticks: Mapping[str, int],
           rounding: float) -> Self:
        kinds = [line.column.kind for line in lines]
        members = [i for i in earlier if kinds[i] in ticks]
        return cls(np.array(members, np.intp), place, np.array([ticks[kinds[i]] for i in (*members, place)]), rounding)

    def solutions(self, row: Floats) -> Iterator[tuple[int, int, int]]:
        """Pairs x, z of members, neither of them zero, with y = x + z (sign 1) or y = x - z (sign -1)."""
        total, values = row[self.place] * self.ticks[-1], row[self.members] * self.ticks[:-1]
        order = np.argsort(values, kind="stable")
        order = order[np.isfinite(values[order]) & (values[order] != 0)]
        rising, place = values[order], self.members[order].tolist()
        slack = self.rounding * np.maximum(np.abs(rising), abs(total))
        for sign, wanted in ((1, total - rising), (-1, rising - total)):
            at = np.minimum(np.searchsorted(rising, wanted - slack), len(rising) - 1)
            for x in np.flatnonzero(np.abs(rising[at] - wanted) <= slack):
                z = at[x]
                if place[x] < place[z] or (sign < 0 and x != z):
                    yield place[x], place[z], sign


def _makes_sense(formula: Formula) -> bool:
    """Times and lengths of time: a time plus a length is a time, the difference of two times is a length."""
    to, x, z = (int(column.kind not in LENGTHS) for column in (formula.to, *formula.sources))
    return NUMBERS.issuperset({c.kind for c in (formula.to, *formula.sources)}) or to == x + formula.sign * z


def _thinned(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most so many of the rows, evenly spread."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]
