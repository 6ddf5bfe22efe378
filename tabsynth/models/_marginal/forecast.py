"""What a fit would learn, without a table: its own steps, run on an imagined one.

The one-way phase is run as it is, against a stand-in for the curator that answers with an imagined table of typical
shape: numbers in a bell of a tenth of their bounds' width, categories falling off as rank^-1.5, one cell in 20
missing. The rounds follow the same functions (`plan`, `selection`), with relations between columns as strong as those
of health and census tables: distances from independence that are exponential with mean .06 (measured at coarse levels:
.065 on rand_hie, with the same quartiles; independent columns are off by .07 in the mean on adult).

The imagined table has nothing to do with any real one; its draws have a fixed seed, so that a forecast can be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log, sqrt
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.codec.base import Codec
from tabsynth.core.codec.scale import Scale
from tabsynth.core.coding import ROWS, Coding
from tabsynth.core.forecast import Forecast
from tabsynth.core.progress import silent
from tabsynth.core.schema import Column, Schema
from tabsynth.models._marginal import one_way, plan, selection
from tabsynth.models._marginal.factor import Array, Clique, onto_simplex
from tabsynth.models._marginal.one_way import OneWays
from tabsynth.models._marginal.rounds import MAX_CANDIDATES, UNSPENT, Settings, candidate_pairs
from tabsynth.models._marginal.triangulation import Triangulation
from tabsynth.models._marginal.view import View
from tabsynth.privacy.curator import DISCOVERY_SHARE, Curator

TYPICAL_DISTANCE: Final = 0.06
"""Mean total variation distance of a pair from independence."""
EXPLAINED: Final = 0.5
"""Part of an unmeasured pair's distance that is left after a round, by what the tree says of it."""
IMAGINED_LEVELS, IMAGINED_POWERS = 8, 12
"""Levels that an open category is imagined to have, and powers of two that an open number spans; what there is is not
public before the fit."""
MISSING_SHARE: Final = 0.05
BELL: Final = 10.0
"""Width of a number's bounds in standard deviations of its bell."""
FALL: Final = 1.5
"""Shares of categories fall off as 1 / rank to this power."""
FITTED: Final = 0.84
"""Error of a measured pair after the fit, in parts of that of an imagined pair's counts alone. The fit draws on all
measurements, which takes off a fifth (.79 to .84); real fits choose larger tables, which gives part of it back."""
START_SECONDS, SCORE_SECONDS, ROW_SECONDS, CELL_SECONDS = 0.25, 3.2e-4, 4.9e-9, 9e-7
"""Per score, per score and unit, per cell of the tree; fits of four tables (5,900 to 71,500 units, 14 to 50 columns) at
epsilon .3, 1 and 5 take .9 to 1.4 times as long (one, with a far larger tree than foreseen, 2.7 times)."""
START_MEGABYTES, CELL_MEGABYTES, CODE_MEGABYTES = 150.0, 8e-5, 3e-5
"""Of the process, the rows included; the same fits, .75 to 1.2 times as much."""
GOLDEN: Final = (sqrt(5) - 1) / 2


def imagined_coding(schema: Schema) -> Coding:
    """The coding of a schema, open columns with a few levels or bounds some powers of two apart.

    Raises:
        PrivacyError: public facts are missing, as for a fit.
    """
    return Coding.public(schema, discovered={c.name: _imagined_domain(c) for c in schema.columns if c.open})


def _imagined_domain(column: Column) -> tuple[Any, ...]:
    if column.kind == "category":
        return tuple(f"level {i}" for i in range(1, IMAGINED_LEVELS + 1))
    scale = Scale.of(column)
    return scale.ends(scale.zero, scale.zero + IMAGINED_POWERS)


class Imagined:
    """Stands in for a curator: same questions, same prices, an imagined table."""

    def __init__(self, coding: Coding, total: float, units: int) -> None:
        self.coding, self.total, self.units = coding, total, units
        opened = any(column.open for column in coding.schema.columns)
        self.spent = float(DISCOVERY_SHARE) * total if opened else 0.0
        self.shares = {name: _shape(one) for name, one in coding.codecs.items()}
        self.rng = np.random.default_rng(0)

    @property
    def remaining(self) -> float:
        return max(0.0, self.total - self.spent)

    def measure(self, columns: tuple[str, ...], *, sigma: float,
                coarse: Mapping[str, NDArray[np.integer]] | None = None) -> Array:
        """Noisy counts of one column of the imagined table."""
        name, = columns
        self.spent += sigma**-2
        shares = self.shares[name]
        if coarse is not None:
            shares = _summed(shares, coarse[name])
        return np.asarray(self.units * shares + self.rng.normal(0, sigma, len(shares)))


def forecast(coding: Coding, total: float, units: int, settings: Settings) -> Forecast:
    """Run the phases of a fit on an imagined table.

    Args:
        coding: of the schema, with imagined domains for open columns.
        total: mu^2 of the whole fit.
        settings: as the fit would use them.
    """
    imagined = Imagined(coding, total, units)
    curator = cast(Curator, imagined)  # the one-way phase asks for counts and for what is left, nothing else
    one_ways = one_way.measure(curator, silent)
    patients = one_way.patients(one_ways)
    view = View.of(one_ways, plan.levels(patients, sqrt(total), len(coding.names)))
    chosen = _Chosen(view, settings, patients, imagined)
    if one_ways and imagined.remaining > plan.LEFTOVER * total:
        one_ways = one_way.measure_blocks(curator, imagined.remaining, one_ways, silent)
        view = View.merged(one_ways, view.merges)
    true = {name: _summed(imagined.shares[name], view.groups[name]) for name in view.names}
    errors = [_pair_error(true[view.names[c.pair[0]]], true[view.names[c.pair[1]]], patients, chosen.sigmas[c.pair],
                          imagined.rng) * c.noisy_cells / c.cells for c in chosen.candidates if c.pair in chosen.sigmas]
    return Forecast(
        units, {name: (size, len(view.chances[name])) for name, size in
                zip(coding.names, coding.sizes, strict=True)},
        len(chosen.candidates), len(chosen.sigmas),
        float(np.median([one.coarse.sigmas.mean() for one in one_ways.values()])),
        float(np.median(list(chosen.sigmas.values()))) if errors else None,
        float(np.mean([_column_error(one_ways, view, name, imagined.shares[name]) for name in one_ways])),
        FITTED * float(np.mean(errors)) if errors else None,
        float(np.mean([chosen.distances[pair] for pair in chosen.sigmas])) if errors else None,
        int(chosen.triangulation.cells), *_cost(chosen, units, len(one_ways)))


class _Chosen:
    """The rounds of choosing pairs, with imagined scores.

    Attributes:
        sigmas: measured pair -> noise of each of its counts, repeated measurements combined.
        distances: pair -> imagined distance from independence.
        scored: scores asked for in all rounds.
    """

    def __init__(self, view: View, settings: Settings, patients: float, imagined: Imagined) -> None:
        self.candidates = candidate_pairs(view, settings)
        self.distances = {c.pair: _distance(i) for i, c in enumerate(self.candidates)}
        self.triangulation = Triangulation.empty(view.sizes)
        off = {pair: 2 * patients * distance for pair, distance in self.distances.items()}
        precision: dict[Clique, float] = {}
        self.scored = 0
        noisy_cells = {c.pair: c.noisy_cells for c in self.candidates}
        for index in range(settings.rounds if self.candidates else 0):
            budget = imagined.remaining * plan.round_share(index, settings.rounds) * (1 - UNSPENT)
            able = selection.worthwhile(self.candidates, patients, imagined.remaining, MAX_CANDIDATES)
            if not able:
                break
            self.scored += len(able)
            sigma = sqrt(len(able) / (plan.SCORE_SHARE * budget))
            noise = dict(zip((c.pair for c in able), imagined.rng.normal(0, sigma, len(able)), strict=True))
            gains = selection.shrink({pair: off[pair] + noise[pair] for pair in noise}, sigma)
            rest = (1 - plan.SCORE_SHARE) * budget
            choice = selection.choose(self.candidates, gains, rest, self.triangulation, settings.max_cells,
                                      forest=index == 0 and settings.rounds > 1)
            self.triangulation = choice.triangulation
            imagined.spent += plan.SCORE_SHARE * budget + (rest if choice.sigmas else 0.0)
            for pair, spread in choice.sigmas.items():
                precision[pair] = precision.get(pair, 0.0) + spread**-2
            off = {pair: selection.NOISE_L1 * noisy_cells[pair] / sqrt(precision[pair]) if pair in precision
                   else EXPLAINED * distance for pair, distance in off.items()}
        self.sigmas = {pair: p**-0.5 for pair, p in precision.items()}


def _distance(index: int) -> float:
    """Distance from independence of the pair with this number: exponential quantiles in a scattered order."""
    return -TYPICAL_DISTANCE * log(1 - (0.5 + index * GOLDEN) % 1.0)


def _shape(codec: Codec) -> Array:
    """Imagined shares of the codes; shape (size,)."""
    ordered, rest = codec.ordered, codec.size - 3 - codec.ordered
    shares = np.zeros(codec.size)
    if codec.column.name == ROWS:
        shares[:ordered] = 1 / np.arange(1, ordered + 1) ** 2
    elif ordered:
        shares[:ordered] = np.exp(-0.5 * ((np.arange(ordered) + 0.5) / ordered * BELL - BELL / 2) ** 2)
    shares[ordered:codec.size - 3] = 1 / np.arange(1, rest + 1) ** FALL
    if codec.column.nullable or not shares.any():
        shares[codec.missing] = MISSING_SHARE / (1 - MISSING_SHARE) * (shares.sum() or 1.0)
    return np.asarray(shares / shares.sum())


def _summed(shares: Array, groups: NDArray[np.integer]) -> Array:
    """Shares of groups of codes."""
    return np.asarray(np.bincount(groups, weights=shares), dtype=np.float64)


def _column_error(one_ways: OneWays, view: View, name: str, true: Array) -> float:
    """Total variation distance of a column as the model would draw it."""
    groups = one_ways[name].coarse.grouped(view.merges[name], ordered=0)
    drawn = _shares(groups.counts) @ view.chances[name]
    return float(np.abs(drawn - true).sum()) / 2


def _pair_error(a: Array, b: Array, patients: float, sigma: float, rng: np.random.Generator) -> float:
    """Total variation distance of a measured pair after nothing is negative any more."""
    true = np.outer(a, b)
    noisy = true + rng.normal(0, sigma / patients, true.shape)
    return float(np.abs(onto_simplex(noisy.reshape(-1), 1.0) - true.reshape(-1)).sum()) / 2


def _shares(counts: Array) -> Array:
    return onto_simplex(counts / max(1.0, float(counts.sum())), 1.0)


def _cost(chosen: _Chosen, units: int, columns: int) -> tuple[float, float]:
    """Seconds and megabytes of a fit, if a unit has one row: scoring and fitting take most of the time."""
    cells = chosen.triangulation.cells
    seconds = START_SECONDS + chosen.scored * (SCORE_SECONDS + ROW_SECONDS * units) + CELL_SECONDS * cells
    return seconds, START_MEGABYTES + CELL_MEGABYTES * cells + CODE_MEGABYTES * units * columns
