"""P1d, attribute inference: does the synthetic table tell a secret of those who know the rest of a person's record?

What can be told as well of people who were not used is knowledge about the population (smokers have more lung cancer),
and stays however the table is made. What can be told better of training people was learned from their own records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tabsynth.core.finding import Finding
from tabsynth.core.schema import NUMERIC
from tabsynth.core.table import Table
from tabsynth.evaluation.attacks._gower import Coordinates, Points, has_value, nearest, tie_breaks
from tabsynth.evaluation.attacks._quasi_identifiers import quasi_identifiers
from tabsynth.evaluation.attacks._secrets import declared_secrets, secret_columns
from tabsynth.evaluation.features import TreeFeatures, fill_empty
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import MAX_ROWS, Samples, title_of
from tabsynth.evaluation.tied import tied_to
from tabsynth.evaluation.variants import attack_finding, counted

FACTS = {
    "name": "inference",
    "entry": "inference",
    "tier": 1,
    "section": "privacy",
    "summary": "guessing a secret from the rest of a record with the synthetic table, beyond chance",
    "findings": {"P1d": "Guessing a secret of a person whose other data are known"},
}

METHOD: Final = (
    "Each secret is guessed from all other columns and from the quasi-identifiers alone (without columns that a mapped "
    "rule ties to it), by the secret of the nearest synthetic row (Gower 1971) and by gradient boosting trained on "
    "synthetic rows: residual risk (r_T - r_H) / (1 - r_H) of training people against as many holdout people (Giomi et "
    "al. 2023). A number is guessed when it is within 5 % of its interquartile range (of its range where that is 0). "
    "Interval: MOVER-R on Wilson limits.")
MOST: Final = 10
"""Columns that are attacked where none is sensitive."""
ENOUGH: Final = 1_000
"""Fewest people on each side for the attack to say anything."""
EASY: Final = 0.9
"""Above this control rate a residual risk has next to no power, however many people there are."""
TOLERANCE: Final = 0.05
CLASSES: Final = 10
"""Categories that the trees tell apart; they never guess a rarer one."""
ROUNDING: Final = 1e-6
"""Coordinates are float32."""


@dataclass(frozen=True)
class Attack:
    """One secret, guessed from other columns. Columns are positions among `Samples.columns`."""

    secret: int
    view: str
    known: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Scene:
    """The targets and what the attacker holds.

    Args:
        targets, pool: coordinates of the people attacked (members first) and of the synthetic rows.
        numbers: which columns lie on a line, shape (d,).
        tables: the synthetic rows, the members, the controls.
    """

    targets: Points
    pool: Points
    members: int
    numbers: NDArray[np.bool_]
    tables: tuple[Table, Table, Table]

    def told(self, secret: int) -> NDArray[np.bool_]:
        """Which synthetic rows give the secret a value, shape (n,)."""
        return has_value(self.pool[:, secret])

    def tolerance(self, secret: int) -> float:
        """How far a guess may be from the truth, in the units of the coordinate; 0 for a category."""
        return near_enough(self.pool[self.told(secret), secret]) if self.numbers[secret] else 0.0


def inference(samples: Samples) -> tuple[Finding, ...]:
    """Residual risk of the secret, knowledge and attacker with the strongest evidence.

    control: correct guesses about holdout people. baseline: correct guesses when everybody is taken to have the most
    frequent category or the median of the synthetic rows. A secret that nobody declared, that is guessed of nearly
    every holdout person, or that few people give, is supplementary: it can prove a leak, but not that there is none.
    """
    title, scene = title_of(FACTS, "P1d"), _scene(samples)
    attacks = [a for a in plan(samples) if scene.told(a.secret).any()]
    rows = [_counted(samples, scene, attack, who, guess) for attack, who, guess in _guesses(samples, scene, attacks)
            if _sides(scene, attack.secret).all()]
    if not rows:
        return (Finding("P1d", title, "privacy", 0.0, "lower is safer", n=scene.members, unit_of_n="people",
                        method=METHOD, state="uninformative",
                        reason="no column can be guessed from another: too few columns or values are given"),)
    few = f"fewer than {ENOUGH} people on each side" if scene.members < ENOUGH else samples.unsearched
    secrets = list(dict.fromkeys(samples.columns[a.secret] for a in attacks))
    return (attack_finding("P1d", title, rows, method=METHOD, unit_of_n="people", few=few,
                           details={"secrets": secrets, "synthetic_rows": len(scene.pool)}),)


def plan(samples: Samples) -> list[Attack]:
    """Which secrets are guessed from which columns."""
    quasi = quasi_identifiers(samples)
    place = {name: j for j, name in enumerate(samples.columns)}
    attacks = []
    for name in secret_columns(samples, MOST):
        hidden = {name} | tied_to(samples.schema, name)
        others, known = ([c for c in columns if c not in hidden] for columns in (samples.columns, quasi))
        views = {"all other columns": others, "the quasi-identifiers": known if len(known) < len(others) else []}
        attacks += [Attack(place[name], view, tuple(place[c] for c in columns))
                    for view, columns in views.items() if columns]
    return attacks


def near_enough(values: Points) -> float:
    """5 % of the interquartile range of some values, or of their range where that is 0."""
    low, high = np.percentile(values, (25, 75))
    return TOLERANCE * float((high - low) or np.ptp(values))


def nearest_guesses(targets: Points, pool: Points, attacks: list[Attack], order: Points) -> Points:
    """The secret of the nearest row of `pool` that gives it, shape (attacks, targets).

    Args:
        targets, pool: coordinates, shapes (m, d) and (n, d).
        order: breaks ties between rows of `pool`, shape (n,), see `tie_breaks`.
    """
    start = np.stack([np.where(has_value(pool[:, a.secret]), order, np.inf) for a in attacks])
    rows = nearest(targets, pool, [a.known for a in attacks], start, 1)[:, :, 0]
    return np.stack([pool[chosen, attack.secret] for attack, chosen in zip(attacks, rows)])


def _guesses(samples: Samples, scene: Scene, attacks: list[Attack]) -> Iterator[tuple[Attack, str, Points]]:
    """Every attack by both attackers: (attack, attacker, guess of each target)."""
    if not attacks:
        return
    order = tie_breaks(len(scene.pool), samples.streams.stream(0, "inference ties"))
    for attack, guess in zip(attacks, nearest_guesses(scene.targets, scene.pool, attacks, order)):
        yield attack, "nearest row", guess
    trees = _Trees.learn(samples, scene)
    for attack in attacks:
        yield attack, "gradient boosting", trees.guess(scene, attack)


def _counted(samples: Samples, scene: Scene, attack: Attack, who: str, guess: Points) -> dict[str, Any]:
    truth, tolerance = scene.targets[:, attack.secret], scene.tolerance(attack.secret) + ROUNDING
    hit = np.abs(guess - truth) <= tolerance
    naive = np.abs(_constant(scene, attack.secret) - truth) <= tolerance
    given, member = has_value(truth), np.arange(len(truth)) < scene.members
    used, other = given & member, given & ~member
    name = samples.columns[attack.secret]
    weak = hit[other].mean() > EASY or min(used.sum(), other.sum()) < ENOUGH <= scene.members
    return counted(
        f"{name} from {attack.view}, {who}", (hit[used].sum(), used.sum()), (hit[other].sum(), other.sum()),
        statistic="residual", baseline=float(naive[given].mean()),
        supplementary=bool(weak or name not in declared_secrets(samples)))


def _sides(scene: Scene, secret: int) -> NDArray[np.bool_]:
    """Whether the secret is given by a member, and by a control."""
    given = has_value(scene.targets[:, secret])
    return np.array([given[: scene.members].any(), given[scene.members :].any()])


def _constant(scene: Scene, secret: int) -> float:
    """Median of a number, most frequent category."""
    values = scene.pool[scene.told(secret), secret]
    if scene.numbers[secret]:
        return float(np.median(values))
    return float(np.bincount(values.astype(np.int64)).argmax())


def _scene(samples: Samples) -> Scene:
    tables = (samples.released.table, samples.members.table, samples.controls.table)
    coordinates = Coordinates.learn(tables[0], samples.columns)
    pool, members, controls = (coordinates.points(table) for table in tables)
    numbers = np.array([samples.schema[name].kind in NUMERIC for name in samples.columns])
    return Scene(np.concatenate([members, controls]), pool, len(members), numbers, tables)


@dataclass(frozen=True, eq=False)
class _Trees:
    """Gradient boosting on synthetic rows.

    Args:
        fit, asked: features of the synthetic rows it is trained on and of the targets, one column per table column and
            a last one that counts unreadable cells.
        rows: which synthetic rows those are.
    """

    fit: Floats
    asked: Floats
    rows: NDArray[np.intp]
    categorical: NDArray[np.bool_]
    seed: int

    @classmethod
    def learn(cls, samples: Samples, scene: Scene) -> _Trees:
        known, members, controls = scene.tables
        features = TreeFeatures.of(samples.columns, [known])
        rows = samples.streams.stream(0, "inference training rows").permutation(len(known))[:MAX_ROWS]
        asked = np.concatenate([features.matrix(members), features.matrix(controls)])
        return cls(features.matrix(known.take(rows)), asked, rows, features.categorical, samples.seed % 2**32)

    def guess(self, scene: Scene, attack: Attack) -> Floats:
        """Median of a number, most likely category, in coordinates of the secret; shape (targets,)."""
        secret = scene.pool[self.rows, attack.secret]
        told = has_value(secret)
        if not scene.numbers[attack.secret]:
            levels, counts = np.unique(secret, return_counts=True)
            told &= np.isin(secret, levels[np.argsort(-counts, kind="stable")[:CLASSES]])
        if told.sum() < 2 or np.ptp(secret[told]) == 0:
            return np.full(len(scene.targets), _constant(scene, attack.secret))
        known = list(attack.known)
        fit, asked = fill_empty(self.fit[told][:, known], self.asked[:, known])
        settings = {"max_iter": 30, "max_leaf_nodes": 15, "learning_rate": 0.2, "early_stopping": False,
                    "random_state": self.seed, "categorical_features": self.categorical[known]}
        trees = (HistGradientBoostingRegressor(loss="absolute_error", **settings) if scene.numbers[attack.secret]
                 else HistGradientBoostingClassifier(**settings))
        return np.asarray(trees.fit(fit, secret[told]).predict(asked), np.float64)
