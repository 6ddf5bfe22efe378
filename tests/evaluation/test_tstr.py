"""Task utility: two learners, calibration and the worst subgroup, against planted truths."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import INVALID, Cells, Table, empty_cells
from tabsynth.evaluation.utility._prediction import learn_task, linear_model, with_target
from tabsynth.evaluation.utility._recalibration import recalibrate_chances, recalibrate_values

from .clinic import clinic, lined_up, measure
from .people import cells, resampled

IDS = {"tstr", "tstr.calibration", "tstr.subgroup"}


# --- calibration -------------------------------------------------------------------------------------------


def test_recalibration_is_statsmodels_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 1.5, 800)
    happened = rng.random(800) < 1 / (1 + np.exp(-(0.4 + 0.6 * odds)))
    line = recalibrate_chances(1 / (1 + np.exp(-odds)), happened)
    oracle = sm.GLM(happened.astype(float), sm.add_constant(odds), family=sm.families.Binomial()).fit()
    large = sm.GLM(happened.astype(float), np.ones(800), offset=odds, family=sm.families.Binomial()).fit()
    assert [line.intercept, line.slope] == pytest.approx(oracle.params.tolist(), abs=1e-6)
    assert line.in_the_large == pytest.approx(large.params[0], abs=1e-6)


@given(st.floats(0.2, 5), st.floats(-10, 10))
@settings(max_examples=20)
def test_stretched_predictions_have_the_inverse_slope(stretch: float, shift: float) -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=300)
    line = recalibrate_values(stretch * truth + shift, truth)
    assert line.slope == pytest.approx(1 / stretch)
    assert line.intercept == pytest.approx(-shift / stretch, abs=1e-6)


@pytest.mark.parametrize("chances, happened", [
    ([0.3] * 50, [True, False] * 25), ([0.1, 0.9] * 25, [False, True] * 25), ([0.1, 0.9] * 25, [True] * 50), ([], [])])
def test_there_is_no_line_where_nothing_varies_or_all_is_foreseen(chances: list[float], happened: list[bool]) -> None:
    assert np.isnan(recalibrate_chances(np.array(chances), np.array(happened, bool)).slope)


def test_too_strong_effects_in_synthetic_rows_make_predictions_too_sure() -> None:
    train, holdout = clinic(1500, 1), clinic(1500, 2)
    strong = measure("tstr", clinic(1500, 3, age=3.0), train, holdout, target="died")["tstr.calibration"]
    right = measure("tstr", clinic(1500, 3), train, holdout, target="died")["tstr.calibration"]
    by_learner = {row["key"]: row["value"] for row in strong.breakdown}
    assert (strong.value or 9) < 0.75 * (right.value or 0)
    assert by_learner["logistic regression"] < 0.6
    assert {row["key"]: row["ceiling"] for row in right.breakdown}["logistic regression"] == pytest.approx(1, abs=0.35)
    assert right.direction == "closer to 1 is better"
    assert {"intercept", "ceiling_intercept"} <= set(right.details)


def test_a_number_is_calibrated_by_least_squares() -> None:
    found = measure("tstr", clinic(800, 3, age=2.0), clinic(800, 1), clinic(800, 2), target="stay")
    assert found["tstr"].details["metric"] == "R2"
    assert {row["key"] for row in found["tstr"].breakdown} == {"gradient boosting", "ridge regression"}
    assert (found["tstr.calibration"].value or 9) < (found["tstr.calibration"].ceiling or 0) - 0.1


# --- learners and subgroups --------------------------------------------------------------------------------


def test_the_headline_is_gradient_boosting_and_both_learners_are_told() -> None:
    found = measure("tstr", clinic(600, 3), clinic(600, 1), clinic(600, 2), target="died")["tstr"]
    rows = {row["key"]: row for row in found.breakdown}
    assert set(rows) == {"gradient boosting", "logistic regression"}
    assert found.value == rows["gradient boosting"]["value"]
    assert all(row["floor"] < row["ceiling"] for row in rows.values())
    assert found.details["delta"] == pytest.approx((found.value or 0) - (found.ceiling or 0))


def test_the_linear_model_sees_neither_the_target_nor_what_a_rule_ties_to_it() -> None:
    tables = [replace(clinic(300, i), schema=replace(clinic(1, 0).schema, rules=(
        {"mapped": {"from": "event", "to": "died"}},))) for i in range(3)]
    samples = lined_up(*tables, target="died")
    task = learn_task(samples, "died")
    assert {samples.columns[j] for j in task.linear} == set(samples.columns) - {"died", "event"}
    chances = linear_model(samples, task, with_target(samples.T, "died"))
    assert chances.sum(axis=1) == pytest.approx(1)


def only_men_die_as_they_should(n: int, seed: int) -> Table:
    """Whether a woman dies has nothing to do with her other columns."""
    part = clinic(n, seed)
    woman = part["sex"].values == part["sex"].levels.index("female")
    died = part["died"].values.copy()
    died[woman] = np.random.default_rng(seed).permutation(died[woman])
    return replace(part, columns={**part.columns, "died": cells("boolean", died)})


def test_the_subgroup_that_loses_most_is_named_by_its_public_level() -> None:
    found = measure("tstr", only_men_die_as_they_should(2000, 3), clinic(2000, 1), clinic(2000, 2), target="died",
                    subgroups=["sex", "site"])["tstr.subgroup"]
    rows = {row["key"]: row for row in found.breakdown}
    assert found.details["subgroup"] == "sex = female"
    assert (found.value or 0) < -0.05 < rows["sex = male"]["value"]
    assert found.details["mean_delta"] > (found.value or 0)
    assert found.ceiling == 0
    assert found.details["insufficient"] == 1  # the site of one in a hundred
    assert found.n == rows["sex = female"]["n"]


def test_levels_that_are_not_public_are_numbered() -> None:
    found = measure("tstr", clinic(900, 3), clinic(900, 1), clinic(900, 2), target="died", subgroups=["site", "event"])
    names = {row["key"] for row in found["tstr.subgroup"].breakdown}
    assert names == {"site, group 1", "site, group 2", "site, group 3", "event = true", "event = false"}


def test_no_subgroups_no_number() -> None:
    tables = [clinic(300, i) for i in range(3)]
    assert measure("tstr", *tables, target="died")["tstr.subgroup"].reason == "no subgroup declared"
    lost = measure("tstr", *tables, target="died", subgroups=["nowhere"])["tstr.subgroup"]
    assert lost.reason == "no declared subgroup is a compared column"
    few = measure("tstr", *[t.take(slice(0, 90)) for t in tables], target="died", subgroups=["sex"])["tstr.subgroup"]
    assert few.state == "not_run"


# --- contract ----------------------------------------------------------------------------------------------


@given(st.integers(0, 30), st.sampled_from(["died", "site", "stay"]), st.booleans())
@settings(max_examples=6)
def test_intervals_hold_their_values_and_reports_are_plain(seed: int, target: str, independent: bool) -> None:
    synth = resampled(clinic(250, seed), seed) if independent else clinic(250, seed)
    found = measure("tstr", synth, clinic(250, seed + 100), clinic(250, seed + 200), target=target, subgroups=["sex"])
    assert set(found) == IDS
    for finding in found.values():
        json.dumps([dict(finding.details), [dict(row) for row in finding.breakdown]], allow_nan=False)
        if finding.interval is not None:
            assert finding.interval[0] <= (finding.value or 0) <= finding.interval[1]


def test_same_seed_same_findings() -> None:
    tables = [clinic(250, i) for i in range(3)]
    once, twice = (measure("tstr", *tables, target="died", subgroups=["sex"]) for _ in range(2))
    assert once == twice


def test_a_model_that_predicts_alike_for_all_has_no_calibration() -> None:
    constant = clinic(300, 0)
    constant = replace(constant, columns={**constant.columns, "died": cells("boolean", [True] * 300)})
    found = measure("tstr", constant, clinic(300, 1), clinic(300, 2), target="died")
    assert found["tstr"].value == 0.5
    assert found["tstr.calibration"].state == "not_run"
    assert "all alike" in (found["tstr.calibration"].reason or "")


def only_target(n: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    return Table(Schema((Column("died", "boolean"),)), {"died": cells("boolean", rng.random(n) < 0.5)})


def test_a_table_of_the_target_alone_predicts_nothing() -> None:
    found: dict[str, Finding] = measure("tstr", *[only_target(250, i) for i in range(3)], target="died")
    assert found["tstr"].state == "uninformative"
    assert found["tstr.calibration"].state == "not_run"


@pytest.mark.parametrize("target", ["empty", "blank", "wild", "huge", "broken"])
def test_odd_targets_give_findings_with_reasons(target: str) -> None:
    columns = (Column("empty", "number"), Column("blank", "category"), Column("wild", "number"),
               Column("huge", "integer"), Column("broken", "boolean"), Column("x", "number"))
    schema = Schema(columns)

    def odd(seed: int) -> Table:
        rng, n = np.random.default_rng(seed), 220
        return Table(schema, {
            "empty": empty_cells(columns[0], n), "blank": empty_cells(columns[1], n),
            "wild": cells("number", rng.choice([np.inf, -np.inf, 1e300, 0.0, 1.0], n)),
            "huge": cells("integer", rng.integers(-(2**62), 2**62, n)),
            "broken": Cells(rng.random(n) < 0.5, np.where(rng.random(n) < 0.3, INVALID, 0).astype(np.uint8)),
            "x": cells("number", rng.normal(size=n))})

    found = measure("tstr", *[odd(i) for i in range(3)], target=target, subgroups=["blank", "broken"])
    assert set(found) == IDS
    assert all(f.value is not None or f.reason for f in found.values())
    assert not any("stopped with" in (f.reason or "") for f in found.values())
    assert all(f.value is None or np.isfinite(f.value) for f in found.values())
