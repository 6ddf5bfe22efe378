"""pMSE: how far propensity scores of pooled rows are from a coin toss, as a multiple of what real rows give.

The score of a row is its estimated chance of being synthetic (Snoke et al. 2018). A model with k parameters finds
differences between any two samples; so the number is divided by what it is for two samples of one population.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.special import expit, log_expit
from sklearn.tree import DecisionTreeClassifier

from tabsynth.core.finding import Finding
from tabsynth.evaluation.features import linear
from tabsynth.evaluation.fidelity._anchored import anchored
from tabsynth.evaluation.intervals import Floats, jackknife_error, without_each
from tabsynth.evaluation.protocol import GROUPS, Samples, Side, pick, title_of

FACTS = {
    "name": "pmse",
    "entry": "pmse",
    "section": "fidelity",
    "summary": "propensity mean squared error over its expectation between two real samples",
    "findings": {
        "pmse.logistic": "Differences that a main-effects model finds, over chance",
        "pmse.tree": "Differences that a decision tree finds, over chance",
    },
}

METHODS: Final = {
    "pmse.logistic": "Mean squared distance of the propensity score from the share of synthetic rows, over its "
                     "expectation (k - 1) c (1 - c) / N for two independent samples of people; maximum likelihood, one "
                     "indicator per common bin. Snoke et al. 2018 give half of that, for synthetic rows given the real "
                     "ones. Interval: delete-group jackknife by person, one Newton step.",
    "pmse.tree": "Mean squared distance of a classification tree's leaf shares from the share of synthetic rows, over "
                 "its mean when the labels are permuted by person. Interval: delete-group jackknife by person, with "
                 "the leaves and the permutations' mean held fixed, and no narrower than the permutations' spread.",
}
ENOUGH_ROWS: Final = 20
"""Fewest pooled rows of a bin with a parameter of its own, and pooled rows per parameter."""
PRIOR: Final = 1e-6
"""Precision of a prior at 0 that keeps estimates finite where a bin has rows of one side alone; else without effect."""
ALIASED: Final = 1e-8
"""Share of a column's variance that the columns before it leave, below which it is a combination of them."""
TREE_ROWS: Final = 5_000
PERMUTATIONS: Final = 20
DEPTH: Final = 5

Matrix = Any
"""A scipy CSR matrix, whose type stubs do not say that its product with a vector is a vector."""


@dataclass(frozen=True, eq=False)
class Propensity:
    """pMSE and its null.

    Args:
        values: pMSE with everybody and without each jackknife group, shape (GROUPS + 1,).
        expected: its mean when both sides are samples of one population, same shape.
        sd: its standard deviation then, for everybody.
        facts: what the report tells about the model.
    """

    values: Floats
    expected: Floats
    sd: float
    facts: dict[str, Any]

    @property
    def ratio(self) -> Floats:
        undefined = np.full_like(self.values, np.nan)  # without the only person of a side nothing is expected
        return np.divide(self.values, self.expected, out=undefined, where=self.expected > 0)

    def told(self) -> dict[str, Any]:
        """pMSE, and how many standard deviations of the null it lies above the null's mean."""
        return {"pmse": float(self.values[0]), "null_mean": float(self.expected[0]), "null_sd": self.sd,
                "standardised": float((self.values[0] - self.expected[0]) / self.sd) if self.sd else None, **self.facts}


@dataclass(frozen=True, eq=False)
class Pooled:
    """Rows of one side and of the holdout together, shape (N,) each: is it of the side, whose, in which group."""

    label: Floats
    units: NDArray[np.int64]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, side: Side, holdout: Side) -> Pooled:
        return cls(np.repeat([1.0, 0.0], [len(side), len(holdout)]),
                   np.concatenate([side.units, holdout.units + side.units.max(initial=0) + 1]),
                   np.concatenate([side.groups, holdout.groups]))

    def share(self) -> Floats:
        """c, the share of the side's rows, with everybody and without each group, shape (GROUPS + 1,)."""
        rows, mine = (without_each(np.bincount(self.groups, w, GROUPS)) for w in (None, self.label))
        return np.asarray(np.divide(mine, rows, out=np.full(GROUPS + 1, math.nan), where=rows > 0), np.float64)


def pmse(samples: Samples) -> tuple[Finding, ...]:
    """pMSE ratio of S against H by two models; 1 = as different as two samples of one population are.

    Ceiling: T against H. Floor: F against H.
    """
    return _logistic(samples), _tree(samples)


def propensity(x: Matrix, pooled: Pooled) -> Propensity:
    """pMSE of a logistic model with an intercept and the columns of `x`, less those that are combinations of others.

    The null is that of people, not rows: labels go to persons at random. To first order N * pMSE = e' H e, with e the
    labels less c and H the hat matrix of the centred columns, so its mean is c (1 - c) tr(M) and its variance
    2 (c (1 - c))^2 tr(M M), where M = inverse Gram matrix times the Gram matrix of sums by person. With one row per
    person M is the identity of size k - 1.

    Args:
        x: shape (N, columns), no intercept among them.
    """
    x = sparse.hstack([sparse.csr_matrix(np.ones((x.shape[0], 1))), x[:, independent(x)]], format="csr")
    beta = fit(x, pooled.label)
    chances = expit(x @ _without_groups(x, pooled, beta).T)
    kept = (pooled.groups[:, None] != np.arange(-1, GROUPS)).astype(np.float64)
    rows, c = kept.sum(axis=0), pooled.share()
    values = np.divide((np.square(chances - c) * kept).sum(axis=0), rows, out=np.full_like(c, math.nan), where=rows > 0)
    mean, square = _null(x, pooled.units)
    spread = c * (1 - c) / np.where(rows > 0, rows, math.nan)
    return Propensity(values, mean * spread, float(math.sqrt(2 * square) * spread[0]), {"parameters": x.shape[1]})


def fit(x: Matrix, y: Floats) -> Floats:
    """Maximum-likelihood coefficients by Newton's method with step halving, shape (columns,)."""
    beta = np.zeros(x.shape[1])
    now = _log_likelihood(x, y, beta)
    for _ in range(100):
        chance = expit(x @ beta)
        slope = x.T @ (y - chance) - PRIOR * beta
        step = _solve(_information(x, chance), slope)
        while (after := _log_likelihood(x, y, beta + step)) < now and np.abs(step).max() > 1e-12:
            step /= 2
        if after < now:
            break
        beta, gain, now = beta + step, float(slope @ step), after
        if gain < 1e-6:  # twice what is left to gain in log-likelihood
            break
    return np.asarray(beta, np.float64)


def independent(x: Matrix) -> NDArray[np.intp]:
    """Columns that are no combination of an intercept and the other ones chosen, rising (pivoted QR)."""
    covariance = _centred_gram(x, np.ones(x.shape[0]))
    scale = np.sqrt(np.maximum(np.diag(covariance), 0))
    varying = np.flatnonzero(scale > 1e-12 * max(1, x.shape[0]))
    if not len(varying):
        return varying
    correlation = covariance[np.ix_(varying, varying)] / np.outer(scale[varying], scale[varying])
    triangle, pivots = linalg.qr(correlation, mode="r", pivoting=True)
    return np.sort(varying[pivots[np.abs(np.diag(triangle)) > ALIASED]])


def common_bins(codes: Matrix, sizes: tuple[int, ...], most: int) -> tuple[NDArray[np.intp], int]:
    """Indicator columns with a parameter of their own, and how many bins were merged for being rare.

    Each column's most frequent bin is its reference. Rare bins join it: those with fewer than `ENOUGH_ROWS` pooled
    rows and, beyond `most`, the rarest. Both look at pooled rows, so that the null holds.
    """
    counts = np.asarray(codes.sum(axis=0)).ravel()
    ends = np.cumsum(sizes)
    for start, end in zip(ends - sizes, ends):
        counts[start + counts[start:end].argmax()] = 0
    order = np.argsort(-counts, kind="stable")[: max(0, most)]
    kept = np.sort(order[counts[order] >= ENOUGH_ROWS])
    return kept, int(np.count_nonzero(counts) - len(kept))


def _logistic(samples: Samples) -> Finding:
    fitted = [_main_effects(samples, side) for side in (samples.S, samples.F, samples.T)]
    return _finding(samples, "pmse.logistic", fitted, 2 * samples.n)


def _main_effects(samples: Samples, side: Side) -> Propensity:
    codes = sparse.csr_matrix(sparse.vstack([linear(s, samples.sizes) for s in (side, samples.H)]))
    chosen, merged = common_bins(codes, samples.sizes, codes.shape[0] // ENOUGH_ROWS - 1)
    result = propensity(codes[:, chosen], Pooled.of(side, samples.H))
    result.facts["rare_bins_merged"] = merged
    return result


def _tree(samples: Samples) -> Finding:
    sides = [_part(samples, side, name) for side, name in ((samples.S, "S"), (samples.F, "F"), (samples.T, "T"))]
    holdout = _part(samples, samples.H, "H")
    fitted = [grown(np.concatenate([side.codes, holdout.codes]).astype(np.float32), Pooled.of(side, holdout),
                    samples.streams.stream(i, "labels of trees")) for i, side in enumerate(sides)]
    return _finding(samples, "pmse.tree", fitted, 2 * len(holdout))


def grown(x: NDArray[np.float32], pooled: Pooled, rng: np.random.Generator) -> Propensity:
    """pMSE of a classification tree fitted to the rows it scores, with the null of labels permuted by person.

    Args:
        x: shape (N, d): bins of the columns, categories by falling frequency.
    """
    null = [_leaf_pmse(x, replace(pooled, label=label))[0] for label in _permuted(pooled, rng)]
    sd = float(np.std(null, ddof=1))
    return Propensity(_spread(_leaf_pmse(x, pooled), sd), np.full(GROUPS + 1, np.mean(null)), sd,
                      {"permutations": len(null), "depth": DEPTH})


def _spread(values: Floats, sd: float) -> Floats:
    """The values with replicates so far apart that the jackknife error is at least `sd`.

    The leaves were chosen on these rows. A jackknife that keeps them does not see that: in simulations under the null
    its error was .21 where the ratio's standard deviation was .25.
    """
    error = jackknife_error(values[1:])
    if not error or error >= sd:
        return values
    middle = values[1:].mean()
    return np.concatenate([values[:1], middle + (values[1:] - middle) * sd / error])


def _leaf_pmse(x: NDArray[np.float32], pooled: Pooled) -> Floats:
    """pMSE of a tree with everybody and, in the same leaves, without each group, shape (GROUPS + 1,)."""
    tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=max(ENOUGH_ROWS, len(x) // 200), random_state=0)
    leaf = tree.fit(x, pooled.label).apply(x)
    cells, size = leaf * GROUPS + pooled.groups, (leaf.max() + 1) * GROUPS
    rows, mine = (without_each(np.bincount(cells, w, size).reshape(-1, GROUPS)) for w in (None, pooled.label))
    total = np.maximum(rows.sum(axis=0), 1)
    chance = np.divide(mine, rows, out=np.zeros_like(mine), where=rows > 0)
    return np.asarray((rows * np.square(chance - pooled.share())).sum(axis=0) / total, np.float64)


def _permuted(pooled: Pooled, rng: np.random.Generator) -> list[Floats]:
    """Labels of people in random order, shape (N,) each."""
    _, first, person = np.unique(pooled.units, return_index=True, return_inverse=True)
    return [rng.permutation(pooled.label[first])[person] for _ in range(PERMUTATIONS)]


def _part(samples: Samples, side: Side, name: str) -> Side:
    return side.take(pick(side.units, TREE_ROWS, samples.streams.stream(0, f"rows of trees {name}")))


def _finding(samples: Samples, finding_id: str, fitted: list[Propensity], n: int) -> Finding:
    value, floor, ceiling = fitted
    if not all(p.expected[0] > 0 for p in fitted):
        return Finding.not_run(finding_id, title_of(FACTS, finding_id), "fidelity",
                               f"no column has two bins with {ENOUGH_ROWS} rows, so that a model has nothing to fit",
                               direction="closer to 1 is better", method=METHODS[finding_id])
    details = {**value.told(), "ceiling": ceiling.told(), "floor": floor.told()}
    return anchored(samples, FACTS, finding_id, [p.ratio for p in fitted], "closer to 1 is better", n=n,
                    method=METHODS[finding_id], falling=True, high=math.inf, details=details)


def _log_likelihood(x: Matrix, y: Floats, beta: Floats) -> float:
    logit = x @ beta
    return float(log_expit(np.where(y == 1, logit, -logit)).sum() - PRIOR / 2 * beta @ beta)


def _information(x: Matrix, chance: Floats) -> Floats:
    """Negative second derivative of the log-likelihood, shape (columns, columns)."""
    weighted = sparse.diags_array(chance * (1 - chance)) @ x
    return np.asarray((x.T @ weighted).toarray() + PRIOR * np.eye(x.shape[1]), np.float64)


def _solve(information: Floats, slope: Floats) -> Floats:
    return np.asarray(linalg.cho_solve(linalg.cho_factor(information), slope), np.float64)


def _without_groups(x: Matrix, pooled: Pooled, beta: Floats) -> Floats:
    """Coefficients with everybody and, by one Newton step from these, without each group, (GROUPS + 1, columns)."""
    chance = expit(x @ beta)
    whole = _information(x, chance)
    out = [beta]
    for g in range(GROUPS):
        rows = np.flatnonzero(pooled.groups == g)
        part, residuals = x[rows], pooled.label[rows] - chance[rows]
        rest = whole - _information(part, chance[rows]) + PRIOR * np.eye(x.shape[1])
        out.append(beta - _solve(rest, part.T @ residuals))
    return np.stack(out)


def _null(x: Matrix, units: NDArray[np.int64]) -> tuple[float, float]:
    """tr(M) and tr(M M) of `propensity`; column 0 of `x` is the intercept."""
    _, person = np.unique(units, return_inverse=True)
    n = x.shape[0]
    sums = sparse.csr_matrix((np.ones(n), (person, np.arange(n)))) @ x[:, 1:]
    rows = np.bincount(person).astype(np.float64)
    m = linalg.lstsq(_centred_gram(x[:, 1:], np.ones(n)), _centred_gram(sums, rows, n))[0] if x.shape[1] > 1 else \
        np.zeros((0, 0))
    return float(np.trace(m)), float((m * m.T).sum())


def _centred_gram(sums: Matrix, rows: Floats, n: int | None = None) -> Floats:
    """Gram matrix of sums over `rows` rows each, after the mean over all n rows is taken from every row."""
    mean = np.asarray(sums.sum(axis=0)).ravel() / (len(rows) if n is None else n)
    mixed = np.outer(sums.T @ rows, mean)
    return np.asarray((sums.T @ sums).toarray() - mixed - mixed.T + rows @ rows * np.outer(mean, mean), np.float64)
