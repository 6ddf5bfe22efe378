"""Dependence between all pairs of columns: what was lost, and what was invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.core.schema import NUMERIC
from tabsynth.core.table import Cells
from tabsynth.evaluation.agreement import Subset, subsets
from tabsynth.evaluation.fidelity._anchored import anchored
from tabsynth.evaluation.fidelity._leave_out import cell_counts, id_counts
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import GROUPS, Samples, Side, title_of

FACTS = {
    "name": "dependence",
    "entry": "dependence",
    "section": "fidelity",
    "summary": "difference of the association of all column pairs, lost and invented alike",
    "findings": {"dependence": "Difference of the dependence between column pairs"},
    "numbers": {"dependence": ("lost", "invented")},
}

METHOD: Final = (
    "Mean over all column pairs, strongly associated or not, of |V_S - V_H|, V = bias-corrected Cramer's V (Bergsma "
    "2013) of the bins; for two numbers the larger of that and half of |rho_S - rho_H|, rho = Spearman's rank "
    "correlation with its sign, so that a reversed correlation counts. Invented dependence counts as much as lost. "
    "Interval: delete-group jackknife by person.")
WORST: Final = 10
CONSTANT: Final = 1e-9
"""Variance of ranks in [-1/2, 1/2] that is rounding noise; one odd row among 10,000 gives 2.5e-5."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Dependence of each pair that S lost and that it invented, shape (pairs, GROUPS + 1), see `_leave_out`."""

    lost: Floats
    invented: Floats

    @property
    def both(self) -> Floats:
        return self.lost + self.invented

    @property
    def mean(self) -> Floats:
        """Shape (GROUPS + 1,)."""
        return np.asarray(self.both.mean(axis=0), np.float64)


@dataclass(frozen=True, eq=False)
class Associations:
    """Of each pair, shape (pairs, GROUPS + 1): Cramer's V in [0, 1], and half of Spearman's rho, 0 if not numbers."""

    v: Floats
    half_rho: Floats

    @classmethod
    def of(cls, side: Side, samples: Samples, over: Sequence[Subset]) -> Associations:
        v = np.stack([cramers_v(cell_counts(side, pair, samples.sizes).reshape(*(samples.sizes[j] for j in pair), -1))
                      for pair in over])
        numeric = [j for j, name in enumerate(samples.columns) if samples.schema[name].kind in NUMERIC]
        rho = spearman([side.table[samples.columns[j]] for j in numeric], side)
        half_rho = np.zeros_like(v)
        where = {j: i for i, j in enumerate(numeric)}
        for p, (a, b) in enumerate(over):
            if a in where and b in where:
                half_rho[p] = rho[where[a], where[b]] / 2
        return cls(v, half_rho)


def dependence(samples: Samples) -> tuple[Finding, ...]:
    """Mean absolute difference of association, S against H, in [0, 1]. Floor: F. Ceiling: T. 0 = alike."""
    title = title_of(FACTS, "dependence")
    if len(samples.columns) < 2:
        return (Finding.not_run("dependence", title, "fidelity", "fewer than 2 columns can be compared",
                                direction="lower is better", method=METHOD),)
    over, exact = subsets(len(samples.columns), 2, samples.streams)
    s, f, t, h = (Associations.of(side, samples, over) for side in (samples.S, samples.F, samples.T, samples.H))
    value, floor, ceiling = (compare_parts(side, h) for side in (s, f, t))
    return (anchored(
        samples, FACTS, "dependence", [parts.mean for parts in (value, floor, ceiling)], "lower is better",
        n=samples.n, method=METHOD, falling=True, breakdown=_worst(samples, over, value, floor, ceiling),
        details={"lost": float(value.lost[:, 0].mean()), "invented": float(value.invented[:, 0].mean()),
                 "lost_ceiling": float(ceiling.lost[:, 0].mean()),
                 "invented_ceiling": float(ceiling.invented[:, 0].mean()), "pairs": len(over), "all_pairs": exact}),)


def compare_parts(side: Associations, real: Associations) -> Parts:
    """Per pair the larger of the two differences, as what was lost and what was invented; they add up to it."""
    by_v, by_rho = lost_and_invented(real.v, side.v), lost_and_invented(real.half_rho, side.half_rho)
    larger = by_rho.both > by_v.both
    return Parts(np.where(larger, by_rho.lost, by_v.lost), np.where(larger, by_rho.invented, by_v.invented))


def lost_and_invented(real: Floats, synth: Floats) -> Parts:
    """|real - synth| in two parts. What both have in one direction is kept; a reversed sign loses and invents."""
    kept = np.where(real * synth > 0, np.minimum(np.abs(real), np.abs(synth)), 0.0)
    return Parts(np.abs(real) - kept, np.abs(synth) - kept)


def cramers_v(counts: Floats) -> Floats:
    """Bias-corrected Cramer's V (Bergsma 2013, section 3) of contingency tables, in [0, 1]; 0 for a constant.

    Args:
        counts: shape (rows, columns, m), m tables; rows and columns without counts do not count.

    Returns:
        shape (m,).
    """
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    spare = np.maximum(counts.sum(axis=(0, 1)) - 1, 1.0)
    product = rows[:, None] * columns[None]
    phi2 = np.divide(np.square(counts), product, out=np.zeros_like(counts), where=product > 0).sum(axis=(0, 1)) - 1
    r, c = (rows > 0).sum(axis=0), (columns > 0).sum(axis=0)
    corrected = np.maximum(phi2 - (r - 1) * (c - 1) / spare, 0.0)
    most = np.minimum(r - (r - 1) ** 2 / spare, c - (c - 1) ** 2 / spare) - 1
    squared = np.divide(corrected, most, out=np.zeros_like(corrected), where=most > 0)
    return np.asarray(np.sqrt(np.minimum(squared, 1.0)), np.float64)


def spearman(columns: Sequence[Cells], side: Side) -> Floats:
    """Rank correlations of all pairs of numeric columns, shape (d, d, GROUPS + 1); 0 where a column is constant.

    Ranks are middle ranks among the given cells of a column, taken anew without each group; a pair uses the rows that
    give both. Without missing cells this is Spearman's coefficient.
    """
    given = np.stack([cells.present for cells in columns], axis=1) if columns else np.zeros((len(side), 0), np.bool_)
    tables = [_middle_ranks(cells, side) for cells in columns]
    out = np.zeros((len(columns), len(columns), GROUPS + 1))
    for g in range(GROUPS + 1 if columns else 0):
        stay = side.groups != g - 1
        ranks = np.stack([table[ids[stay], g] for ids, table in tables], axis=1)
        out[:, :, g] = _correlations(ranks, given[stay].astype(np.float64))
    return out


def _middle_ranks(cells: Cells, side: Side) -> tuple[NDArray[np.int64], Floats]:
    """Which distinct value a row holds, shape (n,), and the rank in [-1/2, 1/2] of each, shape (k + 1, GROUPS + 1).

    Cells without value hold the last one, whose rank is 0.
    """
    distinct, found = np.unique(cells.values[cells.present], return_inverse=True)
    ids = np.full(len(cells), len(distinct), np.int64)
    ids[cells.present] = found
    counts = id_counts(ids[cells.present], side.groups[cells.present], len(distinct) + 1)
    ranks = (np.cumsum(counts, axis=0) - counts / 2) / np.maximum(counts.sum(axis=0), 1.0) - 0.5
    ranks[-1] = 0.0
    return ids, ranks


def _correlations(ranks: Floats, given: Floats) -> Floats:
    """Pearson correlations of the columns over rows that give both, shape (d, d). ranks are 0 where not given."""
    n = np.maximum(given.T @ given, 1.0)
    means = ranks.T @ given / n
    variances = np.maximum(np.square(ranks).T @ given / n - np.square(means), 0.0)
    covariances = ranks.T @ ranks / n - means * means.T
    vary = (variances > CONSTANT) & (variances.T > CONSTANT)
    out = np.divide(covariances, np.sqrt(variances * variances.T), out=np.zeros_like(n), where=vary)
    return np.asarray(np.clip(out, -1.0, 1.0), np.float64)


def _worst(samples: Samples, over: Sequence[Subset], value: Parts, floor: Parts,
           ceiling: Parts) -> tuple[dict[str, Any], ...]:
    """The pairs that lie farthest beyond their ceiling, names of columns only."""
    order = np.argsort((ceiling.both - value.both)[:, 0], kind="stable")[:WORST]
    return tuple(
        {"key": " x ".join(samples.columns[j] for j in over[i]), "value": float(value.both[i, 0]),
         "lost": float(value.lost[i, 0]), "invented": float(value.invented[i, 0]), "floor": float(floor.both[i, 0]),
         "ceiling": float(ceiling.both[i, 0]), "n": samples.n} for i in order)
