"""People held back from a fit, on whom candidates are scored: a split inside the training rows, bounded in size.

Rows are coded once, by the coding of the whole table: it treats both sides alike, so that what is nearer to one side is
nearer because a model copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import ROWS, Codes, Coding
from tabsynth.core.synthesizer import Generative

SHARE: Final = 0.15
"""Of the people, held back."""
HELD_ROWS: Final = 10_000
HELD_CELLS: Final = 250_000
FIT_ROWS: Final = 50_000
FIT_CELLS: Final = 2_500_000
"""Most rows and cells to score on and to fit candidates to, so that the cost of a calibration does not grow with the
table: distances between rows take their number squared. Candidates need many rows more than are scored on: the larger a
part of their rows is looked for among the synthetic ones, the more copying is seen."""
SYNTHETIC_ROWS: Final = 8_000
POOL: Final = 4
ENOUGH: Final = 500
"""Fewest people of whom some can be held back: 75 people tell a DCR share of 0.5 from one of 0.62."""

Ints = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Sides:
    """The two sides of a split by person.

    Args:
        coding: of the whole table.
        train: what candidates are fitted to.
        held: rows that no candidate has seen, shape (n, d); units: whose they are, shape (n,).
        sample: as many rows of `train`, of whole people but the last.
    """

    coding: Coding
    train: Codes
    held: Ints
    units: NDArray[np.int64]
    sample: Ints

    @property
    def people(self) -> int:
        return len(np.unique(self.units))

    def draw(self, model: Generative, rng: np.random.Generator) -> Ints:
        """Rows of a model, as many as are held back, at most `SYNTHETIC_ROWS`; shape (m, d).

        They are some of `POOL` times as many: a model may stratify what it draws together, and such rows vary less
        than independent ones, which misleads a detector.
        """
        n = min(len(self.held), SYNTHETIC_ROWS)
        return self._drawn(POOL * n, model, rng)[rng.permutation(POOL * n)[:n]]

    def draw_table(self, model: Generative, rng: np.random.Generator) -> Ints:
        """As many rows of a model as it was fitted to, at most `FIT_ROWS`; shape (m, d)."""
        return self._drawn(min(len(self.train.values), FIT_ROWS), model, rng)

    def _drawn(self, n: int, model: Generative, rng: np.random.Generator) -> Ints:
        """Rows given the number of rows of their person, which a model would draw for each person: here it is that of
        held-back rows, so that long histories have their share."""
        names = self.coding.names
        given = None
        if ROWS in names:
            given = {ROWS: self.held[rng.integers(0, len(self.held), n), names.index(ROWS)]}
        drawn = model.draw(n, rng=rng, given=given)
        return np.stack([drawn[name] for name in names], axis=1)


def hold_back(coding: Coding, codes: Codes, rng: np.random.Generator) -> Sides:
    """Split coded rows by person."""
    units = codes.unit_of
    people = int(units.max()) + 1
    place = rng.permutation(people)[units]
    ends = np.cumsum(np.bincount(place, minlength=people))
    n_held = int(SHARE * people)
    held = place < min(n_held, _fitting(ends, min(HELD_ROWS, HELD_CELLS // len(codes.names))))
    most = min(FIT_ROWS, FIT_CELLS // len(codes.names))
    fit = (place >= n_held) & (place < n_held + _fitting(ends[n_held:] - ends[n_held - 1], most))
    train = codes.take(fit)
    like_held = np.argsort(place[fit], kind="stable")[:int(held.sum())]
    return Sides(coding, train, codes.values[held], units[held], train.values[like_held])


def _fitting(ends: NDArray[np.int64], rows: int) -> int:
    """How many people, at least one, have no more than `rows` rows together."""
    return max(1, int(np.searchsorted(ends, rows, side="right")))
