"""SeqForest's trees against slow, obvious code; the compiled loops against their plain twins."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, chisquare, norm

from tabsynth.core.compact import Compact
from tabsynth.datasets import load
from tabsynth.models._trees import compiled, drawing, engine, growing, plain
from tabsynth.models._trees.chance import needed_gains, on_grid
from tabsynth.models._trees.features import byte_of_code, first_axis, rank_of_byte
from tabsynth.models._trees.fitting import Fitter, Growth, most_gain
from tabsynth.models._trees.rows import Rows
from tabsynth.models._trees.splits import Splits
from tabsynth.models._trees.targets import coarse_classes
from tabsynth.models._trees.tree import Tree
from tabsynth.models.seqforest import SeqForest

FALSE_ALARM = 1e-6

ENGINES = {"plain": plain}
if compiled.AVAILABLE:
    ENGINES["compiled"] = SimpleNamespace(
        grow=growing.grow, distinct_classes=growing.distinct_classes, walk=drawing.walk, strata=drawing.strata,
        climb=drawing.climb, descend=drawing.descend)
both_engines = pytest.mark.parametrize("loops", ENGINES.values(), ids=list(ENGINES))
needs_numba = pytest.mark.skipif(not compiled.AVAILABLE, reason="there is only the plain engine")

KEY = np.uint64(20_240_229)


def rng(seed=0):
    return np.random.default_rng(seed)


def key(seed):
    return np.uint64(rng(seed).integers(0, 2**64, dtype=np.uint64))


def same(a, b):
    """Equal to the last bit, types included."""
    return all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# one tree

@st.composite
def problems(draw, most_rows=400):
    """What a tree grows on: features as ranks, and a target that depends on some of them."""
    seed, n = draw(st.integers(0, 2**32)), draw(st.integers(1, most_rows))
    n_classes, n_features = draw(st.integers(1, 40)), draw(st.integers(1, 5))
    r = rng(seed)
    widths = r.choice([2, 3, 8, 256], n_features)
    ranked = r.integers(0, widths[:, None], (n_features, n)).astype(np.uint8)
    signal = (ranked[0].astype(int) * n_classes) // int(widths[0])
    classes = np.where(r.random(n) < draw(st.sampled_from([0, .5, 1])), signal, r.integers(0, n_classes, n))
    return SimpleNamespace(
        ranked=ranked, widths=widths.astype(np.int64), classes=classes.astype(np.int32), n_classes=n_classes,
        on_line=draw(st.sampled_from([0, n_classes, n_classes // 2])), min_leaf=draw(st.sampled_from([1, 2, 5])),
        min_split=draw(st.sampled_from([0, 0, 30])),
        per_class=draw(st.sampled_from([1, 20])), evidence=draw(st.sampled_from([0.0, 1.0, 3.0])))


def grown(loops, p):
    n = np.arange(len(p.classes) + 1.0)
    return loops.grow(p.ranked, p.widths, p.classes, p.n_classes, p.on_line, on_grid(n * np.log(np.maximum(n, 1))),
                      p.min_leaf, p.min_split, p.per_class, needed_gains(p.n_classes, p.evidence))


def walked(loops, p, tree):
    identity = np.tile(np.arange(256, dtype=np.uint8), (len(p.ranked), 1))
    return loops.walk(np.ascontiguousarray(p.ranked.T), identity, *tree[:3])


def information(classes):
    """Log-likelihood of the classes under their own frequencies."""
    return sum(h * math.log(h / len(classes)) for h in Counter(classes).values())


def grown_slowly(p):
    """Every split of every node tried, each from its rows; nodes in the order of a stack."""
    nodes, stack = [(-1, 0, 0)], [(0, list(range(len(p.classes))))]
    while stack:
        node, rows = stack.pop()
        shift = 0
        while p.on_line >> shift > 4 and (p.on_line >> shift) * p.per_class > len(rows):
            shift += 1
        seen = {i: int(c) >> shift if c < p.on_line else int(c) for i, c in zip(rows, p.classes[rows], strict=True)}
        best, chosen = 0.0, None
        for f, column in enumerate(p.ranked):
            for b in sorted(set(column[rows].tolist())):
                sides = [[i for i in rows if column[i] <= b], [i for i in rows if column[i] > b]]
                if min(map(len, sides)) < p.min_leaf:
                    continue
                gain = sum(information([seen[i] for i in side]) for side in sides) - information(seen.values())
                if gain > best + 1e-9:
                    best, chosen = gain, (f, b, sides)
        kinds = len(set(seen.values()))
        if chosen is None or len(rows) < p.min_split or kinds < 2 or best <= needed_gains(kinds, p.evidence)[kinds]:
            continue
        nodes[node] = (*chosen[:2], len(nodes))
        stack += [(len(nodes), chosen[2][0]), (len(nodes) + 1, chosen[2][1])]
        nodes += [(-1, 0, 0), (-1, 0, 0)]
    return nodes


@both_engines
@settings(max_examples=40)
@given(p=problems(most_rows=40))
def test_growth_is_the_best_split_of_every_node(loops, p):
    feature, threshold, left, _ = grown(loops, p)
    assert list(zip(feature.tolist(), threshold.tolist(), left.tolist(), strict=True)) == grown_slowly(p)


@both_engines
@pytest.mark.parametrize("more, winner", [(5e-10, 0), (5e-9, 1), (-5e-10, 0)])
def test_of_gains_that_are_as_good_as_equal_the_first_wins(loops, more, winner):
    classes = np.repeat([0, 1], 5).astype(np.int32)
    ranked = np.stack([np.arange(10) >= 3, np.arange(10) >= 4]).astype(np.uint8)
    x = [n * math.log(n) if n else 0.0 for n in range(11)]
    # only the second feature's split leaves a class a single row, so that x[1] sets by how much it is better
    x[1] = (x[3] - x[3] + x[2] + x[5] - x[7]) - (x[4] - x[4] + x[5] - x[6]) + more
    tree = loops.grow(ranked, np.array([2, 2]), classes, 2, 0, np.array(x), 1, 0, 20, np.zeros(3))
    assert tree[0][0] == winner


@both_engines
@settings(max_examples=40)
@given(p=problems())
def test_no_leaf_is_smaller_than_asked_and_gains_are_those_of_the_rows(loops, p):
    tree = grown(loops, p)
    leaf = walked(loops, p, tree)
    assert (np.bincount(leaf)[np.unique(leaf)] >= min(p.min_leaf, len(leaf))).all()
    assert set(leaf.tolist()) == set(np.flatnonzero(tree[0] < 0).tolist())
    if p.on_line == 0:
        held = sum(information(p.classes[leaf == node].tolist()) for node in np.unique(leaf))
        assert tree[3].sum() == pytest.approx(held - information(p.classes.tolist()), abs=1e-6)


@needs_numba
@settings(max_examples=60)
@given(p=problems(), seed=st.integers(0, 2**32))
def test_both_engines_do_the_same(p, seed):
    tree = grown(growing, p)
    assert same(tree, grown(plain, p))
    leaf = walked(drawing, p, tree)
    assert same([leaf], [walked(plain, p, tree)])
    leaf = rng(seed).permutation(leaf)
    uniform = drawing.strata(leaf, len(tree[0]), key(seed))
    assert same([uniform], [plain.strata(leaf, len(tree[0]), key(seed))])
    one = filled(tree, leaf, p.classes, p.n_classes, backoff=2.0)
    numbers = one.first, one.codes, p.n_classes, *tree[0:3:2]
    assert same([growing.distinct_classes(*numbers)], [plain.distinct_classes(*numbers)])
    node = drawing.climb(leaf, one.splits.above, one.stop, uniform)
    assert same([node], [plain.climb(leaf, one.splits.above, one.stop, uniform)])
    arguments = (node, tree[2], one.go_left, one.first, one.codes, one.upto, drawing.strata(node, len(tree[0]), KEY))
    assert same([drawing.descend(*arguments)], [plain.descend(*arguments)])


def filled(tree, leaf, codes, n_codes, backoff):
    """A tree with these codes in its leaves."""
    feature, threshold, left, _ = tree
    cell, count = np.unique(leaf.astype(np.int64) * n_codes + codes, return_counts=True)
    node, held = np.divmod(cell, n_codes)
    first, held = np.searchsorted(node, np.arange(len(feature) + 1)), held.astype(np.int32)
    splits = Splits(np.zeros(0, np.int32), np.zeros((0, 256), np.uint8), feature, threshold, left)
    return Tree(splits, first, held, count.astype(np.int32),
                plain.distinct_classes(first, held, n_codes, feature, left), backoff)


@needs_numba
def test_both_engines_fit_the_same_model_of_a_real_table(monkeypatch):
    rows = Compact.of(load.load_demo("rand_hie").take(np.arange(4000)))
    states, drawn = [], []
    for loops in ENGINES.values():
        for name in ("_grow", "distinct_classes", "walk", "strata", "climb", "descend"):
            monkeypatch.setattr(engine, name, getattr(loops, name.removeprefix("_")))
        model = SeqForest().fit(rows, rng=rng(1))
        states.append(list(model.state().arrays.values()))
        drawn.append(list(model.draw(3000, rng=rng(2)).values()))
    assert same(*states)
    assert same(*drawn)
    assert len(states[0][0]) > 50


def test_a_loop_is_compiled_once_it_has_met_enough(monkeypatch):
    monkeypatch.setattr(engine, "AVAILABLE", True)
    loop = engine.Loop(lambda a: "plain", lambda a: "compiled", patience=10)
    assert [loop(np.zeros(5)) for _ in range(4)] == ["plain", "plain", "compiled", "compiled"]
    monkeypatch.setattr(engine, "AVAILABLE", False)
    assert loop(np.zeros(5)) == "plain"


def test_without_numba_the_plain_loops_work(monkeypatch):
    monkeypatch.delenv("TABSYNTH_PLAIN", raising=False)
    script = ("import sys; sys.modules['numba'] = None\n"
              "from tabsynth.models._trees import compiled, growing\n"
              "print(compiled.engine_in_use(), growing.grow.__class__.__name__)")
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told == "plain numpy, four to eight times slower (numba does not load) function\n"


@needs_numba
def test_without_a_writable_folder_machine_code_is_not_kept(monkeypatch):
    def njit(function, cache=False, **_):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return "compiled, not kept"

    monkeypatch.setattr(compiled, "numba", SimpleNamespace(njit=njit))
    assert compiled.compiled(len) == "compiled, not kept"


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=50), st.randoms(use_true_random=False))
def test_sums_on_the_grid_do_not_depend_on_their_order(counts, random):
    values = np.array(counts, float)
    values = on_grid(values * np.log(np.maximum(values, 1)) / len(counts))
    shuffled = values.tolist()
    random.shuffle(shuffled)
    assert sum(shuffled) == sum(values.tolist()) == math.fsum(shuffled)


def test_the_grid_is_fine():
    values = np.arange(200_001) * np.log(np.maximum(np.arange(200_001), 1))
    assert np.abs(on_grid(values) - values).max() <= values.max() * 2.0**-49
    assert on_grid(np.zeros(1)) == 0


@pytest.mark.parametrize("evidence", [0.0, 1.0, 2.0, 3.0])
def test_needed_gain_is_half_a_quantile_of_chi_squared(evidence):
    df = np.arange(1, 400)
    exact = chi2.ppf(norm.cdf(evidence), df) / 2
    found = needed_gains(400, evidence)
    assert found[:2].tolist() == [np.inf, np.inf]
    np.testing.assert_allclose(found[2:], exact, rtol=.04)
    np.testing.assert_allclose(found[10:], exact[8:], rtol=.01)
    assert len(needed_gains(1, evidence)) == 2


# 0 -> (1, 2), 2 -> (3, 4)
FEATURE, LEFT = np.array([0, -1, 0, -1, -1], np.int32), np.array([1, 0, 3, 0, 0], np.int32)
THRESHOLD = np.array([0, 0, 1, 0, 0], np.uint8)


@both_engines
def test_distinct_classes_by_hand(loops):
    first = np.array([0, 0, 2, 2, 5, 6])     # leaf 1: two entries, leaf 3: three, leaf 4: one
    classes = np.array([0, 1, 1, 2, 2, 5], np.int32)
    assert loops.distinct_classes(first, classes, 6, FEATURE, LEFT).tolist() == [4, 2, 3, 2, 1]


@both_engines
def test_walk_by_hand(loops):
    swapped = np.arange(256, dtype=np.uint8)
    swapped[[0, 7]] = [7, 0]
    parents = np.array([[0], [1], [2], [7]], np.uint8)
    assert loops.walk(parents, swapped[None], FEATURE, THRESHOLD, LEFT).tolist() == [4, 3, 4, 1]


@both_engines
@given(leaf=st.lists(st.integers(0, 6), max_size=200), seed=st.integers(0, 2**32))
def test_uniforms_of_a_leaf_are_one_in_each_stratum(loops, leaf, seed):
    leaf = np.array(leaf, np.int32)
    uniform = loops.strata(leaf, 7, key(seed))
    for node in range(7):
        own = np.sort(uniform[leaf == node])
        assert np.floor(own * len(own)).tolist() == list(range(len(own)))


@both_engines
def test_strata_are_in_random_order_and_uniform_within(loops):
    leaf = np.repeat(np.arange(4000), 3).astype(np.int32)
    uniform = loops.strata(leaf, 4000, KEY).reshape(-1, 3)
    orders = Counter(map(tuple, np.argsort(uniform, axis=1).tolist()))
    assert len(orders) == 6
    assert chisquare(list(orders.values())).pvalue > FALSE_ALARM
    assert chisquare(np.bincount((uniform.ravel() * 30).astype(int), minlength=30)).pvalue > FALSE_ALARM


# what a leaf gives

def some_tree(backoff, seed=3, n=600, n_codes=7):
    """Deep, with leaves of few rows, pure and mixed ones, and the codes it was grown on."""
    r = rng(seed)
    ranked = r.integers(0, 6, (3, n)).astype(np.uint8)
    codes = np.where(ranked[0] == 0, 0, (ranked.sum(axis=0) + r.integers(0, 3, n)) % n_codes).astype(np.int32)
    columns = np.concatenate([ranked.astype(np.int32), codes[None]])
    rows = Rows.of(columns, [np.arange(n_codes, dtype=np.uint8)] * 4)
    growth = Growth(leaf=5, evidence=0.0, honesty=0.0, backoff=backoff, parents=20, classes=32)
    fitter = Fitter(rows, (6, 6, 6, n_codes), [6, 6, 6, 0], np.arange(n), growth, np.arange(n))
    return fitter.tree(3, np.array([0, 1, 2], np.int32)), rows


def probabilities(tree, n_codes=7):
    """P(code | leaf), shape (leaves, n_codes), in the order of the leaves' numbers."""
    leaves = np.flatnonzero(tree.splits.feature < 0)

    class At(Splits):
        def leaves(self, seen):
            return np.repeat(leaves, n_codes).astype(np.int32)

    at = At(**vars(tree.splits))
    whole = Tree(at, tree.first, tree.codes, tree.count, tree.distinct, tree.backoff)
    codes = np.tile(np.arange(n_codes, dtype=np.int32), len(leaves))
    rows = Rows.unknown([np.zeros(1, np.uint8)], len(codes))
    return leaves, np.exp(whole.log_probability(rows, codes)).reshape(len(leaves), n_codes)


@pytest.mark.parametrize("backoff", [0.0, 1.0, 4.0])
def test_probabilities_of_a_leaf_sum_to_one(backoff):
    tree, _ = some_tree(backoff)
    leaves, p = probabilities(tree)
    assert len(leaves) > 20
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-10)


@pytest.mark.parametrize("backoff", [0.0, 1.0, 4.0])
def test_backing_off_keeps_the_histogram(backoff):
    tree, rows = some_tree(backoff)
    leaves, p = probabilities(tree)
    np.testing.assert_allclose(tree.rows[leaves] @ p, np.bincount(rows.codes[3], minlength=7), rtol=1e-9)


def test_without_backing_off_a_leaf_gives_what_it_holds():
    tree, rows = some_tree(0.0)
    leaves, p = probabilities(tree)
    at = tree.splits.leaves(rows.seen)
    for node, own in zip(leaves, p, strict=True):
        held = np.bincount(rows.codes[3][at == node], minlength=7)
        np.testing.assert_allclose(own, np.maximum(held / held.sum(), 1e-12), rtol=1e-9)


def test_only_leaves_of_one_class_give_nothing_away():
    tree, _ = some_tree(4.0)
    leaves, p = probabilities(tree)
    pure = tree.distinct[leaves] == 1
    assert pure.any()
    assert ((p > 1e-11).sum(axis=1) == 1).tolist() == pure.tolist()


def drawn_at(loops, tree, leaf, up, down):
    """A code for each row at a leaf; `up` and `down` are the uniforms of the two ways."""
    node = loops.climb(leaf, tree.splits.above, tree.stop, up)
    return loops.descend(node, tree.splits.left, tree.go_left, tree.first, tree.codes, tree.upto, down)


@both_engines
@pytest.mark.parametrize("backoff", [0.0, 4.0])
def test_draws_are_as_frequent_as_their_probability(loops, backoff):
    tree, _ = some_tree(backoff)
    leaves, p = probabilities(tree)
    leaf = np.repeat(leaves, 2000).astype(np.int32)
    codes = drawn_at(loops, tree, leaf, *rng(5).random((2, len(leaf))))
    drawn = np.bincount(np.repeat(np.arange(len(leaves)), 2000) * 7 + codes, minlength=p.size).reshape(p.shape)
    assert not drawn[p < 1e-11].any()
    enough = 2000 * p > 5
    statistic = ((drawn - 2000 * p)[enough]**2 / (2000 * p)[enough]).sum()
    assert statistic < chi2.isf(FALSE_ALARM, enough.sum())


@both_engines
def test_a_uniform_that_was_rounded_up_to_one_draws_a_code(loops):
    tree, _ = some_tree(4.0)
    leaf = np.flatnonzero(tree.splits.feature < 0).astype(np.int32)
    codes = drawn_at(loops, tree, leaf, *np.ones((2, len(leaf))))
    assert set(codes.tolist()) <= set(range(7))


def test_a_stratified_draw_of_the_training_rows_is_nearly_their_histogram():
    tree, rows = some_tree(0.0)
    drawn = np.bincount(tree.draw(rows, KEY), minlength=7)
    leaves = len(np.unique(tree.splits.leaves(rows.seen)))
    assert np.abs(drawn - np.bincount(rows.codes[3], minlength=7)).max() < leaves / 2


# features and classes

@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(3, 12), st.integers(2, 8))
def test_first_axis_is_that_of_the_singular_value_decomposition(seed, levels, n_classes):
    r = rng(seed)
    table = r.integers(1, 5, (levels, n_classes)) + r.integers(0, 60, levels)[:, None] * (np.arange(n_classes) == 1)
    feature, classes = (np.repeat(a.ravel(), table.ravel()) for a in np.indices(table.shape))
    shares = table / table.sum()
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    u, s, _ = np.linalg.svd((shares - np.outer(rows, columns)) / np.sqrt(np.outer(rows, columns)))
    assume(s[1] < .5 * s[0])
    expected = u[:, 0] / np.sqrt(rows)
    found = first_axis(feature.astype(np.uint8), classes.astype(np.int32), n_classes)[:levels]
    assert abs(np.corrcoef(found, expected)[0, 1]) > 1 - 1e-6


def test_levels_are_ranked_along_the_axis_and_lines_as_they_are():
    r = rng(1)
    feature = r.integers(0, 6, 6000).astype(np.uint8)
    share = np.array([.9, .1, .5, .3, .7, .2])
    classes = (r.random(6000) < share[feature]).astype(np.int32)
    rank = rank_of_byte(feature, classes, 2, on_line=False)
    assert np.argsort(rank[:6]).tolist() in ([1, 5, 3, 2, 4, 0], [0, 4, 2, 3, 5, 1])
    assert sorted(rank.tolist()) == list(range(256))
    assert rank_of_byte(feature, classes, 2, on_line=True).tolist() == list(range(256))


def test_axis_of_very_many_classes_is_that_of_the_dense_table(monkeypatch):
    r = rng(2)
    feature, classes = r.integers(0, 5, 500).astype(np.uint8), r.integers(0, 30, 500).astype(np.int32)
    dense = first_axis(feature, classes, 30)
    monkeypatch.setattr("tabsynth.models._trees.features.DENSE_CELLS", 0)
    np.testing.assert_allclose(first_axis(feature, classes, 30), dense, atol=1e-9)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=900), st.integers(0, 20))
def test_bytes_of_a_line_rise_and_what_lies_off_it_keeps_its_own(counts, off):
    counts = np.array(counts + [3] * off)
    line = len(counts) - off
    found = byte_of_code(counts, line)
    assert (np.diff(found[:line].astype(int)) >= 0).all()
    assert len(set(found[line:].tolist())) == off
    assert not set(found[:line].tolist()) & set(found[line:].tolist())
    if len(counts) <= 256:
        assert found.tolist() == list(range(len(counts)))


def test_of_many_levels_the_frequent_keep_a_byte():
    counts = rng(3).permutation(400)
    found = byte_of_code(counts, 0)
    assert len(set(found[counts >= 145].tolist())) == 255
    assert set(found[counts < 145].tolist()) == {255}


def test_bytes_of_a_long_line_hold_about_equal_mass():
    counts = np.full(5000, 10)
    counts[17] = 40_000
    mass = np.bincount(byte_of_code(counts, 5000), counts)
    alone = byte_of_code(counts, 5000)[17]
    assert mass[alone] == 40_000
    assert np.delete(mass, alone).max() < 3 * 50_000 / 250


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300), st.integers(0, 8), st.integers(2, 40))
def test_coarse_classes_rise_along_the_line(counts, off, classes):
    counts = np.array(counts + [1] * off)
    line = len(counts) - off
    found = coarse_classes(counts, line, classes)
    assert set(np.diff(found[:line]).tolist()) <= {0, 1}
    assert np.unique(found).tolist() == list(range(found[-1] + 1))
    assert len(set(found[line:].tolist()) - set(found[:line].tolist())) == off
    if line > classes + 8:
        assert found[line - 1] < 3 * classes + 1


def test_coarse_classes_hold_equal_mass():
    assert np.bincount(coarse_classes(np.full(400, 7), 400, 10)).tolist() == [40] * 10


def test_a_frequent_code_is_a_class_of_its_own():
    counts = np.ones(200, int)
    counts[100] = 500
    found = coarse_classes(counts, 200, 10)
    assert (found == found[100]).sum() == 1


def test_most_gain_sums_over_splits():
    feature, gain = np.array([0, 2, 2, -1, -1, 3], np.int32), np.array([3.0, 2, 2, 0, 0, 1])
    assert most_gain(feature, gain, 5).tolist() == [2, 0, 3]
