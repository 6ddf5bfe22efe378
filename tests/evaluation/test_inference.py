"""Guessing a secret: known counts, planted leaks, and silence where nothing leaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.core.table import MISSING, Table
from tabsynth.evaluation.attacks._gower import tie_breaks
from tabsynth.evaluation.attacks._secrets import secret_columns
from tabsynth.evaluation.attacks.inference import Attack, inference, near_enough, nearest_guesses, plan
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.protocol import prepare
from tabsynth.evaluation.variants import variants_of
from tabsynth.evaluation.verdict import judge

from . import oracle_files
from .people import SCHEMA, cells, people, resampled, smoothed


def attacked(synth: Table, train: Table, holdout: Table, seed: int = 1) -> Finding:
    return inference(prepare(synth, train, holdout, seed=seed))[0]


def verdict(finding: Finding, policy: str = "controlled") -> str:
    return next(j.verdict for j in judge([finding], load_policy(policy)).judgements if j.finding_id == "P1d")


def declared(table: Table, *, sensitive: Sequence[str] = (), known: Sequence[str] = (),
             rules: Sequence[dict[str, object]] = ()) -> Table:
    columns = tuple(replace(c, role="sensitive" if c.name in sensitive else c.role) for c in SCHEMA.columns)
    schema = replace(SCHEMA, columns=columns, rules=tuple(rules),
                     evaluation=Evaluation(target="group", quasi_identifiers=tuple(known)))
    return replace(table, schema=schema)


# --- known results ---------------------------------------------------------------------------------------


def anonymeter_hits(real: pd.DataFrame, synth: pd.DataFrame, secrets: Sequence[str], seed: int) -> list[int]:
    """Anonymeter's rule: equal, or within 5 % of the guess. (It divides by the signed guess; none is negative here.)"""
    targets, pool = oracle_files.coordinates(real, synth)
    place = {name: j for j, name in enumerate(real.columns)}
    attacks = [Attack(place[name], "", tuple(j for j in range(len(place)) if j != place[name])) for name in secrets]
    order = tie_breaks(len(pool), np.random.default_rng(seed), np.float64)
    hits = []
    for attack, guess in zip(attacks, nearest_guesses(targets, pool, attacks, order)):
        width = 0.05 * guess + 1e-12 if pd.api.types.is_numeric_dtype(real.iloc[:, attack.secret]) else 0.0
        hits.append(int((np.abs(guess - targets[:, attack.secret]) <= width).sum()))
    return hits


def test_guesses_in_anonymeters_own_files(data_folder: Path) -> None:
    """Equal where no tie decides. In six columns a tie does for a row or two: ten orders span Anonymeter's count."""
    theirs = {"age": 10, "type_employer": 57, "education": 38, "education_num": 63, "marital": 69, "occupation": 17,
              "relationship": 63, "race": 75, "sex": 82, "capital_gain": 84, "capital_loss": 87, "hr_per_week": 28,
              "country": 86, "income": 77}
    counts = np.array([anonymeter_hits(*oracle_files.adults(data_folder), list(theirs), seed) for seed in range(10)])
    assert (counts.min(axis=0) <= list(theirs.values())).all()
    assert (counts.max(axis=0) >= list(theirs.values())).all()
    assert (np.ptp(counts, axis=0) == 0).sum() >= 8
    assert np.ptp(counts, axis=0).max() <= 5


@pytest.mark.parametrize("part, of_train, of_holdout", [
    ("syn_mostly", [1507, 1434, 388, 214], [1482, 1423, 342, 216]),
    ("syn_flip30", [1589, 1259, 682, 711], [1448, 1032, 336, 224])])
def test_guesses_in_the_census_files_are_anonymeters(data_folder: Path, part: str, of_train: list[int],
                                                     of_holdout: list[int]) -> None:
    synth, secrets = oracle_files.census(data_folder, part), ["income", "marital_status", "occupation", "age"]
    for who, theirs in (("trn", of_train), ("hol", of_holdout)):
        assert anonymeter_hits(oracle_files.census(data_folder, who), synth, secrets, 0) == theirs


def test_negative_numbers_are_guessed_by_distance_and_not_by_sign() -> None:
    """Anonymeter counts every negative guess as right. Here the guesses are unrelated to the truth."""
    schema = Schema((Column("x", "number", role="sensitive"), Column("y", "number")))

    def table(seed: int) -> Table:
        rng = np.random.default_rng(seed)
        return Table(schema, {"x": cells("number", rng.normal(-1000, 300, 300)), "y": cells("number", rng.random(300))})

    rows = [row for row in attacked(table(1), table(2), table(3)).breakdown if row["key"].endswith("nearest row")]
    assert len(rows) == 1
    assert rows[0]["train_hits"] < 30


# --- what is caught, and what is not ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def train() -> Table:
    return people(1200, 1)


@pytest.fixture(scope="module")
def holdout() -> Table:
    return people(1200, 2)


def test_the_training_table_tells_every_secret(train: Table, holdout: Table) -> None:
    found = attacked(train, train, holdout)
    assert verdict(found) == "finding"
    assert found.value is not None
    assert found.value > 0.95
    assert all(row["train_hits"] / row["n"] > 0.95 for row in found.breakdown if row["key"].endswith("nearest row"))


def test_a_bootstrap_tells_the_secrets_of_those_who_were_drawn(train: Table, holdout: Table) -> None:
    drawn = np.random.default_rng(0).integers(0, len(train), len(train))
    assert verdict(attacked(train.take(drawn), train, holdout)) == "finding"


def test_thirty_percent_noise_is_no_protection(train: Table, holdout: Table) -> None:
    rng, other = np.random.default_rng(3), resampled(train, 3)
    swap = {name: rng.random(len(train)) < 0.3 for name in train.columns}
    noisy = replace(train, columns={
        name: replace(column, values=np.where(swap[name], other[name].values, column.values),
                      state=np.where(swap[name], other[name].state, column.state))
        for name, column in train.columns.items()})
    assert verdict(attacked(noisy, train, holdout), "public") == "finding"


def test_what_holds_for_the_population_is_no_finding() -> None:
    """A secret that follows from the other columns is guessed of everybody: high rates, no residual risk to measure."""
    def table(seed: int) -> Table:
        x = np.random.default_rng(seed).random(1100)
        schema = Schema((Column("x", "number"), Column("sick", "boolean", role="sensitive")))
        return Table(schema, {"x": cells("number", x), "sick": cells("boolean", x > 0.5)})

    found = attacked(table(1), table(2), table(3))
    assert found.control is not None
    assert found.control > 0.98
    assert all(row["supplementary"] for row in found.breakdown)
    assert verdict(found) == "insufficient_power"


@pytest.mark.parametrize("made", [lambda train, seed: people(300, seed), resampled, smoothed])
def test_no_leak_makes_no_evidence(made: Callable[[Table, int], Table]) -> None:
    """New people, independent columns with and without old values: each run has an alarm with chance 0.025, so 3 or
    more of 10 with 0.002."""
    alarms = 0
    for i in range(10):
        train = people(300, 3 * i)
        found = attacked(made(train, 3 * i + 1), train, people(300, 3 * i + 2), seed=i)
        alarms += min(v.p for v in variants_of(found)) * len(found.breakdown) < 0.025
    assert alarms < 3


# --- what is attacked, and with what ---------------------------------------------------------------------


def test_sensitive_columns_and_the_target_are_the_secrets(train: Table, holdout: Table) -> None:
    table = declared(train, sensitive=("income", "smoker"))
    assert secret_columns(prepare(table, table, table, seed=1), 10) == ["income", "smoker", "group"]


def test_secrets_that_nobody_declared_ask_for_no_review(train: Table, holdout: Table) -> None:
    rows = attacked(people(1200, 8), train, holdout).breakdown
    primary = {row["key"] for row in rows if not row.get("supplementary")}
    assert primary == {"group from all other columns, nearest row", "group from all other columns, gradient boosting"}
    assert len(rows) == 12


def test_without_sensitive_columns_others_are_drawn_but_no_quasi_identifier(train: Table) -> None:
    table = declared(train, known=("age", "visit"))
    drawn = secret_columns(prepare(table, table, table, seed=1), 3)
    assert drawn[0] == "group"
    assert len(drawn) == 3
    assert not {"age", "visit"} & set(drawn)


def test_quasi_identifiers_are_a_second_view_and_tied_columns_are_in_none(train: Table) -> None:
    table = declared(train, sensitive=("income",), known=("age", "group"),
                     rules=({"mapped": {"from": "cost", "to": "income"}},))
    attacks = plan(prepare(table, table, table, seed=1))
    names = [c.name for c in table.schema.columns]
    told = {(names[a.secret], a.view): {names[j] for j in a.known} for a in attacks}
    assert told == {
        ("income", "all other columns"): {"age", "group", "smoker", "visit"},
        ("income", "the quasi-identifiers"): {"age", "group"},
        ("group", "all other columns"): {"age", "cost", "income", "smoker", "visit"},
        ("group", "the quasi-identifiers"): {"age"}}


def test_a_secret_that_is_not_given_is_no_trial_and_no_guess(train: Table, holdout: Table) -> None:
    table, other = (declared(t, sensitive=("income",)) for t in (train, holdout))
    found = attacked(table, table, other)
    rows = [row for row in found.breakdown if row["key"].startswith("income")]
    assert {row["n"] for row in rows} == {int(train["income"].present.sum())}
    gone = replace(table, columns={**table.columns, "income": replace(
        table["income"], state=np.full(len(table), MISSING, np.uint8))})
    assert not [row for row in attacked(gone, table, other).breakdown if row["key"].startswith("income")]


def test_near_enough_is_of_the_middle_half_or_of_the_range() -> None:
    assert near_enough(np.arange(101.0)) == pytest.approx(2.5)
    assert near_enough(np.array([0.0] * 90 + [10.0])) == pytest.approx(0.5)
    assert near_enough(np.zeros(5)) == 0.0


def test_one_column_has_nothing_to_guess_from() -> None:
    one = Table(Schema((Column("a", "number"),)), {"a": cells("number", [1.0, 2.0] * 20)})
    found = attacked(one, one, one)
    assert (found.state, found.value) == ("uninformative", 0.0)


def test_the_same_seed_gives_the_same_finding(train: Table, holdout: Table) -> None:
    synth = people(1200, 8)
    assert attacked(synth, train, holdout) == attacked(synth, train, holdout)
