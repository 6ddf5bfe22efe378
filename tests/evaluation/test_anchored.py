"""Odd tables through pMSE, PRDC, alpha-precision and tails: a line with a reason, never an error or a cell's value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core import registry
from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import INVALID, Cells, Table, empty_cells
from tabsynth.evaluation.fidelity._anchored import anchored, share
from tabsynth.evaluation.protocol import GROUPS, evaluate, prepare

from .people import cells, people, with_units

NAMES = ["alpha_precision", "pmse", "prdc", "tails"]
FACTS = {"findings": {"x": "X"}}


def run(synth: Table, train: Table, holdout: Table) -> dict[str, Finding]:
    findings = {f.id: f for f in evaluate(prepare(synth, train, holdout, seed=1), only=NAMES)}
    assert list(findings) == [id for name in NAMES for id in registry.find("measures", name).facts["findings"]]
    for f in findings.values():
        assert (f.value is None) == (f.state == "not_run")
        assert f.reason is None or not f.reason.startswith("the measure stopped with")
        if f.value is not None:
            assert np.isfinite(f.value)
        if f.interval is not None:
            assert f.interval[0] <= (f.value or 0) <= f.interval[1]
    return findings


def one_column(kind: str) -> Callable[[int], Table]:
    schema = Schema((Column("only", kind),))
    return lambda seed: Table(schema, {"only": cells(kind, np.random.default_rng(seed).integers(0, 2, 240))})


def constant(seed: int) -> Table:
    return Table(Schema((Column("c", "number"), Column("d", "category"))),
                 {"c": cells("number", [1.5] * 240), "d": cells("category", ["x"] * 240)})


def empty(seed: int) -> Table:
    columns = (Column("a", "number"), Column("b", "category"), Column("c", "date"))
    return Table(Schema(columns), {c.name: empty_cells(c, 240) for c in columns})


def huge(seed: int) -> Table:
    rng = np.random.default_rng(seed)
    bad = np.where(rng.random(240) < 0.2, INVALID, 0).astype(np.uint8)
    values = rng.choice([np.inf, -np.inf, 1e308, -1e308, 1e-308, 0.0], 240)
    return Table(Schema((Column("a", "number"), Column("b", "integer"))), {
        "a": Cells(np.where(bad, 0, values), bad), "b": cells("integer", rng.integers(-(2**62), 2**62, 240))})


def one_person(seed: int) -> Table:
    return with_units(people(240, seed), 240, first=1000 * seed)


def few_people(seed: int) -> Table:
    return with_units(people(240, seed), 80, first=1000 * seed)


@pytest.mark.parametrize("make", [one_column("number"), one_column("category"), one_column("boolean"), constant, empty,
                                  huge, one_person, few_people])
def test_odd_tables_give_findings(make: Callable[[int], Table]) -> None:
    run(make(3), make(1), make(2))


@pytest.mark.parametrize("rows", [20, 21, 40, 199])
def test_few_rows_are_never_ok(rows: int) -> None:
    assert not [f.id for f in run(people(rows, 3), people(rows, 1), people(rows, 2)).values() if f.state == "ok"]


def test_categories_never_seen_and_one_sided_columns() -> None:
    train, holdout, synth = people(300, 1), people(300, 2), people(300, 3)
    strange = replace(synth, columns={**synth.columns, "group": cells("category", ["never seen"] * 300),
                                      "cost": empty_cells(synth.schema["cost"], 300)})
    found = run(strange, train, holdout)
    assert (found["pmse.logistic"].value or 0) > 5
    assert found["prdc.coverage"].value == 0
    assert not any("never seen" in str((f.reason, f.breakdown, dict(f.details))) for f in found.values())


def test_one_person_s_rows_have_no_interval_and_say_so() -> None:
    found = run(one_person(3), one_person(1), one_person(2))
    for i in ("prdc.coverage", "pmse.tree", "beta_recall"):
        assert (found[i].interval, found[i].state) == (None, "insufficient_power"), i


def test_the_same_seed_gives_the_same_findings() -> None:
    tables = people(250, 3), people(250, 1), people(250, 2)
    assert run(*tables) == run(*tables)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(0, 10**6), st.booleans())
@settings(max_examples=50, deadline=None)
def test_floor_and_ceiling_are_normalised_or_the_reason_is_given(value: float, floor: float, ceiling: float, seed: int,
                                                                 falling: bool) -> None:
    """Replicates with a standard error of about .02: apart by .2 means told apart."""
    rng = np.random.default_rng(seed)
    samples = prepare(people(300, 3), people(300, 1), people(300, 2), seed=1)
    numbers = [np.r_[x, x + rng.normal(0, 0.005, GROUPS)] for x in (value, floor, ceiling)]
    found = anchored(samples, FACTS, "x", numbers, "none", n=300, method="m", falling=falling)
    gap = (floor - ceiling) if falling else (ceiling - floor)
    low, high = found.interval or (1, 0)
    assert low <= value <= high
    if gap > 0.2:
        assert found.state == "ok"
        assert found.normalised == pytest.approx((value - floor) / (ceiling - floor))
    elif gap <= 0:
        assert found.normalised is None
        worse = (value - ceiling) if falling else (ceiling - value)
        if abs(worse) > 0.2:
            assert found.state == ("ok" if worse > 0 else "uninformative")


def test_a_share_of_nobody_is_not_a_number() -> None:
    assert np.isnan(share(np.ones((3, 1)), np.zeros((3, 1)))[0])
