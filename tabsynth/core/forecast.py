"""What a private fit can be expected to learn, before it: from public facts alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from tabsynth.core.schema import Schema


@dataclass(frozen=True, slots=True)
class Forecast:
    """Noise, error and cost of a fit to a table of typical shape.

    Args:
        units: people that the table is planned to hold.
        levels: column -> (codes that the schema gives it, levels at which its pairs are measured).
        candidates: pairs of columns that have two levels or more each.
        pairs: how many of them the budget can measure to advantage.
        sigma_one_way, sigma_pairs: median standard deviation of the noise of a count, in units; None = none measured.
        one_way_error, pair_error: expected total variation distance that noise causes, mean over columns and over
            the measured pairs; in [0, 1].
        gain: how far the measured pairs would be off if columns were independent, for relations as strong as in
            typical tables; mean total variation distance.
        cells: of the junction tree.
        seconds, megabytes: of the fit, on one core; within a factor of about two.
    """

    units: int
    levels: Mapping[str, tuple[int, int]]
    candidates: int
    pairs: int
    sigma_one_way: float
    sigma_pairs: float | None
    one_way_error: float
    pair_error: float | None
    gain: float | None
    cells: int
    seconds: float
    megabytes: float

    @property
    def pairs_pay(self) -> bool:
        """True if measured pairs are expected to be closer than independent columns would be."""
        return self.pair_error is not None and self.gain is not None and self.pair_error < self.gain

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self) | {"pairs_pay": self.pairs_pay,
                               "levels": {name: {"codes": c, "levels": k} for name, (c, k) in self.levels.items()}}


@runtime_checkable
class Forecasts(Protocol):
    """A model that can say before a fit what it would learn."""

    def forecast(self, schema: Schema, mu_squared: float, units: int) -> Forecast:
        """What a fit to a table of `units` people with this budget can be expected to learn.

        Args:
            schema: public facts; what is missing in it is refused as a fit refuses it.
            mu_squared: what the fit may spend.
        """
