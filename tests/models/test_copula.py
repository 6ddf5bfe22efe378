"""The copula against what is known: exact cell probabilities, analytic conditionals, planted dependence.

Sampling comparisons allow 5 standard errors or more (false alarms under 1e-6) and use fixed seeds.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, norm, truncnorm

from tabsynth.core.coding import Codes
from tabsynth.core.synthesizer import State
from tabsynth.datasets.load import load_demo
from tabsynth.models import _latent
from tabsynth.models._boxes import draw_in_boxes, gibbs, truncated_normal
from tabsynth.models._conditional import choose
from tabsynth.models._latent import EDGE, Axis, correlation, nearest_correlation
from tabsynth.models.copula import SMALLEST_CLASS, Copula

Column = tuple[NDArray[Any], int, int]
"""Codes, number of codes, how many of the first are ordered."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def fitted(*columns: Column, weights: NDArray[np.float64] | None = None, **settings: int) -> Copula:
    names = tuple(f"c{j}" for j in range(len(columns)))
    n = len(columns[0][0])
    codes = Codes(names, tuple(size for _, size, _ in columns),
                  np.stack([values for values, *_ in columns], axis=1).astype(np.int32),
                  np.ones(n) if weights is None else weights)
    model = Copula(**settings)
    codecs = {name: SimpleNamespace(size=size, ordered=ordered)
              for name, (_, size, ordered) in zip(names, columns, strict=True)}
    model.coding_ = SimpleNamespace(names=names, sizes=codes.sizes, codecs=codecs)  # type: ignore[assignment]
    model.fit_codes(codes, rng=rng())
    return model


def binned(values: NDArray[np.float64], bins: int) -> NDArray[np.int32]:
    return np.searchsorted(norm.ppf(np.arange(1, bins) / bins), values).astype(np.int32)


def joint(a: NDArray[Any], b: NDArray[Any], sizes: tuple[int, int]) -> NDArray[np.float64]:
    table = np.zeros(sizes)
    np.add.at(table, (a, b), 1 / len(a))
    return table


def distance(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    return float(np.abs(p - q).sum() / 2)


# --- the latent layer, against exact answers ----------------------------------------------------------------


@pytest.mark.parametrize("rho", [-0.9, -0.3, 0.0, 0.5, 0.95])
@pytest.mark.parametrize("shares", [((0.5, 0.5), (0.5, 0.5)), ((0.9, 0.1), (0.2, 0.3, 0.5)),
                                    ((0.7, 0.1, 0.1, 0.1), (0.7, 0.1, 0.1, 0.1))])
def test_correlation_is_recovered_from_exact_cells(rho: float, shares: tuple[tuple[float, ...], ...]) -> None:
    """No sampling: the weights of the rows are the cell probabilities of a bivariate normal (times many units)."""
    cuts = [np.clip(norm.ppf(np.concatenate([[0], np.cumsum(s)])), -EDGE, EDGE) for s in shares]
    below = np.array([[multivariate_normal.cdf([x, y], cov=[[1, rho], [rho, 1]]) for y in cuts[1]] for x in cuts[0]])
    cells = np.diff(np.diff(below, axis=0), axis=1)
    values = np.stack(np.indices(cells.shape), axis=-1).reshape(-1, 2).astype(np.int32)
    codes = Codes(("x", "y"), cells.shape, values, np.maximum(cells.ravel(), 0) * 1e9)
    axes = [Axis.of(j, np.arange(len(s), dtype=np.int32), np.array(s), free=False) for j, s in enumerate(shares)]
    assert correlation(axes, codes)[0, 1] == pytest.approx(rho, abs=0.01)


def test_scores_and_hermite_coefficients_by_integration() -> None:
    axis = Axis.of(0, np.arange(3, dtype=np.int32), np.array([0.6, 0.1, 0.3]), free=False)
    z = np.linspace(-8, 8, 400_001)
    step = axis.scores()[np.searchsorted(axis.cuts[1:-1], z)]
    density = norm.pdf(z) * (z[1] - z[0])
    expected = [(step * z * density).sum(), (step * (z**2 - 1) * density).sum() / np.sqrt(2)]
    np.testing.assert_allclose(axis.hermite()[:2], expected, atol=1e-4)
    assert (np.diff(axis.scores()) > 0).all()


@pytest.mark.parametrize(("low", "high"), [(-1.0, 0.5), (0.3, 9.0), (5.0, 5.5), (-9.0, -6.0), (2.0, 2.0)])
def test_truncated_normal(low: float, high: float) -> None:
    z, mass = truncated_normal(np.full(20_000, low), np.full(20_000, high), rng())
    assert ((z >= low) & (z <= high)).all()
    assert mass[0] == pytest.approx(abs(norm.sf(low) - norm.sf(high)), rel=1e-6)
    if high > low:
        exact = truncnorm(low, high)
        assert abs(z.mean() - exact.mean()) < 5 * exact.std() / np.sqrt(len(z))


def test_box_probability_is_unbiased_and_gibbs_keeps_the_boxes() -> None:
    """Two classes at once, each against plain rejection from its own normal."""
    cov = np.array([[[1, 0.6, 0.3], [0.6, 1, -0.2], [0.3, -0.2, 1]], [[1, -0.5, 0], [-0.5, 1, 0.4], [0, 0.4, 1]]])
    n, runs = 80_000, [slice(0, 40_000), slice(40_000, 80_000)]
    low, high = np.tile([[-0.5], [0.2], [-9.0]], n), np.tile([[1.0], [9.0], [0.4]], n)
    z, log_mass = draw_in_boxes(cov, runs, low, high, rng())
    moved = gibbs(z, cov, runs, low, high, 15, rng(2))
    assert ((moved >= low) & (moved <= high)).all()
    for one, run in zip(cov, runs, strict=True):
        draws = rng(1).multivariate_normal(np.zeros(3), one, 400_000).T
        inside = draws[:, ((draws >= low[:, :1]) & (draws <= high[:, :1])).all(axis=0)]
        share = inside.shape[1] / draws.shape[1]
        assert abs(np.exp(log_mass[run]).mean() - share) < 6 * np.sqrt(share / draws.shape[1])
        np.testing.assert_allclose(moved[:, run].mean(axis=1), inside.mean(axis=1), atol=0.02)
        np.testing.assert_allclose(np.cov(moved[:, run]), np.cov(inside), atol=0.02)


def test_choices_follow_the_weights_and_never_leave_their_owner() -> None:
    owner, weight = np.repeat(np.arange(3), [4, 1, 2]), np.array([1, 2, 3, 4, 1e-9, 7.0, 3.0])
    wanted = np.repeat(np.arange(3), 20_000)
    chosen = choose(owner, np.log(weight) - 600, wanted, rng())
    np.testing.assert_array_equal(owner[chosen], wanted)
    share = np.bincount(chosen, minlength=7) / 20_000
    np.testing.assert_allclose(share, [0.1, 0.2, 0.3, 0.4, 1.0, 0.7, 0.3], atol=6 * np.sqrt(0.25 / 20_000))


def test_nearest_correlation() -> None:
    bad = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    good = nearest_correlation(bad)
    assert np.linalg.eigvalsh(good).min() > 0
    np.testing.assert_allclose(np.diag(good), 1)
    np.testing.assert_array_equal(nearest_correlation(np.eye(3)), np.eye(3))


# --- the model ----------------------------------------------------------------------------------------------


def test_atoms_and_zero_inflation_are_kept() -> None:
    z = rng(1).multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 20_000)
    money = np.where(z[:, 0] < 0.3, 0, 1 + binned((z[:, 0] - 0.3), 50))
    model = fitted((money, 51, 51), (binned(z[:, 1], 20), 20, 20))
    out = model.draw(20_000, rng=rng(2))
    zero = (money == 0).mean()
    assert abs((out["c0"] == 0).mean() - zero) < 6 * np.sqrt(2 * zero * (1 - zero) / 20_000)
    pairs = (money, binned(z[:, 1], 20)), (out["c0"], out["c1"])
    real, synth = (joint(np.minimum(a, 10), b, (11, 20)) for a, b in pairs)
    assert distance(real, synth) < 0.06


def test_association_of_categories_in_any_order_is_kept() -> None:
    """Two categories of six levels that agree up to a permutation in three of four rows."""
    level = rng(3).integers(0, 6, 12_000)
    other = np.array([3, 5, 0, 2, 4, 1])[np.where(rng(4).random(12_000) < 0.75, level, rng(5).integers(0, 6, 12_000))]
    model = fitted((level, 6, 0), (other, 6, 0), (binned(level + rng(6).normal(size=12_000), 30), 30, 30))
    out = model.draw(12_000, rng=rng(7))
    real, synth = joint(level, other, (6, 6)), joint(out["c0"], out["c1"], (6, 6))
    alone = np.outer(real.sum(1), real.sum(0))
    assert distance(real, synth) < 0.25 * distance(real, alone)


def test_classes_carry_what_one_correlation_cannot() -> None:
    x = rng(8).normal(size=8_000)
    far = (np.abs(x) > 1).astype(int)
    real = joint(binned(x, 10), far, (10, 2))
    draws = (fitted((binned(x, 40), 40, 40), (far, 2, 0), max_classes=k).draw(8_000, rng=rng(9)) for k in (1, 16))
    missed = [distance(real, joint(out["c0"] // 4, out["c1"], (10, 2))) for out in draws]
    assert missed[0] > 0.2
    assert missed[1] < 0.05


def test_missingness_has_its_own_dependence() -> None:
    """Whether y is there depends on x; what it is depends on w."""
    x, w = rng(10).normal(size=(2, 20_000))
    y = binned(0.8 * w + 0.6 * rng(11).normal(size=20_000), 20)
    y[x + 0.5 * rng(12).normal(size=20_000) > 0.8] = 20
    model = fitted((binned(x, 20), 20, 20), (binned(w, 20), 20, 20), (y, 21, 20), max_classes=1)
    out = model.draw(20_000, rng=rng(13))
    gone = out["c2"] == 20
    assert abs(gone.mean() - (y == 20).mean()) < 0.02
    for data, missing in ((binned(x, 20), y == 20), (out["c0"], gone)):
        assert data[missing].mean() - data[~missing].mean() > 8
    real = np.corrcoef(binned(w, 20)[y < 20], y[y < 20])[0, 1]
    assert abs(real - np.corrcoef(out["c1"][~gone], out["c2"][~gone])[0, 1]) < 0.03


@pytest.mark.parametrize("cell", [0, 15, 29])
def test_conditional_draw_is_the_conditional_normal(cell: int) -> None:
    rho, n = 0.8, 20_000
    z = rng(14).multivariate_normal([0, 0], [[1, rho], [rho, 1]], 50_000)
    model = fitted((binned(z[:, 0], 30), 30, 30), (binned(z[:, 1], 30), 30, 30), max_classes=1)
    out = model.draw(n, rng=rng(15), given={"c0": np.full(n, cell, np.int32)})
    inside = truncnorm.ppf((np.arange(4_000) + 0.5) / 4_000, norm.ppf(cell / 30), norm.ppf((cell + 1) / 30))
    cuts = norm.ppf(np.arange(31) / 30)
    exact = np.diff(norm.cdf((cuts[:, None] - rho * inside) / np.sqrt(1 - rho**2)).mean(axis=1))
    assert distance(np.bincount(out["c1"], minlength=30) / n, exact) < 0.03
    assert distance(np.full(30, 1 / 30), exact) > 0.2


@pytest.mark.parametrize("classes", [1, 8])
def test_conditioning_on_own_draws_gives_the_joint_back(classes: int) -> None:
    """p(a, b) p(c, d | a, b), drawn in two steps, is p(a, b, c, d) drawn in one."""
    x = rng(16).normal(size=6_000)
    y = np.where(rng(17).random(6_000) < 0.5, x, -x) + 0.5 * rng(18).normal(size=6_000)
    c = (x > 0) * 2 + (np.abs(y) > 1)
    d = np.where(rng(19).random(6_000) < 0.2, 8, binned(y / 1.1, 8))
    model = fitted((binned(x, 8), 8, 8), (c, 4, 0), (binned(y / 1.1, 8), 8, 8), (d, 9, 8), max_classes=classes)
    n = 60_000
    once = model.draw(n, rng=rng(20))
    twice = model.draw(n, rng=rng(21), given={name: once[name] for name in ("c1", "c3")})
    again = model.draw(n, rng=rng(22))
    for a, b in (("c0", "c1"), ("c0", "c3"), ("c2", "c3"), ("c0", "c2")):
        tables = [joint(out[a], out[b], (9, 9)) for out in (once, twice, again)]
        assert distance(tables[0], tables[1]) < distance(tables[0], tables[2]) + 0.03


def test_class_posterior_is_bayes_rule() -> None:
    """With one given axis the evidence of a class is a cell mass, so shares of classes are known exactly."""
    x = rng(33).normal(size=6_000)
    model = fitted((binned(x, 8), 8, 8), ((np.abs(x) > 1).astype(int), 2, 0), (binned(x + 1, 5), 5, 5), max_classes=6)
    assert len(model.shares_) > 2
    mass = np.array([np.diff(norm.cdf(component.axes[0].cuts))[6] for component in model.components_])
    member, _ = model._given((0,)).draw(np.full((1, 40_000), 6, np.int32), model.particles, model.sweeps, rng(34))
    share = np.bincount(member, minlength=len(mass)) / 40_000
    np.testing.assert_allclose(share, mass * model.shares_ / (mass @ model.shares_), atol=6 * np.sqrt(0.25 / 40_000))


def test_rows_that_share_given_codes_are_drawn_apart() -> None:
    """Proposals are shared; rows are not: the spread of one combination's rows is that of the conditional."""
    x = rng(35).normal(size=6_000)
    y = x + 0.5 * rng(36).normal(size=6_000)
    model = fitted((binned(x, 40), 40, 40), (binned(y, 40), 40, 40), (binned(y - x, 40), 40, 40))
    together, apart = ({"c0": np.full(n, 5, np.int32), "c1": np.full(n, 12, np.int32)} for n in (20_000, 5))
    shared = model.draw(20_000, rng=rng(37), given=together)["c2"]
    alone = np.array([model.draw(5, rng=rng(100 + i), given=apart)["c2"][0] for i in range(400)])
    exact = np.bincount(shared, minlength=40) / 20_000
    assert distance(exact, np.bincount(alone, minlength=40) / 400) < 0.25
    assert len(set(shared.tolist())) >= len(set(alone.tolist())) - 2


def test_given_codes_come_back_unchanged() -> None:
    values = rng(23).integers(0, 3, (2_000, 4))
    model = fitted(*((values[:, j], 6, ordered) for j, ordered in enumerate((0, 5, 6, 0))))
    everything = {f"c{j}": rng(j).integers(0, 6, 500).astype(np.int32) for j in range(4)}
    for names in (("c0",), ("c1", "c2"), ("c0", "c1", "c2", "c3")):
        out = model.draw(500, rng=rng(24), given={name: everything[name] for name in names})
        assert all(np.array_equal(out[name], everything[name]) for name in names)
        assert all(out[name].min() >= 0 for name in out), "codes never seen in the fit are allowed as given"
        assert all(out[name].max() < 3 for name in set(out) - set(names)), "and are never drawn"


@pytest.mark.parametrize("columns", [
    pytest.param([(np.zeros(50, int), 1, 1), (np.arange(50) % 2, 2, 0)], id="constant"),
    pytest.param([(np.full(50, 4), 5, 4), (np.arange(50) % 3, 3, 3)], id="all missing"),
    pytest.param([(np.array([1]), 3, 3), (np.array([0]), 2, 0)], id="one row"),
    pytest.param([(np.arange(50), 50, 0), (np.arange(50), 50, 50), (np.arange(50), 50, 0)], id="all distinct"),
])
def test_degenerate_tables(columns: list[Column]) -> None:
    out = fitted(*columns).draw(200, rng=rng())
    for j, (values, *_) in enumerate(columns):
        assert set(out[f"c{j}"]) <= set(values)


def test_no_rows_at_all() -> None:
    empty = np.zeros(0, int)
    model = fitted((empty, 3, 3), (empty, 4, 0))
    assert {len(v) for v in model.draw(5, rng=rng()).values()} == {5}
    assert {len(v) for v in model.draw(0, rng=rng()).values()} == {0}


def test_more_columns_than_rows_stays_positive_definite() -> None:
    values = rng(25).integers(0, 5, (30, 80))
    model = fitted(*((values[:, j], 6, 5 * (j % 2)) for j in range(80)))
    assert np.linalg.eigvalsh(model.components_[0].correlation).min() > 0
    assert np.abs(model.components_[0].correlation - np.eye(80)).max() < 0.9
    out = model.draw(100, rng=rng(), given={"c3": np.zeros(100, np.int32), "c4": np.ones(100, np.int32)})
    assert len(out) == 80


def test_a_unit_counts_once() -> None:
    values = np.concatenate([np.zeros(100, int), np.ones(100, int)])
    weights = np.concatenate([np.full(100, 1.0), np.full(100, 0.01)])     # the second hundred rows are one person
    out = fitted((values, 2, 0), weights=weights).draw(20_000, rng=rng())
    assert abs((out["c0"] == 1).mean() - 1 / 101) < 0.005


def test_no_class_describes_a_handful_of_people() -> None:
    values = rng(26).integers(0, 2, (4_000, 6))
    values[:20] = 2
    model = fitted(*((values[:, j], 3, 0) for j in range(6)))
    assert len(model.shares_) > 1
    assert model.shares_.sum() == pytest.approx(1)
    assert model.shares_.min() * 4_000 >= SMALLEST_CLASS


def test_saved_model_draws_the_same() -> None:
    x = rng(27).normal(size=2_000)
    model = fitted((np.where(x > 1, 10, binned(x, 10)), 11, 10), (binned(-x, 4), 4, 0))
    state = model.state()
    again = Copula.from_state(State(json.loads(json.dumps(state.values)), state.arrays), model.coding_)
    given = {"c1": np.arange(600, dtype=np.int32) % 4}
    for kept in ({}, given):
        one, two = model.draw(600, rng=rng(28), given=kept), again.draw(600, rng=rng(28), given=kept)
        assert all(np.array_equal(one[name], two[name]) for name in one)


def test_state_holds_no_rows() -> None:
    n, values = 3_000, rng(29).integers(0, 4, (3_000, 3))
    state = fitted(*((values[:, j], 4, 0) for j in range(3))).state()
    assert all(n not in array.shape for array in state.arrays.values())


def test_a_real_panel_end_to_end() -> None:
    table = load_demo("rand_hie")
    table = table.take(table.unit_codes() < 1_200)
    synth = Copula().fit(table, rng=rng(30)).sample(2_000, rng=rng(31))
    assert len(synth) == 2_000
    index, total = (synth[name] for name in ("general_health_index", "total_spending"))
    assert abs((~index.present).mean() - (~table["general_health_index"].present).mean()) < 0.08
    assert abs((total.values == 0).mean() - (table["total_spending"].values == 0).mean()) < 0.08
    real, drawn = (np.corrcoef(t["doctor_visits"].values, np.log1p(t["outpatient_spending"].values))[0, 1]
                   for t in (table, synth))
    assert drawn > 0.6 * real


def test_mass_of_counts_weights() -> None:
    np.testing.assert_array_equal(_latent.mass_of(np.array([0, 2, 2]), np.array([1.0, 0.5, 0.25]), 4), [1, 0, 0.75, 0])
