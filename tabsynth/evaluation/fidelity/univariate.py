"""Single columns: Kolmogorov-Smirnov, Wasserstein and Jensen-Shannon, a table for drill-down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.core.schema import NUMERIC
from tabsynth.evaluation.agreement import shares
from tabsynth.evaluation.fidelity._leave_out import cell_counts, entropy, id_counts, spread
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import Samples, Side, power, title_of

FACTS = {
    "name": "univariate",
    "entry": "univariate",
    "section": "fidelity",
    "summary": "distance of each single column from the holdout's: Kolmogorov-Smirnov, Wasserstein, Jensen-Shannon",
    "findings": {
        "univariate.ks": "Kolmogorov-Smirnov distance of single numeric columns",
        "univariate.wasserstein": "Wasserstein distance of single numeric columns",
        "univariate.js": "Jensen-Shannon distance of single columns",
    },
}

METHODS: Final = {
    "univariate.ks": "Largest difference of the two distribution functions (Kolmogorov-Smirnov) of the given cells of "
                     "numbers, dates and times.",
    "univariate.wasserstein": "Wasserstein-1 distance of the given cells over the holdout's interquartile range (its "
                              "range, or that of all tables, where zero); a million such units is the farthest.",
    "univariate.js": "Jensen-Shannon distance (root of the divergence in bits; Endres and Schindelin 2003) of the "
                     "bins, with missing cells as a bin.",
}
COMMON: Final = (" Mean over columns, synthetic against holdout rows. The floor keeps single columns, so that it is as "
                 "close as the ceiling. Interval: delete-group jackknife by person.")
FARTHEST: Final = 1e6
"""Units of the scale beyond which a value counts as just as far: one absurd number must not hide all other columns."""
LARGEST: Final = 1e300


@dataclass(frozen=True, eq=False)
class Distances:
    """One column's distance to the holdout. value: shape (GROUPS + 1,), see `_leave_out`; n: cells behind it."""

    value: Floats
    floor: float
    ceiling: float
    n: int


@dataclass(frozen=True, eq=False)
class Line:
    """A numeric column's given cells on one side: values as float64 and their people's groups, shape (m,)."""

    values: Floats
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, side: Side, name: str) -> Line:
        cells = side.table[name]
        values = np.clip(cells.values[cells.present].astype(np.float64), -LARGEST, LARGEST)
        return cls(values, side.groups[cells.present])

    @property
    def can_lose_a_group(self) -> bool:
        return len(self.groups) > 0 and bool((self.groups != self.groups[0]).any())


def univariate(samples: Samples) -> tuple[Finding, ...]:
    """Mean distance over columns; all columns, worst first, in the breakdown. 0 = alike."""
    numeric = [name for name in samples.columns if samples.schema[name].kind in NUMERIC]
    ks: dict[str, Distances] = {}
    wasserstein: dict[str, Distances] = {}
    for name in numeric:
        lines = [Line.of(side, name) for side in (samples.S, samples.F, samples.T, samples.H)]
        if all(line.can_lose_a_group for line in lines):
            ks[name], wasserstein[name] = on_a_line(*lines)
    js = {name: _jensen_shannon(samples, j) for j, name in enumerate(samples.columns)}
    lost = {"not_compared": [name for name in numeric if name not in ks]}
    return (_finding(samples, "univariate.ks", ks, high=1.0, details=lost),
            _finding(samples, "univariate.wasserstein", wasserstein, high=2 * FARTHEST, details=lost),
            _finding(samples, "univariate.js", js, high=1.0, details={}))


def on_a_line(synth: Line, floor: Line, train: Line, holdout: Line) -> tuple[Distances, Distances]:
    """Kolmogorov-Smirnov and Wasserstein-1 distances of a numeric column, in units of `scale_of`.

    All distribution functions are read off one grid of the distinct values, so that leaving a group out is a
    subtraction of cumulated counts.
    """
    sides = (synth, floor, train, holdout)
    grid, ids = np.unique(np.concatenate([line.values for line in sides]), return_inverse=True)
    ends = np.cumsum([len(line.values) for line in sides])[:-1]
    s, f, t, h = (_ecdf(i, line, len(grid)) for i, line in zip(np.split(ids, ends), sides))
    with np.errstate(over="ignore"):  # a huge distance over a tiny scale is as far as can be
        axis = np.clip((grid - np.median(holdout.values)) / scale_of(holdout.values, grid), -FARTHEST, FARTHEST)
    n = min(len(synth.values), len(holdout.values))
    # floor and ceiling need no interval: everybody only
    gaps = [np.abs(s - h), *(np.abs(other[:, :1] - h[:, :1]) for other in (f, t))]
    ks = [gap.max(axis=0) for gap in gaps]
    w1 = [np.diff(axis) @ gap[:-1] for gap in gaps]
    return (Distances(ks[0], float(ks[1][0]), float(ks[2][0]), n),
            Distances(w1[0], float(w1[1][0]), float(w1[2][0]), n))


def scale_of(holdout: Floats, grid: Floats) -> float:
    """The holdout's interquartile range; where that is zero its range; else the range of `grid`, rising; else 1."""
    low, high = np.quantile(holdout, [0.25, 0.75])
    for width in (high - low, np.ptp(holdout), grid[-1] - grid[0]):
        if width > 0:
            return float(width)
    return 1.0


def jensen_shannon(p: Floats, q: Floats) -> Floats:
    """Jensen-Shannon distance with base 2 along the first axis, in [0, 1].

    >>> jensen_shannon(np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])).tolist()
    [1.0]
    """
    divergence = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    return np.asarray(np.sqrt(np.clip(divergence, 0.0, 1.0)), np.float64)


def _ecdf(ids: NDArray[np.int64], line: Line, size: int) -> Floats:
    """Distribution function at each point of the grid, shape (size, GROUPS + 1)."""
    counts = np.cumsum(id_counts(ids, line.groups, size), axis=0)
    return np.asarray(counts / counts[-1], np.float64)


def _jensen_shannon(samples: Samples, j: int) -> Distances:
    s, f, t, h = (shares(cell_counts(side, (j,), samples.sizes)) for side in
                  (samples.S, samples.F, samples.T, samples.H))
    return Distances(jensen_shannon(s, h), float(jensen_shannon(f, h)[0]), float(jensen_shannon(t, h)[0]), samples.n)


def _finding(samples: Samples, finding_id: str, columns: Mapping[str, Distances], *, high: float,
             details: Mapping[str, Any]) -> Finding:
    title, method = title_of(FACTS, finding_id), METHODS[finding_id] + COMMON
    if not columns:
        return Finding.not_run(finding_id, title, "fidelity", "no column holds numbers of enough people in every table",
                               direction="lower is better", method=method)
    values = np.mean([d.value for d in columns.values()], axis=0)
    worst = sorted(columns, key=lambda name: -columns[name].value[0])
    return Finding(
        finding_id, title, "fidelity", float(values[0]), "lower is better", n=samples.n,
        interval=spread(values, low=0.0, high=high), floor=float(np.mean([d.floor for d in columns.values()])),
        ceiling=float(np.mean([d.ceiling for d in columns.values()])), method=method, **power(samples.n),
        breakdown=tuple(_row(name, columns[name]) for name in worst), details={"columns": len(columns), **details})


def _row(name: str, column: Distances) -> dict[str, Any]:
    return {"key": name, "value": float(column.value[0]), "floor": column.floor, "ceiling": column.ceiling,
            "n": column.n}
