"""Task utility: a model trained on synthetic rows, tested on real people whom nothing has seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tabsynth.core.errors import ModelError
from tabsynth.core.finding import Finding
from tabsynth.core.schema import NUMERIC, Schema
from tabsynth.core.table import Table
from tabsynth.evaluation.bins import BINS, LevelBins
from tabsynth.evaluation.features import TreeFeatures, fill_empty
from tabsynth.evaluation.intervals import Floats, auc, jackknife, jackknife_error
from tabsynth.evaluation.protocol import GROUPS, MAX_ROWS, Samples, Side, power, title_of

FACTS = {
    "name": "tstr",
    "entry": "tstr",
    "section": "utility",
    "summary": "gradient boosting trained on synthetic rows, tested on holdout rows, for the declared target",
    "findings": {"tstr": "Prediction of the declared target, trained on synthetic rows"},
}

METHOD: Final = (
    "Gradient boosting on all columns that no mapped rule ties to the target, trained on as many synthetic, training "
    "(ceiling) or independently resampled (floor) rows, tested on holdout rows: mean one-against-rest AUC of a "
    "category, R2 of a number. Interval: delete-group jackknife over the people tested.")
FEWEST: Final = 10
"""Fewest test rows of a class, and of the rest, for its AUC to count."""

Score = Callable[[NDArray[np.bool_]], float]
"""The metric over the test rows of a mask."""


def tstr(samples: Samples) -> tuple[Finding, ...]:
    """Train on S, test on H. Ceiling: train on T. Floor: train on F. `details.delta` is value - ceiling."""
    title = title_of(FACTS, "tstr")
    target = samples.schema.evaluation.target
    if target is None or target not in samples.columns:
        reason = "no target declared" if target is None else f"the target {target!r} is not a compared column"
        return (Finding.not_run("tstr", title, "utility", reason, direction="higher is better", method=METHOD),)
    features = TreeFeatures.learn(samples, without=frozenset({target}) | tied_to(samples.schema, target))
    number = samples.schema[target].kind in NUMERIC
    test = _with_target(samples.side(samples.holdout, "test", MAX_ROWS), target)
    scorer = _regression if number else _classification
    scores = {name: scorer(samples, features, _with_target(side, target), test, target)
              for name, side in (("S", samples.S), ("T", samples.T), ("F", samples.F))}
    everyone = np.ones(len(test), np.bool_)
    value, ceiling, floor = (scores[name](everyone) for name in "STF")
    without = {name: np.array([scores[name](test.groups != g) for g in range(GROUPS)]) for name in scores}
    error = jackknife_error(without["T"] - without["F"])
    clear = error is not None and ceiling - floor > 2 * error
    standing = power(samples.n)
    if standing["state"] == "ok" and not clear:
        standing = {"state": "uninformative", "reason": "real rows predict the target no better than chance"}
    return (Finding(
        "tstr", title, "utility", value, "higher is better", n=len(test),
        interval=jackknife(value, without["S"], high=1.0), floor=floor, ceiling=ceiling, method=METHOD,
        normalised=(value - floor) / (ceiling - floor) if clear else None, **standing,
        details={"target": target, "metric": "R2" if number else "AUC", "delta": value - ceiling,
                 "predictors": len(features.columns), "trained_on": len(samples.S)}),)


def tied_to(schema: Schema, target: str) -> frozenset[str]:
    """Columns that a mapped rule ties to the target: with them there would be nothing to predict."""
    tied: set[str] = set()
    for rule in schema.rules:
        mapped = rule.get("mapped", {})
        sources = [mapped["from"]] if isinstance(mapped.get("from"), str) else list(mapped.get("from", ()))
        if target == mapped.get("to"):
            tied.update(sources)
        elif target in sources:
            tied.add(str(mapped.get("to")))
    return frozenset(tied)


def _with_target(side: Side, target: str) -> Side:
    """The rows whose target is given."""
    keep = side.table[target].present
    return Side(side.table.take(keep), side.codes[keep], side.units[keep], side.groups[keep])


def _classification(samples: Samples, features: TreeFeatures, fit: Side, test: Side, target: str) -> Score:
    """Mean one-against-rest AUC over the classes that enough test rows hold; a class never trained on scores 0.5."""
    classes = _classes(samples, target)
    truth = classes(test.table)
    counted = [k for k in range(BINS + 1) if FEWEST <= (truth == k).sum() <= len(truth) - FEWEST]
    if not counted:
        raise ModelError("no class of the target is held by enough holdout rows to test on.")
    chances = np.zeros((len(test), BINS + 1))
    labels = classes(fit.table)
    if len(set(labels)) > 1:
        rounds = 100 if len(set(labels)) < 4 else 40  # each round grows one tree a class
        trees = HistGradientBoostingClassifier(max_iter=rounds, early_stopping=False, random_state=samples.seed % 2**32,
                                               categorical_features=features.categorical)
        known, asked = fill_empty(features.matrix(fit.table), features.matrix(test.table))
        trees.fit(known, labels)
        chances[:, trees.classes_] = trees.predict_proba(asked)

    def score(rows: NDArray[np.bool_]) -> float:
        pairs = [(chances[rows & (truth == k), k], chances[rows & (truth != k), k]) for k in counted]
        return float(np.mean([auc(of, rest) for of, rest in pairs if len(of) and len(rest)]))

    return score


def _classes(samples: Samples, target: str) -> Callable[[Table], NDArray[np.int64]]:
    """Class of each row: the ten most frequent categories of the training rows, all others together."""
    bins = samples.bins[target]
    assert isinstance(bins, LevelBins)
    return lambda table: np.minimum(bins.codes(table[target]), len(bins.top)).astype(np.int64)


def _regression(samples: Samples, features: TreeFeatures, fit: Side, test: Side, target: str) -> Score:
    """R2 over the test rows."""
    trees = HistGradientBoostingRegressor(max_iter=100, early_stopping=False, random_state=samples.seed % 2**32,
                                          categorical_features=features.categorical)
    known, asked = fill_empty(features.matrix(fit.table), features.matrix(test.table))
    guess, truth = trees.fit(known, _values(fit, target)).predict(asked), _values(test, target)

    def score(rows: NDArray[np.bool_]) -> float:
        spread = float(np.square(truth[rows] - truth[rows].mean()).sum())
        if spread == 0.0:
            raise ModelError("the target does not vary among the holdout rows.")
        return 1 - float(np.square(truth[rows] - guess[rows]).sum()) / spread

    return score


def _values(side: Side, target: str) -> Floats:
    return np.asarray(side.table[target].values, np.float64)
