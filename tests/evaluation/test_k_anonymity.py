"""P0c: distributions of k and l against counting by hand, and no small count of real people in them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.core.table import Table
from tabsynth.datasets.simulate import joined_admissions, simulate_ward
from tabsynth.evaluation.protocol import evaluate, prepare

from .people import SCHEMA, cells, people, with_units


def run(synth: Table, train: Table, holdout: Table) -> dict[str, Finding]:
    return {f.id: f for f in evaluate(prepare(synth, train, holdout, seed=1), only=["k_anonymity"])}


def declared(part: Table, *names: str, target: str = "group") -> Table:
    schema = replace(part.schema, evaluation=Evaluation(target=target, quasi_identifiers=names))
    return Table(schema, dict(part.columns))


def shares(found: Finding, prefix: str, column: str = "value") -> list[float | None]:
    return [row.get(column) for row in found.breakdown if str(row["key"]).startswith(prefix)]


def test_shares_match_counting_by_hand() -> None:
    synth, train, holdout = (declared(people(400, i), "age", "smoker") for i in range(3))
    found = run(synth, train, holdout)
    rows = list(zip(synth["age"].values.tolist(), synth["smoker"].values.tolist(), strict=True))
    k = Counter(rows)
    classes = [sum(low <= k[row] <= high for row in rows) / 400 for low, high in ((1, 1), (2, 4), (5, 10), (11, 999))]
    assert shares(found["P0c.k"], "exact values: k =") == pytest.approx(classes)
    assert found["P0c.k"].value == pytest.approx(classes[0])
    groups = np.array(synth["group"].levels)[synth["group"].values]
    held = defaultdict(set)
    for row, group in zip(rows, groups):
        held[row].add(group)
    shared = [row for row in rows if k[row] > 1]
    diversity = [sum(len(held[row]) in some for row in shared) / len(shared) for some in ((1,), (2,), (3, 4), (5,))]
    assert shares(found["P0c.l"], "group: l =") == pytest.approx(diversity)
    assert found["P0c.l"].n == len(shared)


def test_a_person_with_many_rows_is_one_person() -> None:
    part = with_units(declared(people(100, 0).take(np.repeat(np.arange(100), 5)), "age", "cost"), 5)
    found = run(part, part, part)["P0c.k"]
    persons = list(zip(part["age"].values[::5].tolist(), part["cost"].values[::5].tolist()))
    assert found.value == pytest.approx(np.mean([Counter(persons)[person] == 1 for person in persons]))
    assert 0.5 < (found.value or 0) < 1  # a person's five rows share their cell, and mostly with nobody else


def test_the_map_counts_people_of_both_real_tables() -> None:
    schema = Schema((Column("x", "category"),), evaluation=Evaluation(quasi_identifiers=("x",)))

    def made(counts: dict[str, int]) -> Table:
        return Table(schema, {"x": cells("category", [v for v, n in counts.items() for _ in range(n)])})

    found = run(made({"a": 50, "b": 30, "z": 20}), made({"a": 94, "b": 6}), made({"a": 96, "b": 4}))["P0c.k"]
    assert shares(found, "exact values: no real") == [0.2]
    assert shares(found, "exact values: 1 to 10 real") == [0.3]
    assert shares(found, "exact values: 11 or more real") == [0.5]


def test_no_share_of_real_rows_rests_on_one_to_ten_people() -> None:
    """Nor can the one that is missing be computed from the others: they are all left out."""
    schema = Schema((Column("x", "category"),), evaluation=Evaluation(quasi_identifiers=("x",)))

    def made(alone: int) -> Table:
        return Table(schema, {"x": cells("category", ["a"] * (200 - alone) + [f"u{i}" for i in range(alone)])})

    few, many = run(made(50), made(4), made(50))["P0c.k"], run(made(50), made(40), made(50))["P0c.k"]
    assert (few.ceiling, many.ceiling) == (None, 0.2)
    assert shares(few, "exact values: k =", "train") == [None] * 4
    assert shares(many, "exact values: k =", "train") == [0.2, 0.0, 0.0, 0.8]
    synth = made(5)  # five synthetic rows stand in cells of few real people
    assert not shares(run(synth, made(40), made(50))["P0c.k"], "exact values: 1 to 10 real")


def test_people_of_one_law_look_alike() -> None:
    """Twice the interval holds the share of other people of the same law (fixed seed; fails 1 in 100 others)."""
    made = [joined_admissions(simulate_ward(500, np.random.default_rng(seed))) for seed in (1, 2, 3)]
    found = run(*made)
    assert {f.state for f in found.values()} == {"ok"}
    for finding in found.values():
        low, high = finding.interval or (1.0, 0.0)
        assert low <= (finding.value or 0) <= high
    low, high = found["P0c.k"].interval or (1.0, 0.0)
    assert abs((found["P0c.k"].ceiling or 0) - (found["P0c.k"].value or 0)) <= high - low
    assert found["P0c.l"].details["secret"] in ("dialysis", "diagnosis")


def test_without_quasi_identifiers_or_secrets_it_says_so() -> None:
    part = people(60, 0)
    assert {f.state for f in run(part, part, part).values()} == {"not_run"}
    plain = Table(replace(SCHEMA, evaluation=Evaluation(quasi_identifiers=("age",))), dict(part.columns))
    found = run(plain, plain, plain)
    assert (found["P0c.k"].state, found["P0c.l"].state) == ("insufficient_power", "not_run")
    assert "sensitive" in (found["P0c.l"].reason or "")


def test_distinct_people_share_no_cell() -> None:
    part = declared(people(300, 0), "income", "cost", "age")
    distinct = replace(part, columns={**part.columns, "income": cells("number", np.arange(300.0).tolist())})
    found = run(distinct, distinct, distinct)
    assert found["P0c.k"].value == 1.0
    assert found["P0c.l"].state == "uninformative"
