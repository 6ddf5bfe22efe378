"""Kaplan-Meier curves against statsmodels, and planted differences of survival and censoring."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from tabsynth.core.table import Cells, Table
from tabsynth.evaluation.utility._kaplan_meier import Curve, area, areas_between, kaplan_meier

from .clinic import clinic, measure
from .people import cells

CURVE = {"family": "km", "time": "days", "event": "event"}
IDS = {"survival.km", "survival.rmst", "survival.censoring"}
FOLLOWED = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=40)


def follow_up(table: Table) -> tuple[Any, Any]:
    return table["days"].values, table["event"].values.astype(float)


def greenwood(curve: Curve, until: float) -> float:
    """Variance of the restricted mean, rows taken as independent: squared area beyond a time times its hazard's."""
    return sum((area(curve, until) - area(curve, time)) ** 2 * events / (at_risk * (at_risk - events))
               for time, at_risk, events in zip(curve.times, curve.at_risk, curve.events)
               if time <= until and at_risk > events)


@given(FOLLOWED)
@settings(max_examples=40)
def test_curves_are_statsmodels(people: list[tuple[int, bool]]) -> None:
    time, event = (np.array(x, float) for x in zip(*people))
    curve = kaplan_meier(time, event)
    if event.any():
        oracle = SurvfuncRight(time, event)
        assert np.allclose(curve.at(np.asarray(oracle.surv_times)), oracle.surv_prob)
    else:
        assert (curve.survival == 1).all()


@given(FOLLOWED, FOLLOWED, st.floats(0.5, 15))
@settings(max_examples=40)
def test_areas_are_those_of_a_fine_grid(one: list[tuple[int, bool]], two: list[tuple[int, bool]],
                                        until: float) -> None:
    a, b = (kaplan_meier(*(np.array(x, float) for x in zip(*people))) for people in (one, two))
    width = until / 20_000
    grid = (np.arange(20_000) + 0.5) * width
    signed, absolute = areas_between(a, b, until)
    assert absolute == pytest.approx(float(np.abs(a.at(grid) - b.at(grid)).sum() * width), abs=0.01)
    assert signed == pytest.approx(area(a, until) - area(b, until))
    assert area(a, until) == pytest.approx(float(a.at(grid).sum() * width), abs=0.01)


def test_without_censoring_the_area_is_the_mean_and_its_variance_the_means() -> None:
    time = np.random.default_rng(0).exponential(10, 500)
    curve = kaplan_meier(time, np.ones(500))
    assert area(curve, float(time.max())) == pytest.approx(time.mean())
    assert greenwood(curve, float(time.max())) == pytest.approx(time.var() / 500, rel=0.02)


def test_the_jackknife_error_of_the_mean_time_is_greenwoods() -> None:
    found = [measure("survival", clinic(600, 3 * i), clinic(600, 3 * i + 1), clinic(600, 3 * i + 2),
                     analyses=[{**CURVE, "horizon": 150}])["survival.rmst"] for i in range(12)]
    halves = [(f.interval[1] - f.interval[0]) / 2 / 2.093 for f in found if f.interval is not None]
    variance = [sum(greenwood(kaplan_meier(*follow_up(clinic(600, 3 * i + j))), 150) for j in (0, 2))
                for i in range(12)]
    assert np.mean(np.square(halves)) == pytest.approx(np.mean(variance), rel=0.35)


def test_the_interval_of_the_mean_time_covers_no_difference() -> None:
    """Both samples of one law: the 95 % interval misses 0 in 5 % of 40 runs; more than 8 has a chance below .0005."""
    found = [measure("survival", clinic(300, 3 * i), clinic(300, 3 * i + 1), clinic(300, 3 * i + 2),
                     analyses=[{**CURVE, "horizon": 120}])["survival.rmst"] for i in range(40)]
    assert sum(f.interval is not None and not f.interval[0] <= 0 <= f.interval[1] for f in found) <= 8


def earlier(table: Table, factor: float) -> Table:
    return replace(table, columns={**table.columns, "days": cells("number", table["days"].values * factor)})


def test_people_who_die_earlier_are_seen() -> None:
    train, holdout = clinic(1500, 1), clinic(1500, 2)
    same = measure("survival", clinic(1500, 3), train, holdout, analyses=[CURVE])
    early = measure("survival", earlier(clinic(1500, 3), 0.5), train, holdout, analyses=[{**CURVE, "horizon": 100}])
    assert set(same) == IDS
    assert (same["survival.km"].value or 9) < 0.04 < (early["survival.km"].value or 0)
    low, high = early["survival.rmst"].interval or (0, 0)
    assert low < high < -5
    assert early["survival.km"].details["optimism"] < -0.05
    assert early["survival.km"].details["sightedness"] == pytest.approx(0.5, abs=0.1)
    assert early["survival.km"].details["horizon"] == 100
    assert (early["survival.censoring"].value or 0) > 3 * (same["survival.censoring"].value or 9)


def test_wrong_censoring_alone_is_seen_in_the_curve_of_censoring() -> None:
    train, holdout, synth = clinic(1500, 1), clinic(1500, 2), clinic(1500, 3)
    until, event = follow_up(synth)
    stop = np.random.default_rng(0).uniform(20, 90, 1500)
    cut = replace(synth, columns={**synth.columns, "days": cells("number", np.minimum(until, stop)),
                                  "event": cells("boolean", (event > 0) & (until <= stop))})
    found = measure("survival", cut, train, holdout, analyses=[CURVE])
    assert (found["survival.km"].value or 9) < 0.05 < 0.15 < (found["survival.censoring"].value or 0)


def test_curves_by_group_show_the_group_that_differs() -> None:
    train, holdout, synth = clinic(1500, 1), clinic(1500, 2), clinic(1500, 3)
    woman = synth["sex"].values == synth["sex"].levels.index("female")
    days = np.where(woman, 0.4, 1.0) * synth["days"].values
    found = measure("survival", replace(synth, columns={**synth.columns, "days": cells("number", days)}), train,
                    holdout, analyses=[{**CURVE, "by": "sex"}])["survival.km"]
    assert found.details["curve"] == "analysis 1: sex = female"
    assert [row["key"] for row in found.breakdown] == ["analysis 1: sex = female", "analysis 1: sex = male"] or [
        row["key"] for row in found.breakdown] == ["analysis 1: sex = male", "analysis 1: sex = female"]


def test_groups_that_are_too_small_are_rows_with_a_reason() -> None:
    found = measure("survival", *[clinic(900, i) for i in range(3)], analyses=[{**CURVE, "by": "site"}])["survival.km"]
    assert [row["reason"] for row in found.breakdown if "reason" in row] == ["fewer than 100 rows on one side"]


def test_no_time_of_a_person_is_shown() -> None:
    found = measure("survival", *[clinic(400, i) for i in range(3)], analyses=[CURVE])
    horizon = found["survival.km"].details["horizon"]
    assert horizon == float(f"{horizon:.2g}")
    assert horizon <= min(np.sort(clinic(400, i)["days"].values)[-11] for i in range(3))


@pytest.mark.parametrize("spoil, reason", [
    ({"event": cells("boolean", [False] * 300)}, "fewer than 11 events"),
    ({"days": cells("number", [0.0] * 300)}, "nobody is followed"),
    ({"days": cells("number", [-1.0] * 300)}, "fewer than 100 rows"),
    ({"days": cells("number", [np.inf] * 300)}, "fewer than 100 rows"),
    ({"event": Cells(np.zeros(300, bool), np.full(300, 2, np.uint8))}, "fewer than 100 rows")])
def test_curves_that_are_impossible_say_why(spoil: dict[str, Cells], reason: str) -> None:
    tables = [replace(clinic(300, i), columns={**clinic(300, i).columns, **spoil}) for i in range(3)]
    found = measure("survival", *tables, analyses=[CURVE])
    assert {f.state for f in found.values()} == {"not_run"}
    assert all(reason in (f.reason or "") for f in found.values())


def test_nobody_censored_is_no_difference_of_censoring() -> None:
    tables = [replace(clinic(300, i), columns={**clinic(300, i).columns, "event": cells("boolean", [True] * 300)})
              for i in range(3)]
    found = measure("survival", *tables, analyses=[CURVE])["survival.censoring"]
    assert found.value == 0
    assert found.state == "uninformative"


def test_nothing_declared_nothing_run() -> None:
    found = measure("survival", *[clinic(100, 0)] * 3, analyses=[{"formula": "stay ~ age"}])
    assert {f.reason for f in found.values()} == {"no survival curve declared"}


@given(st.integers(0, 50))
@settings(max_examples=8)
def test_intervals_hold_their_values_and_reports_are_plain(seed: int) -> None:
    found = measure("survival", *[clinic(250, seed + k) for k in (0, 100, 200)],
                    analyses=[CURVE, {**CURVE, "by": "sex", "horizon": 80}, {"family": "km", "time": "days"}])
    for finding in found.values():
        json.dumps([dict(finding.details), [dict(row) for row in finding.breakdown]], allow_nan=False)
        assert finding.interval is not None
        assert finding.interval[0] <= (finding.value or 0) <= finding.interval[1]
