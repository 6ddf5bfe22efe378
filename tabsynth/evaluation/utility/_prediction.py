"""The declared prediction task: what is predicted, for whom, by which learners, and how a prediction is scored."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from tabsynth.core.errors import ModelError
from tabsynth.core.schema import NUMERIC
from tabsynth.core.table import Table
from tabsynth.evaluation.bins import BINS, LevelBins
from tabsynth.evaluation.features import TreeFeatures, fill_empty, linear
from tabsynth.evaluation.intervals import Floats, auc
from tabsynth.evaluation.protocol import MAX_ROWS, Samples, Side
from tabsynth.evaluation.tied import tied_to

FEWEST: Final = 10
"""Fewest test rows of a class, and of the rest, for its AUC to count."""
HUGE: Final = 1e100
"""Target values are cut here, so that their squares are still numbers."""

Mask = NDArray[np.bool_]
"""Mask of test rows, shape (n,)."""


@dataclass(frozen=True, eq=False)
class Task:
    """The declared target and the people on whom predictions of it are tested.

    Args:
        target: column to predict. number: whether it is one; else it is a category.
        features: what the trees see. linear: positions of the same columns among `Samples.columns`.
        test: holdout rows whose target is given.
        truth: class (category) or value (number) of each test row, shape (n,).
        classes: classes that enough test rows hold; () for a number.
        positive: the class whose calibration is looked at: "true", or the rarest in training; None for a number.
    """

    target: str
    number: bool
    features: TreeFeatures
    linear: tuple[int, ...]
    test: Side
    truth: Floats | NDArray[np.int64]
    classes: tuple[int, ...]
    positive: int | None

    @property
    def everyone(self) -> Mask:
        return np.ones(len(self.test), np.bool_)

    def classes_in(self, rows: Mask) -> tuple[int, ...]:
        """Classes that enough of these test rows hold, and enough do not."""
        truth = self.truth[rows]
        return tuple(k for k in self.classes if FEWEST <= (truth == k).sum() <= len(truth) - FEWEST)

    def score(self, guess: Floats, rows: Mask, classes: tuple[int, ...] | None = None) -> float:
        """R2, or the mean one-against-rest AUC over `classes`, of predictions for the test rows in a mask.

        NaN where the rows hold one class or one value only.
        """
        if self.number:
            return _r2(np.asarray(self.truth[rows], np.float64), guess[rows])
        pairs = [(guess[rows & (self.truth == k), k], guess[rows & (self.truth != k), k])
                 for k in (self.classes if classes is None else classes)]
        areas = [auc(of, rest) for of, rest in pairs if len(of) and len(rest)]
        return float(np.mean(areas)) if areas else float("nan")


Learner = Callable[[Samples, Task, Side], Floats]
"""Predictions for the test rows after training on a side: chances, shape (n, BINS + 1), or values, shape (n,)."""


def learn_task(samples: Samples, target: str) -> Task:
    """The task of predicting `target` from every column that no mapped rule ties to it.

    Raises:
        ModelError: too few test rows hold any class, or all hold one value.
    """
    without = frozenset({target}) | tied_to(samples.schema, target)
    number = samples.schema[target].kind in NUMERIC
    test = with_target(samples.side(samples.holdout, "test", MAX_ROWS), target)
    truth = _values(test, target) if number else classes_of(samples, target, test.table)
    classes = () if number else tuple(k for k in range(BINS + 1) if FEWEST <= (truth == k).sum() <= len(truth) - FEWEST)
    if not number and not classes:
        raise ModelError("no class of the target is held by enough holdout rows to test on.")
    if number and (len(truth) == 0 or np.ptp(truth) == 0):
        raise ModelError("the target does not vary among the holdout rows.")
    return Task(
        target, number, TreeFeatures.learn(samples, without=without),
        tuple(j for j, name in enumerate(samples.columns) if name not in without), test, truth, classes,
        None if number else _positive(samples, target, classes))


def with_target(side: Side, target: str) -> Side:
    """The rows whose target is given, and is a number if it should be."""
    cells = side.table[target]
    keep = cells.present & (np.isfinite(cells.values) if cells.values.dtype == np.float64 else True)
    return side.take(np.asarray(keep, np.bool_))


def classes_of(samples: Samples, target: str, table: Table) -> NDArray[np.int64]:
    """Class of each row: the ten most frequent categories of the training rows, all others together."""
    bins = samples.bins[target]
    assert isinstance(bins, LevelBins)
    return np.minimum(bins.codes(table[target]), len(bins.top)).astype(np.int64)


def gradient_boosting(samples: Samples, task: Task, fit: Side) -> Floats:
    """Trees on the values. Training rows of one class only predict nothing: every chance is 0."""
    known, asked = fill_empty(task.features.matrix(fit.table), task.features.matrix(task.test.table))
    settings = {"early_stopping": False, "random_state": samples.seed % 2**32,
                "categorical_features": task.features.categorical}
    if task.number:
        _enough_to_train(fit)
        regressor = HistGradientBoostingRegressor(max_iter=100, **settings).fit(known, _values(fit, task.target))
        return np.asarray(regressor.predict(asked), np.float64)
    labels = classes_of(samples, task.target, fit.table)
    present = len(set(labels))
    chances = np.zeros((len(task.test), BINS + 1))
    if present > 1:
        rounds = 100 if present < 4 else 40  # each round grows one tree a class
        trees = HistGradientBoostingClassifier(max_iter=rounds, **settings).fit(known, labels)
        chances[:, trees.classes_] = trees.predict_proba(asked)
    return chances


def linear_model(samples: Samples, task: Task, fit: Side) -> Floats:
    """Logistic regression (category) or ridge regression (number) on one indicator per bin."""
    if not task.linear:
        raise ModelError("there is no column to predict the target from.")
    known, asked = (linear(_only(side, task.linear), tuple(samples.sizes[j] for j in task.linear))
                    for side in (fit, task.test))
    if task.number:
        _enough_to_train(fit)
        values = _values(fit, task.target)
        centre, spread = float(values.mean()), float(values.std()) or 1.0
        ridge = Ridge(alpha=1.0).fit(known, (values - centre) / spread)
        return np.asarray(centre + spread * ridge.predict(asked), np.float64)
    labels = classes_of(samples, task.target, fit.table)
    chances = np.zeros((len(task.test), BINS + 1))
    if len(set(labels)) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a nearly converged model still predicts
            model = LogisticRegression(C=1.0, max_iter=100, tol=1e-3).fit(known, labels)
        chances[:, model.classes_] = model.predict_proba(asked)
    return chances


def learners(task: Task) -> dict[str, Learner]:
    """The two learners by name; the first one makes the headline."""
    return {"gradient boosting": gradient_boosting,
            "ridge regression" if task.number else "logistic regression": linear_model}


def _positive(samples: Samples, target: str, classes: tuple[int, ...]) -> int:
    bins = samples.bins[target]
    assert isinstance(bins, LevelBins)
    if samples.schema[target].kind == "boolean" and "true" in bins.top and bins.top.index("true") in classes:
        return bins.top.index("true")
    counts = np.bincount(classes_of(samples, target, with_target(samples.T, target).table), minlength=BINS + 1)
    return min(classes, key=lambda k: int(counts[k]))


def _only(side: Side, columns: tuple[int, ...]) -> Side:
    return replace(side, codes=side.codes[:, list(columns)])


def _enough_to_train(fit: Side) -> None:
    if len(fit) < FEWEST:
        raise ModelError(f"fewer than {FEWEST} rows to train on have a target.")


def _values(side: Side, target: str) -> Floats:
    return np.clip(np.asarray(side.table[target].values, np.float64), -HUGE, HUGE)


def _r2(truth: Floats, guess: Floats) -> float:
    spread = float(np.square(truth - truth.mean()).sum()) if len(truth) else 0.0
    if spread == 0.0:
        return float("nan")
    return 1 - float(np.square(truth - guess).sum()) / spread
