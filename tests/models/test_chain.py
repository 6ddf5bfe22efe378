"""SeqForest's chain of trees: order, exact density, conditional draws and storage, against enumeration."""

from __future__ import annotations

import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import chi2

from tabsynth.core.coding import ROWS, Codes, rows_column
from tabsynth.core.errors import UsageError
from tabsynth.core.schema import Column, Evaluation, Schema
from tabsynth.core.synthesizer import State
from tabsynth.models import seqforest
from tabsynth.models._trees import chain as chains
from tabsynth.models._trees import stored
from tabsynth.models._trees.lookup import Lookup
from tabsynth.models._trees.order import column_order
from tabsynth.models._trees.rows import Rows
from tabsynth.models.seqforest import SeqForest

FALSE_ALARM = 1e-6
KEY = np.uint64(20_240_229)


def rng(seed=0):
    return np.random.default_rng(seed)


def same(a, b):
    """Equal to the last bit, types included."""
    return all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# columns that follow from others

def test_lookup_finds_the_first_column_that_determines():
    r = rng(4)
    parent = r.integers(0, 5, 1000).astype(np.int32)
    table = np.array([3, 1, 1, 0, 2], np.int32)
    codes = np.stack([r.integers(0, 5, 1000).astype(np.int32), parent, table[parent], parent])
    found = Lookup.find(codes, 2, np.array([0, 1, 3], np.int32), (5, 6, 4, 5))
    assert found is not None
    assert found.parent == 1
    rows = Rows.of(codes, [np.arange(6, dtype=np.uint8)] * 4)
    assert found.draw(rows, KEY).tolist() == codes[2].tolist()
    assert found.log_probability(rows, codes[2]).tolist() == [0.0] * 1000
    assert found.log_probability(rows, (codes[2] + 1).astype(np.int32)).max() == pytest.approx(math.log(1e-12))
    rows.codes[1] = 5       # a code that no row held
    assert set(found.draw(rows, KEY).tolist()) == {3}


@pytest.mark.parametrize("n, wrong", [(99, 0), (100, 1)])
def test_lookup_is_exact_and_not_by_chance(n, wrong):
    parent = (np.arange(n) % 5).astype(np.int32)
    codes = np.stack([parent, parent])
    codes[1, n - wrong:] = (codes[1, n - wrong:] + 1) % 5
    assert Lookup.find(codes, 1, np.array([0], np.int32), (5, 5)) is None


# the chain

def coding_of(schema, names, lines=None):
    """What a chain reads of a coding."""
    codecs = {name: SimpleNamespace(ordered=line, column=rows_column(schema) if name == ROWS else schema[name])
              for name, line in zip(names, lines or [0] * len(names), strict=True)}
    return SimpleNamespace(names=names, schema=schema, codecs=codecs, formulas=())


def toy(columns, lines=None, seed=0, **arguments):
    """A model of raw codes, each column with one code more than it holds."""
    names = tuple(f"c{j}" for j in range(len(columns)))
    lines = lines or [0] * len(columns)
    model = SeqForest(order=list(names), **arguments)
    model.coding_ = coding_of(Schema(tuple(Column(name, "integer") for name in names)), names, lines)
    values = np.asfortranarray(np.stack(columns, axis=1).astype(np.int32))
    sizes = tuple(int(column.max()) + 2 for column in columns)
    model.fit_codes(Codes(names, sizes, values, np.ones(len(values))), rng=rng(seed))
    return model, sizes


def three_columns(n=800):
    r = rng(7)
    a = r.integers(0, 3, n)
    b = (a + (r.random(n) < .4)) % 4
    return a, b, (a + b + r.integers(0, 2, n)) % 5


def joint(model, sizes):
    """p of every row there is, shape `sizes`."""
    cells = np.array(list(itertools.product(*map(range, sizes))), np.int32)
    density = model.log_density(Codes(model.coding_.names, sizes, np.asfortranarray(cells), np.ones(len(cells))))
    return np.exp(density).reshape(sizes)


def test_density_sums_to_one_and_draws_follow_it():
    model, sizes = toy(three_columns())
    p = joint(model, sizes)
    assert p.sum() == pytest.approx(1, abs=1e-9)
    drawn = np.zeros(sizes)
    np.add.at(drawn, tuple(model.draw(40_000, rng=rng(1)).values()), 1)
    enough = 40_000 * p > 5     # stratified draws vary less than independent ones, so the test is on the safe side
    assert ((drawn - 40_000 * p)[enough]**2 / (40_000 * p)[enough]).sum() < chi2.isf(FALSE_ALARM, enough.sum())


@pytest.mark.parametrize("known", [{"c0": 1}, {"c0": 1, "c1": 2}, {"c2": 2}, {"c1": 2}, {"c0": 2, "c2": 4}])
def test_conditional_draws_follow_the_posterior(known, monkeypatch):
    monkeypatch.setattr(chains, "PARTICLES", 512)   # so many that what resampling is off by does not show
    model, sizes = toy(three_columns())
    n = 2000
    drawn = model.draw(n, rng=rng(2), given={name: np.full(n, code, np.int32) for name, code in known.items()})
    posterior = joint(model, sizes)
    held = np.zeros(sizes)
    np.add.at(held, tuple(drawn.values()), 1)
    at = tuple(known.get(name, slice(None)) for name in model.coding_.names)
    assert held[at].sum() == n
    expected = n * posterior[at] / posterior[at].sum()
    likely = expected > 5
    assert ((held[at] - expected)[likely]**2 / expected[likely]).sum() < chi2.isf(FALSE_ALARM, likely.sum())


@pytest.mark.parametrize("noise", [.05, .6])     # the first given column leaves few particles, or many
def test_two_late_columns_count_both(noise, monkeypatch):
    monkeypatch.setattr(chains, "PARTICLES", 512)
    r = rng(8)
    hidden = r.integers(0, 6, 3000)
    near = [np.where(r.random(3000) < noise, r.integers(0, 6, 3000), hidden) for _ in range(3)]
    model, sizes = toy([hidden, *near])
    n, posterior = 2000, joint(model, sizes)[:, 2, :, 3]
    drawn = model.draw(n, rng=rng(9), given={"c1": np.full(n, 2, np.int32), "c3": np.full(n, 3, np.int32)})
    expected = n * posterior.sum(axis=1) / posterior.sum()
    held, likely = np.bincount(drawn["c0"], minlength=sizes[0]), expected > 5
    assert ((held - expected)[likely]**2 / expected[likely]).sum() < chi2.isf(FALSE_ALARM, likely.sum())


def test_effective_sizes_are_within_their_range():
    model, _ = toy(three_columns())
    codes = np.repeat(np.arange(5), 20).astype(np.int32)
    late = model.effective_sizes({"c2": codes}, rng=rng(3))
    assert late.min() >= 1 - 1e-9
    assert late.max() <= 32 + 1e-9
    assert late.mean() < 30
    assert model.effective_sizes({"c0": codes % 3}, rng=rng(3)).tolist() == [32.0] * 100
    assert model.effective_sizes({}, rng=rng(3)).tolist() == []


def test_given_codes_in_more_rows_than_are_held_together(monkeypatch):
    monkeypatch.setattr(chains, "ROWS_AT_ONCE", 7)
    model, _ = toy(three_columns())
    codes = (np.arange(50) % 5).astype(np.int32)
    drawn = model.draw(50, rng=rng(3), given={"c2": codes})
    assert drawn["c2"].tolist() == codes.tolist()
    assert {len(column) for column in drawn.values()} == {50}
    assert {len(column) for column in model.draw(0, rng=rng(3), given={"c2": codes[:0]}).values()} == {0}


def test_a_stored_chain_draws_the_same():
    a, b, c = three_columns()
    model, sizes = toy([a, b, c, np.array([2, 0, 1])[a], rng(1).integers(0, 700, 800)], lines=[0, 0, 5, 0, 700])
    state = model.state()
    again = stored.chain(State(json.loads(json.dumps(state.values)), state.arrays))
    assert any(isinstance(step, Lookup) for step in again.steps.values())
    assert same(again.draw(300, {}, rng(5)).codes, model.chain_.draw(300, {}, rng(5)).codes)
    cells = rng(6).integers(0, np.array(sizes)[:, None], (5, 100)).astype(np.int32)
    assert again.log_density(cells).tolist() == model.chain_.log_density(cells).tolist()
    assert all(array.dtype.kind in "ui" for array in state.arrays.values())


def test_trees_grown_on_a_sample_hold_all_rows(monkeypatch):
    columns = three_columns()
    whole, _ = toy(columns, leaf=50)
    monkeypatch.setattr(seqforest, "STRUCTURE_ROWS", 99)     # too few for two leaves
    model, _ = toy(columns, leaf=50)
    for j, column in enumerate(columns):
        tree = model.chain_.steps[j]
        assert np.bincount(tree.codes, tree.count).tolist() == np.bincount(column).tolist()
    assert len(model.chain_.steps[2].splits) == 1 < len(whole.chain_.steps[2].splits)


# order and settings

SCHEMA = Schema((Column("id", "id"), Column("many", "integer"), Column("few", "integer"), Column("sex", "integer",
                constant_per_unit=True), Column("y", "integer")), evaluation=Evaluation(target="y"))
NAMES = ("many", "few", "sex", "y", ROWS)
COUNTS = [np.ones(n) for n in (50, 4, 9, 6, 12)]


@pytest.mark.parametrize("order, expected", [
    ("small", [ROWS, "sex", "y", "few", "many"]),
    ("schema", [ROWS, "sex", "y", "many", "few"]),
    (["many", "y"], [ROWS, "sex", "many", "y", "few"]),
    ([], [ROWS, "sex", "y", "few", "many"]),
])
def test_order(order, expected):
    assert [NAMES[j] for j in column_order(order, coding_of(SCHEMA, NAMES), COUNTS)] == expected


def test_codes_that_nobody_holds_do_not_count():
    counts = [np.array([5, 5, 0, 0, 0]), np.array([3, 3, 4])]
    schema = Schema((Column("a", "integer"), Column("b", "integer")))
    assert column_order("small", coding_of(schema, ("b", "a")), counts) == [0, 1]


def test_an_order_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match=r"'random'.*small, schema"):
        column_order("random", coding_of(SCHEMA, NAMES), COUNTS)
    with pytest.raises(UsageError, match=r"'weight'.*many, few"):
        column_order(["weight"], coding_of(SCHEMA, NAMES), COUNTS)


@pytest.mark.parametrize("setting", [{"leaf": 0}, {"parents": 0}, {"classes": 1}, {"backoff": -1}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(UsageError, match=f"{next(iter(setting))} {next(iter(setting.values()))}"):
        SeqForest(**setting)


def test_whole_numbers_do_for_settings():
    columns = three_columns(200)
    assert same(toy(columns, evidence=2, backoff=1)[0].draw(50, rng=rng(1)).values(),
                toy(columns, evidence=2.0, backoff=1.0)[0].draw(50, rng=rng(1)).values())
