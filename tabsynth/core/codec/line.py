"""The codec of everything that lies on a line: numbers, integers, dates, datetimes, times and durations.

Codes, in rising order: atoms (points with a code of their own) and bins (runs of fine cells of about equal mass),
then MISSING, INVALID and OTHER. A value that is no atom belongs to the bin it falls into, or to the nearest atom
where there are no bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.codec.axis import Axis, Points
from tabsynth.core.codec.base import Codec
from tabsynth.core.schema import Column, Dialect
from tabsynth.core.table import MISSING, PRESENT, Cells, LogicalType


@final
@dataclass(frozen=True, eq=False)
class LineCodec(Codec):
    """Atoms and bins on an axis.

    Args:
        column: the column.
        axis: how canonical values become points.
        bounds: public bounds as points, or None; what lies outside is OTHER.
        atoms: points, rising.
        lows, highs: first and last point of every fine cell, rising and adjacent (without step: [low, high)).
        first: shape (bins + 1,): bin j consists of the cells first[j] .. first[j+1]-1, each equally likely.
        is_public: True if nothing here was learned from rows.
        pooled: {"levels": distinct values without a code, "share": their share of the rows}.
    """

    column: Column
    axis: Axis
    bounds: Points | None
    atoms: Points
    lows: Points
    highs: Points
    first: NDArray[np.int64]
    is_public: bool
    pooled: Mapping[str, Any]

    @property
    def size(self) -> int:
        return self.ordered + 3

    @property
    def ordered(self) -> int:
        return len(self.atoms) + self._bins

    @property
    def holds(self) -> dict[str, int]:
        return {"atoms": len(self.atoms), "bins": self._bins}

    @property
    def is_range(self) -> NDArray[np.bool_]:
        return self._by_code[1] >= 0

    @property
    def _bins(self) -> int:
        return max(len(self.first) - 1, 0)

    @cached_property
    def _middles(self) -> NDArray[np.float64]:
        """Middle of every bin, as a point."""
        lows, highs = self.lows[self.first[:-1]], self.highs[self.first[1:] - 1]
        return np.asarray(lows.astype(float) + (highs.astype(float) - lows.astype(float)) / 2)

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        """Position in (atoms, bins) of every ordered code."""
        return np.argsort(np.concatenate([self.atoms.astype(float), self._middles]), kind="stable")

    @cached_property
    def _code_of(self) -> NDArray[np.int32]:
        """Ordered code of every position in (atoms, bins)."""
        codes = np.empty(self.ordered, np.int32)
        codes[self._order] = np.arange(self.ordered, dtype=np.int32)
        return codes

    @cached_property
    def _cuts(self) -> Points:
        """Where one bin ends and the next begins; between atoms where there are no bins."""
        if self._bins:
            return self.lows[self.first[1:-1]]
        return cuts_between(self.atoms, self.axis.dtype)

    def encode(self, cells: Cells) -> NDArray[np.int32]:
        codes = np.where(cells.state == MISSING, self.missing, self.invalid).astype(np.int32)
        present = cells.present
        codes[present] = self._encode_points(self.axis.points(cells.values[present]))
        return codes

    def _encode_points(self, points: Points) -> NDArray[np.int32]:
        codes = np.full(len(points), self.other, np.int32)
        if not self.ordered:
            return codes
        inside = np.ones(len(points), bool)
        if self.bounds is not None:
            inside = (points >= self.bounds[0]) & (points <= self.bounds[1])
        catch_all = len(self.atoms) if self._bins else 0
        codes[inside] = self._code_of[catch_all + np.searchsorted(self._cuts, points[inside], side="right")]
        if len(self.atoms):
            at = np.minimum(np.searchsorted(self.atoms, points), len(self.atoms) - 1)
            hit = self.atoms[at] == points
            codes[hit] = self._code_of[at[hit]]
        return codes

    def in_bins(self, cells: Cells) -> NDArray[np.bool_]:
        """Shape (n,): cells whose value lies in a bin, and not beyond the first or the last."""
        if not self._bins:
            return np.zeros(len(cells), np.bool_)
        points = self.axis.points(cells.values)
        inside = (points >= self.lows[0]) & (points <= self.highs[-1])
        return np.asarray(inside & self.is_range[self.encode(cells)])

    def decode(self, codes: NDArray[np.int32], rng: np.random.Generator) -> Cells:
        codes = np.asarray(codes, np.int32)
        lost = codes >= self.ordered if not self.column.nullable else codes == self.other
        if self._redraws_inside_bounds:
            out, state = self._decode_ordered(codes, rng)
            assert self.bounds is not None
            out[lost] = _uniform(np.broadcast_to(self.bounds[0], lost.sum()),
                                 np.broadcast_to(self.bounds[1], lost.sum()), rng.random(int(lost.sum())))
            state[lost] = PRESENT
        else:
            if self.ordered and lost.any():
                codes = codes.copy()
                codes[lost] = rng.integers(0, self.ordered, int(lost.sum()))
            out, state = self._decode_ordered(codes, rng)
        values = self.axis.values(out)
        values[state != PRESENT] = 0
        return Cells(values, state, (), LogicalType.from_json(self.column.logical))

    @property
    def _redraws_inside_bounds(self) -> bool:
        return self.bounds is not None and (self.is_public or not self.ordered)

    @cached_property
    def _by_code(self) -> tuple[Points, NDArray[np.int64]]:
        """Per code its atom (0 where it has none) and its bin (-1 where it has none)."""
        atoms, bins = np.zeros(self.size, self.axis.dtype), np.full(self.size, -1, np.int64)
        atoms[self._code_of[:len(self.atoms)]] = self.atoms
        bins[self._code_of[len(self.atoms):]] = np.arange(self._bins)
        return atoms, bins

    def _decode_ordered(self, codes: NDArray[np.int32], rng: np.random.Generator) -> tuple[Points, NDArray[np.uint8]]:
        atom_of, bin_of = self._by_code
        is_value = codes < self.ordered
        out, bins = atom_of[codes], bin_of[codes]
        uniform = np.zeros(len(codes))
        uniform[is_value] = rng.random(int(is_value.sum()))
        binned = np.flatnonzero(bins >= 0)
        out[binned] = self._inside_bins(bins[binned], uniform[binned])
        return out, np.where(is_value, PRESENT, MISSING).astype(np.uint8)

    def _inside_bins(self, bins: NDArray[np.int64], uniform: NDArray[np.float64]) -> Points:
        """One point of each bin: a fine cell, then a place inside it that is no atom; one uniform does both."""
        count = self.first[bins + 1] - self.first[bins]
        scaled = uniform * count
        step = np.minimum(scaled.astype(np.int64), count - 1)
        cell = self.first[bins] + step
        if self.axis.step is None:
            return _uniform(self.lows[cell], self.highs[cell], scaled - step)
        return self._skip_atoms(self.lows[cell], self.highs[cell], scaled - step)

    def _skip_atoms(self, low: Points, high: Points, uniform: NDArray[np.float64]) -> Points:
        """A uniform draw among the lattice points of [low, high] that are not atoms: the r-th of them."""
        start = np.searchsorted(self.atoms, low)
        inside = np.searchsorted(self.atoms, high, side="right") - start
        drawn = _uniform(low, high - inside, uniform)
        # atom i lies before the r-th free point iff atoms[i] - i <= low + r - start
        shifted = self.atoms - np.arange(len(self.atoms))
        return np.asarray(drawn + np.searchsorted(shifted, drawn - start, side="right") - start, np.int64)

    def probes(self, values: Sequence[bool | int | float | str]) -> Cells:
        points = self._landmarks(values)
        found = self.axis.values(points)
        nothing = np.zeros(int(self.column.nullable), found.dtype)
        state = np.repeat([PRESENT, MISSING], [len(found), len(nothing)]).astype(np.uint8)
        cells = Cells(np.concatenate([found, nothing]), state)
        allowed = self.encode(cells) != self.other
        return cells.take(allowed)

    def _landmarks(self, values: Sequence[bool | int | float | str]) -> Points:
        """Ends of every cell, every atom, every one of `values` within the bounds, and the points next to these."""
        edges = self.lows[:0] if self.bounds is None else self.axis.values(self.bounds)
        inside = [v for v in values if not isinstance(v, str) and len(edges) and edges[0] <= v <= edges[1]]
        marks = np.concatenate([self.atoms, self.lows, self.highs, self.axis.points(np.array(inside, edges.dtype))])
        if self.axis.step is None:
            beside = [np.nextafter(marks, -np.inf), np.nextafter(marks, np.inf)]
        else:
            beside = [marks - 1, marks + 1]
        return np.unique(np.concatenate([marks, *beside]))

    def representative(self) -> NDArray[np.float64]:
        points = np.concatenate([self.atoms.astype(float), self._middles])[self._order]
        scale = 1 if self.axis.step is None else self.axis.step
        return np.concatenate([points * scale + self.axis.offset, np.full(3, np.nan)])

    def labels(self) -> list[str]:
        from tabsynth.core.text import writer

        write = writer(self.column, Dialect())
        atoms = [write(value) for value in self.axis.values(self.atoms).tolist()]
        lows = self.axis.values(self.lows[self.first[:-1]]).tolist()
        highs = self.axis.values(self.highs[self.first[1:] - 1]).tolist()
        names = atoms + [f"{write(low)} to {write(high)}" for low, high in zip(lows, highs)]
        return [names[i] for i in self._order] + ["MISSING", "INVALID", "OTHER"]

    def state(self) -> dict[str, Any]:
        return {
            "type": "line", "public": self.is_public, **self.axis.state(),
            "bounds": None if self.bounds is None else self.bounds.tolist(), "atoms": self.atoms.tolist(),
            "lows": self.lows.tolist(), "highs": self.highs.tolist(), "first": self.first.tolist(),
            "pooled": dict(self.pooled),
        }

    @classmethod
    def from_state(cls, column: Column, state: Mapping[str, Any]) -> LineCodec:
        axis = Axis(column.kind, state["step"], state["offset"])
        bounds = state["bounds"]
        atoms, lows, highs = (np.array(state[name], axis.dtype) for name in ("atoms", "lows", "highs"))
        return cls(column, axis, None if bounds is None else np.array(bounds, axis.dtype), atoms, lows, highs,
                   np.array(state["first"], np.int64), bool(state["public"]), dict(state["pooled"]))


def cuts_between(atoms: Points, dtype: Any) -> Points:
    """From which point on a value is nearer to the next atom; shape (atoms - 1,)."""
    return np.array([_between(a, b) for a, b in pairwise(atoms)], dtype)


def _between(a: Any, b: Any) -> Any:
    """The first point that is nearer to b."""
    if isinstance(a, np.floating):
        return a + (b - a) / 2
    return int(a) + (int(b) - int(a)) // 2 + 1


def _uniform(low: Points, high: Points, uniform: NDArray[np.float64]) -> Points:
    """Points of [low, high] for uniforms of [0, 1); whole numbers include both ends."""
    if low.dtype == np.float64:
        return np.asarray(np.minimum(low + uniform * (high - low), high))
    # unsigned: high - low may exceed int64
    span = high.astype(np.uint64) - low.astype(np.uint64)
    ranks = np.minimum((uniform * (span.astype(float) + 1)).astype(np.uint64), span)
    return np.asarray((low.astype(np.uint64) + ranks).astype(np.int64))
