"""How good, and how copied, a candidate's rows are: measured on codes, against people whom it has not seen.

Faster and coarser than the evaluation of a release, which it does not replace: nothing is decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tabsynth.core.coding import ROWS, Coding
from tabsynth.evaluation.identity import held_by_one, occurs, row_ids
from tabsynth.pipeline.held_back import Ints, Sides

FOLDS: Final = 3
TREES: Final = 50
MAX_LEVELS: Final = 255
"""Categories that the detector tells apart; columns with more are a line to it."""
BLOCK: Final = 32
"""Rows whose distances are held at a time: few enough for the processor's cache, enough that threads seldom wait
for each other between operations."""
ENOUGH_COPIES: Final = 11
"""Fewer copies on both sides together say nothing of a ratio."""
NEAR_KEY: Final = 0.5
"""Share of cells in ranges from which on a number is nearly unique to a row."""
ALL: Final = "all columns"
IDENTIFYING: Final = "quasi-identifiers"


@dataclass(frozen=True, slots=True)
class Copies:
    """Synthetic rows that equal a training row over those that equal a held-back row; 1 without copying.

    Args:
        ratio: with half a copy added to both counts; error: its standard error (delta method on the logarithm).
    """

    ratio: float
    error: float

    @classmethod
    def of(cls, train: int, held: int) -> Copies | None:
        """From two counts among the same rows; None where they are too few to say anything."""
        if train + held < ENOUGH_COPIES:
            return None
        ratio = (train + 0.5) / (held + 0.5)
        return cls(ratio, ratio * math.sqrt(1 / (train + 0.5) + 1 / (held + 0.5)))

    def exceeds(self, limit: float, errors: float) -> bool:
        """True if the ratio is over the limit by more than so many standard errors of its logarithm."""
        return math.log(self.ratio / limit) > errors * self.error / self.ratio


@dataclass(frozen=True, slots=True)
class GivenOut:
    """Training people whose row nobody else holds and that stands among synthetic rows, beyond chance: as P0a has it.

    Args:
        excess: their share among training people, less that among held-back people.
        low: lower end of its 95 % interval (Newcombe 1998).
    """

    excess: float
    low: float


@dataclass(frozen=True, slots=True)
class Score:
    """What a candidate's rows look like.

    Args:
        detection: out-of-fold AUC of telling them from held-back rows; 0.5 = cannot be told apart.
        dcr: share of them nearer to a training than to a held-back row, ties half; 0.5 without copying, then with a
            standard error of `dcr_error` = 0.5 / sqrt(rows).
        copies: by columns compared; None where copies are too few.
        given_out: rows of one person alone; None where too few of them came out.
    """

    detection: float
    detection_error: float
    dcr: float
    dcr_error: float
    copies: dict[str, Copies | None]
    given_out: GivenOut | None = None


def score(synth: Ints, many: Ints, sides: Sides, rng: np.random.Generator) -> Score:
    """Measure coded synthetic rows, shape (m, d).

    Args:
        synth: rows to compare one by one.
        many: as many as are drawn for a table; what is given out grows with their number.
    """
    auc, error = detection(synth, sides, rng)
    return Score(auc, error, dcr_share(synth, sides), 0.5 / math.sqrt(len(synth)), copies(synth, sides),
                 given_out(many, sides))


def detection(synth: Ints, sides: Sides, rng: np.random.Generator) -> tuple[float, float]:
    """AUC of gradient boosting on codes and its standard error by person (DeLong)."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # loads for a second, which no other command waits

    from tabsynth.evaluation.intervals import Z95, delong

    rows = np.concatenate([synth, sides.held]).astype(np.float64)
    truth = np.repeat([1, 0], [len(synth), len(sides.held)])
    _, person = np.unique(sides.units, return_inverse=True)
    folds = np.concatenate([rng.permutation(len(synth)), rng.permutation(int(person.max()) + 1)[person]]) % FOLDS
    codecs = sides.coding.codecs.values()
    categories = np.array([codec.ordered == 0 and codec.size <= MAX_LEVELS for codec in codecs])
    found = np.zeros(len(truth))
    for fold in range(FOLDS):
        test = folds == fold
        detector = HistGradientBoostingClassifier(max_iter=TREES, early_stopping=False, random_state=fold,
                                                  categorical_features=categories)
        with threadpool_limits(1, user_api="openmp"):  # of this thread: candidates are scored side by side
            found[test] = detector.fit(rows[~test], truth[~test]).decision_function(rows[test])
    auc, (low, high) = delong(found[truth == 1], found[truth == 0], None, person)
    return auc, (high - low) / (2 * Z95)


def dcr_share(synth: Ints, sides: Sides) -> float:
    """Share of rows nearer to `sides.sample` than to `sides.held`, ties half, by Gower's distance on codes."""
    to_code = Places.of(sides)
    points, sample, held = (to_code.points(rows) for rows in (synth, sides.sample, sides.held))
    to_train, to_held = (nearest(points, side, to_code.one) for side in (sample, held))
    return float((to_train < to_held).mean() + (to_train == to_held).mean() / 2)


@dataclass(frozen=True, eq=False)
class Points:
    """Rows to measure distances between, by column: places on lines, shape (l, n), and categories, shape (c, n)."""

    lines: NDArray[np.int16]
    categories: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Places:
    """How codes become points; two codes of a column are `one` apart at most.

    A code on a line lies at its middle rank among real rows, in 0 .. one; one without a value is `one` away from all
    others, and so is every category from another.

    Args:
        lines: column to the place of each of its codes. categories: the other columns.
    """

    lines: dict[int, NDArray[np.int16]]
    categories: list[int]
    one: int

    @classmethod
    def of(cls, sides: Sides) -> Places:
        columns = {j: codec for j, (name, codec) in enumerate(sides.coding.codecs.items()) if name != ROWS}
        one = int(np.iinfo(np.int16).max) // max(4, len(columns))  # so that a whole row's distance is an int16
        real = np.concatenate([sides.sample, sides.held])
        lines = {}
        for j, codec in columns.items():
            if codec.ordered:
                counts = np.bincount(real[:, j], minlength=codec.size)[:codec.ordered]
                ranks = np.rint((np.cumsum(counts) - counts / 2) * one / max(1, counts.sum()))
                lines[j] = np.concatenate([ranks, np.arange(2, 2 + codec.size - codec.ordered) * one]).astype(np.int16)
        return cls(lines, [j for j in columns if j not in lines], one)

    def points(self, rows: Ints) -> Points:
        lines = [place[rows[:, j]] for j, place in self.lines.items()]
        kind = np.min_scalar_type(int(rows.max(initial=0)))
        return Points(np.array(lines, np.int16).reshape(len(lines), len(rows)), rows.T[self.categories].astype(kind))


def nearest(points: Points, pool: Points, one: int) -> NDArray[np.int16]:
    """Distance of each row to the nearest row of `pool`, shape (n,)."""
    n, m = points.lines.shape[1], pool.lines.shape[1]
    found = np.empty(n, np.int16)
    apart, far = np.empty((BLOCK, m), np.int16), np.empty((BLOCK, m), np.bool_)
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        sums = np.zeros((rows.stop - start, m), np.int16)
        for line, others in zip(points.lines[:, rows, None], pool.lines):
            gap = np.subtract(line, others, out=apart[:len(sums)])
            np.minimum(np.abs(gap, out=gap), one, out=gap)
            sums += gap
        unlike = np.zeros(sums.shape, np.min_scalar_type(len(pool.categories)))
        for category, others in zip(points.categories[:, rows, None], pool.categories):
            unlike += np.not_equal(category, others, out=far[:len(sums)])
        found[rows] = (sums + unlike.astype(np.int16) * one).min(axis=1)
    return found


def copies(synth: Ints, sides: Sides) -> dict[str, Copies | None]:
    """Rows that equal a training row against rows that equal a held-back one, on all columns and on what identifies."""
    return {look: _copies([rows[:, columns] for rows in (synth, sides.sample, sides.held)])
            for look, columns in looks(sides.coding)}


def looks(coding: Coding) -> Iterator[tuple[str, list[int]]]:
    """On which columns copies are counted: (name, their places)."""
    yield ALL, [j for j, name in enumerate(coding.names) if name != ROWS]
    schema = coding.schema
    declared = schema.evaluation.quasi_identifiers if schema.evaluation else ()
    wanted = {*declared, *(column.name for column in schema.columns if column.role == "quasi-identifier")}
    places = [j for j, name in enumerate(coding.names) if name in wanted]
    if places:
        yield IDENTIFYING, places


def _copies(sides: Sequence[Ints]) -> Copies | None:
    columns = [[side[:, j].astype(np.int64) for side in sides] for j in range(sides[0].shape[1])]
    synth, train, held = row_ids(columns)
    return Copies.of(int(occurs(synth, train).sum()), int(occurs(synth, held).sum()))


def given_out(synth: Ints, sides: Sides) -> GivenOut | None:
    """Rows that one person alone holds, on all columns but numbers that are nearly unique to a row.

    Such a number hides a copy of the rest. On codes it is one most of whose cells lie in ranges.
    """
    from tabsynth.evaluation.intervals import newcombe

    real = np.concatenate([sides.train.values, sides.held])
    columns = [j for j, (name, codec) in enumerate(sides.coding.codecs.items())
               if name != ROWS and codec.is_range[real[:, j]].mean() <= NEAR_KEY]
    rows, made = row_ids([[real[:, j].astype(np.int64), synth[:, j].astype(np.int64)] for j in columns or [0]])
    fitted = np.unique(sides.train.unit_of, return_inverse=True)[1]
    first = int(fitted.max()) + 1
    ids, owner = held_by_one(rows, np.concatenate([fitted, sides.units + first]))
    people, one = np.unique(owner, return_index=True)      # one row a person
    found, is_fitted = occurs(ids[one], made), people < first
    n_fitted, n_held = int(is_fitted.sum()), int((~is_fitted).sum())
    if not n_fitted or not n_held:
        return None
    hits = int(found[is_fitted].sum()), int(found[~is_fitted].sum())
    if sum(hits) < ENOUGH_COPIES:
        return None
    return GivenOut(hits[0] / n_fitted - hits[1] / n_held, newcombe(hits[0], n_fitted, hits[1], n_held)[0])
