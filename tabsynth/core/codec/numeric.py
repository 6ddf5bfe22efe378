"""Where the atoms and bins of a line come from: the public schema, or real rows (non-DP)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import notation
from tabsynth.core.codec.axis import Axis, Points
from tabsynth.core.codec.base import Stats
from tabsynth.core.codec.line import LineCodec, cuts_between
from tabsynth.core.errors import PrivacyError
from tabsynth.core.schema import Column
from tabsynth.core.table import CANONICAL, Cells

PUBLIC_CELLS: Final = 64
PUBLIC_ATOMS: Final = 100
UNITS_PER_ATOM: Final = 1500
MAX_ATOMS: Final = 1024
CELLS_PER_BIN: Final = 4


# --- from the schema alone -----------------------------------------------------------------------------------


def public_line(column: Column, ends: tuple[Any, Any] | None = None) -> LineCodec:
    """The codec of a column's public bounds, grid and special values; `ends` stand in for bounds that were bought.

    A grid of at most 100 points gets an atom for every point; anything else at most 64 fine cells, geometric where
    ``scale: log``, beside an atom for every special value.

    Raises:
        PrivacyError: the column has no bounds.
    """
    axis = Axis.public(column)
    low, high = _public_ends(column, axis) if ends is None else ends
    atoms = _specials(column, axis)
    if axis.step is not None and high - low < PUBLIC_ATOMS:
        atoms = np.union1d(atoms, np.arange(low, high + 1)).astype(axis.dtype)
        starts: list[Any] = []
    else:
        starts = _cell_starts(low, high, column.scale == "log", whole=axis.step is not None)
    cells = _cells_between(starts, low, high, axis, atoms)
    return LineCodec(column, axis, np.array([low, high], axis.dtype), atoms, *cells,
                     first=np.arange(len(cells[0]) + 1), is_public=True, pooled={})


def _public_ends(column: Column, axis: Axis) -> tuple[Any, Any]:
    edges = notation.bounds(column)
    if edges is None:
        raise PrivacyError(f"column {column.name!r} ({column.kind}) has no public bounds.",
                           fix="Add bounds: [low, high] with their source to the schema, or open: true.")
    return edges if axis.step is None else _inner_points(axis, edges)


def _inner_points(axis: Axis, edges: tuple[float, float]) -> tuple[int, int]:
    """The first and last lattice point inside the bounds (the nearest one if there is none)."""
    low, high = axis.points(np.array(edges, CANONICAL[axis.kind])).tolist()
    inner_low = low + int(axis.values(np.array([low]))[0] < edges[0])
    inner_high = high - int(axis.values(np.array([high]))[0] > edges[1])
    return (inner_low, inner_high) if inner_low <= inner_high else (low, low)


def _specials(column: Column, axis: Axis) -> Points:
    values = [notation.position(column, v) if column.kind in ("number", "integer", "timedelta") else int(v)
              for v in column.special]
    return np.unique(axis.points(np.array(values, CANONICAL[column.kind])))


def _cell_starts(low: Any, high: Any, log: bool, *, whole: bool) -> list[Any]:
    """Where each of at most 64 cells begins; equal widths, or equal ratios (shifted by the finest step at 0)."""
    if low == high:
        return [low]
    if not log:
        places = [low + (high - low + whole) * i / PUBLIC_CELLS for i in range(PUBLIC_CELLS)]
    else:
        shift = 0.0 if low > 0 else max(float(whole), (high - low) * 1e-5)
        ratio = (high + whole + shift) / (low + shift)
        places = [(low + shift) * ratio ** (i / PUBLIC_CELLS) - shift for i in range(PUBLIC_CELLS)]
    starts = [low, *((math.ceil(p) if whole else p) for p in places[1:])]
    return sorted({start for start in starts if low <= start <= high})


def _cells_between(starts: Sequence[Any], low: Any, high: Any, axis: Axis, atoms: Points) -> tuple[Points, Points]:
    """Adjacent cells from their starts up to `high`; cells all of whose points are atoms are joined to the next."""
    if not starts:
        return np.zeros(0, axis.dtype), np.zeros(0, axis.dtype)
    lows = np.array(starts, axis.dtype)
    if axis.step is None:
        return lows, np.append(lows[1:], np.float64(high))
    highs = np.append(lows[1:] - 1, np.int64(high))
    taken = np.searchsorted(atoms, highs, side="right") - np.searchsorted(atoms, lows)
    free = taken < highs - lows + 1
    lows, highs = lows[free], highs[free]
    return lows, highs


# --- from real rows ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LineStats(Stats):
    """Distinct (value, unit) pairs with their number of rows, sorted; exact, so that any split merges alike."""

    values: NDArray[Any]
    units: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, cells: Cells, units: NDArray[np.int64]) -> LineStats:
        kept = cells.present & (units >= 0)
        return cls(*pairs(cells.values[kept], units[kept], np.ones(int(kept.sum()), np.int64)))

    def merge(self, other: LineStats) -> LineStats:
        return LineStats(*pairs(*(np.concatenate([getattr(self, name), getattr(other, name)])
                                  for name in ("values", "units", "counts"))))


def pairs(values: Any, units: NDArray[np.int64], counts: NDArray[Any]) -> tuple[Any, NDArray[np.int64], NDArray[Any]]:
    """Sort by (value, unit) and add up the counts of equal pairs."""
    order = np.lexsort((units, values))
    values, units, counts = values[order], units[order], counts[order]
    new = np.ones(len(values), bool)
    new[1:] = (values[1:] != values[:-1]) | (units[1:] != units[:-1])
    starts = np.flatnonzero(new)
    return values[starts], units[starts], np.add.reduceat(counts, starts) if len(starts) else counts


def learn_line(column: Column, stats: LineStats, *, min_units: int, max_bins: int) -> LineCodec:
    """The codec of real rows: atoms that many people share, the rest in bins of about equal mass.

    Every unit weighs 1. No code stands for fewer than `min_units` units, and the outermost ends are the
    min_units-th smallest and largest values, so that no person's extreme comes back.

    Source: SeqForest codec (VALUE atoms and equal-mass bins), extended by the k-th value as edge.
    """
    weights = unit_weights(stats.units, stats.counts)
    starts = group_starts(stats.values)
    axis = Axis.learn(column, stats.values[starts], _sums(weights, starts))
    edges = notation.bounds(column)
    bounds = None if edges is None else _bound_points(axis, edges)
    pool = _Pool(*pairs(axis.points(stats.values), stats.units, weights))
    special = _specials(column, axis)
    kept = pool.only(np.isin(pool.points, special) | _within(pool.points, bounds))
    atoms = np.union1d(_atoms(kept, min_units, max_bins), special).astype(axis.dtype)
    rest = kept.only(~np.isin(kept.points, atoms))
    atoms, lows, highs = _rest_cells(rest, atoms, bounds, axis, min_units, max_bins)
    pooled = _pooled(rest, kept) if not len(lows) else {"levels": 0, "share": 0.0}
    return LineCodec(column, axis, bounds, atoms, lows, highs, _bins(lows, rest, max_bins), False, pooled)


def unit_weights(units: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shape like units: the part of its unit's rows that each pair holds; a unit's weights sum to 1."""
    _, inverse = np.unique(units, return_inverse=True)
    totals = np.bincount(inverse, weights=counts) if len(units) else np.zeros(0)
    return np.asarray(counts / totals[inverse], np.float64)


def group_starts(values: NDArray[Any]) -> NDArray[np.intp]:
    """Where each run of equal values begins."""
    if not len(values):
        return np.zeros(0, np.intp)
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))


@dataclass(frozen=True, eq=False)
class _Pool:
    """(point, unit) pairs sorted by point, with weights."""

    points: Points
    units: NDArray[np.int64]
    weights: NDArray[np.float64]

    def only(self, mask: NDArray[np.bool_]) -> _Pool:
        return _Pool(self.points[mask], self.units[mask], self.weights[mask])

    def n_units(self) -> int:
        return len(np.unique(self.units))


def _within(points: Points, bounds: Points | None) -> NDArray[np.bool_]:
    if bounds is None:
        return np.ones(len(points), bool)
    return np.asarray((points >= bounds[0]) & (points <= bounds[1]))


def _bound_points(axis: Axis, edges: tuple[float, float]) -> Points:
    return np.array(edges if axis.step is None else _inner_points(axis, edges), axis.dtype)


def _atoms(pool: _Pool, min_units: int, max_bins: int) -> Points:
    """Points held by at least `min_units` units and, of more than `max_bins` points, by units / 1500; at most 1024."""
    starts = group_starts(pool.points)
    holders = np.diff(np.append(starts, len(pool.points)))
    few = len(starts) <= max_bins
    common = np.flatnonzero(holders >= max(min_units, 0 if few else math.ceil(pool.n_units() / UNITS_PER_ATOM)))
    top = common[np.argsort(-holders[common], kind="stable")[:MAX_ATOMS]]
    return np.sort(pool.points[starts[top]])


def _rest_cells(rest: _Pool, atoms: Points, bounds: Points | None, axis: Axis, min_units: int,
                max_bins: int) -> tuple[Points, Points, Points]:
    """Atoms and fine cells for what is not an atom, according to how many units hold it."""
    none = np.zeros(0, axis.dtype)
    n = rest.n_units()
    if n >= 2 * min_units:
        low, high = _kth(rest, min_units)
        clamped = _Pool(*pairs(np.clip(rest.points, low, high), rest.units, rest.weights))
        return atoms, *_equal_mass(clamped, axis, min_units, CELLS_PER_BIN * max_bins)
    if n >= min_units:
        return _with_centre(atoms, rest, axis, min_units), none, none
    if n and not len(atoms) and bounds is not None:
        return atoms, bounds[:1], bounds[1:]
    return atoms, none, none


def _kth(pool: _Pool, k: int) -> tuple[Any, Any]:
    """The smallest point such that k units hold a value up to it, and the largest from the other end."""
    _, first = np.unique(pool.units, return_index=True)
    _, last = np.unique(pool.units[::-1], return_index=True)
    return pool.points[np.sort(first)[k - 1]], pool.points[::-1][np.sort(last)[k - 1]]


def _with_centre(atoms: Points, rest: _Pool, axis: Axis, min_units: int) -> Points:
    """The atoms and the centre of the rest, unless fewer than min_units people would be nearest to it."""
    centre = _centre(rest, axis, min_units)
    joined = np.union1d(atoms, centre).astype(axis.dtype)
    nearest = joined[np.searchsorted(cuts_between(joined, axis.dtype), rest.points, side="right")]
    return joined if rest.only(nearest == centre[0]).n_units() >= min_units else atoms


def _centre(pool: _Pool, axis: Axis, min_units: int) -> Points:
    """One point for fewer than 2 * min_units units: their mean after clamping to the k-th values."""
    low, high = sorted(_kth(pool, min_units))
    points = np.clip(pool.points, low, high).astype(float)
    mean = float(np.average(points, weights=pool.weights))
    return np.array([mean if axis.step is None else round(mean)], axis.dtype)


def _equal_mass(pool: _Pool, axis: Axis, min_units: int, target: int) -> tuple[Points, Points]:
    """At most `target` adjacent cells of about equal mass from the first to the last point."""
    starts = group_starts(pool.points)
    mass = _sums(pool.weights, starts)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    cell = np.minimum((middle * target).astype(np.int64), target - 1)
    opens = starts[np.concatenate([[True], cell[1:] != cell[:-1]])]
    opens = _merge_small(opens, pool.units, min_units)
    points = pool.points
    cuts = [_cut(points[o - 1], points[o]) for o in opens[1:]]
    lows = np.array([points[0], *cuts], axis.dtype)
    ends = np.array([*cuts, points[-1]], axis.dtype)
    if axis.step is not None:
        ends[:-1] -= 1
    return lows, ends


def _merge_small(opens: NDArray[np.intp], units: NDArray[np.int64], min_units: int) -> list[int]:
    """Openings of cells such that every cell holds at least `min_units` units, the outermost about twice as many.

    The outermost hold the clamped extremes too, which would otherwise pile up on a narrow cell at the edge.
    """
    kept: list[int] = []
    opening, start, seen = 0, 0, set[int]()
    for end in [*opens[1:].tolist(), len(units)]:
        seen.update(units[start:end].tolist())
        start = end
        if len(seen) >= min_units:
            kept.append(opening)
            opening, seen = end, set()
    return [0, *kept[2:-1]]


def _cut(a: Any, b: Any) -> Any:
    """Where the cell of b begins, half-way from a to b."""
    return a + (b - a) / 2 if isinstance(a, np.floating) else int(a) + (int(b) - int(a) + 1) // 2


def _bins(lows: Points, rest: _Pool, max_bins: int) -> NDArray[np.int64]:
    """Cut the fine cells into at most `max_bins` runs of about equal mass; where each run begins, and the end."""
    n = len(lows)
    if n <= max_bins:
        return np.arange(n + 1)
    cell = np.maximum(np.searchsorted(lows, rest.points, side="right") - 1, 0)
    before = np.cumsum(np.bincount(cell, rest.weights, n)) / rest.weights.sum()
    inner = np.searchsorted(before, np.arange(1, max_bins) / max_bins - 1e-9) + 1
    return np.unique(np.concatenate([[0], np.minimum(inner, n), [n]]))


def _pooled(rest: _Pool, kept: _Pool) -> Mapping[str, Any]:
    total = float(kept.weights.sum())
    return {"levels": len(group_starts(rest.points)),
            "share": round(float(rest.weights.sum()) / total, 6) if total else 0.0}


def _sums(weights: NDArray[np.float64], starts: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.add.reduceat(weights, starts) if len(starts) else np.zeros(0)
