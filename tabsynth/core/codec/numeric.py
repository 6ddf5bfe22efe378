"""Where the atoms and bins of a line come from: the public schema, or real rows (non-DP)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import notation
from tabsynth.core.codec.axis import Axis, Points
from tabsynth.core.codec.base import Stats
from tabsynth.core.codec.line import LineCodec, cuts_between
from tabsynth.core.codec.pairs import Pairs
from tabsynth.core.errors import PrivacyError
from tabsynth.core.schema import Column
from tabsynth.core.table import CANONICAL, Cells, Index

PUBLIC_CELLS: Final = 64
PUBLIC_ATOMS: Final = 100
UNITS_PER_ATOM: Final = 1500
MAX_ATOMS: Final = 1024
CELLS_PER_BIN: Final = 4
RARE_SHARE: Final = 0.15
"""Mass of rare values, beside that of shared ones, up to which they have no bins of their own."""


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
    """Distinct values, rising, and who holds them in how many rows; exact, so that any split merges alike."""

    values: NDArray[Any]
    pairs: Pairs

    @classmethod
    def of(cls, cells: Cells, units: NDArray[np.int64], index: Index) -> LineStats:
        values, number = np.unique(cells.values[cells.present], return_inverse=True)
        thing = np.full(len(cells), -1, np.int64)
        thing[cells.present] = number
        things = thing[index]
        kept = (things >= 0) & (units >= 0)
        # + 0 makes one zero of 0.0 and -0.0
        return _used(values + 0, Pairs.of(things[kept], units[kept]))

    def merge(self, other: LineStats) -> LineStats:
        values, number = np.unique(np.concatenate([self.values, other.values]), return_inverse=True)
        things = number[np.concatenate([self.pairs.things, other.pairs.things + len(self.values)])]
        return _used(values, Pairs.of(things, np.concatenate([self.pairs.units, other.pairs.units]),
                                      np.concatenate([self.pairs.mass, other.pairs.mass])))


def _used(values: NDArray[Any], pairs: Pairs) -> LineStats:
    occurs, pairs = pairs.used(len(values))
    return LineStats(values[occurs], pairs)


def learn_line(column: Column, stats: LineStats, *, min_units: int, max_bins: int) -> LineCodec:
    """The codec of real rows: atoms that many people share, the rest in bins of about equal mass.

    Every unit weighs 1. No code stands for fewer than `min_units` units, and the outermost ends are the
    min_units-th smallest and largest values, so that no person's extreme comes back.

    Source: SeqForest codec (VALUE atoms and equal-mass bins), extended by the k-th value as edge.
    """
    weighted = stats.pairs.as_weights()
    axis = Axis.learn(column, stats.values, weighted.sums())
    edges = notation.bounds(column)
    bounds = None if edges is None else _bound_points(axis, edges)
    pool = _Pool.of(axis.points(stats.values), weighted)
    special = _specials(column, axis)
    kept = pool.only(np.isin(pool.points, special) | _within(pool.points, bounds))
    atoms = np.union1d(_atoms(kept, min_units, max_bins), special).astype(axis.dtype)
    rest = kept.only(~np.isin(kept.points, atoms))
    if len(kept.points) <= max_bins and _few_beside(kept.only(np.isin(kept.points, atoms)), rest):
        lows = highs = np.zeros(0, axis.dtype)
    else:
        atoms, lows, highs = _rest_cells(rest, atoms, bounds, axis, min_units, max_bins)
    pooled = _pooled(rest, kept) if not len(lows) else {"levels": 0, "share": 0.0}
    return LineCodec(column, axis, bounds, atoms, lows, highs, _bins(lows, rest, max_bins), False, pooled)


@dataclass(frozen=True, eq=False)
class _Pool:
    """Distinct points, rising, each held by some unit; the weights of the pairs are parts of a unit."""

    points: Points
    pairs: Pairs

    @classmethod
    def of(cls, points: Points, pairs: Pairs) -> _Pool:
        """From rising points, some of which may be equal."""
        distinct, number = np.unique(points, return_inverse=True)
        if len(distinct) < len(points):
            pairs = Pairs.of(number[pairs.things], pairs.units, pairs.mass)
        return cls(distinct, pairs)

    def only(self, points: NDArray[np.bool_]) -> _Pool:
        return _Pool(self.points[points], self.pairs.only(points))

    def between(self, low: int, high: int) -> _Pool:
        """The points number `low` to `high`, with what lies outside moved to the nearer of the two."""
        pairs = self.pairs
        inner = Pairs.of(np.clip(pairs.things, low, high) - low, pairs.units, pairs.mass)
        return _Pool(self.points[low : high + 1], inner)


def _within(points: Points, bounds: Points | None) -> NDArray[np.bool_]:
    if bounds is None:
        return np.ones(len(points), bool)
    return np.asarray((points >= bounds[0]) & (points <= bounds[1]))


def _bound_points(axis: Axis, edges: tuple[float, float]) -> Points:
    return np.array(edges if axis.step is None else _inner_points(axis, edges), axis.dtype)


def _atoms(pool: _Pool, min_units: int, max_bins: int) -> Points:
    """Points held by at least `min_units` units and, of more than `max_bins` points, by units / 1500; at most 1024."""
    holders = pool.pairs.holders()
    few = len(pool.points) <= max_bins
    common = np.flatnonzero(holders >= max(min_units, 0 if few else math.ceil(pool.pairs.n_units() / UNITS_PER_ATOM)))
    top = common[np.argsort(-holders[common], kind="stable")[:MAX_ATOMS]]
    return np.sort(pool.points[top])


def _few_beside(shared: _Pool, rest: _Pool) -> bool:
    """True if rare values are so few beside shared ones, the most common one left out, that each of them may go to
    the nearest shared value: a bin would reach across shared values and blur what they stand for."""
    mass = shared.pairs.sums()
    return bool(rest.pairs.mass.sum() <= RARE_SHARE * (mass.sum() - mass.max(initial=0.0)))


def _rest_cells(rest: _Pool, atoms: Points, bounds: Points | None, axis: Axis, min_units: int,
                max_bins: int) -> tuple[Points, Points, Points]:
    """Atoms and fine cells for what is not an atom, according to how many units hold it."""
    none = np.zeros(0, axis.dtype)
    n = rest.pairs.n_units()
    if n >= 2 * min_units:
        clamped = rest.between(*_kth(rest.pairs, min_units))
        return atoms, *_equal_mass(clamped, axis, min_units, CELLS_PER_BIN * max_bins)
    if n >= min_units:
        return _with_centre(atoms, rest, axis, min_units), none, none
    if n and not len(atoms) and bounds is not None:
        return atoms, bounds[:1], bounds[1:]
    return atoms, none, none


def _kth(pairs: Pairs, k: int) -> tuple[int, int]:
    """The first thing such that k units hold one up to it, and the same from the other end."""
    return int(_kth_thing(pairs.things, pairs.units, k)), int(_kth_thing(pairs.things[::-1], pairs.units[::-1], k))


def _kth_thing(things: NDArray[np.int64], units: NDArray[np.int64], k: int) -> Any:
    first = np.full(units.max() + 1, len(units))
    # Assigned backwards, so that each unit's first pair is the one that stays.
    first[units[::-1]] = np.arange(len(units))[::-1]
    return things[np.partition(first, k - 1)[k - 1]]


def _with_centre(atoms: Points, rest: _Pool, axis: Axis, min_units: int) -> Points:
    """The atoms and the centre of the rest, unless fewer than min_units people would be nearest to it."""
    centre = _centre(rest, axis, min_units)
    joined = np.union1d(atoms, centre).astype(axis.dtype)
    nearest = joined[np.searchsorted(cuts_between(joined, axis.dtype), rest.points, side="right")]
    return joined if rest.only(nearest == centre[0]).pairs.n_units() >= min_units else atoms


def _centre(pool: _Pool, axis: Axis, min_units: int) -> Points:
    """One point for fewer than 2 * min_units units: their mean after clamping to the k-th values."""
    low, high = sorted(_kth(pool.pairs, min_units))
    points = pool.points[np.clip(pool.pairs.things, low, high)].astype(float)
    mean = float(np.average(points, weights=pool.pairs.mass))
    return np.array([mean if axis.step is None else round(mean)], axis.dtype)


def _equal_mass(pool: _Pool, axis: Axis, min_units: int, target: int) -> tuple[Points, Points]:
    """At most `target` adjacent cells of about equal mass from the first to the last point."""
    mass = pool.pairs.sums()
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    cell = np.minimum((middle * target).astype(np.int64), target - 1)
    opens = np.flatnonzero(np.concatenate([[True], cell[1:] != cell[:-1]]))
    points = pool.points
    cuts = [_cut(points[o - 1], points[o]) for o in _merge_small(opens, pool.pairs, min_units)[1:]]
    lows = np.array([points[0], *cuts], axis.dtype)
    ends = np.array([*cuts, points[-1]], axis.dtype)
    if axis.step is not None:
        ends[:-1] -= 1
    return lows, ends


def _merge_small(opens: NDArray[np.intp], pairs: Pairs, min_units: int) -> list[int]:
    """Things that open cells such that every cell holds at least `min_units` units, the outermost about twice as many.

    The outermost hold the clamped extremes too, which would otherwise pile up on a narrow cell at the edge.
    """
    kept: list[int] = []
    opening, seen = 0, 0
    first_pair = np.append(pairs.starts, len(pairs))
    last = np.full(int(pairs.units.max()) + 1, -1)  # the pair in which each unit was met last
    for start, end in pairwise([*opens.tolist(), len(pairs.starts)]):
        these = np.arange(first_pair[start], first_pair[end])
        units = pairs.units[these]
        is_new = last[units] < first_pair[opening]
        last[units] = these
        seen += int(np.count_nonzero(is_new & (last[units] == these)))  # a unit's last pair here stands for it
        if seen >= min_units:
            kept.append(opening)
            opening, seen = end, 0
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
    before = np.cumsum(np.bincount(cell[rest.pairs.things], rest.pairs.mass, n)) / rest.pairs.mass.sum()
    inner = np.searchsorted(before, np.arange(1, max_bins) / max_bins - 1e-9) + 1
    return np.unique(np.concatenate([[0], np.minimum(inner, n), [n]]))


def _pooled(rest: _Pool, kept: _Pool) -> Mapping[str, Any]:
    total = float(kept.pairs.mass.sum())
    return {"levels": len(rest.points), "share": round(float(rest.pairs.mass.sum()) / total, 6) if total else 0.0}
