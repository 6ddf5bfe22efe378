"""People held back from a fit, on whom its rows are judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import ROWS, Codes, Coding
from tabsynth.core.synthesizer import Generative

Ints = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Sides:
    """The two sides of a split by person.

    Args:
        coding: of the whole table.
        train: what was learned from.
        held: rows that were not, shape (n, d); units: whose they are, shape (n,).
        sample: as many rows of `train`.
    """

    coding: Coding
    train: Codes
    held: Ints
    units: NDArray[np.int64]
    sample: Ints

    def draw(self, model: Generative, rng: np.random.Generator) -> Ints:
        """As many rows of a model as are held back, with their numbers of rows per person; shape (n, d)."""
        names = self.coding.names
        given = {ROWS: self.held[:, names.index(ROWS)]} if ROWS in names else None
        drawn = model.draw(len(self.held), rng=rng, given=given)
        return np.stack([drawn[name] for name in names], axis=1)
