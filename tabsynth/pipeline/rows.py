"""How many rows to draw when nobody says: under DP a number that does not follow from the number of real rows."""

from __future__ import annotations

from typing import Final

import numpy as np

from tabsynth.core.coding import ROWS
from tabsynth.core.table import Table
from tabsynth.pipeline.fit import Fitted
from tabsynth.privacy.synthesizer import PrivateSynthesizer

PILOT: Final = 20_000


def default_rows(fitted: Fitted, train: Table) -> int:
    """Without DP: as many as the training table. With DP: declared units (or the model's noisy total) times the
    model's own mean number of rows per unit; `train` is not looked at."""
    if not isinstance(fitted.generator, PrivateSynthesizer):
        return len(train)
    population = fitted.generator.coding_.schema.population
    units = population.declared_units if population and population.declared_units else fitted.generator.total_
    return max(1, round(units * mean_rows(fitted)))


def mean_rows(fitted: Fitted) -> float:
    """Mean rows per unit that the model has learned; 1.0 where rows are people."""
    coding = fitted.generator.coding_
    if ROWS not in coding.names:
        return 1.0
    codes = fitted.generator.draw(PILOT, rng=np.random.default_rng(0))[ROWS]
    cells = coding.codecs[ROWS].decode(codes, np.random.default_rng(0))
    return float(np.maximum(cells.values[cells.present], 1).mean()) if cells.present.any() else 1.0
