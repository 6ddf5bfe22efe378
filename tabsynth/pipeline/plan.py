"""What a private fit would learn and cost, from the schema and a number of people: no table is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

from tabsynth.core import registry
from tabsynth.core.errors import UsageError
from tabsynth.core.forecast import Forecast, Forecasts
from tabsynth.core.schema import Schema
from tabsynth.pipeline.auto import choose
from tabsynth.pipeline.fit import Privacy, budget_for, require_columns
from tabsynth.pipeline.inputs import require_unit
from tabsynth.pipeline.settings import configured
from tabsynth.privacy.budget import Budget

COMPARED: Final = ("0.3", "1", "3")
"""Values of epsilon that are shown beside the one asked for."""
DROWNED: Final = 0.3
"""Error of a column from which on it is not worth having."""
COARSE_LEVELS: Final = 3.5
"""With fewer levels a column than this, a pair says little."""
THREE_WAY_LEVELS, THREE_WAY_ERROR, THREE_WAY_PAIRS = 6, 0.2, 2
"""Where three columns come out well too on adult and diabetes130: levels a column at least, error of a pair in parts of
what it tells at most, and pairs a column at least."""


@dataclass(frozen=True)
class Plan:
    """A budget, what it can be expected to learn, and what others would."""

    model: str
    unit: str
    budget: Budget
    forecast: Forecast
    others: Mapping[str, Forecast]

    @property
    def answer(self) -> str:
        """The honest answer at this size, in a few words."""
        return honest(self.forecast)

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"model": self.model, "unit": self.unit, "epsilon": float(self.budget.epsilon),
                "delta": float(self.budget.delta), "answer": self.answer, "forecast": self.forecast.to_json(),
                "other_epsilons": {e: other.to_json() | {"answer": honest(other)} for e, other in self.others.items()}}


def plan(schema: Schema, *, privacy: Privacy, unit: str | None = None, units: int | None = None, model: str = "auto",
         settings: Mapping[str, Any] | None = None) -> Plan:
    """Plan a fit; refuses what the fit would refuse, as far as no row is needed to know.

    Args:
        unit: "row" if every row is another person; needed where the schema has no unit column.
        units: people that the table holds; None = the population that the schema declares.

    Raises:
        PrivacyError: budget refused, or public facts are missing.
        UsageError: no number of people, or a model that cannot tell beforehand.
    """
    require_unit(schema, unit)
    choice = choose(model, private=True)
    require_columns(schema)
    generator = configured(registry.load("models", choice.model), settings or {}, model=choice.model)
    budget = budget_for(privacy, schema)
    if not isinstance(generator, Forecasts):
        raise UsageError(f"model {choice.model!r} cannot say beforehand what it would learn.",
                         fix="Plan with --model marginal.")
    if units is None:
        if schema.population is None or schema.population.declared_units is None:
            raise UsageError("plan needs the number of people.", fix="Pass --rows N (people, where the schema has a "
                             "unit), or declare population: {name: ..., declared_units: N} in the schema.")
        units = schema.population.declared_units
    if units < 1:
        raise UsageError(f"the number of people must be at least 1, got {units}.")
    others = {e: generator.forecast(schema, _mu_squared(replace(privacy, epsilon=e), schema), units)
              for e in COMPARED if float(e) != float(budget.epsilon)}
    found = generator.forecast(schema, float(budget.allowance.mu_squared), units)
    return Plan(choice.model, budget.unit, budget, found, others)


def honest(found: Forecast) -> str:
    """What can be learned, in a few words.

    The words follow from the forecast: nothing but columns where pairs would be noise, pairs at how many levels, and
    three columns only where pairs are many, fine and well measured.
    """
    if found.one_way_error > DROWNED:
        return "next to nothing: even single columns are mostly noise"
    if found.pair_error is None or found.gain is None or not found.pairs_pay:
        return "single columns only; independent columns would do as well"
    wide = levels(found)
    if wide < COARSE_LEVELS or found.pairs < len(found.levels) / 2:
        return f"single columns and a few pairs (about {found.pairs}, at {wide:.0f} levels a column)"
    if wide >= THREE_WAY_LEVELS and found.pairs >= min(THREE_WAY_PAIRS * len(found.levels), found.candidates) \
            and found.pair_error <= THREE_WAY_ERROR * found.gain:
        return "columns, pairs, and most of what three columns share"
    return f"columns and the strongest {found.pairs} pairs, at about {wide:.0f} levels a column"


def levels(found: Forecast) -> float:
    """Median levels of the columns that a pair may hold."""
    return float(median([level for _, level in found.levels.values() if level > 1] or [1]))


def lines(made: Plan) -> Iterator[tuple[str, str]]:
    """(label, sentence) for a person; the figures per column and per epsilon follow as tables."""
    found, budget = made.forecast, made.budget
    who = "rows, each another person" if made.unit == "row" else f"people ({made.unit})"
    yield "Plan", f"{found.units:,} {who}, {len(found.levels)} columns, epsilon {float(budget.epsilon):g} at delta " \
                  f"{float(budget.delta):.3g}, model {made.model}"
    yield "Answer", f"the honest answer at this size is: {made.answer}."
    yield "Columns", f"off by {found.one_way_error:.3f} in the mean because of noise (total variation distance); " \
                     f"each count of a block of values has noise of about {found.sigma_one_way:.0f} people"
    if found.pair_error is None or found.gain is None:
        yield "Pairs", f"none of {found.candidates} is worth its noise"
    else:
        yield "Pairs", f"about {found.pairs} of {found.candidates}, each count with noise of about " \
                       f"{found.sigma_pairs:.0f} people: off by {found.pair_error:.3f} in the mean, where " \
                       f"independent columns would be off by {found.gain:.3f}. Nothing can be promised of the others."
    if not found.pairs_pay:
        yield "Warning", "independent columns would do as well: choose a larger epsilon, fewer columns, or more people."
    yield "Cost", f"{_time(found.seconds)} on one core and {found.megabytes:,.0f} MB, within a factor of 2, if a " \
                  "person has one row"
    yield "Assumed", "columns and relations of typical strength: no table was looked at. Noise only: how well the " \
                     "model fits comes on top."


def per_column(made: Plan) -> Iterator[str]:
    """Codes that the schema gives each column, and levels at which its pairs are measured."""
    yield f"{'column':<40} {'codes':>8} {'levels in pairs':>16}"
    for name, (codes, kept) in made.forecast.levels.items():
        yield f"{name[:40]:<40} {codes:>8,} {kept if kept > 1 else 'none':>16}"


def per_epsilon(made: Plan) -> Iterator[tuple[str, str]]:
    """(figures, answer) of each epsilon, smallest first."""
    every = {**made.others, f"{float(made.budget.epsilon):g}": made.forecast}
    yield f"{'epsilon':<9}{'columns':>8}{'pairs':>7}{'off by':>8}  ", "the honest answer"
    for epsilon in sorted(every, key=float):
        found = every[epsilon]
        error = "-" if found.pair_error is None else f"{found.pair_error:.3f}"
        yield f"{epsilon:<9}{found.one_way_error:>8.3f}{found.pairs:>7}{error:>8}  ", honest(found)


def _mu_squared(privacy: Privacy, schema: Schema) -> float:
    return float(budget_for(privacy, schema).allowance.mu_squared)


def _time(seconds: float) -> str:
    return f"about {seconds:.1f} s" if seconds < 10 else f"about {seconds:.0f} s" if seconds < 120 \
        else f"about {seconds / 60:.0f} minutes"
