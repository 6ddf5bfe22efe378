"""Planted truths: each measure sees what it is for, and is quiet where there is nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.core.table import INVALID, Cells, Table
from tabsynth.evaluation.features import nearest
from tabsynth.evaluation.fidelity.detection import people_in_both
from tabsynth.evaluation.identity import held_by_one, occurs, row_ids, value_ids
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.tied import tied_to
from tabsynth.evaluation.variants import variants_of
from tabsynth.evaluation.verdict import judge

from .people import SCHEMA, cells, people, resampled, run, smoothed, with_units

ATTACKS = ["copies", "value_reuse", "validity"]


def verdicts(found: dict[str, Finding]) -> dict[str, str]:
    return {j.finding_id: j.verdict for j in judge(found.values(), load_policy()).judgements}


@pytest.fixture(scope="module")
def train() -> Table:
    return people(1000, 1)


@pytest.fixture(scope="module")
def holdout() -> Table:
    return people(1000, 2)


# --- privacy ---------------------------------------------------------------------------------------------


def test_the_training_table_itself_is_found_as_copies_and_is_valid(train: Table, holdout: Table) -> None:
    found = run(train, train, holdout, *ATTACKS)
    assert verdicts(found) == {"P0a": "finding", "P0e": "finding", "validity": "no_finding"}
    assert found["P0a"].value == 1.0
    assert found["P0a"].control == 0.0


def test_resampled_columns_are_caught_by_value_reuse_and_by_no_copy(train: Table, holdout: Table) -> None:
    found = run(resampled(train, 0), train, holdout, *ATTACKS)
    assert verdicts(found)["P0e"] == "finding"
    assert verdicts(found)["P0a"] != "finding"
    assert found["P0e"].details["variant"] in ("cost", "income")


def test_smoothed_marginals_give_nothing_away(train: Table, holdout: Table) -> None:
    judged = verdicts(run(smoothed(train, 0), train, holdout, *ATTACKS))
    assert judged["P0e"] == "no_finding"
    assert judged["P0a"] in ("no_finding", "insufficient_power")


def test_a_bootstrap_is_a_finding(train: Table, holdout: Table) -> None:
    rows = np.random.default_rng(0).integers(0, len(train), len(train))
    judged = verdicts(run(train.take(rows), train, holdout, *ATTACKS))
    assert judged["P0a"] == judged["P0e"] == "finding"


def test_copies_with_one_changed_near_key_are_found(train: Table, holdout: Table) -> None:
    fresh = people(1000, 9)
    cost = np.where(np.arange(1000) < 200, train["cost"].values + 0.001, fresh["cost"].values)
    hidden = Table.concat([train.take(slice(0, 200)), fresh.take(slice(200, 1000))])
    hidden = replace(hidden, columns={**hidden.columns, "cost": cells("number", cost)})
    found = run(hidden, train, holdout, "copies")["P0a"]
    exact = {row["key"]: row["train_hits"] for row in found.breakdown}
    assert found.details["variant"] != "all columns"
    assert exact["all columns"] < 5 < 100 < exact[found.details["variant"]]


def test_the_last_bit_of_a_float_hides_no_copy(train: Table, holdout: Table) -> None:
    nudged = {name: replace(train[name], values=np.nextafter(train[name].values, np.inf))
              for name in ("cost", "income")}
    found = run(replace(train, columns={**train.columns, **nudged}), train, holdout, "copies")["P0a"]
    assert found.value == pytest.approx(1.0, abs=0.01)


def test_copying_holdout_people_is_no_leak_of_training_people(train: Table, holdout: Table) -> None:
    found = run(holdout, train, holdout, *ATTACKS)
    assert (found["P0a"].value or 0) <= 0
    assert verdicts(found)["P0e"] == "no_finding"


def test_a_row_that_several_people_hold_is_nobodys_copy() -> None:
    schema = Schema((Column("a", "category"),))
    part = Table(schema, {"a": cells("category", ["x", "y"] * 300)})
    found = run(part, part, part, "copies", "value_reuse")
    assert found["P0a"].state == found["P0e"].state == "uninformative"
    assert set(verdicts(found).values()) == {"no_finding"}


def test_the_headline_has_the_strongest_evidence_not_the_largest_excess() -> None:
    train, holdout = people(1200, 1), people(1100, 2)
    found = run(Table.concat([train.take(slice(0, 300)), people(800, 9)]), train, holdout, "copies", "value_reuse")
    for finding in found.values():
        rows = [row for row in finding.breakdown if not row.get("supplementary")]
        assert finding.details["variant"] == max(rows, key=lambda row: row["low"])["key"]
        assert finding.details["variants"] == len(finding.breakdown) > 1
    assert (found["P0a"].value or 0) < max(row["value"] for row in found["P0a"].breakdown)


def test_copies_within_a_person_count_as_that_person(train: Table, holdout: Table) -> None:
    twice = with_units(Table.concat([train.take(np.repeat(np.arange(500), 2))]), 2)
    found = run(twice, twice, with_units(holdout.take(slice(0, 1000)), 2, first=5000), "copies", "value_reuse")
    assert found["P0a"].n == 500
    assert found["P0a"].value == 1.0
    assert found["P0e"].value == pytest.approx(1.0, abs=0.05)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=40))
@settings(max_examples=50)
def test_held_by_one_matches_a_dictionary(rows: list[tuple[int, int]]) -> None:
    holders: dict[int, set[int]] = defaultdict(set)
    for value, person in rows:
        holders[value].add(person)
    slow = sorted((value, min(who)) for value, who in holders.items() if len(who) == 1)
    values, people_ = (np.array(x, np.int64) for x in zip(*rows))
    assert list(zip(*(x.tolist() for x in held_by_one(values, people_)))) == slow


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, -0.0, 1.5, 0.1 + 0.2, 0.3])), max_size=12),
       st.lists(st.tuples(st.sampled_from("bca"), st.sampled_from([0.0, 1.5, 0.3])), max_size=12))
@settings(max_examples=50)
def test_row_ids_are_equal_exactly_where_rows_are(one: list[tuple[str, float]], two: list[tuple[str, float]]) -> None:
    columns = [[cells(kind, [row[j] for row in part]) for part in (one, two)] for j, kind in
               ((0, "category"), (1, "number"))]
    first, second = row_ids([value_ids(column) for column in columns])
    for i, a in enumerate(one):
        for j, b in enumerate(two):
            assert (first[i] == second[j]) == (a[0] == b[0] and np.isclose(a[1], b[1], rtol=1e-12))


def test_missing_unreadable_and_present_cells_differ() -> None:
    part = Cells(np.array([0.0, 0.0, 0.0]), np.array([0, 1, 2], np.uint8))
    assert len(set(value_ids([part])[0].tolist())) == 3


@pytest.mark.parametrize("name, values, train_hits, holdout_hits", [
    ("syn_mostly", 2220, 12, 18), ("syn_flip30", 1898, 1898, 124), (None, 736, 699, 48)])
def test_value_reuse_counts_on_public_census_rows(
        data_folder: Path, name: str | None, values: int, train_hits: int, holdout_hits: int) -> None:
    """Counts of ``evaluation/measures.md``; None = columns resampled with seed 1."""
    import pandas as pd

    read = {part: pd.read_csv(data_folder / "oracles" / f"census2k-{part}.csv.gz", dtype=str, keep_default_na=False)
            for part in ("trn", "hol", "syn_mostly", "syn_flip30")}
    rng = np.random.default_rng(1)
    floor = {column: rng.choice(read["trn"][column].to_numpy(), 2000) for column in read["trn"]}
    synth = floor if name is None else {column: read[name][column] for column in read["trn"]}
    rows = np.arange(2000)
    total: Counter[int] = Counter()
    for column in read["trn"]:
        ids = value_ids([cells("category", list(part)) for part in (read["trn"][column], read["hol"][column],
                                                                     synth[column])])
        train_ids, holdout_ids, synth_ids = (held_by_one(part, rows)[0] for part in ids)
        total[0] += len(synth_ids)
        total[1] += int(occurs(synth_ids, train_ids).sum())
        total[2] += int(occurs(synth_ids, holdout_ids).sum())
    assert (total[0], total[1], total[2]) == (values, train_hits, holdout_hits)


def test_many_rows_a_person_are_one_trial_of_copying(train: Table) -> None:
    """Under no leak: 300 + 300 people, 8 rows each, all of a tenth of them common. 30 draws, nominal 1 % each: more
    than 2 findings have a chance of 3e-3."""
    def draw(seed: int) -> Table:
        rng = np.random.default_rng(seed)
        ordinary = np.repeat(rng.random(300) < 0.1, 8)
        values = np.where(ordinary, rng.integers(0, 3000, 2400), rng.integers(10_000, 10_000_000, 2400))
        part = Table(Schema((Column("x", "integer"),)), {"x": cells("integer", values)})
        return with_units(part, 8, first=seed * 1000)

    found = [run(draw(3 * i), draw(3 * i + 1), draw(3 * i + 2), "copies")["P0a"] for i in range(30)]
    assert sum(min(v.p for v in variants_of(f)) < 0.01 for f in found if f.breakdown) <= 2


# --- validity --------------------------------------------------------------------------------------------


def test_validity_counts_rows_not_conditions(train: Table, holdout: Table) -> None:
    schema = replace(SCHEMA, rules=({"forbid": "group == 'b' and age > 90"}, {"compare": "age >= 30"}))
    age, group = np.full(200, 50), np.array(["a"] * 200)
    age[:10], group[:5], age[10:20] = 95, "b", 20
    group[20:30], age[30:40] = "z", 120
    part = people(200, 4)
    synth = Table(schema, {**part.columns, "age": cells("integer", age),
                           "group": cells("category", group)})
    unreadable = np.where(np.arange(200) >= 195, INVALID, 0).astype(np.uint8)
    synth = replace(synth, columns={**synth.columns, "visit": replace(part["visit"], state=unreadable)})
    real = Table(schema, dict(train.columns))
    found = run(synth, real, Table(schema, dict(holdout.columns)), "validity")
    assert found["validity"].value == (5 + 10 + 10 + 10 + 5) / 200
    assert found["validity.synthetic"].shareable
    worst = {row["key"]: row["value"] for row in found["validity"].breakdown}
    assert worst["group: one of its levels"] == worst["age: within its bounds"] == 0.05
    assert worst["visit: readable"] == 0.025


def test_constants_of_a_person_and_given_cells_are_checked() -> None:
    schema = Schema((Column("person", "id", role="unit"), Column("sex", "category", constant_per_unit=True),
                     Column("age", "integer", nullable=False)))
    n = 400
    person = Cells(np.array([f"p{i // 4}" for i in range(n)], dtype=object), np.zeros(n, np.uint8))
    right = cells("category", ["f" if i // 4 % 2 else "m" for i in range(n)])
    wrong = cells("category", ["m" if i == 0 else "f" for i in range(n)])
    real = Table(schema, {"person": person, "sex": right, "age": cells("integer", [1] * n)})
    synth = replace(real, columns={"person": person, "sex": wrong,
                                   "age": cells("integer", [0] * n, missing=[i == 399 for i in range(n)])})
    found = run(synth, real, real, "validity")["validity"]
    assert found.value == 5 / n
    assert {row["key"]: row["value"] for row in found.breakdown} == {
        "sex: one value per person": 4 / n, "age: always given": 1 / n}


def test_special_values_may_lie_outside_the_bounds() -> None:
    schema = Schema((Column("x", "number", bounds=(0, 10), special=(-99.0,)),))
    part = Table(schema, {"x": cells("number", [5.0] * 99 + [-99.0])})
    assert run(part, part, part, "validity")["validity"].value == 0.0


# --- fidelity and utility ----------------------------------------------------------------------------------


def test_another_sample_of_the_population_reaches_the_ceiling(train: Table, holdout: Table) -> None:
    accuracy = run(people(1000, 3), train, holdout, "kway")["kway.2"]
    found = run(people(500, 3), train, holdout, "detection", "tstr", "missingness")
    low, high = accuracy.details["normalised_interval"]
    assert low < 1 < high
    assert 0.44 < (found["c2st"].value or 0) < 0.57 < (found["c2st"].floor or 0)
    assert abs(found["tstr"].details["delta"]) < 0.05
    assert (found["missingness"].value or 0) < 0.05


def test_independent_columns_lie_at_the_floor(train: Table, holdout: Table) -> None:
    floor = resampled(train, 5)
    accuracy = run(floor, train, holdout, "kway")["kway.2"]
    found = run(floor.take(slice(0, 500)), train, holdout, "detection", "tstr")
    low, high = accuracy.details["normalised_interval"]
    assert low < 0 < high < 1
    assert (found["c2st"].value or 0) == pytest.approx(found["c2st"].floor, abs=0.1)
    assert (found["c2st"].value or 0) > (found["c2st"].ceiling or 0) + 0.05
    assert found["tstr"].normalised == pytest.approx(0, abs=0.2)


def test_the_normalised_value_is_never_clipped(train: Table, holdout: Table) -> None:
    above = run(holdout, train, holdout, "kway")["kway.2"]
    assert above.value == 1.0
    assert (above.normalised or 0) > 1
    constant = train.take(np.zeros(len(train), np.intp))
    below = run(constant, train, holdout, "kway")["kway.2"]
    assert (below.normalised or 0) < -1
    assert below.state == "ok"


def test_accuracy_says_nothing_where_columns_are_independent() -> None:
    schema = Schema((Column("x", "number"), Column("y", "number")))

    def noise(seed: int) -> Table:
        rng = np.random.default_rng(seed)
        return Table(schema, {"x": cells("number", rng.random(500)), "y": cells("number", rng.random(500))})

    found = run(noise(1), noise(2), noise(3), "kway")
    assert found["kway.2"].state == "uninformative"
    assert found["kway.2"].normalised is None
    assert found["kway.3"].state == "not_run"


def test_a_holdout_from_elsewhere_is_no_control(train: Table) -> None:
    older = people(1000, 2)
    older = replace(older, columns={**older.columns, "age": replace(older["age"], values=older["age"].values + 20)})
    found = run(people(600, 3), train.take(slice(0, 600)), older.take(slice(0, 600)), "detection", *ATTACKS)
    assert (found["control.exchangeable"].value or 0) > 0.6
    judged = verdicts(found)
    assert judged["control.exchangeable"] == judged["P0e"] == "review"


def test_people_on_both_sides_are_seen() -> None:
    train = with_units(people(300, 1), 3)
    assert people_in_both(train, with_units(people(300, 2), 3, first=90)) == 10
    assert people_in_both(people(10, 1), people(10, 1)) == 0


def test_lost_rare_categories_are_counted() -> None:
    schema = Schema((Column("code", "category"),))

    def part(rare: int, n: int = 3000) -> Table:
        return Table(schema, {"code": cells("category", (["r1"] * rare + ["r2"] * 20 + ["common"] * n)[:n])})

    found = run(part(0), part(20), part(20), "tails")["tails.categories"]
    assert (found.value, found.ceiling, found.n) == (0.5, 1.0, 2)


def test_missing_cells_that_go_missing_at_random_are_seen(train: Table, holdout: Table) -> None:
    gone = np.random.default_rng(0).permutation(train["income"].state)
    shuffled = replace(train, columns={**train.columns, "income": replace(train["income"], state=gone),
                                       "age": replace(train["age"], state=gone)})
    found = run(shuffled, train, holdout, "missingness")["missingness"]
    assert (found.value or 0) > 5 * (found.ceiling or 0)


@pytest.mark.parametrize("target, reason", [(None, "no target declared"), ("person", "is not a compared column")])
def test_no_target_no_task(target: str | None, reason: str) -> None:
    part = with_units(people(200, 0), 1)
    aimless = replace(part, schema=replace(part.schema, evaluation=Evaluation(target=target)))
    found = run(aimless, aimless, aimless, "tstr")["tstr"]
    assert found.state == "not_run"
    assert reason in (found.reason or "")


@pytest.mark.parametrize("target", ["group", "age"])
def test_a_target_that_does_not_vary_is_said_to_be_untestable(target: str) -> None:
    schema = replace(SCHEMA, evaluation=Evaluation(target=target))
    same = people(100, 0).take(np.zeros(100, np.intp))
    found = run(*[Table(schema, dict(same.columns))] * 3, "tstr")["tstr"]
    assert found.state == "not_run"
    assert "of the target" in (found.reason or "") or "does not vary" in (found.reason or "")


def test_columns_tied_to_the_target_by_a_rule_do_not_predict_it() -> None:
    rules = ({"mapped": {"from": ["a", "b"], "to": "target"}}, {"mapped": {"from": "target", "to": "c"}},
             {"compare": "a <= d"})
    schema = Schema(tuple(Column(name, "integer") for name in ("a", "b", "c", "d", "target")), rules=rules)
    assert tied_to(schema, "target") == {"a", "b", "c"}
    assert tied_to(schema, "d") == frozenset()


def test_a_number_as_target_is_a_regression(train: Table, holdout: Table) -> None:
    schema = replace(SCHEMA, evaluation=Evaluation(target="income"))
    tables = [Table(schema, dict(t.columns)) for t in (people(1000, 3), train, holdout)]
    found = run(*tables, "tstr")["tstr"]
    assert found.details["metric"] == "R2"
    assert (found.value or 0) <= 1


# --- diagnostics -------------------------------------------------------------------------------------------


def test_diagnostics_of_a_copy_and_of_a_fresh_sample(train: Table, holdout: Table) -> None:
    copied, fresh = run(train, train, holdout, "distances"), run(people(1000, 3), train, holdout, "distances")
    assert copied["D1.dcr"].value == pytest.approx(1, abs=0.01)
    assert copied["D3.identical"].value == 1.0
    assert 0.45 < (fresh["D1.dcr"].value or 0) < 0.55
    assert fresh["D3.identical"].value == 0.0
    assert (copied["gap.2"].value or 0) > (copied["gap.2"].details["bootstrap_of_train"] or 0) > 0.02
    assert fresh["D2.nndr"].value == pytest.approx(fresh["D2.nndr"].control, abs=0.05)


def test_the_nearest_two_match_all_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.random((n, 7)).astype(np.float32) for n in (37, 53))
    a[3] = b[5]
    slow = np.sort(np.square(a[:, None] - b[None]).sum(axis=2), axis=1)[:, :2]
    fast = nearest(a, b, 2, block=10)
    assert np.allclose(fast, slow, atol=1e-4)
    assert fast[3, 0] == 0


def test_no_finding_carries_values_of_cells(train: Table, holdout: Table) -> None:
    secret = replace(train, columns={**train.columns, "group": cells("category", ["Mrs Smith"] * 500 + ["b"] * 500)})
    found = run(secret, secret, holdout, "kway", *ATTACKS, "tails", "missingness")
    assert not any("Mrs Smith" in str(_plain(f)) for f in found.values())


def _plain(finding: Finding) -> tuple[Any, ...]:
    return finding.reason, finding.breakdown, dict(finding.details), finding.title
