"""Differentially private tables from noisy marginals and a junction-tree model. The default under epsilon.

Every column is counted with noise; columns are coarsened by these counts; in two rounds the pairs on which the model is
furthest off are measured, and the distribution that fits all noisy counts best is found on a junction tree (the
Private-PGM family: McKenna, Sheldon & Miklau 2019). Synthetic rows are drawn from it, exactly conditional on whatever
is given. All of it follows from the curator's noisy answers and the public schema.
"""

from __future__ import annotations

from math import sqrt
from typing import ClassVar, Self, final

import numpy as np

from tabsynth.core.coding import Coding
from tabsynth.core.errors import UsageError
from tabsynth.core.forecast import Forecast
from tabsynth.core.progress import Progress, silent
from tabsynth.core.schema import Schema
from tabsynth.models._marginal import one_way, plan
from tabsynth.models._marginal.forecast import forecast, imagined_coding
from tabsynth.models._marginal.model import TreeModel
from tabsynth.models._marginal.rounds import Settings, learn
from tabsynth.models._marginal.view import View
from tabsynth.models._marginal.workload import column_weights
from tabsynth.privacy.curator import Curator

FACTS = {
    "name": "marginal",
    "entry": "Marginal",
    "summary": "Differentially private: noisy counts of columns and chosen pairs, joined by a junction tree.",
    "private": True,
}


@final
class Marginal(TreeModel):
    """Noisy marginals on a junction tree.

    Args:
        max_cells: cap of the junction tree's cells: bounds memory and time of a fit.
        rounds: of choosing and measuring pairs: the first takes a forest, the others what it does not explain.
    """

    name: ClassVar[str] = "marginal"

    def __init__(self, *, max_cells: int = 1_000_000, rounds: int = 2) -> None:
        if max_cells < 1:
            raise UsageError(f"the 'max_cells' parameter of Marginal must be at least 1, got {max_cells}.")
        if rounds < 1:
            raise UsageError(f"the 'rounds' parameter of Marginal must be at least 1, got {rounds}.")
        self.max_cells = max_cells
        self.rounds = rounds

    def fit(self, curator: Curator, *, rng: np.random.Generator, progress: Progress = silent) -> Self:
        """Spend the curator's whole budget; deterministic given its answers."""
        coding, mu = curator.coding, sqrt(curator.total)
        one_ways = one_way.measure(curator, progress)
        view = View.of(one_ways, plan.levels(one_way.patients(one_ways), mu, len(coding.names)))
        fitted, counts = None, None
        if view.names:
            fitted, counts = learn(curator, view, view.measurements(one_ways), self._settings(coding), progress)
        return self._finish(curator, one_ways, view, fitted, progress, counts)

    def forecast(self, schema: Schema, mu_squared: float, units: int) -> Forecast:
        """What a fit can be expected to learn; see ``core.forecast.Forecasts``."""
        coding = imagined_coding(schema)
        return forecast(coding, mu_squared, units, self._settings(coding))

    def _settings(self, coding: Coding) -> Settings:
        return Settings(self.max_cells, self.rounds, column_weights(coding), coding.schema.evaluation.target)
