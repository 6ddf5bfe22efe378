"""Small made-up tables with planted truths, for the tests of the evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.core.table import CANONICAL, Cells, Table
from tabsynth.evaluation.protocol import Draw, evaluate, prepare

SCHEMA = Schema(
    columns=(
        Column("age", "integer", bounds=(18, 99)),
        Column("cost", "number", bounds=(0, 1_000_000)),
        Column("income", "number"),
        Column("group", "category", levels=("a", "b", "c", "d")),
        Column("smoker", "boolean", nullable=True),
        Column("visit", "date"),
    ),
    evaluation=Evaluation(target="group"),
)


def run(synth: Table, train: Table, holdout: Table, *names: str, seed: int = 1,
        draw: Draw | None = None) -> dict[str, Finding]:
    """The findings of some measures, of all without names, by id."""
    return {f.id: f for f in evaluate(prepare(synth, train, holdout, seed=seed, draw=draw), only=names or None)}


def cells(kind: str, values: Sequence[Any], *, missing: Sequence[bool] | None = None) -> Cells:
    """Cells of a kind from plain values; categories are given as text."""
    state = np.zeros(len(values), np.uint8) if missing is None else np.asarray(missing, np.uint8)
    if kind == "category":
        levels = tuple(dict.fromkeys(str(v) for v in values))
        return Cells(np.array([levels.index(str(v)) for v in values], np.int32), state, levels)
    array = np.asarray(values, dtype=CANONICAL[kind])
    return Cells(array, state)


def people(n: int, seed: int) -> Table:
    """`n` rows of one population: age drives cost and group, cost is nearly unique, income is missing by age."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.normal(55, 15, n).round(), 18, 99)
    cost = np.where(rng.random(n) < 0.3, 0.0, np.exp(rng.normal(4 + age / 30, 1, n)).round(4))
    income = (rng.gamma(3, 1000, n) + 50 * age).round(2)
    group = np.array(list("abcd"))[np.clip((age + rng.normal(0, 10, n)) // 25, 0, 3).astype(int)]
    smoker = rng.random(n) < 0.5 - age / 300
    gone = rng.random(n) < np.where(age > 60, 0.3, 0.05)
    return table(SCHEMA, {
        "age": cells("integer", age), "cost": cells("number", cost),
        "income": cells("number", np.where(gone, 0, income), missing=gone),
        "group": cells("category", group), "smoker": cells("boolean", smoker),
        "visit": cells("date", rng.integers(9000, 9365, n))})


def with_units(part: Table, rows_each: int, first: int = 0) -> Table:
    """The table with a unit column of `rows_each` rows per person."""
    names = np.array([f"p{first + i // rows_each}" for i in range(len(part))], dtype=object)
    schema = part.schema.with_columns((Column("person", "id", role="unit"), *part.schema.columns))
    return Table(schema, {"person": Cells(names, np.zeros(len(part), np.uint8)), **part.columns})


def table(schema: Schema, columns: Mapping[str, Cells]) -> Table:
    return Table(schema, dict(columns))


def resampled(part: Table, seed: int) -> Table:
    """Each column drawn on its own from the table's rows: no association is left, the values are."""
    rng = np.random.default_rng(seed)
    return Table(part.schema, {name: c.take(rng.integers(0, len(part), len(part)))
                               for name, c in part.columns.items()})


def smoothed(part: Table, seed: int) -> Table:
    """Independent columns whose numbers are new: close to those of the table, and none of them copied."""
    rng = np.random.default_rng(seed)
    mixed = resampled(part, seed)
    columns = dict(mixed.columns)
    for name in ("cost", "income"):
        old = columns[name]
        new = np.where(old.values == 0, 0.0, old.values * np.exp(rng.normal(0, 0.05, len(part))))
        columns[name] = replace(old, values=new.round(4))
    for name, by in (("age", 2), ("visit", 5)):
        moved = columns[name].values + rng.integers(-by, by + 1, len(part))
        columns[name] = replace(columns[name], values=np.clip(moved, 18, 99) if name == "age" else moved)
    return Table(part.schema, columns)
