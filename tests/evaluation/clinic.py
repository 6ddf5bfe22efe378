"""A made-up clinic whose effects are known, for the tests of declared analyses and subgroups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.core.table import Table
from tabsynth.evaluation.protocol import Draw, Samples, evaluate, prepare

from .people import cells

SCHEMA = Schema((
    Column("age", "number"),
    Column("sex", "category", levels=("male", "female")),
    Column("site", "category"),
    Column("crea (mg/dl)", "number"),
    Column("died", "boolean"),
    Column("stay", "number"),
    Column("visits", "integer"),
    Column("days", "number"),
    Column("event", "boolean"),
))


def clinic(n: int, seed: int, *, age: float = 1.0, women: float = 0.5, female: float = 0.8) -> Table:
    """`n` people. `age` scales its effect on everything, `women` is their share, `female` their log odds of dying."""
    rng = np.random.default_rng(seed)
    years, woman = rng.normal(60, 10, n), rng.random(n) < women
    site = rng.choice(4, n, p=[0.5, 0.3, 0.19, 0.01])
    crea = np.exp(rng.normal(0, 0.4, n))
    line = age * (years - 60) / 10
    died = rng.random(n) < 1 / (1 + np.exp(1 - 0.7 * line - female * woman - 0.8 * np.log(crea)))
    stay = 5 + 0.5 * line + 0.4 * woman + 0.3 * (site == 1) + rng.normal(0, 1, n)
    visits = rng.poisson(np.exp(0.5 + 0.25 * line + 0.2 * woman))
    until, leaving = rng.exponential(100 * np.exp(-0.5 * line - 0.3 * woman)), rng.uniform(20, 300, n)
    return Table(SCHEMA, {
        "age": cells("number", years), "sex": cells("category", np.where(woman, "female", "male")),
        "site": cells("category", np.array(["s0", "s1", "s2", "s3"])[site]), "crea (mg/dl)": cells("number", crea),
        "died": cells("boolean", died), "stay": cells("number", stay), "visits": cells("integer", visits),
        "days": cells("number", np.minimum(until, leaving)), "event": cells("boolean", until <= leaving)})


def asking(table: Table, *, target: str | None = None, subgroups: Sequence[str] = (),
           analyses: Sequence[Mapping[str, Any]] = ()) -> Table:
    """The table with these questions in its schema."""
    return Table(replace(table.schema, evaluation=Evaluation(
        target=target, subgroups=tuple(subgroups), analyses=tuple(analyses))), dict(table.columns))


def lined_up(synth: Table, train: Table, holdout: Table, *, seed: int = 1, draw: Draw | None = None,
             **questions: Any) -> Samples:
    """Samples with these questions in the schema of all three tables."""
    return prepare(*(asking(t, **questions) for t in (synth, train, holdout)), seed=seed, draw=draw)


def measure(name: str, synth: Table, train: Table, holdout: Table, **questions: Any) -> dict[str, Finding]:
    """Findings of one measure by id; questions are those of `lined_up`."""
    return {f.id: f for f in evaluate(lined_up(synth, train, holdout, **questions), only=[name])}
