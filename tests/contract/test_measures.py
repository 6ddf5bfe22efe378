"""What every measure and attack keeps, found by its file: it answers whatever the tables look like, and tells no
cell."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabsynth.core import registry
from tabsynth.core.errors import TabsynthError
from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.core.table import CANONICAL, INVALID, MISSING, Cells, Table
from tabsynth.evaluation.protocol import Samples, evaluate, prepare
from tabsynth.evaluation.wording import banned_word

MEASURES = registry.names("measures")
SECRET = "zq-secret"
"""Every category and text of the tables below holds this, so that a leaked cell is seen."""

SCHEMA = Schema(
    columns=(
        Column("patient", "id", role="unit"),
        Column("age", "integer", role="quasi-identifier"),
        Column("cost", "number"),
        Column("ward", "category", role="quasi-identifier"),
        Column("diagnosis", "category", role="sensitive"),
        Column("died", "boolean"),
        Column("visit", "date"),
        Column("note", "text"),
    ),
    evaluation=Evaluation(
        target="died", subgroups=("ward",), quasi_identifiers=("age", "ward"),
        analyses=({"formula": "died ~ age + ward", "family": "binomial"},
                  {"family": "km", "time": "cost", "event": "died"})))


def cells(kind: str, values: Any, state: Any = None) -> Cells:
    state = np.zeros(len(values), np.uint8) if state is None else np.asarray(state, np.uint8)
    if kind == "category":
        levels = tuple(f"{SECRET}{i}" for i in range(int(max(values, default=0)) + 1))
        return Cells(np.asarray(values, np.int32), state, levels)
    return Cells(np.asarray(values, CANONICAL[kind]), state)


def patients(n: int, seed: int, rows_each: int = 1) -> Table:
    """`n` rows with everything in them: ties, heavy tails, missing cells, rare categories, text."""
    rng = np.random.default_rng(seed)
    age = rng.integers(20, 90, n)
    gone = np.where(rng.random(n) < 0.2, MISSING, 0)
    names = np.array([f"{SECRET}-p{seed}-{i // rows_each}" for i in range(n)], dtype=object)
    notes = np.array([f"{SECRET} note {rng.integers(0, 9)} of person {i}" for i in range(n)], dtype=object)
    columns = {
        "patient": Cells(names, np.zeros(n, np.uint8)), "note": Cells(notes, np.zeros(n, np.uint8)),
        "age": cells("integer", age), "cost": cells("number", np.exp(rng.normal(3, 1, n)).round(3), gone),
        "ward": cells("category", rng.integers(0, 3, n)), "diagnosis": cells("category", rng.zipf(1.6, n) % 40),
        "died": cells("boolean", rng.random(n) < age / 180), "visit": cells("date", rng.integers(18000, 18400, n))}
    return Table(SCHEMA, {name: columns[name] for name in SCHEMA.names})


def changed(table: Table, **columns: Cells) -> Table:
    return replace(table, columns={**table.columns, **columns})


def everything_missing(table: Table) -> Table:
    return changed(table, **{name: replace(c, state=np.full(len(table), MISSING, np.uint8))
                             for name, c in table.columns.items() if table.schema[name].modelled})


def one_column(table: Table, name: str) -> Table:
    schema = table.schema.with_columns([table.schema[name]])
    return Table(replace(schema, evaluation=Evaluation()), {name: table[name]})


def numbers(values: list[float]) -> Table:
    return one_column(changed(patients(60, 1), cost=cells("number", np.resize(values, 60))), "cost")


Three = tuple[Table, Table, Table]
ODD: dict[str, Callable[[], Three]] = {
    "ordinary": lambda: (patients(400, 1), patients(400, 2), patients(300, 3)),
    "several rows a person": lambda: (patients(300, 1), patients(300, 2, 3), patients(240, 3, 3)),
    "barely any rows": lambda: (patients(21, 1), patients(22, 2), patients(20, 3)),
    "too few rows": lambda: (patients(5, 1), patients(5, 2), patients(5, 3)),
    "the training table": lambda: (patients(120, 2), patients(120, 2), patients(120, 3)),
    "all three the same": lambda: (patients(120, 2), patients(120, 2), patients(120, 2)),
    "constant columns in S": lambda: (patients(120, 1).take(np.zeros(120, np.intp)), patients(120, 2),
                                      patients(120, 3)),
    "constant columns everywhere": lambda: (patients(60, 1).take(np.zeros(60, np.intp)),) * 3,
    "constant columns in T": lambda: (patients(120, 1), patients(120, 2).take(np.zeros(120, np.intp)),
                                      patients(120, 3)),
    "one class": lambda: tuple(changed(patients(120, i), died=cells("boolean", np.zeros(120))) for i in (1, 2, 3)),
    "one class in S": lambda: (changed(patients(120, 1), died=cells("boolean", np.ones(120))), patients(120, 2),
                               patients(120, 3)),
    "nothing given in S": lambda: (everything_missing(patients(60, 1)), patients(60, 2), patients(60, 3)),
    "nothing given anywhere": lambda: tuple(everything_missing(patients(60, i)) for i in (1, 2, 3)),
    "nothing readable": lambda: tuple(changed(patients(60, i), cost=cells("number", np.zeros(60), [INVALID] * 60),
                                              age=cells("integer", np.zeros(60), [INVALID] * 60)) for i in (1, 2, 3)),
    "new categories in S": lambda: (changed(patients(120, 1), diagnosis=cells("category", np.arange(120) + 500)),
                                    patients(120, 2), patients(120, 3)),
    "categories that only the holdout has": lambda: (
        patients(120, 1), patients(120, 2), changed(patients(120, 3), ward=cells("category", np.full(120, 7)))),
    "one value in a column": lambda: tuple(
        changed(patients(120, i), cost=cells("number", np.ones(120), np.where(np.arange(120) < 1, 0, MISSING)))
        for i in (1, 2, 3)),
    "one person": lambda: tuple(patients(60, i, 60) for i in (1, 2, 3)),
    "two people": lambda: tuple(patients(60, i, 30) for i in (1, 2, 3)),
    "numbers without end": lambda: tuple(
        changed(patients(120, i), cost=cells("number", np.resize([np.inf, -np.inf, 1e300, -1e300, 5e-324], 120)))
        for i in (1, 2, 3)),
    "one number": lambda: tuple(one_column(patients(60, i), "cost") for i in (1, 2, 3)),
    "another constant number": lambda: tuple(numbers(x) for x in ([8.0], [7.0], [7.0])),
    "tiny scale, huge distance": lambda: tuple(numbers(x) for x in ([1e300, 1.0], [1.0, 1 + 1e-15], [1.0, 1 + 1e-15])),
    "one category": lambda: tuple(one_column(patients(60, i), "ward") for i in (1, 2, 3)),
    "every row another category": lambda: tuple(
        one_column(changed(patients(60, i), ward=cells("category", np.arange(60) + 100 * i)), "ward")
        for i in (1, 2, 3)),
}


def samples(three: Three) -> Samples:
    synth, train, holdout = three
    return prepare(synth, train, holdout, seed=1)


@pytest.fixture(scope="module")
def prepared() -> dict[str, Samples]:
    return {what: samples(make()) for what, make in ODD.items()}


@pytest.mark.parametrize("name", MEASURES)
def test_facts_say_what_the_measure_finds(name: str) -> None:
    facts = registry.find("measures", name).facts
    assert facts["section"] in ("validity", "fidelity", "utility", "privacy", "diagnostic")
    assert facts["summary"]
    assert facts["findings"]
    assert facts.get("tier", 1) in (0, 1, 2)
    assert set(facts.get("numbers", {})) <= set(facts["findings"])
    for title in (facts["summary"], *facts["findings"].values()):
        assert banned_word(title) is None


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_answers_whatever_the_tables_look_like(name: str, what: str, prepared: dict[str, Samples]) -> None:
    check(name, prepared[what], told_by(name, prepared[what]))


@pytest.mark.parametrize("name", MEASURES)
def test_same_seed_same_findings(name: str, prepared: dict[str, Samples]) -> None:
    first, again = (told_by(name, samples(ODD["several rows a person"]())) for _ in range(2))
    assert as_json(first) == as_json(again)


column = st.sampled_from(["constant", "normal", "half missing", "ties", "all missing", "huge"])


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.integers(20, 90), st.integers(0, 2**16))
def test_the_whole_suite_answers_on_any_table(data: st.DataObject, n: int, seed: int) -> None:
    """Columns of odd shapes in odd company; no measure may stop with an error that it did not foresee."""
    def odd(i: int) -> Table:
        table = patients(n, seed + i, data.draw(st.integers(1, 4)))
        rng = np.random.default_rng(seed + i)
        for name in ("age", "cost", "visit"):
            kind, shape = SCHEMA[name].kind, data.draw(column)
            shapes = {"constant": np.ones(n), "ties": rng.integers(0, 3, n), "huge": rng.normal(0, 1e15, n).round()}
            values = shapes.get(shape, rng.normal(50, 20, n).round())
            share = {"half missing": 0.5, "all missing": 1.0}.get(shape, 0.0)
            table = changed(table, **{name: cells(kind, values, np.where(rng.random(n) < share, MISSING, 0))})
        return table

    with_findings = evaluate(samples((odd(1), odd(2), odd(3))))
    assert not [f.id for f in with_findings if f.reason and f.reason.startswith("the measure stopped with")]


def told_by(name: str, given_samples: Samples) -> tuple[Finding, ...]:
    """What the protocol would report; an error that the measure did not foresee is raised here."""
    try:
        if given_samples.n >= 20:
            registry.load("measures", name)(given_samples)
    except TabsynthError:
        pass
    return evaluate(given_samples, only=[name])


def check(name: str, given_samples: Samples, found: tuple[Finding, ...]) -> None:
    facts = registry.find("measures", name).facts
    assert {f.id for f in found} == set(facts["findings"])
    for finding in found:
        assert finding.title == facts["findings"][finding.id]
        if finding.value is not None:
            assert set(facts.get("numbers", {}).get(finding.id, ())) <= set(finding.details)
        assert finding.state == "ok" or finding.reason
        if finding.state == "not_run":
            assert finding.value is None
            continue
        assert finding.value is not None
        assert math.isfinite(finding.value)
        assert finding.n >= 1
        assert finding.method
        if finding.interval is not None:
            assert finding.interval[0] - 1e-9 <= finding.value <= finding.interval[1] + 1e-9
        assert all(isinstance(point.get("n"), int) for point in finding.points)  # what disclosure goes by
    text = as_json(found)
    assert SECRET not in text
    assert banned_word(text) is None


def as_json(found: tuple[Finding, ...]) -> str:
    return json.dumps([asdict(f) for f in found], allow_nan=False)
