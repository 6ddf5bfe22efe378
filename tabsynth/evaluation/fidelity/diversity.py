"""Diversity: are the synthetic rows as different from one another as real rows are, or have they become alike?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Direction, Finding
from tabsynth.evaluation.agreement import Subset, shares, subsets
from tabsynth.evaluation.disclosure import CEILING_COUNT
from tabsynth.evaluation.features import Embedding, Points
from tabsynth.evaluation.fidelity._leave_out import cell_counts, entropy, id_counts, ratio, spread
from tabsynth.evaluation.identity import row_ids, value_ids
from tabsynth.evaluation.intervals import Floats, wilson
from tabsynth.evaluation.protocol import GROUPS, Samples, Side, power, title_of

FACTS = {
    "name": "diversity",
    "entry": "diversity",
    "section": "fidelity",
    "summary": "entropy, repeated rows, mass on the most frequent cells, and distances between rows, beside real rows",
    "findings": {
        "diversity.entropy": "Variety of column pairs beside the holdout's",
        "diversity.duplicates": "Rows that repeat another row of the table",
        "diversity.mode": "Share of rows in the most frequent combinations beside the holdout's",
        "diversity.distance": "Distance between two rows beside the holdout's",
    },
}

METHODS: Final = {
    "diversity.entropy": "Mean over column pairs of H(S) / H(H), Shannon entropy of the bins; below 1 = less varied. "
                         "Pairs with less than .05 bits in the holdout are left out. ",
    "diversity.duplicates": "Share of rows equal to an earlier row of the same table in all modelled columns. The "
                            "ceiling is the share among training rows, to which no generator need come lower. ",
    "diversity.mode": "Of each column pair the most frequent hundredth of the holdout's occupied cells (at least one): "
                      "rows of S in them over rows of H in them, summed over pairs; above 1 = crowded modes. "
                      "Homogenised is judged by as many cells that are the table's own most frequent, H over S. ",
    "diversity.distance": "Median distance between rows of two people (ranks of numbers, categories 1 apart), 20,000 "
                          "random pairs a table, S over H; below 1 = more alike. ",
}
COMMON: Final = (
    "Ceiling: training rows in place of S. Homogenised: the upper limit of diversity relative to real rows (the "
    "ceiling's, unless said otherwise) is below .9. Intervals: delete-group jackknife by person.")
ALIKE: Final = 0.9
"""Diversity relative to real rows below which rows are said to have become alike."""
LEAST_BITS: Final = 0.05
"""Entropy of the holdout below which a ratio of entropies says nothing: a column whose value is 99.4 % the same."""
MODES: Final = 0.01
PAIRS: Final = 20_000
BLOCK: Final = 2_000
WORST: Final = 10


@dataclass(frozen=True, eq=False)
class Look:
    """One subset of columns on one side. Shape (GROUPS + 1,), see `_leave_out`.

    Args:
        bits: entropy of the cells.
        in_modes: share of rows in the holdout's most frequent cells; in_own: in as many of the side's own.
    """

    bits: Floats
    in_modes: Floats
    in_own: Floats


def diversity(samples: Samples) -> tuple[Finding, ...]:
    """Entropy ratio, duplicates, mass on the modes, median distance: S beside H, T and F.

    The floor F keeps every single column and is more varied than real rows are: it is printed and no lower end.
    """
    sides = (samples.S, samples.F, samples.T, samples.H)
    over, _ = subsets(len(samples.columns), min(2, len(samples.columns)), samples.streams)
    looks = [_look(sides, subset, samples.sizes) for subset in over]
    return (_entropy(samples, looks), _duplicates(samples, sides), _mode(samples, looks), _distance(samples, sides))


# --- entropy and modes: cells of column pairs ------------------------------------------------------------------


def number_of_modes(counts: Floats) -> int:
    """A hundredth of the occupied cells, rounded up. counts: shape (cells,).

    >>> number_of_modes(np.array([5.0, 0.0, 1.0])), number_of_modes(np.ones(101))
    (1, 2)
    """
    return max(1, math.ceil(MODES * np.count_nonzero(counts)))


def most_frequent(counts: Floats, many: int) -> NDArray[np.intp]:
    """The `many` most frequent cells; the first of equals. counts: shape (cells,)."""
    return np.argsort(-counts, kind="stable")[:many]


def _look(sides: Sequence[Side], subset: Subset, sizes: tuple[int, ...]) -> list[Look]:
    """One subset on each side; the last side is the holdout. Which cells are modes is settled with everybody."""
    parts = [shares(cell_counts(side, subset, sizes)) for side in sides]
    many = number_of_modes(parts[-1][:, 0])
    modes = most_frequent(parts[-1][:, 0], many)
    return [Look(entropy(p), p[modes].sum(axis=0), p[most_frequent(p[:, 0], many)].sum(axis=0)) for p in parts]


def _entropy(samples: Samples, looks: Sequence[Sequence[Look]]) -> Finding:
    sides = (samples.S, samples.F, samples.T, samples.H)
    singles = [_look(sides, (j,), samples.sizes) for j in range(len(samples.columns))]
    pairs = entropy_ratios(looks)
    if not len(pairs):
        return _not_run("diversity.entropy", "no column of the holdout varies enough", "closer to 1 is better")
    value, floor, ceiling = pairs.mean(axis=0)
    return _beside(samples, "diversity.entropy", value, floor, ceiling, "closer to 1 is better",
                   breakdown=_worst(samples, singles),
                   details={"pairs": len(pairs), "left_out": len(looks) - len(pairs),
                            "single_columns": _mean_of_first(entropy_ratios(singles))})


def entropy_ratios(looks: Sequence[Sequence[Look]]) -> Floats:
    """Entropy of S, F and T over the holdout's, of the subsets where that is not near zero.

    Returns:
        shape (subsets, 3, GROUPS + 1).
    """
    kept = [look for look in looks if look[-1].bits[0] >= LEAST_BITS]
    return np.array([[ratio(side.bits, look[-1].bits) for side in look[:-1]] for look in kept], np.float64)


def _mean_of_first(ratios: Floats) -> float | None:
    return float(ratios[:, 0, 0].mean()) if len(ratios) else None


def _worst(samples: Samples, singles: Sequence[Sequence[Look]]) -> tuple[dict[str, Any], ...]:
    """The columns that lost most variety, names only."""
    rows = [{"key": name, **dict(zip(("value", "floor", "ceiling"), entropy_ratios([look])[0, :, 0].tolist())),
             "n": samples.n} for name, look in zip(samples.columns, singles) if look[-1].bits[0] >= LEAST_BITS]
    return tuple(sorted(rows, key=lambda row: float(row["value"]))[:WORST])


def _mode(samples: Samples, looks: Sequence[Sequence[Look]]) -> Finding:
    """Flagged by the own modes: rows that crowd in cells which are rare among real people are alike, too.

    Beside the holdout's own, not the training rows': the bins are cut where those are even.
    """
    synth, floor, train, holdout = np.array([[side.in_modes for side in look] for look in looks]).sum(axis=0)
    own = np.array([[side.in_own for side in look] for look in looks]).sum(axis=0)
    return _beside(samples, "diversity.mode", ratio(synth, holdout), ratio(floor, holdout), ratio(train, holdout),
                   "closer to 1 is better", relative=ratio(own[3], own[0]),
                   details={"mass": float(synth[0] / len(looks)), "mass_holdout": float(holdout[0] / len(looks)),
                            "own_modes": float(own[0, 0] / own[3, 0])})


# --- duplicates ------------------------------------------------------------------------------------------------


def _duplicates(samples: Samples, sides: Sequence[Side]) -> Finding:
    ids = row_ids([value_ids([side.table[name] for side in sides]) for name in samples.columns])
    value, floor, ceiling, holdout = (repeated(i, side.groups) for i, side in zip(ids, sides))
    found = _beside(samples, "diversity.duplicates", value, floor, ceiling, "none",
                    relative=ratio(1 - value, 1 - ceiling), high=1.0, details={
                        CEILING_COUNT: round(ceiling[0] * samples.n), "holdout_repeats": round(holdout[0] * samples.n)})
    # the jackknife of no repeated row at all has no width
    low, high = wilson(round(float(value[0]) * samples.n), samples.n)
    inner = found.interval or (low, high)
    return replace(found, interval=(min(low, inner[0]), max(high, inner[1])))


def repeated(ids: NDArray[np.int64], groups: NDArray[np.int64]) -> Floats:
    """Share of rows that repeat an earlier one, shape (GROUPS + 1,). ids: equal where rows are, shape (n,)."""
    _, ids = np.unique(ids, return_inverse=True)
    counts = id_counts(ids.astype(np.int64), groups, int(ids.max(initial=-1)) + 1)
    return 1 - ratio((counts > 0).sum(axis=0).astype(np.float64), counts.sum(axis=0))


# --- distances -------------------------------------------------------------------------------------------------


def _distance(samples: Samples, sides: Sequence[Side]) -> Finding:
    embedding = Embedding.learn(samples)
    medians = [median_distance(embedding.points(side.table), side, samples.streams.stream(i, "pairs of rows"))
               for i, side in enumerate(sides)]
    if any(m is None for m in medians):
        return _not_run("diversity.distance", "the rows of a table belong to too few people", "closer to 1 is better")
    synth, floor, train, holdout = (m for m in medians if m is not None)
    if not holdout[0] > 0:
        return _not_run("diversity.distance", "most pairs of holdout rows are alike", "closer to 1 is better")
    return _beside(samples, "diversity.distance", ratio(synth, holdout), ratio(floor, holdout), ratio(train, holdout),
                   "closer to 1 is better", details={"pairs": PAIRS})


def median_distance(points: Points, side: Side, rng: np.random.Generator) -> Floats | None:
    """Median distance of random pairs of rows of two people, shape (GROUPS + 1,); None if a group holds all pairs.

    Without group g: the pairs that have no row of it, so that what the sampling of pairs adds is in the interval.
    """
    first, second = rng.integers(0, len(side), (2, PAIRS))
    other = side.units[first] != side.units[second]
    first, second = first[other], second[other]
    lengths = np.concatenate([_lengths(points, first[i : i + BLOCK], second[i : i + BLOCK])
                              for i in range(0, len(first), BLOCK)] or [np.zeros(0)])
    out = [lengths, *(lengths[(side.groups[first] != g) & (side.groups[second] != g)] for g in range(GROUPS))]
    return None if any(not len(part) for part in out) else np.array([np.median(part) for part in out], np.float64)


def _lengths(points: Points, first: NDArray[np.int64], second: NDArray[np.int64]) -> Floats:
    squared: Floats = np.square(points[first] - points[second]).sum(axis=1, dtype=np.float64)
    return np.sqrt(squared)


# --- findings --------------------------------------------------------------------------------------------------


def _beside(samples: Samples, finding_id: str, value: Floats, floor: Floats, ceiling: Floats, direction: Direction, *,
            relative: Floats | None = None, high: float = math.inf, details: Mapping[str, Any],
            breakdown: tuple[dict[str, Any], ...] = ()) -> Finding:
    """A finding and whether it shows rows that have become alike. Arrays of shape (GROUPS + 1,).

    Args:
        relative: diversity of S over that of real rows, value / ceiling when not given.
    """
    relative = ratio(value, ceiling) if relative is None else relative
    interval = spread(relative, low=0.0)
    return Finding(
        finding_id, title_of(FACTS, finding_id), "fidelity", float(value[0]), direction, n=samples.n,
        interval=spread(value, low=0.0, high=high), floor=float(floor[0]), ceiling=float(ceiling[0]),
        method=METHODS[finding_id] + COMMON, **power(samples.n), breakdown=breakdown,
        details={"homogenised": interval is not None and interval[1] < ALIKE,
                 "relative": float(relative[0]) if np.isfinite(relative[0]) else None,
                 "relative_interval": None if interval is None else list(interval), **details})


def _not_run(finding_id: str, reason: str, direction: Direction) -> Finding:
    return Finding.not_run(finding_id, title_of(FACTS, finding_id), "fidelity", reason, direction=direction,
                           method=METHODS[finding_id] + COMMON)
