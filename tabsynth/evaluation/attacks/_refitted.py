"""What the attacks of tier 2 share: people to refit on, and how near a row lies to the rows that a refit gave."""

from __future__ import annotations

from typing import Final

import numpy as np

from tabsynth.core.table import Table
from tabsynth.evaluation.features import EQUAL
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import Samples, pick, units_of

NO_REFIT: Final = "no refit at hand: needs --fitted MODEL"


def people_of(tables: list[Table], rows: int, samples: Samples, purpose: str) -> Table:
    """Rows of people in random order, at most `rows`. Rows whose person is not given are left out: no model learns
    from them."""
    whole = Table.concat(tables)
    known = whole.take(whole.unit_codes() >= 0)
    return known.take(pick(units_of(known), rows, samples.streams.stream(0, purpose)))


def closeness(squared: Floats) -> Floats:
    """Minus the log of a squared distance: a copy stands out from everything that is merely near."""
    return -np.log(np.maximum(squared, EQUAL))
