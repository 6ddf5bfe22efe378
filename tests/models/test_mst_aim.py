"""MST and AIM ask what their papers say, through the same gate, and spend what they are given."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tabsynth.core.errors import UsageError
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import PRESENT, Cells, Table
from tabsynth.models._marginal import estimation
from tabsynth.models._marginal.junction_tree import JunctionTree
from tabsynth.models._marginal.view import View
from tabsynth.models.aim import AIM, MEASURE_SHARE, ROUNDS_PER_COLUMN, _weights
from tabsynth.models.mst import MST
from tabsynth.privacy.accountant import cost_of
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.ledger import Ledger

LEVELS = {"a": 4, "b": 4, "c": 3, "d": 12, "e": 2}
SCHEMA = Schema(tuple(Column(name, "category", levels=tuple(f"{i:02d}" for i in range(size)), nullable=False)
                      for name, size in LEVELS.items()))
BUDGET = Budget.of(3, "1e-6", unit="row", max_rows_per_unit=1)


@cache
def codes():
    """5,000 rows: b follows a, c follows b, d and e stand alone; only the first 5 levels of d occur."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 5_000)
    b = np.where(rng.random(5_000) < 0.8, a, rng.integers(0, 4, 5_000))
    c = np.where(rng.random(5_000) < 0.8, b % 3, rng.integers(0, 3, 5_000))
    return dict(zip(LEVELS, (a, b, c, rng.integers(0, 5, 5_000), rng.integers(0, 2, 5_000)), strict=True))


def curator(budget=BUDGET, names=tuple(LEVELS)):
    schema = SCHEMA.with_columns(SCHEMA[n] for n in names)
    cells = {n: Cells(codes()[n].astype(np.int32), np.full(5_000, PRESENT, dtype=np.uint8), SCHEMA[n].levels)
             for n in names}
    reservation = Ledger.scratch("test").reserve(budget, purpose="test")
    return Curator(Table(schema, cells), schema, budget, reservation=reservation)


def fitted(model, **settings):
    gate = curator(**settings)
    return model.fit(gate, rng=np.random.default_rng(0)), gate


def spent(gate, mechanism, columns=None):
    """Share of the budget that went to events of a mechanism, over so many columns."""
    return float(sum(cost_of(e, 1).mu_squared for e in gate.events
                     if e.mechanism == mechanism and columns in (None, len(e.columns)))) / gate.total


@pytest.mark.parametrize("model", [MST(), MST(coarsen=False), AIM(), AIM(coarsen=False)],
                         ids=["mst", "mst, plain", "aim", "aim, plain"])
def test_the_whole_budget_is_spent_and_related_columns_come_out_related(model):
    model, gate = fitted(model)
    assert 1 - 1e-5 < gate.spent / gate.total <= 1
    drawn = model.draw(5_000, rng=np.random.default_rng(1))
    for pair in (("a", "b"), ("b", "c")):
        real, synth = (np.bincount(4 * c[pair[0]] + c[pair[1]], minlength=16)[:16] for c in (codes(), drawn))
        assert np.abs(real - synth).sum() / 10_000 < 0.08
    assert np.isin(drawn["d"], range(5)).mean() > 0.9


@pytest.mark.parametrize("coarsen", [True, False])
def test_mst_spends_thirds_on_columns_choices_and_the_edges_of_one_tree(coarsen):
    _, gate = fitted(MST(coarsen=coarsen))
    for share in (spent(gate, "counts", 1), spent(gate, "selection"), spent(gate, "counts", 2)):
        assert share == pytest.approx(1 / 3, rel=1e-5)
    edges = [set(e.columns) for e in gate.events if len(e.columns) == 2]
    assert len(edges) == len(LEVELS) - 1
    joined = {next(iter(edges[0]))}
    for _ in edges:
        joined |= {name for edge in edges if edge & joined for name in edge}
    assert joined == set(LEVELS)
    assert {"a", "b"} in edges
    assert {"b", "c"} in edges
    assert next(e.cells for e in gate.events if e.mechanism == "selection") == 10


def test_mst_pools_rare_levels():
    model, _ = fitted(MST(coarsen=False))
    sizes = dict(zip(model._view.names, model._view.sizes, strict=True))
    assert 5 <= sizes["d"] <= 7  # of 12 levels 5 occur; the rest are one, and noise may add one


def test_aim_begins_at_the_published_noise_and_anneals():
    _, gate = fitted(AIM(coarsen=False))
    sigmas = [e.sigma for e in gate.events if e.mechanism == "counts"]
    first = (ROUNDS_PER_COLUMN * len(LEVELS) / (MEASURE_SHARE * gate.total)) ** 0.5
    assert sigmas[:len(LEVELS)] == pytest.approx([first] * len(LEVELS), rel=1e-4)
    rounds = np.array(sigmas[len(LEVELS):-1])  # the last round takes what is left
    assert (rounds[1:] <= rounds[:-1] * (1 + 1e-6)).all()
    halvings = np.log2(first / rounds)
    assert np.abs(halvings - np.round(halvings)).max() < 1e-3
    chosen, measured = spent(gate, "selection"), spent(gate, "counts") - len(LEVELS) * first**-2 / gate.total
    assert chosen / (chosen + measured) == pytest.approx(1 - MEASURE_SHARE, rel=1e-4)


def test_aim_weighs_candidates_by_their_overlap_with_the_workload():
    view = View({}, {}, {n: np.zeros((2, 2)) for n in "abc"}, tuple("abc"))
    plain = _weights(view, {})
    assert plain == {(0,): 2, (1,): 2, (2,): 2, (0, 1): 4, (0, 2): 4, (1, 2): 4}
    target = _weights(view, {"a": 3.0})
    assert target == {(0,): 6, (1,): 4, (2,): 4, (0, 1): 10, (0, 2): 10, (1, 2): 8}


@pytest.mark.parametrize("cap", [1, 60, 300])
def test_the_cap_bounds_the_tree_of_aim(cap):
    model, _ = fitted(AIM(max_cells=cap, coarsen=False))
    alone = sum(model._view.sizes)
    assert model.fitted_.tree.cells <= max(cap, alone)
    with pytest.raises(UsageError, match="max_cells"):
        AIM(max_cells=0)


@pytest.mark.parametrize("model", [MST, AIM])
@pytest.mark.parametrize("coarsen", [True, False])
def test_one_column_or_hardly_any_budget_is_no_error(model, coarsen):
    for settings in ({"names": ("a",)}, {"budget": Budget.of("0.01", "1e-9", unit="row", max_rows_per_unit=1)}):
        made, gate = fitted(model(coarsen=coarsen), **settings)
        assert len(made.sample(50, rng=np.random.default_rng(0))) == 50
        assert gate.spent / gate.total > 1 - 1e-5


def test_a_fit_that_starts_where_no_cell_has_weight_starts_again():
    """Extreme potentials that exclude each other's cells: every product is 0 in floating point."""
    tree = JunctionTree.of((2, 2, 2), ((0, 1, 2),))
    counts = {c: estimation.Measurement(c, np.full((2, 2), 25.0), np.ones((2, 2))) for c in ((0, 1), (1, 2), (0, 2))}
    apart, equal = np.array([[-800.0, 0.0], [0.0, -800.0]]), np.array([[0.0, -800.0], [-800.0, 0.0]])
    found = estimation.fit(tree, counts, start={(0, 1): apart, (1, 2): equal, (0, 2): equal})
    assert np.allclose(found.beliefs[0], 1 / 8, atol=1e-3)
