"""Secrets on which a cell agrees: counting by hand, planted leaks, and silence where nothing leaks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.core.table import MISSING, Table
from tabsynth.evaluation.attacks.group_disclosure import column_codes, disclosed, group_disclosure, plan
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.protocol import Samples, prepare
from tabsynth.evaluation.variants import variants_of
from tabsynth.evaluation.verdict import judge

from .people import cells, people, resampled

KEYS = ("town", "age", "sex", "job")
HEALTH = Schema((*(Column(name, "integer" if name == "age" else "category") for name in KEYS),
                 Column("disease", "category", role="sensitive")), evaluation=Evaluation(quasi_identifiers=KEYS))


def patients(n: int, seed: int) -> Table:
    """Cells of about a person each; the disease depends on nothing."""
    rng = np.random.default_rng(seed)
    columns = {"town": cells("category", rng.integers(0, 8, n)), "age": cells("integer", rng.integers(0, 100, n)),
               "sex": cells("category", rng.integers(0, 2, n)), "job": cells("category", rng.integers(0, 5, n)),
               "disease": cells("category", rng.integers(0, 6, n))}
    return Table(HEALTH, columns)


def attacked(synth: Table, train: Table, holdout: Table, seed: int = 1) -> Finding:
    return group_disclosure(prepare(synth, train, holdout, seed=seed))[0]


def verdict(finding: Finding) -> str:
    return next(j.verdict for j in judge([finding], load_policy("controlled")).judgements if j.finding_id == "P1e")


def planned(samples: Samples) -> list[tuple[str, tuple[str, ...]]]:
    codes = {name: column_codes(samples, name) for name in samples.columns}
    return [(attack.secret, attack.keys) for attack in plan(samples, codes)]


pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=30)


@given(pairs, pairs)
@settings(max_examples=80)
def test_disclosed_is_what_a_dictionary_finds(pool: list[tuple[int, int]], targets: list[tuple[int, int]]) -> None:
    secrets_of = defaultdict(set)
    for cell, secret in pool:
        secrets_of[cell].add(secret)
    slow = [secrets_of[cell] == {secret} for cell, secret in targets]
    (cells_p, secrets_p), (cells_t, secrets_t) = (np.array(p, np.int64).T for p in (pool, targets))
    assert disclosed(cells_p, secrets_p, cells_t, secrets_t).tolist() == slow


def test_the_training_table_gives_the_secrets_of_its_cells_away() -> None:
    train, holdout = patients(800, 1), patients(800, 2)
    found = attacked(train, train, holdout)
    assert verdict(found) == "finding"
    assert found.details["variant"] == "disease from town, age, sex, job"
    assert found.value is not None
    assert found.value > 0.3
    assert found.breakdown[0]["unanimous_in_train"] == found.breakdown[0]["train_hits"]  # S = T: DiSCO is DiO


def test_a_secret_that_follows_from_the_keys_is_no_leak() -> None:
    def ruled(seed: int) -> Table:
        table = patients(800, seed)
        town = np.array(table["town"].levels).astype(int)[table["town"].values]
        return replace(table, columns={**table.columns, "disease": cells("category", town // 2)})

    found = attacked(ruled(1), ruled(2), ruled(3))
    assert found.control is not None
    assert max(row["control_hits"] / row["control_n"] for row in found.breakdown) > 0.9
    assert verdict(found) == "no_finding"


@pytest.mark.parametrize("made", [lambda train, seed: patients(300, seed), resampled])
def test_no_leak_makes_no_evidence(made: Callable[[Table, int], Table]) -> None:
    """New people, and independent columns: each run has an alarm with chance 0.025, so 4 or more of 25 with 0.003."""
    alarms = 0
    for i in range(25):
        train = patients(300, 3 * i)
        found = attacked(made(train, 3 * i + 1), train, patients(300, 3 * i + 2), seed=i)
        alarms += min(v.p for v in variants_of(found)) * len(found.breakdown) < 0.025
    assert alarms < 4


def test_the_largest_sets_come_first_and_at_most_fifteen() -> None:
    table = patients(100, 1)
    sets = [keys for _, keys in planned(prepare(table, table, table, seed=1))]
    assert [len(keys) for keys in sets] == [4, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1]
    assert set(sets[0]) == set(KEYS)


def test_columns_tied_to_the_secret_are_no_keys() -> None:
    schema = replace(HEALTH, rules=({"mapped": {"from": "town", "to": "disease"}},))
    table = replace(patients(100, 1), schema=schema)
    assert all("town" not in keys for _, keys in planned(prepare(table, table, table, seed=1)))


def test_without_declarations_columns_of_few_values_are_the_keys() -> None:
    table = people(400, 1)
    attacks = planned(prepare(table, table, table, seed=1))
    assert {"group"} <= {secret for secret, _ in attacks}
    assert len(attacks) <= 15
    assert not {secret for secret, _ in attacks} & {key for _, keys in attacks for key in keys}


def test_a_secret_that_is_not_given_is_no_trial() -> None:
    train, holdout = patients(800, 1), patients(800, 2)
    gone = np.where(np.arange(800) % 4 == 0, MISSING, 0).astype(np.uint8)
    train = replace(train, columns={**train.columns, "disease": replace(train["disease"], state=gone)})
    assert {row["train_n"] for row in attacked(train, train, holdout).breakdown} == {600}


@pytest.mark.parametrize("columns", [("a",), ("a", "b")])
def test_nothing_to_attack_is_uninformative(columns: Sequence[str]) -> None:
    table = Table(Schema(tuple(Column(name, "number") for name in columns)),
                  {name: cells("number", [7.0] * 40) for name in columns})
    found = attacked(table, table, table)
    assert (found.state, found.value) == ("uninformative", 0.0)


def test_few_people_are_too_few() -> None:
    found = attacked(patients(200, 1), patients(200, 2), patients(200, 3))
    assert (found.state, found.n) == ("insufficient_power", 200)
