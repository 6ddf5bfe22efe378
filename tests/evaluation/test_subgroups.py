"""Declared subgroups: planted shrinking, lost differences and wrong chances are seen; real rows look right."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.table import Table
from tabsynth.evaluation.utility.subgroups import calibration_error, tally

from .clinic import clinic, lined_up, measure
from .people import cells, resampled

IDS = {"subgroup.representation", "subgroup.parity", "subgroup.calibration"}


def test_a_group_that_shrank_is_named_with_its_ratio() -> None:
    found = measure("subgroups", clinic(2000, 3, women=0.3), clinic(2000, 1), clinic(2000, 2), target="died",
                    subgroups=["sex", "site"])["subgroup.representation"]
    assert found.details["subgroup"] == "sex = female"
    assert found.value == pytest.approx(0.6, abs=0.08)
    assert found.interval is not None
    assert found.interval[1] < 0.75 < (found.ceiling or 0)
    assert found.details["against_holdout"] == pytest.approx(0.6, abs=0.1)
    assert found.floor is None


def test_a_lost_group_has_share_zero() -> None:
    found = measure("subgroups", clinic(500, 3, women=0), clinic(500, 1), clinic(500, 2), subgroups=["sex"])
    assert found["subgroup.representation"].value == 0
    assert found["subgroup.parity"].reason == "no target declared"


def test_shares_and_rates_are_those_of_a_loop() -> None:
    samples = lined_up(*[clinic(400, i) for i in range(3)], subgroups=["sex"])
    from tabsynth.evaluation.utility._groups import declared_groups

    groups, side = declared_groups(samples), samples.S
    died = side.table["died"].values
    sex = np.array(side.table["sex"].levels)[side.table["sex"].values]
    counts = tally(side, groups, died)
    for i, group in enumerate(groups):
        members = np.array([f"sex = {s}" == group.name for s in sex])
        assert counts.share()[i] == members.mean()
        kept = members & (side.groups != 7)
        assert counts.share(7)[i] == kept.sum() / (side.groups != 7).sum()
        if members.any():
            assert counts.rate()[i] == died[members].mean()


def test_a_difference_between_groups_that_got_lost_is_seen() -> None:
    train, holdout = clinic(2000, 1, female=2.0), clinic(2000, 2, female=2.0)
    same = measure("subgroups", clinic(2000, 3, female=2.0), train, holdout, target="died", subgroups=["sex"])
    lost = measure("subgroups", clinic(2000, 3, female=0.0), train, holdout, target="died", subgroups=["sex"])
    parity = lost["subgroup.parity"]
    assert parity.state == "ok"
    assert parity.value == pytest.approx(parity.floor, abs=0.12)
    assert (same["subgroup.parity"].value or 9) < 0.1 < 0.25 < (parity.value or 0)
    assert parity.breakdown[0]["value"] == pytest.approx(
        abs(parity.breakdown[0]["synthetic"] - parity.breakdown[0]["holdout"]))


def test_groups_that_do_not_differ_are_uninformative() -> None:
    found = measure("subgroups", *[clinic(800, i, female=0) for i in range(3)], target="died", subgroups=["sex"])
    assert found["subgroup.parity"].state == "uninformative"


@pytest.mark.parametrize("target", ["stay", "site"])
def test_other_targets_have_an_outcome_too(target: str) -> None:
    found = measure("subgroups", *[clinic(800, i) for i in range(3)], target=target, subgroups=["sex"])
    assert 0 <= (found["subgroup.parity"].value or 0) < 0.2
    if target == "stay":
        assert found["subgroup.calibration"].reason == "the target is a number and has no chances."


def women_die_unseen(n: int, seed: int) -> Table:
    part = clinic(n, seed)
    woman = part["sex"].values == part["sex"].levels.index("female")
    died = part["died"].values & ~(woman & (np.random.default_rng(seed).random(n) < 0.6))
    return replace(part, columns={**part.columns, "died": cells("boolean", died)})


def test_chances_that_are_wrong_for_one_group_are_seen() -> None:
    found = measure("subgroups", women_die_unseen(1500, 3), clinic(1500, 1), clinic(1500, 2), target="died",
                    subgroups=["sex"])["subgroup.calibration"]
    assert found.details["subgroup"] == "sex = female"
    assert (found.value or 0) > 0.1
    assert found.interval is not None
    assert found.interval[0] > 0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=35, unique_by=lambda pair: pair[0]))
@settings(max_examples=40)
def test_calibration_error_is_that_of_a_loop(people: list[tuple[float, bool]]) -> None:
    ordered = sorted(people)
    bins: dict[int, list[tuple[float, bool]]] = {}
    for i, person in enumerate(ordered):
        bins.setdefault(i * 10 // len(ordered), []).append(person)
    slow = sum(abs(sum(c - h for c, h in members)) for members in bins.values()) / len(people)
    chances, happened = zip(*people)
    assert calibration_error(np.array(chances), np.array(happened)) == pytest.approx(slow)


def test_small_groups_are_only_counted() -> None:
    found = measure("subgroups", *[clinic(900, i) for i in range(3)], target="died", subgroups=["site"])
    assert {row["key"] for row in found["subgroup.representation"].breakdown} == {
        "site, group 1", "site, group 2", "site, group 3"}
    assert all(f.details["insufficient"] == 1 for f in found.values())
    few = measure("subgroups", *[clinic(90, i) for i in range(3)], target="died", subgroups=["sex"])
    assert {f.state for f in few.values()} == {"not_run"}


def test_nothing_declared_nothing_run() -> None:
    found = measure("subgroups", *[clinic(100, 0)] * 3, target="died")
    assert {f.reason for f in found.values()} == {"no subgroup declared"}
    assert set(found) == IDS
    itself = measure("subgroups", *[clinic(300, 0)] * 3, target="died", subgroups=["died"])
    assert itself["subgroup.parity"].state == "not_run"


@given(st.integers(0, 50), st.sampled_from(["died", "site", "stay"]), st.booleans())
@settings(max_examples=8)
def test_intervals_hold_their_values_and_reports_are_plain(seed: int, target: str, independent: bool) -> None:
    synth = resampled(clinic(300, seed), 0) if independent else clinic(300, seed)
    found = measure("subgroups", synth, clinic(300, seed + 100), clinic(300, seed + 200), target=target,
                    subgroups=["sex", "site", "age"])
    for finding in found.values():
        json.dumps([dict(finding.details), [dict(row) for row in finding.breakdown]], allow_nan=False)
        if finding.interval is not None:
            assert finding.interval[0] <= (finding.value or 0) <= finding.interval[1]


def test_no_level_of_real_rows_is_named() -> None:
    tables = [clinic(600, i) for i in range(3)]
    secret = [replace(t, columns={**t.columns, "site": replace(t["site"], levels=tuple(
        f"Mrs Smith {level}" for level in t["site"].levels))}) for t in tables]
    found = measure("subgroups", *secret, target="died", subgroups=["site", "sex"])
    assert all(f.value is not None for f in found.values())
    assert "Mrs Smith" not in str(found)


def test_cells_that_are_not_given_are_a_group_and_unreadable_ones_are_none() -> None:
    def part(seed: int) -> Table:
        table = clinic(900, seed)
        state = np.random.default_rng(seed).choice(3, 900, p=[0.6, 0.2, 0.2]).astype(np.uint8)
        return replace(table, columns={**table.columns, "sex": replace(table["sex"], state=state),
                                       "age": replace(table["age"], state=state)})

    found = measure("subgroups", *[part(i) for i in range(3)], subgroups=["sex", "age"])["subgroup.representation"]
    names = {row["key"] for row in found.breakdown}
    assert {"sex = female", "sex = male", "sex: not given", "age: not given"} <= names
    assert sum(row["n"] for row in found.breakdown if row["key"].startswith("sex")) == pytest.approx(900 * 0.8, abs=60)
