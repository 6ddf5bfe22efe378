"""A forecast, made without a table, against fits with real noise to tables of that size."""

from __future__ import annotations

import numpy as np
import pytest

from tabsynth.core.coding import Coding
from tabsynth.core.errors import PrivacyError
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.models._marginal.factor import project
from tabsynth.models.marginal import Marginal
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.ledger import Ledger

SCHEMA = Schema((
    *(Column(f"score {i}", "integer", bounds=(0, 19)) for i in range(4)),
    *(Column(f"value {i}", "integer", bounds=(0, 400)) for i in range(3)),
    *(Column(f"ward {i}", "category", levels=tuple("abcdefgh")) for i in range(4)),
    *(Column(f"flag {i}", "boolean", nullable=False) for i in range(3)),
))
BUDGET = Budget.of(1, unit="row")


def people(n, seed=0):
    """Fourteen columns that share a hidden trait, by ever more; numbers in a bell, rare levels, one cell in 20 missing.

    Pairs are off by .06 in the mean if columns are independent.
    """
    rng = np.random.default_rng(seed)
    trait, cells = rng.normal(0, 1, n), {}
    order = np.random.default_rng(1).permutation(len(SCHEMA.columns))
    loadings = dict(zip(order.tolist(), np.linspace(0.05, 0.95, len(order)), strict=True))
    for i, (name, codec) in enumerate(Coding.public(SCHEMA).codecs.items()):
        hidden = loadings[i] * trait + np.sqrt(1 - loadings[i] ** 2) * rng.normal(0, 1, n)
        k = codec.size - 3
        if codec.ordered > 2:
            codes = np.clip(((hidden / 10 + 0.5) * k).astype(int), 0, k - 1)
        else:
            shares = np.arange(1, k + 1) ** -1.5
            codes = np.searchsorted(np.quantile(hidden, np.cumsum(shares / shares.sum())[:-1]), hidden)
        if codec.column.nullable:
            codes[rng.random(n) < 0.05] = codec.missing
        cells[name] = codec.decode(codes.astype(np.int32), rng)
    return Table(SCHEMA, cells)


def errors(table):
    """Mean total variation distance of the columns and of the measured pairs of one fit, and how many pairs."""
    curator = Curator(table, SCHEMA, BUDGET, reservation=Ledger.scratch("test").reserve(BUDGET, purpose="test"))
    model = Marginal().fit(curator, rng=np.random.default_rng(0))
    codes, view, fitted = model.coding_.encode(table), model._view, model.fitted_

    def learned(clique):
        home = fitted.tree.home(clique)
        return project(fitted.beliefs[home], fitted.tree.cliques[home], clique)

    columns = []
    for i, name in enumerate(view.names):
        true = np.bincount(codes.column(name), minlength=model.coding_.codecs[name].size) / len(table)
        columns.append(np.abs(learned((i,)) @ view.chances[name] - true).sum() / 2)
    pairs = []
    for clique, m in fitted.measurements.items():
        if len(clique) == 2:
            groups = [view.groups[view.names[a]][codes.column(view.names[a])] for a in clique]
            true = np.bincount(np.ravel_multi_index(groups, m.values.shape), minlength=m.values.size) / len(table)
            pairs.append(np.abs(learned(clique).ravel() - true).sum() / 2)
    return np.mean(columns), np.mean(pairs), len(pairs)


def forecast(n, schema=SCHEMA, epsilon=1):
    budget = Budget.of(epsilon, unit="row")
    return Marginal().forecast(schema, float(budget.allowance.mu_squared), n)


@pytest.mark.parametrize(("n", "fits", "within"), [(1_000, 8, 1.5), (10_000, 4, 1.3), (50_000, 4, 1.3)])
def test_errors_of_real_fits_are_as_forecast(n, fits, within):
    """The means of so many fits stay four standard errors inside. With 1,000 people noise decides which pairs."""
    table = people(n)
    column, pair, pairs = np.mean([errors(table) for _ in range(fits)], axis=0)
    told = forecast(n)
    assert 1 / within < told.one_way_error / column < within
    assert 1 / within < told.pair_error / pair < within
    assert pairs / 3 < told.pairs < pairs * 2


def test_more_people_or_budget_make_everything_better():
    for better, worse in ((forecast(50_000), forecast(5_000)), (forecast(5_000, epsilon=3), forecast(5_000))):
        assert better.one_way_error < worse.one_way_error
        assert better.pairs >= worse.pairs
        assert max(k for _, k in better.levels.values()) > max(k for _, k in worse.levels.values())


def test_pairs_do_not_pay_for_a_few_people():
    assert not forecast(40).pairs_pay
    assert forecast(50_000).pairs_pay


def test_a_forecast_can_be_repeated_and_names_every_column():
    one, other = forecast(3_000), forecast(3_000)
    assert one == other
    assert tuple(one.levels) == Coding.public(SCHEMA).names


def test_missing_public_facts_are_refused_as_by_a_fit():
    schema = Schema((*SCHEMA.columns, Column("weight", "number")))
    with pytest.raises(PrivacyError, match="bounds of 'weight'"):
        forecast(1_000, schema)


def test_open_columns_are_imagined():
    told = forecast(20_000, Schema((*SCHEMA.columns, Column("town", "category", open=True),
                                    Column("cost", "number", open=True, decimals=2),
                                    Column("seen", "date", open=True))))
    assert told.levels["town"][0] > 3
    assert min(told.levels["cost"][0], told.levels["seen"][0]) > 50
    assert told.one_way_error > forecast(20_000).one_way_error
