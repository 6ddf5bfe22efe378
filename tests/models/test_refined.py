"""The critic against scikit-learn, and thinning against distributions that are known.

Chi-square tests have alpha 1e-6 and fixed seeds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chisquare

from tabsynth.core.codec.category import CategoryCodec
from tabsynth.core.coding import Codes
from tabsynth.core.schema import Column, Schema
from tabsynth.core.synthesizer import State
from tabsynth.models._critic.critic import Critic
from tabsynth.models._critic.ensemble import Ensemble, boosted
from tabsynth.models._critic.view import GROUPS, View
from tabsynth.models.independent import Independent
from tabsynth.models.refined import CANDIDATES, Refined

SHARES = (np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.5, 0.3, 0.2]))
FACTORS = (np.array([0.5, 1.0, 2.0, 0.25]), np.array([1.0, 0.5, 1.5]))
ALPHA = 1e-6


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def independent(shares: tuple[NDArray[np.float64], ...] = SHARES) -> Independent:
    model = Independent()
    names = tuple(f"c{j}" for j in range(len(shares)))
    model.coding_ = SimpleNamespace(names=names)  # type: ignore[assignment]
    model.shares_ = dict(zip(names, shares, strict=True))
    return model


def weighing(*factors: NDArray[np.float64], most: float, share: float = 0.3) -> Critic:
    """A critic without trees, that weighs a row by a factor per code."""
    names = tuple(f"c{j}" for j in range(len(factors)))
    tables = [np.arange(len(factor), dtype=np.uint8) for factor in factors]
    return Critic(View(names, tables, np.ones(len(names), bool), (), {}), (), list(factors), most, share)


def counts(rows: Mapping[str, NDArray[np.int32]]) -> NDArray[np.int64]:
    return np.bincount(rows["c0"] * 3 + rows["c1"], minlength=12)


def features(n: int, seed: int) -> NDArray[np.uint8]:
    """Two lines, one of them with a gap, and two categories, one of 200 levels."""
    random = rng(seed)
    return np.stack([random.integers(0, 256, n), random.integers(0, 5, n), random.integers(0, 12, n) ** 2,
                     random.integers(0, 200, n)], axis=1).astype(np.uint8)


def test_stored_trees_score_as_scikit_learn_does() -> None:
    categorical = np.array([False, True, False, True])
    real, drawn = features(3_000, 1), features(6_000, 2)
    real = real[(real[:, 0] > 100) | (real[:, 3] % 3 == 0) | (real[:, 1] == 2)]
    seen = np.concatenate([real, drawn])
    seen = seen[seen[:, 3] != 7]
    model = boosted(seen, len(real), np.ones(len(real)), categorical, rng())
    asked = features(5_000, 3)
    assert (asked[:, 3] == 7).any(), "a category that the fit has not seen"
    scores = Ensemble.of(model, seen, categorical).score(asked)
    assert scores.std() > 0.3
    np.testing.assert_allclose(scores, model.decision_function(asked), atol=1e-9)


def test_score_is_the_log_odds_of_real_rows_whatever_the_sizes_and_weights() -> None:
    real = np.repeat([[0], [1]], [100, 300], axis=0).astype(np.uint8)
    drawn = np.repeat([[0], [1]], [4_000, 2_000], axis=0).astype(np.uint8)
    weights = np.where(real[:, 0] == 0, 1.0, 1 / 3)     # three rows of one person each: half of the people
    one = Ensemble.learn(real, drawn, weights, np.array([True]), rng())
    np.testing.assert_allclose(one.score(np.array([[0], [1]], np.uint8)), np.log([0.5 * 1.5, 0.5 * 3]), atol=0.05)


def test_thinned_rows_follow_the_weights() -> None:
    critic = weighing(*FACTORS, most=1.5)
    n = 60_000
    rows = Refined(independent(), critic).draw(n, rng=rng(1))
    expected = np.outer(*SHARES) * np.minimum(np.outer(*FACTORS) / 1.5, 1)
    assert chisquare(counts(rows), expected.ravel() / expected.sum() * n).pvalue > ALPHA
    assert chisquare(counts(rows), np.outer(*SHARES).ravel() * n).pvalue < ALPHA, "which are not the model's own"


@pytest.mark.parametrize("n", [0, 1, 7, 5_000])
def test_as_many_rows_as_asked_for_even_where_few_are_kept(n: int) -> None:
    model = Refined(independent(), weighing(*FACTORS, most=50.0, share=0.9))
    drawn = model.draw(n, rng=rng())
    assert {len(codes) for codes in drawn.values()} == {n}


def test_candidates_for_a_given_row_are_chosen_by_weight() -> None:
    """Among the two codes that are drawn, one weighs three times the other: the chosen one of K follows exactly."""
    even = independent((SHARES[0], np.array([0.5, 0.5])))
    model, n = Refined(even, weighing(np.ones(4), np.array([1.0, 3.0]), most=3.0)), 40_000
    given = {"c0": rng(2).integers(0, 4, n).astype(np.int32)}
    drawn = model.draw(n, rng=rng(3), given=given)
    np.testing.assert_array_equal(drawn["c0"], given["c0"])
    ones = np.arange(CANDIDATES + 1)
    times = np.array([np.prod(np.arange(CANDIDATES, CANDIDATES - k, -1)) / np.prod(np.arange(1, k + 1)) for k in ones])
    share = (times / 2**CANDIDATES * 3 * ones / (3 * ones + CANDIDATES - ones)).sum()
    assert chisquare(np.bincount(drawn["c1"]), np.array([1 - share, share]) * n).pvalue > ALPHA
    assert abs(share - 0.75) < 0.03, "the limit of many candidates is near"


def test_raking_reaches_the_margins() -> None:
    wanted = [np.array([0.25, 0.25, 0.25, 0.25]), np.array([0.2, 0.3, 0.5])]
    pool = independent().draw(100_000, rng=rng(4))
    critic = weighing(*(np.ones(len(shares)) for shares in wanted), most=1.0).raked(pool, wanted)
    rows = Refined(independent(), critic).draw(50_000, rng=rng(5))
    for name, shares in zip(("c0", "c1"), wanted, strict=True):
        assert chisquare(np.bincount(rows[name]), shares * 50_000).pvalue > ALPHA
    assert 0 < critic.share < 1


def test_a_code_that_the_model_seldom_draws_keeps_its_factor() -> None:
    pool = {"c0": np.r_[np.zeros(999, np.int32), np.int32(1)]}
    critic = weighing(np.ones(2), most=1.0).raked(pool, [np.array([0.9, 0.1])])     # 100 times as often
    assert critic.factors[0][1] / critic.factors[0][0] < 6, "which would be 111 without a bound"


def test_a_column_of_many_levels_is_seen_in_groups_and_twins_are_compared() -> None:
    levels = tuple(f"{i:03d}" for i in range(250))
    columns = [Column(name, "category", levels=levels) for name in ("first", "second")]
    few = Column("few", "category", levels=("a", "b"))
    codecs = {c.name: CategoryCodec(c, kept, None, {}) for c, kept in
              [(columns[0], levels), (columns[1], levels[1:]), (few, few.levels)]}
    coding: Any = SimpleNamespace(schema=Schema((*columns, few)), codecs=codecs)
    sizes = tuple(codec.size for codec in codecs.values())
    values = np.stack([rng(j).integers(0, size, 500) for j, size in enumerate(sizes)], axis=1).astype(np.int32)
    codes = Codes(tuple(codecs), sizes, values, np.ones(500))
    view = View.learn(codes, coding)
    seen = view.see({"first": np.array([20, 29, 200, 250]), "second": np.array([19, 29, 199, 249]),
                     "few": np.array([0, 1, 2, 3])})
    assert len(set(view.tables[0].tolist())) <= GROUPS + 3
    assert seen[0, 0] == seen[1, 0] != seen[2, 0], "levels of one beginning are one group"
    assert seen[:, 3].tolist() == [1, 0, 1, 1], "the same level, whatever its code in either column"
    assert view.categorical.all()


def test_a_stored_critic_draws_the_same_rows() -> None:
    real = independent((SHARES[0][::-1], SHARES[1]))
    coding: Any = SimpleNamespace(names=("c0", "c1"), schema=None, codecs={
        name: SimpleNamespace(size=len(shares), ordered=0) for name, shares in zip(("c0", "c1"), SHARES, strict=True)})
    held = np.stack(list(real.draw(2_000, rng=rng(6)).values()), axis=1)
    model = independent()
    source = rng(7)
    critic = Critic.learn(Codes(("c0", "c1"), (4, 3), held, np.ones(2_000)), coding,
                          lambda n: model.draw(n, rng=source), rounds=2, rng=source)
    refined = Refined(model, critic)
    drawn = refined.draw(3_000, rng=rng(8))
    np.testing.assert_allclose(np.bincount(drawn["c0"]) / 3_000, SHARES[0][::-1], atol=0.06)
    state = refined.state()
    values = json.loads(json.dumps(state.values, allow_nan=False))
    again = Refined.from_state(State(values, {k: v.copy() for k, v in state.arrays.items()}), model.coding_)
    assert all(np.array_equal(codes, again.draw(3_000, rng=rng(8))[name]) for name, codes in drawn.items())
