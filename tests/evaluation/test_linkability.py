"""Linking two parts of a record: known counts, planted leaks, and silence where nothing leaks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.core.table import Table
from tabsynth.evaluation.attacks._gower import tie_breaks
from tabsynth.evaluation.attacks.linkability import linkability, links, partitions, random_links
from tabsynth.evaluation.intervals import wilson_centre
from tabsynth.evaluation.policy import load_policy
from tabsynth.evaluation.protocol import Samples, prepare
from tabsynth.evaluation.variants import variants_of
from tabsynth.evaluation.verdict import judge

from . import oracle_files
from .people import cells, people, resampled, smoothed, with_units

TOY = (np.array([[0, 0], [0, 1], [4, 9], [0, 4]]) / 9, np.array([[0, 0], [1, 1], [4, 4], [9, 9]]) / 9)


def attacked(synth: Table, train: Table, holdout: Table, seed: int = 1) -> Finding:
    return linkability(prepare(synth, train, holdout, seed=seed))[0]


def verdict(finding: Finding, policy: str = "controlled") -> str:
    return next(j.verdict for j in judge([finding], load_policy(policy)).judgements if j.finding_id == "P1c")


def samples(schema: Schema, **columns: list[float]) -> Samples:
    table = Table(schema, {name: cells("number", values) for name, values in columns.items()})
    return prepare(table, table, table, seed=0)


# --- known results ---------------------------------------------------------------------------------------


def test_the_four_rows_of_anonymeter() -> None:
    linked = links(*TOY, [((0,), (1,))], (1, 2, 3, 4, 99), np.zeros(4))[0]
    assert linked.mean(axis=1).tolist() == [0.25, 1.0, 1.0, 1.0, 1.0]
    centre, half = wilson_centre(int(linked[0].sum()), 4)
    assert (centre, centre - half, centre + half) == pytest.approx((0.3725, 0.045587, 0.699358), abs=1e-4)


@pytest.mark.parametrize("n, k", [(4, 1), (4, 2), (4, 3), (5, 2), (6, 3), (3, 10)])
def test_the_chance_of_a_random_link_is_that_of_all_pairs_of_sets(n: int, k: int) -> None:
    sets = list(itertools.combinations(range(n), min(k, n)))
    shared = np.mean([bool(set(a) & set(b)) for a in sets for b in sets])
    assert random_links(n, k) == pytest.approx(shared)


def test_links_of_anonymeters_own_files(data_folder: Path) -> None:
    """Ties decide: its sort takes equal rows in an order of its own, ours in a random one. 40 orders span its counts,
    and with its own order ours would be the same."""
    real, synth = oracle_files.coordinates(*oracle_files.adults(data_folder))
    parts = [(tuple(range(7)), tuple(range(7, 14)))]
    orders = [tie_breaks(100, np.random.default_rng(i), np.float64) for i in range(40)]
    counts = np.array([links(real, synth, parts, (1, 2, 3, 5, 10), order).sum(axis=2)[0] for order in orders])
    theirs = np.array([4, 7, 13, 34, 84])
    assert (counts.min(axis=0) <= theirs).all()
    assert (theirs <= counts.max(axis=0)).all()


@pytest.mark.parametrize("part, of_train, of_holdout", [
    ("syn_mostly", (1, 37, 126), (3, 42, 157)), ("syn_flip30", (121, 276, 446), (0, 30, 133))])
def test_links_of_the_census_files(data_folder: Path, part: str, of_train: tuple[int, ...],
                                   of_holdout: tuple[int, ...]) -> None:
    """Within four standard deviations over tie orders (they are exact with Anonymeter's own order)."""
    synth = oracle_files.census(data_folder, part)
    parts = [tuple(tuple(synth.columns.get_loc(name) for name in side) for side in oracle_files.CENSUS_PARTS)]
    for who, theirs in (("trn", of_train), ("hol", of_holdout)):
        real, known = oracle_files.coordinates(oracle_files.census(data_folder, who), synth)
        counts = np.array([links(real, known, parts, (1, 5, 10),  # type: ignore[arg-type]
                                 tie_breaks(2000, np.random.default_rng(i), np.float64)).sum(axis=2)[0]
                           for i in range(6)])
        assert (np.abs(counts.mean(axis=0) - theirs) <= 4 * counts.std(axis=0, ddof=1) + 1).all()


# --- what is caught, and what is not ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def train() -> Table:
    return people(1200, 1)


@pytest.fixture(scope="module")
def holdout() -> Table:
    return people(1200, 2)


def test_the_training_table_links_everybody(train: Table, holdout: Table) -> None:
    found = attacked(train, train, holdout)
    assert verdict(found) == "finding"
    assert found.value is not None
    assert found.value > 0.9
    assert found.control is not None
    assert found.control < 0.2


def test_a_bootstrap_links_those_who_were_drawn(train: Table, holdout: Table) -> None:
    drawn = np.random.default_rng(0).integers(0, len(train), len(train))
    found = attacked(train.take(drawn), train, holdout)
    assert verdict(found) == "finding"
    assert found.value == pytest.approx(1 - np.exp(-1), abs=0.06)


def test_copies_of_one_person_in_ten_are_evident(train: Table, holdout: Table) -> None:
    synth = Table.concat([train.take(slice(0, 120)), people(1080, 9)])
    assert verdict(attacked(synth, train, holdout), "public") in ("finding", "review")


def test_thirty_percent_noise_is_no_protection(train: Table, holdout: Table) -> None:
    rng, other = np.random.default_rng(3), resampled(train, 3)
    noisy = {}
    for name, column in train.columns.items():
        swap = rng.random(len(train)) < 0.3
        noisy[name] = replace(column, values=np.where(swap, other[name].values, column.values),
                              state=np.where(swap, other[name].state, column.state))
    assert verdict(attacked(replace(train, columns=noisy), train, holdout), "public") == "finding"


@pytest.mark.parametrize("made", [lambda train, seed: people(300, seed), resampled, smoothed])
def test_no_leak_makes_no_evidence(made: Callable[[Table, int], Table]) -> None:
    """New people, independent columns with and without old values: each run has an alarm with chance 0.025, so 4 or
    more of 25 with 0.003."""
    alarms = 0
    for i in range(25):
        train = people(300, 3 * i)
        found = attacked(made(train, 3 * i + 1), train, people(300, 3 * i + 2), seed=i)
        alarms += min(v.p for v in variants_of(found)) * len(found.breakdown) < 0.025
    assert alarms < 4


def test_enough_people_and_no_leak_is_no_finding(train: Table, holdout: Table) -> None:
    assert verdict(attacked(smoothed(train, 4), train, holdout)) == "no_finding"


# --- the report ------------------------------------------------------------------------------------------


def test_partitions_are_halves_all_different_and_the_quasi_identifiers() -> None:
    schema = Schema(tuple(Column(name, "number") for name in "abcdefg"),
                    evaluation=Evaluation(quasi_identifiers=("g", "a")))
    found = partitions(samples(schema, **{name: [1.0, 2.0] * 10 for name in "abcdefg"}))
    assert list(found) == [*(f"random halves {i}" for i in range(1, 6)), "quasi-identifiers and the rest"]
    assert found["quasi-identifiers and the rest"] == ((0, 6), (1, 2, 3, 4, 5))
    for one, other in list(found.values())[:5]:
        assert sorted((*one, *other)) == list(range(7))
        assert abs(len(one) - len(other)) == 1
    assert len({frozenset(part) for part in found.values()}) == 6


def test_few_columns_have_few_partitions() -> None:
    two = Schema((Column("a", "number"), Column("b", "number")), evaluation=Evaluation(quasi_identifiers=("a",)))
    assert len(partitions(samples(two, a=[1.0, 2.0] * 10, b=[1.0, 2.0] * 10))) == 1
    one = linkability(samples(Schema((Column("a", "number"),)), a=[1.0, 2.0] * 10))[0]
    assert (one.state, one.value) == ("uninformative", 0.0)


def test_few_people_are_too_few_and_count_once(train: Table, holdout: Table) -> None:
    twice, others = with_units(train, 2), with_units(holdout, 2, first=5000)
    found = attacked(train, twice, others)
    assert (found.n, found.unit_of_n, found.state) == (600, "people", "insufficient_power")
    assert all(row["train_hits"] <= 600 for row in found.breakdown)


def test_the_same_seed_gives_the_same_finding_and_another_one_other_partitions(train: Table, holdout: Table) -> None:
    synth = people(1200, 8)
    first, again, other = (attacked(synth, train, holdout, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
