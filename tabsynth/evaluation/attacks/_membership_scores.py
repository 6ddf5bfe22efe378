"""What an attacker who holds synthetic rows and some rows of the same population can say about a person.

The attacker has S and a reference R, half of the holdout; non-members are the other half. Then the halves change
places (`folds`). Everything is learned from S and R, so that members and non-members are strangers alike: when S is
independent of both, their scores have one law.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from tabsynth.core.errors import ModelError
from tabsynth.core.table import Table
from tabsynth.evaluation.attacks._pooled_auc import Ranking
from tabsynth.evaluation.features import Embedding, Points, TreeFeatures, fill_empty, squared_distances
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import Samples, in_random_order, n_people, pick, units_of

SCORES: Final[Mapping[str, str]] = {
    "nearest": "minus the distance to the nearest synthetic row",
    "calibrated": "distance to the nearest row of R minus distance to the nearest synthetic row",
    "neighbours": "share of synthetic rows among the 20 nearest of as many rows of S and R (DPI, Ward et al. 2024)",
    "density": "log density ratio of S and R, Gaussian kernels (DOMIAS, van Breugel et al. 2023)",
    "classifier": "gradient boosting trained to tell S from R (after LOGAN, Hayes et al. 2019)",
    "influence": "rise of the likelihood of the 20 nearest synthetic rows when the person is added to R, Gaussian "
                 "kernels of fixed width (Gen-LRA, Ward et al. 2025)",
}
"""Score -> what it is. Higher says "was used"."""

MAX_PEOPLE: Final = 5_000
"""Most members, and most non-members, under attack."""
MAX_ROWS_EACH: Final = 20
"""Rows of a person that are scored; the person's score is their mean."""
MAX_TARGET_ROWS: Final = 20_000
"""Most rows of members that are scored, and of non-members."""
MAX_REFERENCE: Final = 5_000
"""Rows of R."""
NEIGHBOURS: Final = 20
GROUP: Final = 64
"""Entries of a long row of distances that are first judged by their minimum."""
FEWEST: Final = 20
"""Fewest members, and people in each half of the holdout."""
PROMINENT_BY: Final = 5
"""Nearest rows of R whose mean distance says how much a person stands out."""
QUANTILES: Final = np.arange(1, 32) / 32
"""Where the classifier cuts numbers."""
TREES: Final = 60


@dataclass(frozen=True, eq=False)
class Targets:
    """People under attack.

    Args:
        table: their rows.
        person: whose row it is, shape (rows,), 0 .. n-1.
    """

    table: Table
    person: NDArray[np.int64]

    @property
    def n(self) -> int:
        return int(self.person.max(initial=-1)) + 1

    def scored(self, attack: Attack) -> Group:
        """What the attack says about each person: the mean over their rows."""
        rows = attack(self.table)
        return Group({name: self._mean(score) for name, score in rows.scores.items()}, self._mean(rows.stands_out),
                     np.arange(self.n))

    def _mean(self, of_rows: Floats) -> Floats:
        return np.bincount(self.person, weights=of_rows) / np.bincount(self.person)


@dataclass(frozen=True, eq=False)
class Rows:
    """Scores of rows by name, and how much each row stands out; shape (rows,) each."""

    scores: Mapping[str, Floats]
    stands_out: Floats


Attack = Callable[[Table], Rows]


@dataclass(frozen=True, eq=False)
class Group:
    """Members, or the non-members of one fold: their scores and how much they stand out.

    Args:
        scores: by name, shape (n,) each.
        stands_out: mean distance to the nearest rows of R, shape (n,).
        people: numbers that tell the people of one side apart, shape (n,).
    """

    scores: Mapping[str, Floats]
    stands_out: Floats
    people: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.people)


@dataclass(frozen=True, eq=False)
class Fold:
    """One half of the holdout as reference, the other as non-members."""

    members: Group
    controls: Group

    def ranking(self, score: str) -> Ranking:
        return Ranking(self.members.scores[score], self.controls.scores[score], self.members.people)


def folds(samples: Samples) -> tuple[Fold, Fold]:
    """Scores of members and non-members, for each half of the holdout as reference. Ask `Samples.once` for them.

    Raises:
        ModelError: fewer than 20 members, or fewer than 20 people in a half of the holdout.
    """
    searched = searched_rows(samples)
    return swapped(samples, lambda r: Attacker.prepare(searched, r, samples.columns).rows)


def swapped(samples: Samples, prepare: Callable[[Table], Attack], *, max_people: int = MAX_PEOPLE,
            max_rows: int = MAX_TARGET_ROWS) -> tuple[Fold, Fold]:
    """Both folds of an attack that `prepare` makes of a reference.

    Args:
        max_people: most members, and most non-members of both folds together.
        max_rows: most rows of members, and of non-members; people with many rows are scored on fewer of them, down to
            one, members and non-members on as many.

    Raises:
        ModelError: fewer than 20 members, or fewer than 20 people in a half of the holdout.
    """
    stream, halves = samples.streams.stream, samples.halves
    people = max(n_people(samples.train), n_people(samples.holdout))
    rows_each = max(1, min(MAX_ROWS_EACH, max_rows // max(1, min(people, max_people))))
    members = targets(samples.train, np.arange(len(samples.train)), max_people, rows_each,
                      stream(0, "members attacked"))
    controls = [targets(samples.holdout, halves[1 - fold], max_people // 2, rows_each,
                        stream(fold, "non-members attacked")) for fold in (0, 1)]
    if min(members.n, *(part.n for part in controls)) < FEWEST:
        raise ModelError(f"fewer than {FEWEST} members, or people in a half of the holdout, to attack")
    attacks = [prepare(reference_rows(samples, fold)) for fold in (0, 1)]
    first, second = (Fold(members.scored(attack), part.scored(attack)) for attack, part in zip(attacks, controls))
    return first, second


def searched_rows(samples: Samples) -> Table:
    """The released rows in random order, so that the first few are a sample of them."""
    known = samples.released.table
    return known.take(samples.streams.stream(0, "searched rows").permutation(len(known)))


def reference_rows(samples: Samples, fold: int) -> Table:
    """One half of the holdout in random order, at most `MAX_REFERENCE` rows of whole people."""
    part = samples.holdout.take(samples.halves[fold])
    rng = samples.streams.stream(fold, "reference rows")
    return part.take(rng.permutation(pick(units_of(part), MAX_REFERENCE, rng)))


def targets(table: Table, rows: NDArray[np.intp], n: int, rows_each: int, rng: np.random.Generator) -> Targets:
    """`n` people of these rows (or all if fewer) in random order, each with up to `rows_each` of their rows."""
    units = units_of(table)[rows]
    order = in_random_order(units, rng)
    new = np.diff(units[order], prepend=-1) != 0
    person = np.cumsum(new) - 1
    place = np.arange(len(order)) - np.flatnonzero(new)[person]
    people = min(n, int(new.sum()))
    kept = (person < people) & (place < rows_each)
    return Targets(table.take(rows[order[kept]]), person[kept])


@dataclass(frozen=True, eq=False)
class Attacker:
    """Somebody who holds S and R.

    Args:
        embedding: places rows as points; learned from S and R.
        synth, reference: their points, in random order.
        width: of the Gaussian kernels.
        synth_mass: log of the sum over R of kernels at each synthetic row.
        classifier: tells S from R; the log odds of a table's rows.
    """

    embedding: Embedding
    synth: Points
    reference: Points
    width: float
    synth_mass: Floats
    classifier: Callable[[Table], Floats]

    @classmethod
    def prepare(cls, searched: Table, reference: Table, columns: Sequence[str]) -> Attacker:
        embedding = Embedding.of(columns, [searched, reference])
        s, r = embedding.points(searched), embedding.points(reference)
        width = kernel_width(r)
        return cls(embedding, s, r, width, look(s, r, width, 1).mass,
                   classifier_of(columns, searched, reference))

    def rows(self, table: Table) -> Rows:
        """All of `SCORES` for each row of a table."""
        points = self.embedding.points(table)
        equal = min(len(self.synth), len(self.reference))
        of_s = look(points, self.synth, self.width, NEIGHBOURS, first=equal)
        of_r = look(points, self.reference, self.width, NEIGHBOURS, first=equal)
        return Rows({
            "nearest": -of_s.distances[:, 0],
            "calibrated": of_r.distances[:, 0] - of_s.distances[:, 0],
            "neighbours": share_of_first(of_s.among_first, of_r.among_first, NEIGHBOURS),
            "density": of_s.mass - of_r.mass,
            "classifier": self.classifier(table),
            "influence": self._influence(of_s),
        }, prominence(of_r))

    def _influence(self, of_s: Look) -> Floats:
        """Sum over the nearest synthetic rows of log(1 + kernel(row, person) / sum over R of kernel(row, r))."""
        log_kernel = -np.square(of_s.distances) / (2 * self.width**2)
        return np.asarray(np.logaddexp(0, log_kernel - self.synth_mass[of_s.rows]).sum(axis=1), np.float64)


@dataclass(frozen=True, eq=False)
class Look:
    """What lies around points.

    Args:
        distances: to the k nearest, rising, shape (n, k). rows: which they are, shape (n, k).
        among_first: distances to the k nearest among the first few of the others, rising, shape (n, k).
        mass: log of the sum of kernels, shape (n,).
    """

    distances: Floats
    rows: NDArray[np.intp]
    among_first: Floats
    mass: Floats


def look(points: Points, others: Points, width: float, k: int, *,
         first: int | None = None) -> Look:
    """The k nearest of `others` (and of the `first` of them), and the log of the sum over all of
    exp(-distance² / (2 width²))."""
    k, first = min(k, len(others)), len(others) if first is None else first
    n = len(points)
    squared, rows, mass = np.empty((n, k)), np.empty((n, k), np.intp), np.empty(n)
    among_first = np.empty((n, min(k, first)))
    for at, block in squared_distances(points, others, block=256):
        squared[at], rows[at] = smallest(block, k)
        among_first[at] = squared[at] if first == len(others) else smallest(block[:, :first], min(k, first))[0]
        closest = squared[at, :1].astype(np.float32)
        block -= closest
        block *= np.float32(-0.5 / width**2)
        np.exp(block, out=block)
        mass[at] = np.log(block.sum(axis=1).astype(np.float64)) - squared[at, 0] / (2 * width**2)
    return Look(np.sqrt(squared), rows, np.sqrt(among_first), mass)


def smallest(block: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """The k smallest of each row, rising, and where they stand; shape (n, k) each.

    A long row is cut into groups, every `G`-th entry in one. The k groups with the smallest minima hold k smallest
    entries: to any entry of another group there are k minima that are no larger. So one pass over the row is enough.
    """
    n = block.shape[1]
    if k == 1:
        places = block.argmin(axis=1)[:, None]
        return np.take_along_axis(block, places, axis=1), places
    groups = n // GROUP
    if groups < 2 * k:
        return _sorted_smallest(block, k)
    minima = block[:, : groups * GROUP].reshape(len(block), GROUP, groups).min(axis=1)
    chosen = np.argpartition(minima, k - 1, axis=1)[:, :k]
    places = (chosen[:, None, :] + groups * np.arange(GROUP)[:, None]).reshape(len(block), -1)
    rest = np.broadcast_to(np.arange(groups * GROUP, n), (len(block), n - groups * GROUP))
    places = np.concatenate([places, rest], axis=1)
    values, which = _sorted_smallest(np.take_along_axis(block, places, axis=1), k)
    return values, np.take_along_axis(places, which, axis=1)


def _sorted_smallest(block: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    some = np.argpartition(block, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(block, some, axis=1)
    order = np.argsort(values, axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(some, order, axis=1)


def prominence(of_reference: Look) -> Floats:
    """Mean distance to the nearest rows of R (Meeus et al. 2023), shape (n,)."""
    return np.asarray(of_reference.distances[:, :PROMINENT_BY].mean(axis=1), np.float64)


def share_of_first(ours: Floats, theirs: Floats, k: int) -> Floats:
    """Share of `ours` among the k nearest of both, shape (n,).

    Args:
        ours, theirs: distances, rising, shape (n, at most k). Of equal ones at the k-th place, ours come first.
    """
    k = min(k, ours.shape[1] + theirs.shape[1])
    both = np.concatenate([ours, theirs], axis=1)
    taken = np.argsort(both, axis=1, kind="stable")[:, :k]
    return np.asarray((taken < ours.shape[1]).mean(axis=1), np.float64)


def kernel_width(reference: Points) -> float:
    """A quarter of the median distance from a row of R to its fifth nearest other one: it must tell a copy from a
    neighbour. Of the mean distance where most rows have five of their like; 1 where all are alike."""
    near = look(reference, reference, 1.0, PROMINENT_BY + 1).distances[:, -1]
    return float(np.median(near) or near.mean()) / 4 or 1.0


def classifier_of(columns: Sequence[str], searched: Table, reference: Table) -> Callable[[Table], Floats]:
    """Gradient boosting that tells S from R, both with half the weight: table -> log odds, shape (rows,).

    Numbers are cut at quantiles: with every value told apart the trees learn which values S repeats, so that columns
    resampled one by one look like members (value reuse, P0e, is what finds those).
    """
    features = TreeFeatures.of(columns, [searched, reference])
    exact = np.concatenate([features.matrix(searched), features.matrix(reference)])
    cuts = [None if categorical else np.unique(np.quantile(column[~np.isnan(column)], QUANTILES))
            if not np.isnan(column).all() else None for column, categorical in zip(exact.T, features.categorical)]
    x = quantised(exact, cuts)
    y = np.repeat([1, 0], [len(searched), len(reference)])
    weight = np.where(y == 1, len(y) / (2 * len(searched)), len(y) / (2 * len(reference)))
    (known,) = fill_empty(x)
    trees = HistGradientBoostingClassifier(
        max_iter=TREES, learning_rate=0.1, max_leaf_nodes=31, early_stopping=False, random_state=0,
        categorical_features=features.categorical).fit(known, y, sample_weight=weight)

    def log_odds(table: Table) -> Floats:
        asked = fill_empty(x, quantised(features.matrix(table), cuts))[1]
        return np.asarray(trees.decision_function(asked), np.float64)

    return log_odds


def quantised(matrix: Floats, cuts: Sequence[Floats | None]) -> Floats:
    """Numbers as the count of cuts below them, shape as given; NaN, and columns without cuts, stay."""
    out = matrix.copy()
    for j, edges in enumerate(cuts):
        if edges is not None:
            out[:, j] = np.where(np.isnan(matrix[:, j]), np.nan, np.searchsorted(edges, matrix[:, j]))
    return out
