"""A small ward with every kind of column, and one way to fit any model to it."""

from __future__ import annotations

from functools import cache

import numpy as np

from tabsynth.core import registry
from tabsynth.core.rules.mapped import cells_of
from tabsynth.core.schema import Column, Population, Schema
from tabsynth.core.table import LogicalType, Table

N_UNITS = 701
MICROSECONDS = 1_000_000


def logical(storage, pandas=None, ordered=False):
    return LogicalType(storage, pandas, ordered).to_json()


SCHEMA = Schema(
    columns=(
        Column("patient", "id", role="unit", pattern="P-#####"),
        Column("visit", "id"),
        Column("surname", "text", role="direct-identifier"),
        Column("sex", "category", levels=("f", "m"), constant_per_unit=True,
               logical=logical("dictionary<values=string, indices=int8, ordered=0>", "category")),
        Column("birth", "date", bounds=("1920-01-01", "2010-12-31"), constant_per_unit=True, nullable=False),
        Column("stage", "category", levels=("I", "II", "III", "IV"),
               logical=logical("dictionary<values=string, indices=int8, ordered=1>", "category", ordered=True)),
        Column("points", "integer", bounds=(0, 3), logical=logical("int8", "int8")),
        Column("systolic", "integer", bounds=(60, 260), logical=logical("int64", "Int64")),
        Column("creatinine", "number", open=True, decimals=2, logical=logical("double", "float64")),
        Column("smoker", "boolean", logical=logical("bool", "boolean")),
        Column("pregnant", "boolean"),
        Column("admitted", "datetime", bounds=("2020-01-01", "2021-12-31"), timezone="Europe/Berlin",
               logical=logical("timestamp[us, tz=Europe/Berlin]")),
        Column("discharged", "datetime", bounds=("2020-01-01", "2022-12-31"), timezone="Europe/Berlin"),
        Column("at", "time", bounds=("00:00", "23:59")),
        Column("stay", "timedelta", open=True),
        Column("hospital", "category", levels=("north",)),
        Column("never given", "number", bounds=(0, 1)),
        Column("note", "text"),
    ),
    name="contract ward",
    population=Population("contract ward", declared_units=N_UNITS),
    rules=(
        {"mapped": {"from": ["stage"], "to": "points", "table": {"I": 0, "II": 1, "III": 2, "IV": 3}}},
        {"compare": "admitted <= discharged"},
        {"implies": {"if": "sex == 'm'", "then": "pregnant == false"}},
        {"forbid": "stage == 'I' and systolic > 200"},
    ),
    max_rows_per_unit=4,
)


@cache
def ward() -> Table:
    """About 1,200 visits of 701 patients; sicker patients come more often, and everything depends on sickness."""
    rng = np.random.default_rng(20)
    sick = rng.random(N_UNITS)
    visits = 1 + rng.binomial(3, 0.8 * sick**2)
    unit = np.repeat(np.arange(N_UNITS), visits)
    n, s = len(unit), sick[unit]
    male = (rng.random(N_UNITS) < 0.45)[unit]
    stage = np.clip((4 * s + rng.normal(0, 0.5, n)).astype(int), 0, 3)
    systolic = np.clip(110 + 60 * s + rng.normal(0, 12, n), 60, 200).astype(int)
    admitted = (18_262 + rng.integers(0, 700, n)) * 86_400 * MICROSECONDS
    stay = (3600 * (1 + 200 * s * rng.random(n))).astype(int) * MICROSECONDS
    values = {
        "patient": [f"P{u}" for u in unit], "visit": [f"v{i}" for i in range(n)],
        "surname": [f"Name{u}" for u in unit],
        "sex": ["m" if m else "f" for m in male],
        "birth": (-5_000 + (15_000 * (1 - sick)).astype(int))[unit].tolist(),
        "stage": [("I", "II", "III", "IV")[i] for i in stage], "points": stage.tolist(),
        "systolic": gaps(systolic.tolist(), rng.random(n) < 0.2),
        "creatinine": gaps(np.round(0.6 + 3 * s * rng.random(n), 2).tolist(), rng.random(n) < 0.5 * s),
        "smoker": gaps((rng.random(n) < 0.2 + 0.4 * s).tolist(), rng.random(n) < 0.1),
        "pregnant": [bool(p) for p in ~male & (rng.random(n) < 0.1)],
        "admitted": admitted.tolist(), "discharged": (admitted + stay).tolist(),
        "at": (rng.integers(0, 24 * 60 - 1, n) * 60 * MICROSECONDS).tolist(), "stay": stay.tolist(),
        "hospital": ["north"] * n, "never given": [None] * n, "note": ["seen"] * n,
    }
    return Table(SCHEMA, {c.name: cells_of(c, values[c.name]) for c in SCHEMA.columns})


def gaps(values, holes):
    """The values with None where there are holes."""
    return [None if hole else value for value, hole in zip(values, holes, strict=True)]


SETTINGS = {"aim": {"max_cells": 4_096}}
"""Where the default would have the suite wait: AIM fits again in each of some fifty rounds."""


def fit_any(name: str, table: Table, *, seed: int = 0, epsilon: float = 90.0):
    """The model called `name`, fitted: directly, or through a curator on a scratch ledger if it is private.

    A private model's noise has no seed; at this epsilon it stays eight standard deviations under the suite's limits.
    """
    model = registry.load("models", name)(**SETTINGS.get(name, {}))
    rng = np.random.default_rng(seed)
    if not registry.find("models", name).facts["private"]:
        return model.fit(table, rng=rng)
    from tabsynth.privacy.budget import Budget
    from tabsynth.privacy.curator import Curator
    from tabsynth.privacy.ledger import Ledger

    budget = Budget.of(epsilon, unit=table.schema.unit or "row", declared_units=N_UNITS,
                       max_rows_per_unit=table.schema.max_rows_per_unit, allow_large_epsilon=True)
    reservation = Ledger.scratch("contract tests").reserve(budget, purpose="contract tests")
    return model.fit(Curator(table, table.schema, budget, reservation=reservation), rng=rng)
