"""What the attacks of tier 2 share: people to refit on, and how near a row lies to the rows that a refit gave."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.table import Table
from tabsynth.evaluation.features import squared_distances
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import Samples, pick, units_of

NO_REFIT: Final = "no refit at hand: needs --fitted MODEL"
NEAR: Final = 1e-4
"""Squared distances up to this one are equality."""

Points = NDArray[np.float32]


def people_of(tables: list[Table], rows: int, samples: Samples, purpose: str) -> Table:
    """Rows of people in random order, at most `rows`. Rows whose person is not given are left out: no model learns
    from them."""
    whole = Table.concat(tables)
    known = whole.take(whole.unit_codes() >= 0)
    return known.take(pick(units_of(known), rows, samples.streams.stream(0, purpose)))


def n_people(table: Table) -> int:
    """How many people a table is about."""
    return int(units_of(table).max(initial=-1)) + 1


def nearest(points: Points, others: Points, k: int) -> Floats:
    """Squared distances to the k nearest of `others` (all of them if fewer), rising, shape (n, k)."""
    k = min(k, len(others))
    out = np.empty((len(points), k))
    for rows, squared in squared_distances(points, others):
        some = np.partition(squared, k - 1, axis=1)[:, :k] if k < len(others) else squared
        out[rows] = np.sort(some, axis=1)
    return out


def closeness(squared: Floats) -> Floats:
    """Minus the log of a squared distance: a copy stands out from everything that is merely near."""
    return -np.log(np.maximum(squared, NEAR))
