"""How good, and how copied, a model's rows are: measured on codes, against people whom it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import ROWS
from tabsynth.evaluation.identity import occurs, row_ids
from tabsynth.evaluation.intervals import Z95, delong
from tabsynth.pipeline.held_back import Ints, Sides

FOLDS: Final = 3
TREES: Final = 50
MAX_LEVELS: Final = 255
ROWS_AT_ONCE: Final = 256
ENOUGH_COPIES: Final = 11
ALL: Final = "all columns"


@dataclass(frozen=True, slots=True)
class Copies:
    """Synthetic rows that equal a training row over those that equal a held-back row; 1 without copying."""

    ratio: float
    error: float

    def exceeds(self, limit: float, errors: float) -> bool:
        """True if the ratio is over the limit by more than so many standard errors of its logarithm."""
        return bool(np.log(self.ratio / limit) > errors * self.error / self.ratio)


def detection(synth: Ints, sides: Sides, rng: np.random.Generator) -> tuple[float, float]:
    """AUC of gradient boosting on codes, told from the held-back rows, and its standard error by person (DeLong)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = np.concatenate([synth, sides.held]).astype(np.float64)
    truth = np.repeat([1, 0], [len(synth), len(sides.held)])
    _, person = np.unique(sides.units, return_inverse=True)
    folds = np.concatenate([rng.permutation(len(synth)), rng.permutation(int(person.max()) + 1)[person]]) % FOLDS
    categories = np.array([c.ordered == 0 and c.size <= MAX_LEVELS for c in sides.coding.codecs.values()])
    found = np.zeros(len(truth))
    for fold in range(FOLDS):
        test = folds == fold
        detector = HistGradientBoostingClassifier(max_iter=TREES, early_stopping=False, random_state=fold,
                                                  categorical_features=categories)
        found[test] = detector.fit(rows[~test], truth[~test]).decision_function(rows[test])
    auc, (low, high) = delong(found[truth == 1], found[truth == 0], None, person)
    return auc, (high - low) / (2 * Z95)


def dcr_share(synth: Ints, sides: Sides) -> float:
    """Share of rows nearer to `sides.sample` than to `sides.held`, ties half; 0.5 without copying.

    Distance is the sum over columns of the difference of places on the line, or 1 between codes that differ and are
    not both on it (Gower 1971).
    """
    tables = [np.concatenate([np.linspace(0, 1, codec.ordered), 2.0 + np.arange(codec.size - codec.ordered)])
              for codec in sides.coding.codecs.values()]
    points, *real = (np.stack([table[rows[:, j]] for j, table in enumerate(tables)], dtype=np.float32)
                     for rows in (synth, sides.sample, sides.held))
    seen, held = (_nearest(points, side) for side in real)
    return float((seen < held).mean() + (seen == held).mean() / 2)


def copies(synth: Ints, sides: Sides) -> dict[str, Copies | None]:
    """By the columns compared; None where copies are too few to say anything."""
    columns = [j for j, name in enumerate(sides.coding.names) if name != ROWS]
    rows, seen, held = row_ids([[side[:, j].astype(np.int64) for side in (synth, sides.sample, sides.held)]
                                for j in columns])
    a, b = (int(occurs(rows, side).sum()) + 0.5 for side in (seen, held))
    ratio = Copies(a / b, a / b * float(np.sqrt(1 / a + 1 / b)))
    return {ALL: ratio if a + b > ENOUGH_COPIES else None}


def _nearest(points: NDArray[np.float32], pool: NDArray[np.float32]) -> NDArray[np.int64]:
    """Distance of each row to the nearest one of the pool, in whole steps of 2^-12, shape (n,). Both: (columns, n)."""
    out = []
    for start in range(0, points.shape[1], ROWS_AT_ONCE):
        total = np.float32(0)
        for one, other in zip(points[:, start:start + ROWS_AT_ONCE], pool, strict=True):
            total = total + np.minimum(np.abs(one[:, None] - other[None, :]), 1)
        out.append(np.asarray(total).min(axis=1))
    return np.round(np.concatenate(out) * 2**12).astype(np.int64)
