"""pMSE: its null, its models, and what it sees and does not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.evaluation.fidelity.pmse import Pooled, common_bins, fit, grown, independent, propensity
from tabsynth.evaluation.protocol import GROUPS, evaluate, prepare

from .people import cells, people, resampled, with_units


def pooled(label: NDArray[np.float64], units: NDArray[np.int64] | None = None) -> Pooled:
    units = np.arange(len(label)) if units is None else units
    return Pooled(label, units, units % GROUPS)


def found(synth: Table, train: Table, holdout: Table) -> dict[str, Finding]:
    return {f.id: f for f in evaluate(prepare(synth, train, holdout, seed=1), only=["pmse"])}


def test_the_null_is_that_of_two_independent_samples() -> None:
    """p = 5, N = 4,000, 60 pairs: mean 3.13e-4 and sd 1.98e-4 by the formula.

    Five standard errors of a mean of 60 are .65 sd, and of an sd about half of it: false alarm below 1e-5. The null
    that conditions on the real rows (Snoke et al. 2018) is half of this, ten standard errors below.
    """
    rng = np.random.default_rng(0)
    label = np.repeat([1.0, 0.0], 2000)
    fits = [propensity(sparse.csr_matrix(rng.normal(size=(4000, 5))), pooled(label)) for _ in range(60)]
    assert fits[0].facts["parameters"] == 6
    assert fits[0].expected[0] == pytest.approx(5 * 0.25 / 4000)
    assert fits[0].sd == pytest.approx(np.sqrt(10) * 0.25 / 4000)
    values = [float(f.values[0]) for f in fits]
    assert np.mean(values) == pytest.approx(3.125e-4, abs=5 * 1.976e-4 / np.sqrt(60))
    assert np.std(values, ddof=1) == pytest.approx(1.976e-4, rel=0.5)


def test_the_null_of_people_with_many_rows_is_that_of_people() -> None:
    """100 people a side, 10 alike rows each: by row the ratio would be near 8. Mean of 40, five standard errors."""
    rng = np.random.default_rng(1)
    units = np.repeat(np.arange(200), 10)
    ratios = []
    for _ in range(40):
        x = rng.normal(size=(200, 4))[units] + 0.3 * rng.normal(size=(2000, 4))
        result = propensity(sparse.csr_matrix(x), pooled((units < 100).astype(float), units))
        assert result.expected[0] > 6 * 4 * 0.25 / 2000
        ratios.append(float(result.ratio[0]))
    assert np.mean(ratios) == pytest.approx(1, abs=5 * np.sqrt(2 / 4) / np.sqrt(40))


def test_the_fit_is_the_maximum_likelihood_fit() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(500, 3))
    y = (rng.random(500) < 1 / (1 + np.exp(-x @ [1.0, -2.0, 0.0] - 0.3))).astype(float)
    mine = fit(sparse.csr_matrix(np.c_[np.ones(500), x]), y)
    known = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x, y)
    assert mine == pytest.approx(np.r_[known.intercept_, known.coef_[0]], abs=1e-4)


def test_a_bin_of_one_side_alone_leaves_the_fit_finite() -> None:
    x = sparse.csr_matrix(np.repeat([[1.0], [0.0]], [300, 300], axis=0))
    result = propensity(x, pooled(np.repeat([1.0, 0.0], 300)))
    assert result.values[0] == pytest.approx(0.25, abs=1e-3)
    assert np.isfinite(result.values).all()


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_combinations_of_columns_get_no_parameter(seed: int, columns: int, copies: int) -> None:
    """Rank by singular values, intercept included; the chosen columns have that rank."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2, (60, columns)).astype(float)
    x = np.c_[base, 1 - base[:, : min(copies, columns)], np.zeros(60), np.ones(60)]
    chosen = independent(sparse.csr_matrix(x))
    full = np.linalg.matrix_rank(np.c_[np.ones(60), x])
    assert len(chosen) + 1 == full == np.linalg.matrix_rank(np.c_[np.ones(60), x[:, chosen]])


def test_rare_bins_join_the_most_frequent_one() -> None:
    counts = [50, 30, 19, 0, 40, 100]
    codes = sparse.csr_matrix(np.repeat(np.eye(6), counts, axis=0))
    assert common_bins(codes, (4, 2), 10) == (pytest.approx([1, 4]), 1)
    assert common_bins(codes, (4, 2), 1) == (pytest.approx([4]), 2)
    assert common_bins(codes, (4, 2), -1)[0].size == 0


def test_leaving_a_group_out_is_close_to_fitting_without_it() -> None:
    rng = np.random.default_rng(3)
    x, label = rng.normal(size=(800, 6)), np.repeat([1.0, 0.0], 400)
    x[:400] += 0.3
    units = rng.permutation(800)
    result = propensity(sparse.csr_matrix(x), pooled(label, units))
    for g in (0, 13):
        kept = units % GROUPS != g
        slow = propensity(sparse.csr_matrix(x[kept]), pooled(label[kept], units[kept]))
        assert result.values[g + 1] == pytest.approx(float(slow.values[0]), rel=0.02)
        assert result.expected[g + 1] == pytest.approx(float(slow.expected[0]), rel=0.01)


def test_the_ratio_of_bins_is_one_under_the_null() -> None:
    """Six columns of eight bins, k = 43, N = 1,200. Mean of 40 within five standard errors, sd sqrt(2 / 42)."""
    rng = np.random.default_rng(4)
    ratios = []
    for _ in range(40):
        cell = rng.integers(0, 8, (1200, 6)) + np.arange(6) * 8
        x = sparse.csr_matrix((np.ones(7200), cell.ravel(), np.arange(0, 7201, 6)), shape=(1200, 48))
        chosen, _ = common_bins(x, (8,) * 6, 60)
        ratios.append(float(propensity(x[:, chosen], pooled(np.repeat([1.0, 0.0], 600))).ratio[0]))
    assert np.mean(ratios) == pytest.approx(1, abs=5 * np.sqrt(2 / 42 / 40))


def test_the_tree_s_ratio_is_one_under_the_null_and_by_person() -> None:
    """12 pairs of 60 people a side with 5 equal rows each, sd about .3: mean within five standard errors."""
    rng = np.random.default_rng(5)
    units = np.repeat(np.arange(120), 5)
    ratios = [float(grown(rng.integers(0, 6, (120, 5))[units].astype(np.float32),
                          pooled((units < 60).astype(float), units), rng).ratio[0]) for _ in range(12)]
    assert np.mean(ratios) == pytest.approx(1, abs=5 * 0.35 / np.sqrt(12))


def test_a_fresh_sample_is_near_one_and_lost_association_is_seen_by_the_tree_alone() -> None:
    train, holdout = people(1500, 1), people(1500, 2)
    fresh = found(people(1500, 3), train, holdout)
    mixed = found(resampled(train, 5), train, holdout)
    assert abs(fresh["pmse.logistic"].details["standardised"]) < 5
    assert fresh["pmse.tree"].value == pytest.approx(1, abs=0.9)
    assert (mixed["pmse.tree"].value or 0) > 3
    assert mixed["pmse.tree"].state == "ok"
    assert mixed["pmse.tree"].normalised == pytest.approx(0, abs=0.6)
    assert fresh["pmse.logistic"].state == "uninformative"  # independent columns pass, too


def test_shifted_columns_are_seen_even_where_the_floor_says_nothing() -> None:
    train, holdout, synth = people(800, 1), people(800, 2), people(800, 3)
    older = replace(synth, columns={**synth.columns, "age": replace(synth["age"], values=synth["age"].values + 8)})
    result = found(older, train, holdout)["pmse.logistic"]
    assert (result.value or 0) > 3
    assert result.state == "ok"
    low, high = result.interval or (0, 0)
    assert low <= (result.value or 0) <= high


def test_tables_that_nothing_can_be_fitted_to_say_so() -> None:
    schema = Schema((Column("a", "integer"),))
    part = Table(schema, {"a": cells("integer", [7] * 300)})
    assert {(f.state, f.value) for f in found(part, part, part).values()} == {("not_run", None)}


def test_few_rows_get_few_parameters() -> None:
    result = found(people(100, 3), people(100, 1), people(100, 2))["pmse.logistic"]
    assert result.state == "insufficient_power"
    assert result.details["parameters"] <= 200 / 20
    assert result.details["rare_bins_merged"] > 5


def test_rows_of_many_people_and_rows_of_few_are_both_near_one() -> None:
    """Ten equal rows a person; by row the ratio would be near ten."""
    def copies(seed: int, first: int) -> Table:
        return with_units(people(80, seed).take(np.repeat(np.arange(80), 10)), 10, first)

    result = found(copies(3, 0), copies(1, 100), copies(2, 200))
    assert (result["pmse.logistic"].value or 9) < 2.5
    assert (result["pmse.tree"].value or 9) < 2.5
