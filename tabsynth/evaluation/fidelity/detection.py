"""Detection: how well a classifier tells synthetic rows from holdout rows, and training rows from holdout rows."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from tabsynth.core.finding import Finding
from tabsynth.core.table import Table
from tabsynth.evaluation.features import TreeFeatures, fill_empty, linear
from tabsynth.evaluation.intervals import Interval, delong
from tabsynth.evaluation.protocol import Samples, Side, power, title_of

FACTS = {
    "name": "detection",
    "entry": "detection",
    "section": "fidelity",
    "summary": "AUC of telling synthetic rows from holdout rows, and training rows from holdout rows",
    "findings": {
        "c2st": "Can a classifier tell synthetic rows from real ones?",
        "control.exchangeable": "Are training and holdout rows alike, so that the holdout can be a control?",
    },
}

METHOD: Final = (
    "Classifier two-sample test (Lopez-Paz and Oquab 2017): out-of-fold AUC over five folds of people, the larger of "
    "gradient boosting on values and logistic regression on bins, equal sizes. Interval: DeLong, by person, 1.5 times "
    "as wide because the five training sets overlap (Nadeau and Bengio 2003).")
FOLDS: Final = 5
OVERLAP: Final = math.sqrt(1 + FOLDS / (FOLDS - 1))
"""What the error of a cross-validated score grows by: folds are not independent (Nadeau and Bengio 2003, section 3).
Measured with 200 people a side: standard deviation .042 to .047 where DeLong says .028."""


@dataclass(frozen=True, slots=True)
class Detected:
    """AUC of the better detector, its interval, and which one it was."""

    auc: float
    interval: Interval
    detector: str
    both: dict[str, float]


def detection(samples: Samples) -> tuple[Finding, ...]:
    """AUC of S, T and F against H; 0.5 = cannot be told apart. Ceiling: T against H. Floor: F against H."""
    value, ceiling, floor = (detect(samples, side, name)
                             for side, name in ((samples.S, "S"), (samples.T, "T"), (samples.F, "F")))
    gap = ceiling.auc - floor.auc
    half = (ceiling.interval[1] - ceiling.interval[0]) / 2 + (floor.interval[1] - floor.interval[0]) / 2
    clear = abs(gap) > half
    doubt = None if clear else "independent columns are as hard to tell from real rows as real rows are"
    return (
        Finding("c2st", title_of(FACTS, "c2st"), "fidelity", value.auc, "closer to 0.5 is better", n=samples.n,
                interval=value.interval, floor=floor.auc, ceiling=ceiling.auc,
                normalised=(value.auc - floor.auc) / gap if clear else None, method=METHOD, **power(samples.n, doubt),
                details={"detector": value.detector, "auc_by_detector": value.both}),
        _control(samples, ceiling),
    )


def detect(samples: Samples, side: Side, name: str) -> Detected:
    """Tell `side` (positive) from the holdout, with categories coded as they occur in the two."""
    rng = samples.streams.stream(0, f"folds {name}")
    pair = (side, samples.H)
    features = TreeFeatures.of(samples.columns, [s.table for s in pair])
    folds = np.concatenate([_folds(s.units, rng) for s in pair])
    truth = np.repeat([1, 0], [len(s) for s in pair])
    trees = np.concatenate([features.matrix(s.table) for s in pair])
    bins = sparse.vstack([linear(s, samples.sizes) for s in pair], format="csr")
    scores = {"gradient boosting": np.zeros(len(truth)), "logistic regression": np.zeros(len(truth))}
    for fold in range(FOLDS):
        test, fit = folds == fold, folds != fold
        if not test.any() or len(set(truth[fit])) < 2:
            continue
        known, asked = fill_empty(trees[fit], trees[test])
        boosting = _boosting(features, seed=fold).fit(known, truth[fit])
        scores["gradient boosting"][test] = boosting.decision_function(asked)
        scores["logistic regression"][test] = _logistic(bins[fit], truth[fit]).decision_function(bins[test])
    results = {kind: _widened(*delong(s[truth == 1], s[truth == 0], side.units, samples.H.units))
               for kind, s in scores.items()}
    best = max(results, key=lambda kind: results[kind][0])
    return Detected(*results[best], best, {kind: auc for kind, (auc, _) in results.items()})


def _widened(auc: float, interval: Interval) -> tuple[float, Interval]:
    half = OVERLAP * (interval[1] - interval[0]) / 2
    return auc, (max(0.0, auc - half), min(1.0, auc + half))


def _boosting(features: TreeFeatures, *, seed: int) -> HistGradientBoostingClassifier:
    """Trees of fixed number and size, so that numbers compare across runs."""
    return HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.1, max_leaf_nodes=31, early_stopping=False, random_state=seed,
        categorical_features=features.categorical)


def _logistic(x: sparse.csr_matrix[np.float64], y: NDArray[np.int64]) -> LogisticRegression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a nearly converged detector is a detector
        return LogisticRegression(C=0.1, max_iter=60, tol=1e-3).fit(x, y)


def _folds(units: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    place = rng.permutation(int(units.max()) + 1)
    return np.asarray(place[units] % FOLDS, np.int64)


def _control(samples: Samples, ceiling: Detected) -> Finding:
    """A holdout from another time or place makes every attack look too successful."""
    return Finding(
        "control.exchangeable", title_of(FACTS, "control.exchangeable"), "diagnostic", ceiling.auc,
        "closer to 0.5 is better", n=samples.n, interval=ceiling.interval, method=METHOD, **power(samples.n),
        details={"people_in_both": people_in_both(samples.train, samples.holdout), "detector": ceiling.detector})


def people_in_both(train: Table, holdout: Table) -> int:
    """People that are on both sides of the split; 0 without a unit column."""
    unit = train.schema.unit
    if unit is None or unit not in holdout.columns:
        return 0
    both = []
    for table in (train, holdout):
        cells = table[unit]
        values = cells.values[cells.present]
        both.append(set(values.tolist()) if not cells.levels else {cells.levels[v] for v in np.unique(values)})
    return len(both[0] & both[1])
