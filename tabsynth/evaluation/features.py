"""Tables as matrices: for trees, for a linear model, and for distances.

What fidelity and utility need is learned from the real rows, training and holdout alike (`learn`): learned from the
training rows alone it would know which categories only the holdout has, and tell the two apart where nothing does. An
attack learns from what the attacker holds (`of`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special

from tabsynth.core.schema import NUMERIC
from tabsynth.core.table import INVALID, Cells, Table, concat_cells
from tabsynth.evaluation.bins import Bins, LevelBins, LineBins, learn_bins
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import Samples, Side

TREE_LEVELS: Final = 250
"""Categories that a tree tells apart (scikit-learn's histogram trees take at most 255 codes)."""
NEAR_LEVELS: Final = 50
"""Categories that a distance tells apart."""
EQUAL: Final = 1e-4
"""Squared distances below this are zero: float32 cannot tell them from equality."""

Points = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TreeFeatures:
    """Numbers as they are, with NaN for missing; categories as codes, marked in `categorical`."""

    coders: tuple[Bins | None, ...]
    columns: tuple[str, ...]

    @classmethod
    def learn(cls, samples: Samples, *, without: frozenset[str] = frozenset()) -> TreeFeatures:
        """Categories as they occur in real rows; columns but those in `without`."""
        return cls.of([name for name in samples.columns if name not in without], [samples.train, samples.holdout])

    @classmethod
    def of(cls, columns: Sequence[str], tables: Sequence[Table]) -> TreeFeatures:
        """Categories as they occur in `tables` together."""
        schema = tables[0].schema
        return cls(tuple(None if schema[name].kind in NUMERIC
                         else learn_bins(schema[name], concat_cells([t[name] for t in tables]), bins=TREE_LEVELS)
                         for name in columns), tuple(columns))

    @property
    def categorical(self) -> NDArray[np.bool_]:
        return np.array([*(coder is not None for coder in self.coders)] + [False], np.bool_)

    def matrix(self, table: Table) -> NDArray[np.float64]:
        """Shape (n, d + 1); the last column counts unreadable cells, which a NaN would hide."""
        out = np.zeros((len(table), len(self.columns) + 1))
        for j, (name, coder) in enumerate(zip(self.columns, self.coders)):
            cells = table[name]
            out[:, j] = _numbers(cells) if coder is None else coder.codes(cells)
            out[:, -1] += cells.state == INVALID
        return out


def fill_empty(fit: NDArray[np.float64], *others: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """The matrices with zeros in columns that hold no number in `fit`: the trees cannot bin a column without values."""
    empty = np.isnan(fit).all(axis=0)
    return tuple(np.where(empty, 0.0, matrix) for matrix in (fit, *others))


def linear(side: Side, sizes: tuple[int, ...]) -> sparse.csr_matrix[np.float64]:
    """One indicator per bin, shape (n, sum of sizes): what a main-effects model sees."""
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    n, d = side.codes.shape
    cells = (side.codes + offsets).ravel()
    return sparse.csr_matrix((np.ones(n * d), cells, np.arange(0, n * d + 1, d)), shape=(n, int(sum(sizes))))


@dataclass(frozen=True, eq=False)
class Embedding:
    """Points whose squared distance is a sum over columns: a difference of ranks, or 1 for another category.

    Args:
        parts: per column the sorted values that ranks refer to, or the bins of a category.
        normal: numbers as half the normal quantile of their rank: outliers stay far from each other.
    """

    columns: tuple[str, ...]
    parts: tuple[Bins | NDArray[Any], ...]
    normal: bool = False

    @classmethod
    def learn(cls, samples: Samples) -> Embedding:
        """Ranks among, and categories of, real rows."""
        return cls.of(samples.columns, [samples.train, samples.holdout], normal=False)

    @classmethod
    def of(cls, columns: Sequence[str], tables: Sequence[Table], *, normal: bool = True) -> Embedding:
        """Normal scores (or ranks) and categories as they occur in `tables` together."""
        schema = tables[0].schema
        parts: list[Bins | NDArray[Any]] = []
        for name in columns:
            cells = concat_cells([table[name] for table in tables])
            parts.append(np.sort(cells.values[cells.present]) if schema[name].kind in NUMERIC
                         else learn_bins(schema[name], cells, bins=NEAR_LEVELS))
        return cls(tuple(columns), tuple(parts), normal)

    def points(self, table: Table) -> Points:
        """Shape (n, dimensions), float32."""
        line = _normal_scores if self.normal else _ranks
        blocks = [line(table[name], part) if isinstance(part, np.ndarray) else _indicators(table[name], part)
                  for name, part in zip(self.columns, self.parts)]
        return np.concatenate(blocks, axis=1)


def nearest(points: Points, others: Points, k: int, *, block: int = 1024) -> Floats:
    """Squared distances to the k nearest of `others` (all of them if fewer), rising, shape (n, k)."""
    k = min(k, len(others))
    out = np.empty((len(points), k))
    for rows, squared in squared_distances(points, others, block=block):
        squared.partition(k - 1, axis=1)
        out[rows] = np.sort(squared[:, :k], axis=1)
    return out


def squared_distances(points: Points, others: Points, *, block: int = 1024) -> Iterator[tuple[slice, Points]]:
    """All squared distances, `block` points at a time: (which points, shape (block, number of others)).

    Blocked matrix products; below `EQUAL` a distance is zero.
    """
    norms = np.square(others).sum(axis=1)
    for start in range(0, len(points), block):
        rows = slice(start, min(start + block, len(points)))
        squared = points[rows] @ others.T
        squared *= -2
        squared += norms
        squared += np.square(points[rows]).sum(axis=1, keepdims=True)
        squared[squared < EQUAL] = 0
        yield rows, squared


def _numbers(cells: Cells) -> NDArray[np.float64]:
    """Values as float64, NaN where there is none; infinities become the largest float that trees take."""
    return np.where(cells.present, np.clip(cells.values.astype(np.float64), -1e300, 1e300), np.nan)


def _ranks(cells: Cells, reference: NDArray[Any]) -> NDArray[np.float32]:
    """Middle rank among the reference values in [0, 1], and an indicator of "no value"."""
    low = np.searchsorted(reference, cells.values, "left")
    high = np.searchsorted(reference, cells.values, "right")
    rank = np.where(cells.present, (low + high) / (2 * max(1, len(reference))), 0.5)
    return np.stack([rank, ~cells.present * np.sqrt(0.5)], axis=1).astype(np.float32)


def _normal_scores(cells: Cells, reference: NDArray[Any]) -> NDArray[np.float32]:
    """Half the normal quantile of the middle rank, and an indicator of "no value".

    Halved, two random numbers differ by 0.5 squared: about as much as two random categories.
    """
    low = np.searchsorted(reference, cells.values, "left")
    high = np.searchsorted(reference, cells.values, "right")
    score = special.ndtri((low + high + 1) / (2 * (len(reference) + 1))) / 2
    return np.stack([np.where(cells.present, score, 0.0), ~cells.present * np.sqrt(0.5)], axis=1).astype(np.float32)


def _indicators(cells: Cells, bins: LineBins | LevelBins) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = np.eye(bins.size, dtype=np.float32) * np.float32(np.sqrt(0.5))
    return scaled[bins.codes(cells)]
