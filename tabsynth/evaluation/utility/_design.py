"""The numbers that a declared regression sees: outcome, and a matrix with one column a coefficient.

Everything that has to be learned (levels, reference, scale) is learned from training rows, so that a coefficient means
the same on every side. Rows with a missing or unreadable cell are NaN here and left out of the fit.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.clock import SECOND
from tabsynth.core.errors import RuleError
from tabsynth.core.schema import Column, Kind
from tabsynth.core.table import Cells, Table
from tabsynth.evaluation.bins import level_codes, level_counts, levels_of
from tabsynth.evaluation.disclosure import MIN_CELL
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.utility._declared import Analysis
from tabsynth.evaluation.utility._formula import Factor
from tabsynth.evaluation.utility._groups import is_public

RARE: Final = MIN_CELL
"""Levels that fewer training rows hold are pooled."""
MOST_VALUES: Final = 50
"""Most distinct values of a number whose values are levels."""
MOST_COEFFICIENTS: Final = 200
HUGE: Final = 1e100


@dataclass(frozen=True, slots=True)
class Number:
    """A column of numbers in units of its standard deviation among training rows: one coefficient.

    `log`: of its natural logarithm, whose scale is 1; there is none of zero and below.
    """

    name: str
    kind: Kind
    scale: float
    log: bool

    def columns(self, cells: Cells) -> Floats:
        """Shape (n, 1)."""
        return np.asarray((numbers(cells, self.kind, log=self.log) / self.scale)[:, None], np.float64)

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def scales(self) -> Floats:
        return np.array([self.scale])


@dataclass(frozen=True, slots=True)
class Levels:
    """Treatment coding: an indicator for every level but the reference, and one for the rare ones together.

    Args:
        place: 0 for the reference, j for the j-th indicator, by level.
        names: of the indicators. pooled: whether the last one is the pool of rare and never-seen levels; without a
            pool such rows are left out.
    """

    place: Mapping[Any, int]
    names: tuple[str, ...]
    pooled: bool

    def columns(self, cells: Cells) -> Floats:
        """Shape (n, number of indicators)."""
        pool = len(self.names) if self.pooled else -1
        levels, codes = _levels_here(cells)
        places = np.array([self.place.get(level, pool) for level in levels] or [pool], np.int64)[codes]
        out = np.asarray(places[:, None] == np.arange(1, len(self.names) + 1), np.float64)
        out[~cells.present | (places < 0)] = np.nan
        return out

    @property
    def labels(self) -> tuple[str, ...]:
        return self.names

    @property
    def scales(self) -> Floats:
        return np.ones(len(self.names))


Part = Number | Levels


@dataclass(frozen=True, eq=False)
class Design:
    """How tables become matrices for one analysis.

    Args:
        parts: coding of each factor. terms: factors of each term.
        names: of the coefficients, without an intercept, which `matrix` does not hold either.
        scales: what a coefficient of the matrix is divided by to be per unit of the table.
    """

    analysis: Analysis
    parts: Mapping[Factor, Part]
    names: tuple[str, ...]
    scales: Floats
    failure: str | None

    def matrix(self, table: Table) -> Floats:
        """Shape (n, number of coefficients), NaN where a cell is not given."""
        return np.concatenate([
            functools.reduce(_products, (self.parts[factor].columns(table[factor.column]) for factor in term))
            for term in self.terms], axis=1)

    def support(self, table: Table) -> NDArray[np.int64]:
        """Rows that each coefficient rests on, shape (number of coefficients,): of an indicator the rows that have it,
        or those that have not, if fewer; of a number those that give it."""
        x = self.matrix(table)
        given, ones, zeros = ~np.isnan(x), x == 1, x == 0
        indicator = (given == (ones | zeros)).all(axis=0)
        rows = np.where(indicator, np.minimum(ones.sum(axis=0), zeros.sum(axis=0)), given.sum(axis=0))
        return np.asarray(rows, np.int64)

    @property
    def terms(self) -> tuple[tuple[Factor, ...], ...]:
        assert self.analysis.formula is not None
        return self.analysis.formula.terms

    def outcome(self, table: Table) -> Floats:
        """Shape (n,): numbers, or 0 and 1, NaN where it is not given."""
        assert self.analysis.formula is not None
        factor = self.analysis.formula.outcome
        assert factor is not None
        cells, kind = table[factor.column], table.schema[factor.column].kind
        return flags(cells, self.failure) if has_levels(cells) else numbers(cells, kind, log=factor.how == "log")


def learn_design(analysis: Analysis, train: Table) -> Design:
    """The design of an analysis, learned from training rows.

    Raises:
        RuleError: a column of a kind that will not do, or too many coefficients.
    """
    assert analysis.formula is not None
    parts = {factor: _part(factor, train, analysis.label) for term in analysis.formula.terms for factor in term}
    names: list[str] = []
    scales: list[Floats] = []
    for term in analysis.formula.terms:
        names += functools.reduce(lambda a, b: [f"{x}:{y}" for x in a for y in b],
                                  (list(parts[factor].labels) for factor in term))
        scales.append(functools.reduce(lambda a, b: np.outer(a, b).ravel(), (parts[factor].scales for factor in term)))
    if not names or len(names) > MOST_COEFFICIENTS:
        raise RuleError(f"{analysis.label}: the formula has {'no' if not names else 'too many'} coefficients; "
                        f"at least 1 and at most {MOST_COEFFICIENTS} can be compared.")
    return Design(analysis, parts, tuple(names), np.concatenate(scales), _failure(analysis, train))


def numbers(cells: Cells, kind: Kind, *, log: bool = False) -> Floats:
    """Values of a column of this kind as numbers, NaN where there is none; a timedelta in seconds."""
    raw = np.asarray(cells.values, np.float64) / (SECOND if kind == "timedelta" else 1)
    values = np.clip(raw, -HUGE, HUGE)
    given = cells.present & np.isfinite(raw) & ((values > 0) | (not log))
    return np.where(given, np.log(np.where(given, values, 1.0)) if log else values, np.nan)


def flags(cells: Cells, failure: str | None) -> Floats:
    """1 where the level is another than `failure`, else 0; NaN where there is none."""
    levels, codes = _levels_here(cells)
    happened = np.array([level != failure for level in levels] or [False])[codes]
    return np.where(cells.present, happened.astype(np.float64), np.nan)


def has_levels(cells: Cells) -> bool:
    """True for categories and booleans."""
    return bool(cells.levels) or cells.values.dtype in (np.bool_, np.int32)


def first_level(column: Column, cells: Cells) -> str | None:
    """The level that is no event: "false", the first that the schema lists, or the most frequent one."""
    if column.kind == "boolean":
        return "false"
    if column.levels:
        return column.levels[0]
    levels, counts = level_counts(cells)
    return levels[int(np.argmax(counts))] if levels else None


def _failure(analysis: Analysis, train: Table) -> str | None:
    outcome = None if analysis.formula is None else analysis.formula.outcome
    if outcome is None or not has_levels(train[outcome.column]):
        return None
    column = train.schema[outcome.column]
    if analysis.family != "binomial" and column.kind == "category":
        raise RuleError(f"{analysis.label}: the outcome {outcome.column!r} is a category, which only family binomial "
                        "takes.")
    if outcome.how != "plain":
        raise RuleError(f"{analysis.label}: the outcome {outcome.column!r} is of kind {column.kind} and cannot be "
                        f"{outcome}.")
    return first_level(column, train[outcome.column])


def _part(factor: Factor, train: Table, label: str) -> Part:
    cells, column = train[factor.column], train.schema[factor.column]
    if not has_levels(cells):
        return (_values_as_levels(factor, cells, label) if factor.how == "factor"
                else _number(factor, cells, column.kind))
    if factor.how == "log":
        raise RuleError(f"{label}: column {factor.column!r} is of kind {column.kind} and has no logarithm.")
    levels, counts = level_counts(cells)
    by_size = dict(sorted(zip(levels, counts.tolist()), key=lambda pair: (-pair[1], pair[0])))
    public = frozenset(level for level in levels if is_public(column, level))
    return _levels(str(factor), by_size, first_level(column, cells), public)


def _number(factor: Factor, cells: Cells, kind: Kind) -> Number:
    if factor.how == "log":
        return Number(str(factor), kind, 1.0, log=True)
    values = numbers(cells, kind)
    values = values[np.isfinite(values)]
    spread = float(values.std()) if len(values) else 0.0
    return Number(str(factor), kind, spread if 0.0 < spread < HUGE else 1.0, log=False)


def _values_as_levels(factor: Factor, cells: Cells, label: str) -> Levels:
    values, counts = np.unique(cells.values[cells.present], return_counts=True)
    if len(values) > MOST_VALUES:
        raise RuleError(f"{label}: column {factor.column!r} has more than {MOST_VALUES} distinct values and cannot be "
                        f"{factor}.")
    by_size = dict(sorted(zip(values.tolist(), counts.tolist()), key=lambda pair: (-pair[1], pair[0])))
    return _levels(str(factor), by_size, None, frozenset())


def _levels(name: str, by_size: Mapping[Any, int], first: Any, public: frozenset[Any]) -> Levels:
    """Coding of levels given by falling frequency; names tell a level only if it is public."""
    kept = [level for level, count in by_size.items() if count >= RARE]
    reference = first if first in kept else (kept[0] if kept else None)
    others = [level for level in kept if level != reference]
    names = [f"{name}[{level}]" if level in public else f"{name}[level {kept.index(level) + 1}]" for level in others]
    pooled = sum(count for count in by_size.values() if count < RARE) >= RARE
    place = {level: j for j, level in enumerate(others, start=1)}
    if reference is not None:
        place[reference] = 0
    return Levels(place, (*names, *([f"{name}[rarer levels]"] if pooled else ())), pooled)


def _levels_here(cells: Cells) -> tuple[list[Any], Any]:
    """This table's levels, and which of them each cell holds, shape (n,); arbitrary where it holds none."""
    if has_levels(cells):
        return list(levels_of(cells)), level_codes(cells)
    values, codes = np.unique(cells.values, return_inverse=True)
    return values.tolist(), codes


def _products(a: Floats, b: Floats) -> Floats:
    """Every column of one times every column of the other, shape (n, p * q)."""
    return np.asarray((a[:, :, None] * b[:, None, :]).reshape(len(a), -1), np.float64)
