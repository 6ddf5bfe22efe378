"""Declared regressions: the parser runs nothing, fits are those of statsmodels, planted effects are seen."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.hazard_regression import PHReg

import tabsynth
from tabsynth.core.errors import ModelError, RuleError, SchemaError, TabsynthError
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import INVALID, Cells, Table, empty_cells
from tabsynth.evaluation.protocol import GROUPS, evaluate, jackknife_groups, prepare, units_of
from tabsynth.evaluation.utility import _regression as regression_module
from tabsynth.evaluation.utility import analyses as analyses_module
from tabsynth.evaluation.utility._declared import Analysis, declared, read_analysis
from tabsynth.evaluation.utility._design import learn_design
from tabsynth.evaluation.utility._formula import Factor, Formula, parse_formula
from tabsynth.evaluation.utility._regression import _risk_sets, fit, score_residuals
from tabsynth.evaluation.utility.analyses import Estimates, interval_overlap, same_sign, same_significance

from .clinic import SCHEMA, asking, clinic, lined_up, measure
from .people import cells, with_units

IDS = {"analysis.sign", "analysis.significance", "analysis.difference", "analysis.overlap"}
DEATH = {"formula": "died ~ age + sex + log(`crea (mg/dl)`)", "family": "binomial"}
STAY = {"formula": "stay ~ age + sex + site", "family": "gaussian"}
VISITS = {"formula": "visits ~ age + sex", "family": "poisson"}
HAZARD = {"formula": "~ age + sex", "family": "cox", "time": "days", "event": "event"}
ALL = (DEATH, STAY, VISITS, HAZARD)


# --- the formula -------------------------------------------------------------------------------------------


def factors(*names: str) -> tuple[Factor, ...]:
    return tuple(Factor(name) for name in names)


@pytest.mark.parametrize("text, terms", [
    ("died ~ age", [factors("age")]),
    ("died ~ 1 + age", [factors("age")]),
    ("died~age+sex+age", [factors("age"), factors("sex")]),
    ("died ~ age:sex", [factors("age", "sex")]),
    ("died ~ sex:age + age:sex", [factors("age", "sex")]),
    ("died ~ age*sex", [factors("age"), factors("sex"), factors("age", "sex")]),
    ("died ~ log(`crea (mg/dl)`) + factor(visits)", [(Factor("crea (mg/dl)", "log"),), (Factor("visits", "factor"),)]),
])
def test_formulas_mean_what_they_mean_in_r(text: str, terms: list[tuple[Factor, ...]]) -> None:
    assert parse_formula(text, SCHEMA, analysis="a") == Formula(Factor("died"), tuple(terms))


def test_a_survival_formula_needs_no_outcome() -> None:
    assert parse_formula("~ age", SCHEMA, analysis="a") == parse_formula("age", SCHEMA, analysis="a")


@pytest.mark.parametrize("text, token", [
    ("died ~ agee", "'agee'"), ("died ~ age +", "the end"), ("died ~ age age", "'age'"), ("died ~ age - 1", "'-'"),
    ("died ~ exp(age)", "'exp'"), ("died ~ log(age", "expected ')'"), ("died ~ __import__('os')", '"\'"'),
    ("died ~ died", "explains itself"), ("died ~ age ~ sex", "'~'"), ("died ~ `age", "'`'"), ("", "the end"),
    ("died ~ age*sex*site*visits*stay", "more than 4"), ("died ~ 0 + age", "'0'")])
def test_errors_name_the_analysis_and_the_token(text: str, token: str) -> None:
    with pytest.raises(RuleError) as error:
        parse_formula(text, SCHEMA, analysis="primary model")
    assert "primary model" in str(error.value)
    assert token in str(error.value)


@given(st.text(alphabet="agesxdi~+:*()`1 -.'\n_", max_size=30))
@settings(max_examples=200)
def test_the_parser_ends_with_a_formula_or_an_error_of_ours(text: str) -> None:
    try:
        assert isinstance(parse_formula(text, SCHEMA, analysis="a"), Formula)
    except TabsynthError:
        pass


@pytest.mark.parametrize("plan, said", [
    ({"formula": "died ~ age", "family": "weibull"}, "'weibull'"),
    ({"formula": "died ~ age", "familly": "cox"}, "'familly'"),
    ({"formula": "age"}, "names no outcome"),
    ({"formula": 3}, "must be text"),
    ({"formula": "died ~ 1"}, "no terms"),
    ({"family": "cox", "formula": "age", "time": "days"}, "needs the field 'event'"),
    ({"family": "cox", "formula": "age", "time": "sex", "event": "event"}, "is of kind category"),
    ({"family": "km", "time": "days", "event": "event", "horizon": -1}, "above 0"),
    ({"family": "km", "time": "nowhere", "event": "event"}, "'nowhere'")])
def test_an_analysis_that_cannot_be_read_says_why(plan: dict[str, Any], said: str) -> None:
    with pytest.raises(SchemaError, match="analysis 7") as error:
        read_analysis(plan, 7, SCHEMA)
    assert said in str(error.value)


def test_one_unreadable_analysis_does_not_stop_the_others() -> None:
    schema = asking(clinic(5, 0), analyses=[{"formula": "x ~ y"}, STAY]).schema
    good, bad = declared(schema, {"gaussian"})
    assert [a.label for a in good] == ["analysis 2"]
    assert [f.label for f in bad] == ["analysis 1"]


# --- designs and fits against statsmodels ------------------------------------------------------------------


def plan(**fields: Any) -> Analysis:
    return read_analysis(fields, 1, SCHEMA)


def test_categories_are_coded_against_the_first_level_and_rare_ones_pooled() -> None:
    train = clinic(2000, 0)
    design = learn_design(plan(formula="stay ~ sex + site"), train)
    site = np.array(train["site"].levels, object)[train["site"].values]
    x = design.matrix(train)
    assert design.names[0] == "sex[female]"
    assert all("s1" not in name and "s0" not in name for name in design.names)
    assert (x[:, 0] == (np.array(train["sex"].levels, object)[train["sex"].values] == "female")).all()
    assert (x[:, 1] == (site == "s1")).all()
    unseen = replace(train, columns={**train.columns, "site": cells("category", ["new"] * 2000)})
    assert np.isnan(design.matrix(unseen)[:, 1:]).all()  # no level was pooled, so that a new one has no place
    few = train.take(np.concatenate([np.flatnonzero(site == "s0"), np.flatnonzero(site == "s3")[:9],
                                     np.flatnonzero(site == "s2")[:9]]))
    pooling = learn_design(plan(formula="stay ~ sex + site"), few)
    assert pooling.names == ("sex[female]", "site[rarer levels]")
    assert (pooling.matrix(unseen)[:, 1] == 1).all()


def test_interactions_are_products() -> None:
    train = clinic(300, 0)
    design = learn_design(plan(formula="stay ~ age*sex"), train)
    x = design.matrix(train)
    assert design.names == ("age", "sex[female]", "age:sex[female]")
    assert np.allclose(x[:, 2], x[:, 0] * x[:, 1])


def test_a_timedelta_is_in_seconds() -> None:
    schema = Schema((Column("stay", "number"), Column("wait", "timedelta"), Column("died", "boolean")))
    rng = np.random.default_rng(0)
    seconds = rng.integers(1, 3600, 400)
    table = Table(schema, {"stay": cells("number", 0.5 * seconds + rng.normal(0, 1, 400)),
                           "wait": cells("timedelta", seconds * 1_000_000),
                           "died": cells("boolean", rng.random(400) < 0.5)})
    side = prepare(table, table, table, seed=1).T
    (as_cause,), (as_outcome,) = (fit(learn_design(read_analysis({"formula": text}, 1, schema), table), side).estimate
                                  for text in ("stay ~ wait", "wait ~ stay"))
    assert as_cause == pytest.approx(0.5, abs=0.01)
    assert as_outcome == pytest.approx(2, abs=0.01)


def test_logs_of_nothing_and_missing_cells_are_left_out() -> None:
    train = clinic(50, 0)
    crea = np.concatenate([[0.0, -1.0, np.inf], train["crea (mg/dl)"].values[3:]])
    broken = Cells(crea, np.array([0] * 45 + [1, 1, 1, 2, 2], np.uint8))
    x = learn_design(plan(formula="stay ~ log(`crea (mg/dl)`)"), train).matrix(
        replace(train, columns={**train.columns, "crea (mg/dl)": broken}))
    assert np.isnan(x[:, 0]).sum() == 8


@pytest.mark.parametrize("family, outcome, model", [
    ("gaussian", "stay", sm.families.Gaussian()), ("binomial", "died", sm.families.Binomial()),
    ("poisson", "visits", sm.families.Poisson()), ("gamma", "days", sm.families.Gamma(link=sm.families.links.Log()))])
def test_estimates_and_clustered_errors_are_statsmodels(family: str, outcome: str, model: Any) -> None:
    train = with_units(clinic(600, 3), 3)
    analysis = read_analysis({"formula": f"{outcome} ~ age + sex", "family": family}, 1, train.schema)
    side = prepare(train, train, train, seed=0).T
    x = sm.add_constant(np.column_stack([side.table["age"].values,
                                         np.array(side.table["sex"].levels)[side.table["sex"].values] == "female"]))
    y = side.table[outcome].values.astype(float)
    oracle = sm.GLM(y, x.astype(float), family=model).fit(
        cov_type="cluster", cov_kwds={"groups": side.units, "use_correction": False})
    found = fit(learn_design(analysis, train), side)
    assert np.allclose(found.estimate, oracle.params[1:], rtol=1e-5)
    assert np.allclose(found.error, oracle.bse[1:] * np.sqrt(200 / 199), rtol=1e-4)


@pytest.mark.parametrize("analysis", [DEATH, VISITS, HAZARD])
def test_leaving_a_group_out_is_close_to_a_refit(analysis: dict[str, Any]) -> None:
    side = lined_up(*[clinic(3000, 5)] * 3).T
    design = learn_design(read_analysis(analysis, 1, SCHEMA), side.table)
    whole = fit(design, side)
    keep = side.groups != 4
    again = fit(design, replace(side, table=side.table.take(keep), units=side.units[keep], groups=side.groups[keep]))
    moved = np.abs(again.estimate - whole.estimate)
    assert (np.abs(whole.estimates_without[4] - again.estimate) < 0.15 * moved + 0.02 * whole.error).all()
    assert np.allclose(whole.errors_without[4], again.error, rtol=0.03)


@pytest.mark.parametrize("tied", [False, True])
def test_cox_is_statsmodels_with_and_without_ties(tied: bool) -> None:
    train = clinic(300, 7)
    if tied:
        train = replace(train, columns={**train.columns, "days": cells("number", np.ceil(train["days"].values / 20))})
    side = lined_up(train, train, train).T
    design = learn_design(read_analysis(HAZARD, 1, SCHEMA), side.table)
    x = design.matrix(side.table)
    time, event = side.table["days"].values, side.table["event"].values.astype(float)
    oracle = PHReg(time, x, status=event, ties="breslow").fit(disp=0, groups=side.units)
    residuals = score_residuals(x, event, _risk_sets(x, time, event, oracle.params))
    assert np.allclose(residuals, oracle.score_residuals, atol=1e-8)
    found = fit(design, side)
    assert np.allclose(found.estimate, oracle.params / design.scales, rtol=1e-6)
    assert np.allclose(found.error, oracle.bse / design.scales * np.sqrt(300 / 299), rtol=1e-4)


@pytest.mark.parametrize("fields, spoil, reason", [
    ({"formula": "died ~ age", "family": "binomial"}, {"died": cells("boolean", [True] * 400)}, "does not vary"),
    ({"formula": "died ~ stay", "family": "binomial"}, "separate", "no finite estimate"),
    ({"formula": "died ~ sex + age", "family": "binomial"}, "women live", "separate"),
    ({"formula": "stay ~ age + `crea (mg/dl)`"}, "collinear", "depend on one another"),
    ({"formula": "stay ~ age", "family": "gamma"}, {"stay": cells("number", [0.0] * 400)}, "not take every value"),
    ({"formula": "stay ~ age"}, {"age": cells("number", [5.0] * 400)}, "constant"),
    ({"formula": "stay ~ age"}, {"age": cells("number", [5.0] * 400, missing=[True] * 400)}, "too few complete rows"),
    (HAZARD, {"event": cells("boolean", [False] * 400)}, "too few events"),
    (HAZARD, "women live on", "separate|no finite")])
def test_fits_that_are_impossible_say_why(fields: dict[str, Any], spoil: Any, reason: str) -> None:
    part = clinic(400, 1)
    if spoil == "separate":
        spoil = {"died": cells("boolean", part["stay"].values > 5)}
    elif spoil == "women live":
        man = part["sex"].values == part["sex"].levels.index("male")
        spoil = {"died": cells("boolean", part["died"].values & man)}
    elif spoil == "women live on":
        spoil = {"event": cells("boolean", part["event"].values & (
            part["sex"].values == part["sex"].levels.index("male")))}
    elif spoil == "collinear":
        spoil = {"crea (mg/dl)": cells("number", 3 * part["age"].values + 1)}
    design = learn_design(read_analysis(dict(fields), 1, SCHEMA), part)
    bad = replace(part, columns={**part.columns, **spoil})
    with pytest.raises(ModelError, match=reason):
        fit(design, lined_up(bad, bad, bad).T)


# --- agreement ---------------------------------------------------------------------------------------------


def test_overlap_is_karrs_and_negative_where_intervals_are_disjoint() -> None:
    def one(estimate: float, error: float) -> Estimates:
        return Estimates(np.array([estimate]), np.array([error]))

    assert interval_overlap(one(2, 1), one(2, 1))[0] == 1
    # [-1.96, 1.96] inside [-3.92, 3.92]: all of one, half of the other
    assert interval_overlap(one(0, 1), one(0, 2))[0] == pytest.approx(0.75)
    # [-1.96, 1.96] and [8.04, 11.96]: the gap is 6.08, each is 3.92 long
    assert interval_overlap(one(0, 1), one(10, 1))[0] == pytest.approx(-6.08 / 3.92, abs=1e-3)


def test_signs_count_only_where_the_holdout_is_sure() -> None:
    holdout = Estimates(np.array([3.0, -3.0, 0.5]), np.ones(3))
    side = Estimates(np.array([1.0, 2.5, -9.0]), np.ones(3))
    assert np.array_equal(same_sign(side, holdout), [1.0, 0.0, np.nan], equal_nan=True)
    assert same_significance(side, holdout).tolist() == [0.0, 1.0, 0.0]


def test_another_sample_agrees_and_flipped_effects_do_not() -> None:
    train, holdout = clinic(1500, 1), clinic(1500, 2)
    same = measure("analyses", clinic(1500, 3), train, holdout, analyses=ALL)
    flipped = measure("analyses", clinic(1500, 3, age=-1), train, holdout, analyses=ALL)
    assert set(same) == IDS
    assert all(f.state == "ok" for f in same.values())
    assert same["analysis.sign"].value == 1
    assert same["analysis.sign"].details["counted"] >= 9
    assert same["analysis.overlap"].normalised == pytest.approx(1, abs=0.25)
    # age has 4 of the coefficients that the holdout is sure of, and only they turn
    counted = flipped["analysis.sign"].details["counted"]
    assert flipped["analysis.sign"].details["agreeing"] == counted - 4
    assert {row["key"] for row in flipped["analysis.sign"].breakdown if row["value"] == 0} == {
        f"analysis {i}: age" for i in (1, 2, 3, 4)}
    assert (flipped["analysis.overlap"].value or 0) < 0 < (same["analysis.overlap"].value or 0)
    assert (flipped["analysis.difference"].value or 0) > 3 * (same["analysis.difference"].value or 9)


def test_two_real_samples_differ_by_about_one_standard_error() -> None:
    """E|b_T - b_H| / SE = sqrt(2) sqrt(2 / pi) = 1.13. 40 pairs of 3 coefficients: sd of the mean below .1, so that
    the band of 4 sd raises a false alarm in fewer than 1 of 10,000 seeds."""
    found = [measure("analyses", clinic(400, 3 * i), clinic(400, 3 * i + 1), clinic(400, 3 * i + 2), analyses=[
        {"formula": "stay ~ age + sex + visits"}])["analysis.difference"] for i in range(40)]
    assert np.mean([f.ceiling for f in found]) == pytest.approx(1.13, abs=0.4)
    assert np.mean([f.value for f in found]) == pytest.approx(1.13, abs=0.4)


@given(st.integers(0, 50), st.sampled_from(ALL))
@settings(max_examples=10)
def test_values_lie_in_their_intervals_and_reports_are_plain(seed: int, analysis: dict[str, Any]) -> None:
    found = measure("analyses", *[clinic(250, seed + k) for k in (0, 100, 200)], analyses=[analysis])
    for finding in found.values():
        json.dumps([dict(finding.details), [dict(row) for row in finding.breakdown]], allow_nan=False)
        if finding.interval is not None:
            assert finding.interval[0] <= (finding.value or 0) <= finding.interval[1]


def test_same_seed_same_findings() -> None:
    once, twice = (measure("analyses", clinic(300, 1), clinic(300, 2), clinic(300, 3), analyses=ALL) for _ in range(2))
    assert once == twice


def test_nothing_declared_nothing_run() -> None:
    found = measure("analyses", *[clinic(100, 0)] * 3)
    assert {f.reason for f in found.values()} == {"no analysis declared"}
    curves = measure("analyses", *[clinic(100, 0)] * 3, analyses=[{"family": "km", "time": "days", "event": "event"}])
    assert {f.reason for f in curves.values()} == {"no analysis declared"}


def test_an_analysis_that_fails_is_a_row_and_all_failing_is_not_run() -> None:
    tables = [clinic(400, i) for i in range(3)]
    tables[0] = replace(tables[0], columns={**tables[0].columns, "died": cells("boolean", [False] * 400)})
    found = measure("analyses", *tables, analyses=[DEATH, STAY, {"formula": "nobody ~ age"}])["analysis.overlap"]
    reasons = {row["key"]: row["reason"] for row in found.breakdown if "reason" in row}
    assert reasons["analysis 1"] == "synthetic rows: the outcome does not vary."
    assert "'nobody'" in reasons["analysis 3"]
    assert found.details["failed_analyses"] == 2
    none = measure("analyses", *tables, analyses=[DEATH])
    assert {f.state for f in none.values()} == {"not_run"}
    assert all("does not vary" in (f.reason or "") for f in none.values())


def test_without_statsmodels_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyses_module, "statsmodels_is_here", lambda: False)
    found = measure("analyses", *[clinic(100, 0)] * 3, analyses=[STAY])
    assert {f.reason for f in found.values()} == {"install tabsynth-dp[analysis]"}
    monkeypatch.setattr(regression_module.importlib.util, "find_spec", lambda name: None)
    assert not regression_module.statsmodels_is_here()


def test_no_level_of_real_rows_is_named() -> None:
    tables = [clinic(600, i) for i in range(3)]
    secret = [replace(t, columns={**t.columns, "site": replace(t["site"], levels=tuple(
        f"Mrs Smith {level}" for level in t["site"].levels))}) for t in tables]
    found = measure("analyses", *secret, analyses=[STAY, {"formula": "site ~ age", "family": "binomial"},
                                                   {"formula": "stay ~ factor(visits)"}])
    assert all(f.state == "ok" for f in found.values())
    assert "Mrs Smith" not in str(found)


def test_odd_columns_give_findings_with_reasons() -> None:
    columns = (Column("empty", "number"), Column("blank", "category"), Column("huge", "integer"),
               Column("broken", "number"), Column("half", "boolean"), Column("wild", "number"))
    schema = Schema(columns)

    def odd(seed: int) -> Table:
        rng, n = np.random.default_rng(seed), 250
        unreadable = np.where(rng.random(n) < 0.2, INVALID, 0).astype(np.uint8)
        return Table(schema, {
            "empty": empty_cells(columns[0], n), "blank": empty_cells(columns[1], n),
            "huge": cells("integer", rng.integers(-(2**62), 2**62, n)),
            "broken": Cells(np.where(unreadable, 0, rng.normal(size=n)), unreadable),
            "half": cells("boolean", rng.random(n) < 0.5, missing=list(rng.random(n) < 0.5)),
            "wild": cells("number", np.where(rng.random(n) < 0.1, rng.choice([np.inf, -np.inf, 1e300], n), 1.0))})

    tables = [odd(i) for i in range(3)]
    found = measure("analyses", *tables, analyses=[
        {"formula": "half ~ empty", "family": "binomial"}, {"formula": "half ~ blank", "family": "binomial"},
        {"formula": "huge ~ broken"}, {"formula": "wild ~ huge + broken"}, {"formula": "broken ~ wild"},
        {"formula": "blank ~ broken", "family": "binomial"}, {"formula": "blank ~ broken"},
        {"formula": "broken ~ log(half)"}, {"formula": "broken ~ factor(huge)"}])
    assert {f.state for f in found.values()} <= {"ok", "uninformative", "not_run"}
    assert sum("reason" in row for row in found["analysis.overlap"].breakdown) >= 5


def test_the_demo_table_agrees_with_itself_by_halves() -> None:
    table = tabsynth.load_demo("rand_hie")
    units = units_of(table)
    groups = jackknife_groups(units, np.random.default_rng(0))
    parts = [table.take(groups % 7 == k) for k in range(3)]
    found = {f.id: f for f in evaluate(prepare(*parts, seed=0), only=["analyses"])}
    assert {f.state for f in found.values()} == {"ok"}
    assert found["analysis.difference"].details["coefficients"] == 8
    assert (found["analysis.overlap"].value or 0) > (found["analysis.overlap"].floor or 9)
    assert GROUPS == 20


def test_a_coefficient_rests_on_the_rows_that_have_its_level() -> None:
    """What a recipient may see of it hangs on that number, not on the size of the table."""
    table = clinic(200, 1)
    design = learn_design(plan(formula="stay ~ sex + age"), table)
    by_name = dict(zip(design.names, design.support(table).tolist(), strict=True))
    sexes = Counter(np.array(table["sex"].levels)[table["sex"].values].tolist())
    assert min(sexes.values()) in by_name.values()
    assert by_name["age"] == int(table["age"].present.sum())
