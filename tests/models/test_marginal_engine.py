"""The junction-tree engine against slow, obvious code: full joint tables of few attributes."""

from __future__ import annotations

from functools import reduce
from itertools import combinations
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from tabsynth.models._marginal import pairwise, plan, selection
from tabsynth.models._marginal.coarsening import coarsen, within
from tabsynth.models._marginal.denoising import denoised, shrunk
from tabsynth.models._marginal.draws import STRATIFY_FROM, draw_codes, spread_uniforms
from tabsynth.models._marginal.estimation import Measurement, combine, fit, total
from tabsynth.models._marginal.factor import onto_simplex, project, spread
from tabsynth.models._marginal.histogram import Histogram
from tabsynth.models._marginal.junction_tree import JunctionTree
from tabsynth.models._marginal.propagation import Propagation
from tabsynth.models._marginal.sampling import sample
from tabsynth.models._marginal.selection import Candidate, choose
from tabsynth.models._marginal.triangulation import Triangulation, to_mask

FALSE_ALARM = 1e-6


@st.composite
def graphs(draw, most=6):
    """Sizes of up to `most` attributes and a list of pairs over them, in the order they were joined."""
    sizes = draw(st.lists(st.integers(2, 4), min_size=2, max_size=most))
    pairs = draw(st.lists(st.sampled_from(list(combinations(range(len(sizes)), 2))), unique=True))
    return sizes, pairs


def triangulated(sizes, pairs):
    return reduce(lambda t, pair: t.join(pair), pairs, Triangulation.empty(sizes))


def tree_of(sizes, pairs):
    return JunctionTree.of(sizes, triangulated(sizes, pairs).cliques)


def potentials_of(sizes, pairs, seed):
    rng = np.random.default_rng(seed)
    cliques = [*pairs, *((a,) for a in range(len(sizes)))]
    return {c: rng.normal(0, 1.5, [sizes[a] for a in c]) for c in cliques}


def joint_of(sizes, potentials):
    """The model by brute force: multiply everything at full size."""
    whole = tuple(range(len(sizes)))
    joint = np.ones(sizes)
    for clique, table in potentials.items():
        joint = joint * spread(np.exp(table), clique, whole)
    return joint / joint.sum()


def marginal_of(joint, clique):
    return project(joint, tuple(range(joint.ndim)), clique)


# --- triangulation and tree --------------------------------------------------------------------------------------


@given(graphs(most=9))
@settings(max_examples=80)
def test_tree_covers_every_pair_and_keeps_attributes_connected(graph):
    sizes, pairs = graph
    tri = triangulated(sizes, pairs)
    tree = JunctionTree.of(sizes, tri.cliques)
    assert all(tree.home(c) is not None for c in [*pairs, *((a,) for a in range(len(sizes)))])
    assert tri.cells == tree.cells == sum(prod(sizes[a] for a in c) for c in tree.cliques)
    steps = tree.walk()
    assert sorted(s.clique for s in steps) == list(range(len(tree.cliques)))
    for i, step in enumerate(steps):  # running intersection: what was seen before and is here, is in the parent
        seen = {a for s in steps[:i] for a in tree.cliques[s.clique]}
        assert seen & set(tree.cliques[step.clique]) == set(step.separator)


def test_covered_pairs_survive_a_later_elimination_in_another_order():
    sizes = [2, 2, 9, 9, 2]
    tri = triangulated(sizes, [(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)])
    assert tri.covers((0, 2))
    grown = triangulated(sizes, [(0, 1), (1, 2), (2, 3), (0, 3), (1, 3), (0, 4), (3, 4), (1, 4)])
    assert grown.covers((1, 3))


def test_a_bridge_costs_only_its_own_cells_and_a_cycle_is_filled():
    path = triangulated([2, 3, 4, 5], [(0, 1), (2, 3)])
    assert path.cells == 6 + 20
    assert path.join((1, 2)).cells == 6 + 20 + 12
    cycle = path.join((1, 2)).join((0, 3))
    assert {len(c) for c in cycle.cliques} == {3}


def test_masks():
    assert to_mask((0, 3)) == 0b1001


# --- propagation -------------------------------------------------------------------------------------------------


@given(graphs(), st.integers(0, 99))
@settings(max_examples=50)
def test_beliefs_and_pairs_equal_brute_force(graph, seed):
    sizes, pairs = graph
    tree, potentials = tree_of(sizes, pairs), potentials_of(sizes, pairs, seed)
    joint = joint_of(sizes, potentials)
    beliefs = Propagation(tree, potentials).beliefs(potentials)
    for clique, belief in zip(tree.cliques, beliefs, strict=True):
        np.testing.assert_allclose(belief, marginal_of(joint, clique), atol=1e-12)
    wanted = list(combinations(range(len(sizes)), 2))
    for pair, table in pairwise.pairs(tree, beliefs, wanted).items():
        np.testing.assert_allclose(table, marginal_of(joint, pair), atol=1e-12)


def test_impossible_cells_stay_impossible_without_a_warning():
    tree = tree_of([2, 2, 2], [(0, 1), (1, 2)])
    wall = {(0, 1): np.array([[0.0, -2e4], [-2e4, 0.0]]), (1, 2): np.array([[0.0, -2e4], [-2e4, 0.0]])}
    beliefs = Propagation(tree, wall).beliefs(wall)
    np.testing.assert_allclose(pairwise.pairs(tree, beliefs, [(0, 2)])[0, 2], [[0.5, 0], [0, 0.5]])


def test_a_clique_that_no_tree_clique_holds_is_refused():
    with pytest.raises(ValueError, match="no clique"):
        Propagation(tree_of([2, 2], []), [(0, 1)])


# --- estimation --------------------------------------------------------------------------------------------------


def measured(joint, cliques, noise=0.0, seed=0, count=1000.0, sigma=5.0):
    rng = np.random.default_rng(seed)
    found = []
    for clique in cliques:
        table = count * marginal_of(joint, clique)
        found.append(Measurement(clique, table + noise * rng.normal(size=table.shape), np.full(table.shape, sigma**2)))
    return combine(found)


CYCLE = ([2, 3, 4, 3], [(0, 1), (1, 2), (2, 3), (0, 3)])


def test_without_noise_the_measured_marginals_come_back():
    sizes, pairs = CYCLE
    joint = joint_of(sizes, potentials_of(sizes, pairs, 3))
    fitted = fit(tree_of(sizes, pairs), measured(joint, pairs), iterations=600, tolerance=1e-12)
    model = Propagation(fitted.tree, pairs).marginals(list(fitted.beliefs))
    for pair in pairs:
        np.testing.assert_allclose(model[pair], marginal_of(joint, pair), atol=1e-4)


def test_warm_start_reaches_the_same_optimum_as_a_cold_one():
    sizes, pairs = CYCLE
    singles = [(a,) for a in range(4)]
    joint = joint_of(sizes, potentials_of(sizes, pairs, 4))
    answers = measured(joint, singles + pairs, noise=20, seed=1)
    tree = tree_of(sizes, pairs)
    before = fit(tree, {c: answers[c] for c in [*singles, (0, 1)]})
    warm, cold = (fit(tree, answers, start=start, iterations=800, tolerance=1e-12)
                  for start in (before.potentials, None))
    engine = Propagation(tree, answers)
    counts = [{c: total(answers.values()) * p for c, p in engine.marginals(list(f.beliefs)).items()}
              for f in (warm, cold)]
    losses = [sum(((m.values - k[c]) ** 2 / m.variance).sum() for c, m in answers.items()) for k in counts]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    for clique in answers:  # in patients, where noise has a standard deviation of 5
        np.testing.assert_allclose(counts[0][clique], counts[1][clique], atol=1.0)


def test_contradicting_measurements_are_weighed_by_precision():
    tree = tree_of([2], [])
    answers = combine([Measurement((0,), np.array([80.0, 20.0]), np.full(2, 1.0)),
                       Measurement((0,), np.array([20.0, 80.0]), np.full(2, 3.0))])
    np.testing.assert_allclose(answers[0,].values, [65, 35])
    np.testing.assert_allclose(fit(tree, answers).beliefs[0], [0.65, 0.35], atol=1e-6)
    assert total(answers.values()) == pytest.approx(100)


def test_negative_counts_give_probabilities():
    fitted = fit(tree_of([3], []), combine([Measurement((0,), np.array([-50.0, 60.0, 40.0]), np.full(3, 9.0))]))
    belief = fitted.beliefs[0]
    assert (belief >= 0).all()
    assert belief.sum() == pytest.approx(1)
    np.testing.assert_allclose(belief, [0, 0.7, 0.3], atol=1e-3)  # the nearest table with sum 50, scaled


# --- sampling ----------------------------------------------------------------------------------------------------


def too_far(observed, expected):
    """True if counts are further from expectation than chance allows (chi-square, false alarm 1e-6)."""
    observed, expected = observed.ravel(), expected.ravel()
    assert not observed[expected == 0].any()
    large = expected >= 10  # rare cells are pooled: the chi-square law needs large counts
    observed, expected = ([*v[large], v[~large].sum()] for v in (observed, expected))
    statistic = sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True) if e > 0)
    return statistic > chi2.ppf(1 - FALSE_ALARM, max(1, len(expected) - 1))


def counted(rows, sizes):
    cells = np.ravel_multi_index([rows[a] for a in range(len(sizes))], sizes)
    return np.bincount(cells, minlength=prod(sizes)).reshape(sizes)


SHAPES = [CYCLE, ([2, 3, 2, 2, 3], [(0, 1), (1, 2), (2, 3), (3, 4)]), ([3, 2, 2, 3], [(0, 1), (2, 3)]),
          ([2, 2, 3, 2, 2], [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (2, 4)])]


@pytest.mark.parametrize("sizes, pairs", SHAPES)
def test_rows_follow_the_joint_distribution(sizes, pairs):
    potentials = potentials_of(sizes, pairs, 5)
    tree = tree_of(sizes, pairs)
    beliefs = Propagation(tree, potentials).beliefs(potentials)
    n = 40_000
    rows = sample(tree, beliefs, n, np.random.default_rng(1))
    assert not too_far(counted(rows, sizes), n * joint_of(sizes, potentials))


@pytest.mark.parametrize("sizes, pairs", SHAPES)
@pytest.mark.parametrize("block_cells", [2_000_000, 7])
def test_rows_follow_the_distribution_given_any_evidence(sizes, pairs, block_cells, monkeypatch):
    """Evidence on every subset of attributes, mixed values row by row; also in tiny blocks of tables."""
    monkeypatch.setattr("tabsynth.models._marginal.sampling.BLOCK_CELLS", block_cells)
    potentials = potentials_of(sizes, pairs, 6)
    joint = joint_of(sizes, potentials)
    tree = tree_of(sizes, pairs)
    beliefs = Propagation(tree, potentials).beliefs(potentials)
    rng = np.random.default_rng(2)
    n = 20_000 if block_cells > 7 else 3_000
    for k in range(1, len(sizes)):
        for known in list(combinations(range(len(sizes)), k))[:: 1 if block_cells > 7 else 3]:
            evidence = {a: rng.integers(0, sizes[a], n) for a in known}
            rows = sample(tree, beliefs, n, rng, evidence)
            assert all(np.array_equal(rows[a], evidence[a]) for a in known)
            observed = counted(rows, sizes)
            free = tuple(a for a in range(len(sizes)) if a not in known)
            expected = joint / joint.sum(axis=free, keepdims=True) * observed.sum(axis=free, keepdims=True)
            assert not too_far(observed, expected), known


def test_impossible_evidence_still_gives_rows():
    tree = tree_of([2, 2, 2], [(0, 1), (1, 2)])
    beliefs = [np.array([[0.5, 0.0], [0.0, 0.5]])] * 2
    never = {0: np.zeros(50, dtype=np.int64), 2: np.ones(50, dtype=np.int64)}
    rows = sample(tree, beliefs, 50, np.random.default_rng(0), never)
    assert set(rows[1]) <= {0, 1}


def test_no_rows():
    tree = tree_of([2, 2], [(0, 1)])
    rows = sample(tree, [np.full((2, 2), 0.25)], 0, np.random.default_rng(0))
    assert [len(v) for v in rows.values()] == [0, 0]


def test_a_code_without_chance_never_comes():
    chances = np.array([[0.0, 1.0, 0.0, 2.0, 0.0]])
    codes = draw_codes(chances, np.zeros(30_000, dtype=np.int64), np.random.default_rng(0))
    assert set(codes) == {1, 3}
    assert abs((codes == 3).mean() - 2 / 3) < 1e-3  # systematic: far better than chance


def test_uniforms_are_stratified_in_large_groups_and_independent_in_small_ones():
    group = np.repeat([0, 1], [STRATIFY_FROM, 2]).astype(np.int64)
    many = [spread_uniforms(group, np.random.default_rng(s)) for s in range(4_000)]
    strata = np.sort((np.array(many)[:, :STRATIFY_FROM] * STRATIFY_FROM).astype(int), axis=1)
    assert (strata == np.arange(STRATIFY_FROM)).all()
    both_low = np.mean([(u[-2:] < 0.5).all() for u in many])
    assert abs(both_low - 0.25) < 5 * np.sqrt(0.25 * 0.75 / len(many))
    first = np.array(many)[:, 0]
    assert abs(first.mean() - 0.5) < 5 / np.sqrt(12 * len(many))


# --- selection ---------------------------------------------------------------------------------------------------


def best_by_search(candidates, gains, budget):
    """F of the best set over all subsets."""
    def value(chosen):
        price = selection.LEFT_BY_FIT * sum(c.price for c in chosen) ** 1.5 * np.sqrt(2 / np.pi / budget)
        return sum(c.weight * gains[c.pair] for c in chosen) - price
    return max(value(s) for k in range(len(candidates) + 1) for s in combinations(candidates, k))


def test_greedy_choice_is_near_the_best_set_and_spends_exactly_the_budget():
    """Furthest off first, which saves the tree's cells, comes within a tenth of the best set in the mean."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(20):
        sizes = rng.integers(2, 9, 5).tolist()
        candidates = [Candidate((a, b), (sizes[a], sizes[b]), 1.0) for a, b in combinations(range(5), 2)]
        gains = {c.pair: float(rng.exponential(300)) for c in candidates}
        choice = choose(candidates, gains, 0.05, Triangulation.empty(sizes), 1e9)
        noise = {c.pair: selection.LEFT_BY_FIT * np.sqrt(2 / np.pi) * c.noisy_cells for c in candidates}
        best = best_by_search(candidates, gains, 0.05)
        reached = sum(gains[p] - noise[p] * s for p, s in choice.sigmas.items())
        shares.append(1.0 if best == 0 else reached / best)
        assert not choice.sigmas or sum(s**-2 for s in choice.sigmas.values()) == pytest.approx(0.05)
        assert all(choice.triangulation.covers(p) for p in choice.sigmas)
    assert np.mean(shares) > 0.9
    assert min(shares) > 0.5


def test_a_forest_has_no_circles_and_takes_the_largest_gains():
    candidates = [Candidate((a, b), (4, 4), 1.0) for a, b in combinations(range(5), 2)]
    gains = {c.pair: 9_000.0 - 1_000 * sum(c.pair) for c in candidates}
    choice = choose(candidates, gains, 0.5, Triangulation.empty([4] * 5), 1e9, forest=True)
    assert set(choice.sigmas) == {(0, 1), (0, 2), (0, 3), (0, 4)}


def test_pairs_of_the_target_go_before_others_but_not_in_a_forest():
    candidates = [Candidate((a, b), (4, 4), 1.0, before=a == 0) for a, b in combinations(range(4), 2)]
    gains = {c.pair: 500.0 if c.before else 9_000.0 for c in candidates}
    room = 3 * 4**2 + 1
    assert set(choose(candidates, gains, 0.5, Triangulation.empty([4] * 4), room).sigmas) == {(0, 1), (0, 2), (0, 3)}
    forest = choose(candidates, gains, 0.5, Triangulation.empty([4] * 4), room, forest=True)
    assert set(forest.sigmas) == {(1, 2), (1, 3), (0, 1)}


def test_denoising_keeps_margins_and_low_rank_news_and_drops_noise():
    rng = np.random.default_rng(0)
    rows, columns = rng.dirichlet(np.ones(12)), rng.dirichlet(np.ones(15))
    expected = 20_000 * np.outer(rows, columns)
    trend = 3_000 * np.outer(np.linspace(-1, 1, 12), np.linspace(-1, 1, 15)) / 45
    off, raw = [], []
    for _ in range(30):
        noisy = expected + trend + rng.normal(0, 25, expected.shape)
        clean = denoised(noisy, expected, 25.0)
        assert np.allclose(clean.sum(axis=0), noisy.sum(axis=0))
        assert np.allclose(clean.sum(axis=1), noisy.sum(axis=1))
        off.append(np.abs(clean - expected - trend).sum())
        raw.append(np.abs(noisy - expected - trend).sum())
    assert np.mean(off) < 0.65 * np.mean(raw)
    assert np.allclose(shrunk(trend, 1e-9), trend)
    assert np.abs(shrunk(rng.normal(0, 1, (12, 15)), 1.0)).max() < 1.5


def test_the_tree_stays_under_its_cap_and_worthless_pairs_are_left_out():
    sizes = [10] * 6
    candidates = [Candidate((a, b), (10, 10), 1.0) for a, b in combinations(range(6), 2)]
    gains = {c.pair: 1e6 for c in candidates}
    assert choose(candidates, gains, 0.05, Triangulation.empty(sizes), 2_500).triangulation.cells <= 2_500
    assert not choose(candidates, {c.pair: 5.0 for c in candidates}, 0.05, Triangulation.empty(sizes), 1e9).sigmas
    assert selection.worthwhile(candidates, 10.0, 0.05, 99) == []
    assert len(selection.worthwhile(candidates, 1e5, 0.05, 7)) == 7


def test_scores_that_are_only_noise_are_drawn_to_their_mean():
    noisy = {(0, i): 100 + 10 * v for i, v in enumerate(np.random.default_rng(0).normal(size=400))}
    assert np.std(list(selection.shrink(noisy, 10.0).values())) < 3
    assert np.std(list(selection.shrink(noisy, 0.1).values())) > 9
    assert selection.shrink({}, 1.0) == {}


def test_sampling_noise_is_the_mean_distance_of_a_sample():
    share = np.array([0.5, 0.3, 0.15, 0.05])
    draws = np.random.default_rng(0).multinomial(2_000, share, size=2_000)
    distance = np.abs(draws - 2_000 * share).sum(axis=1).mean()
    assert selection.sampling_noise(2_000 * share) == pytest.approx(distance, rel=0.03)


# --- coarsening --------------------------------------------------------------------------------------------------


def histogram(counts, sigma=1.0, ordered=None, special=()):
    counts = np.array(counts, dtype=float)
    bars = np.zeros(len(counts))
    bars[list(special)] = 3.0
    return Histogram(counts, np.full(len(counts), sigma), bars, len(counts) if ordered is None else ordered)


@given(st.lists(st.floats(-200, 1_000), min_size=1, max_size=40), st.data())
@settings(max_examples=80)
def test_groups_are_numbered_without_gaps_and_chances_sum_to_one(counts, data):
    ordered = data.draw(st.integers(0, len(counts)))
    special = range(max(ordered, len(counts) - 3), len(counts))
    h = histogram(counts, sigma=20.0, ordered=ordered, special=special)
    groups, runs = coarsen(h, data.draw(st.integers(1, 12)), significant=4.0)
    assert sorted(set(groups)) == list(range(groups.max() + 1))
    assert (np.diff(groups[:ordered]) >= 0).all()
    assert runs == len(set(groups[:ordered]))
    chances = within(h, groups)
    assert (chances >= 0).all()
    np.testing.assert_allclose(np.bincount(groups, weights=chances), 1.0)


def test_a_heavy_value_stays_alone_and_runs_hold_equal_mass():
    groups, _ = coarsen(histogram([5_000, *[100] * 20]), 8, significant=4.0)
    assert (groups == groups[0]).sum() == 1
    sizes = np.bincount(groups)[1:]
    assert sizes.tolist() == [3, 3, 3, 3, 3, 3, 2]


def test_rare_categories_are_pooled_and_noise_rides_along():
    groups, _ = coarsen(histogram([900, 70, 75, 800, 2, 0], sigma=20, ordered=0, special=[4, 5]), 8, significant=4.0)
    assert groups[1] == groups[2] != groups[0]
    assert len({groups[0], groups[3], groups[1]}) == 3 == groups.max() + 1
    plain, _ = coarsen(histogram([900, 800, 30, -20], sigma=20, ordered=0, special=[2, 3]), 8, significant=4.0)
    assert plain.max() == 1


def test_special_codes_without_evidence_never_come_and_credible_ones_do():
    h = histogram([500, 300, 50, 400], sigma=20, ordered=2, special=[2, 3])
    groups, _ = coarsen(h, 8, significant=4.0)
    assert within(h, groups)[2] == 0
    assert groups[3] not in groups[:2]
    nothing = histogram([-5, -9], sigma=20, ordered=0, special=[0, 1])
    assert within(nothing, np.zeros(2, dtype=np.int64)).sum() == pytest.approx(1)


def test_noise_inside_a_run_is_smoothed_and_a_real_shape_is_kept():
    rng = np.random.default_rng(0)
    flat = histogram(100 + 20 * rng.normal(size=30), sigma=20)
    assert within(flat, np.zeros(30, dtype=np.int64)).std() * 30 < 0.1
    peak = histogram(np.where(np.arange(30) == 7, 3_000, 10), sigma=20)
    assert within(peak, np.zeros(30, dtype=np.int64))[7] > 0.85


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.floats(0.5, 1e3))
@settings(max_examples=60)
def test_projection_onto_the_simplex_is_optimal(values, whole):
    values = np.array(values)
    point = onto_simplex(values, whole)
    assert (point >= 0).all()
    assert point.sum() == pytest.approx(whole)
    away = values - point  # optimality: no mass can move to a cell that wants it more
    assert (away <= away[point > 0].max() + 1e-6).all()
    np.testing.assert_allclose(away[point > 0], away[point > 0].max(), atol=1e-6)


def test_plan_grows_with_the_number_of_patients_and_shrinks_with_columns():
    assert plan.levels(1e3, 0.24, 20) <= plan.levels(1e4, 0.24, 20) <= plan.levels(1e6, 0.24, 20) == plan.MAX_LEVELS
    assert plan.levels(4e4, 0.24, 100) <= plan.levels(4e4, 0.24, 10)
    assert plan.levels(-5.0, 0.24, 0) == plan.MIN_LEVELS
    assert plan.block_levels(1e3, 0.24, 0.35, 20) <= plan.block_levels(1e5, 0.24, 0.2, 20)
    shares = [plan.one_way_share(n, 0.24) for n in (100, 20_000, 1e6)]
    assert shares == sorted(shares, reverse=True)
    left = 1.0
    for r in range(3):
        left -= left * plan.round_share(r, 3)
    assert left == 0


def test_noise_in_a_long_empty_tail_falls_off_instead_of_filling_it() -> None:
    line = 60
    counts = np.concatenate([np.full(10, 500.0), np.zeros(line - 10)])
    noisy = counts + np.random.default_rng(3).normal(0, 20, line)
    histogram = Histogram(noisy, np.full(line, 20.0), np.zeros(line), line)
    groups = np.concatenate([np.arange(10), np.full(line - 10, 10)])
    chances = within(histogram, groups)
    assert chances[10] > 0.3
    assert chances[40:].sum() < 0.2
    assert np.isclose(chances[10:].sum(), 1)
