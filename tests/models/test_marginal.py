"""The marginal model against a curator whose noise has a seed, so that every test can be repeated."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import chi2

from tabsynth.core.coding import ROWS, Coding
from tabsynth.core.errors import NotFittedError, UsageError
from tabsynth.core.schema import Column, Evaluation, Population, Schema
from tabsynth.core.synthesizer import State
from tabsynth.models._marginal import model as tree_model
from tabsynth.models._marginal import selection
from tabsynth.models.marginal import Marginal
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.ledger import Ledger

FALSE_ALARM = 1e-6
COLUMNS = (
    Column("sex", "category", levels=("f", "m"), nullable=False),
    Column("age", "integer", bounds=(0, 99)),
    Column("cost", "number", bounds=(0, 1000), decimals=2, special=(0.0,)),
    Column("ward", "category", levels=tuple("abcdefgh")),
    Column("dead", "boolean"),
)
SCHEMA = Schema(COLUMNS, evaluation=Evaluation(target="dead"))


class FakeCurator:
    """Answers as a curator does, with seeded noise. Raises if more is asked than the budget allows."""

    def __init__(self, schema, codes, budget, seed=0, noise=1.0):
        self.coding = Coding.public(schema)
        self.total, self.spent = budget, 0.0
        self.asked = []
        self._codes, self._rng, self._noise = codes, np.random.default_rng(seed), noise

    @property
    def remaining(self):
        return self.total - self.spent

    def measure(self, columns, *, sigma, coarse=None):
        self._charge(sigma**-2, columns)
        counts = self._counts(columns, coarse)
        return counts + self._noise * self._rng.normal(0, sigma, counts.shape)

    def errors(self, models, *, sigma, coarse=None):
        self._charge(len(models) * sigma**-2, tuple(models))
        return {c: float(np.abs(self._counts(c, coarse) - table).sum() + self._noise * self._rng.normal(0, sigma))
                for c, table in models.items()}

    def _charge(self, price, what):
        assert self.spent + price <= self.total * (1 + 1e-12), "the budget was exceeded"
        self.spent += price
        self.asked.append(what)

    def _counts(self, columns, coarse):
        coarse = coarse or {}
        sizes = [int(coarse[c].max()) + 1 if c in coarse else self.coding.codecs[c].size for c in columns]
        codes = [coarse[c][self._codes[c]] if c in coarse else self._codes[c] for c in columns]
        flat = np.ravel_multi_index(codes, sizes)
        return np.bincount(flat, minlength=int(np.prod(sizes))).reshape(sizes).astype(float)


def people(n, seed=0, schema=SCHEMA):
    """Codes of n people: the old die more, the dead cost more, wards differ by sex."""
    rng = np.random.default_rng(seed)
    codecs = Coding.public(schema).codecs
    sex = rng.integers(0, 2, n)
    age = np.clip((rng.beta(2, 2, n) * codecs["age"].ordered).astype(int), 0, codecs["age"].ordered - 1)
    dead = (rng.random(n) < age / codecs["age"].ordered * 0.6).astype(int)
    spent = np.where(rng.random(n) < 0.5 - 0.4 * dead, 0, 1 + rng.integers(0, 20 * (1 + dead)))
    age[rng.random(n) < 0.1] = codecs["age"].missing
    return {"sex": sex, "age": age, "cost": np.minimum(spent, codecs["cost"].ordered - 1),
            "ward": (rng.integers(0, 3, n) + 3 * sex), "dead": dead}


def fitted(codes, budget=0.056, schema=SCHEMA, seed=0, noise=1.0, **settings):
    curator = FakeCurator(schema, codes, budget, seed, noise)
    return Marginal(**settings).fit(curator, rng=np.random.default_rng(0)), curator  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def crowd():
    return people(20_000)


@pytest.fixture(scope="module")
def model(crowd):
    return fitted(crowd)[0]


def shares(codes, columns, sizes):
    flat = np.ravel_multi_index([codes[c] for c in columns], sizes)
    return np.bincount(flat, minlength=int(np.prod(sizes))) / len(flat)


def distance(a, b, columns, coding):
    sizes = [coding.codecs[c].size for c in columns]
    return np.abs(shares(a, columns, sizes) - shares(b, columns, sizes)).sum() / 2


# --- fidelity ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns, most", [(["sex"], 0.01), (["ward"], 0.02), (["age"], 0.05), (["dead"], 0.01),
                                           (["sex", "ward"], 0.03), (["cost", "dead"], 0.06)])
def test_columns_and_related_pairs_come_out_close(model, crowd, columns, most):
    drawn = model.draw(20_000, rng=np.random.default_rng(1))
    assert distance(drawn, crowd, columns, model.coding_) < most
    shuffled = {c: np.random.default_rng(i).permutation(crowd[c]) for i, c in enumerate(columns)}
    if len(columns) > 1:  # and far closer than independent columns are
        assert distance(drawn, crowd, columns, model.coding_) < distance(shuffled, crowd, columns, model.coding_) / 2


def test_without_noise_measured_pairs_are_reproduced(crowd):
    model, _ = fitted(crowd, noise=0.0)
    pairs = [m for c, m in model.fitted_.measurements.items() if len(c) == 2]
    assert pairs
    drawn = model.draw(20_000, rng=np.random.default_rng(1))
    for m in pairs:
        names = [model._view.names[a] for a in m.clique]
        groups = np.ravel_multi_index([model._view.groups[c][drawn[c]] for c in names], m.values.shape)
        found = np.bincount(groups, minlength=m.values.size) / 20_000
        assert np.abs(found - m.values.ravel() / m.values.sum()).sum() / 2 < 0.01


def test_codes_of_which_there_are_none_stay_away(model, crowd):
    drawn = model.draw(20_000, rng=np.random.default_rng(1))
    for name, codec in model.coding_.codecs.items():
        assert not np.isin(drawn[name], [codec.invalid, codec.other]).any()
        if not (crowd[name] == codec.missing).any():
            assert (drawn[name] == codec.missing).mean() < 0.01
    assert abs((drawn["age"] == model.coding_.codecs["age"].missing).mean() - 0.1) < 0.02
    assert not (drawn["sex"] == model.coding_.codecs["sex"].missing).any()


# --- budget ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [1e-6, 0.001, 0.056, 2.0, 400.0])
@pytest.mark.parametrize("n", [0, 1, 3_000])
def test_the_whole_budget_is_spent_and_never_more(n, budget):
    model, curator = fitted(people(n), budget)
    assert curator.spent == pytest.approx(budget, rel=1e-5)
    drawn = model.draw(500, rng=np.random.default_rng(0))
    for name, size in zip(model.coding_.names, model.coding_.sizes, strict=True):
        assert drawn[name].dtype == np.int32
        assert 0 <= drawn[name].min() <= drawn[name].max() < size


def test_a_declared_number_of_people_saves_the_pilot(crowd):
    declared = Schema(COLUMNS, population=Population("people", 20_000))
    asked = [[c for c in fitted(crowd, schema=schema)[1].asked if len(c) == 1 and isinstance(c[0], str)]
             for schema in (SCHEMA, declared)]
    assert len(asked[0]) == len(asked[1]) + 1


def test_more_budget_gives_a_closer_model(crowd):
    pairs = [("age", "dead"), ("sex", "ward"), ("cost", "dead")]
    errors = []
    for budget in (1e-4, 0.01, 1.0):
        model, _ = fitted(crowd, budget)
        drawn = model.draw(20_000, rng=np.random.default_rng(1))
        errors.append(sum(distance(drawn, crowd, p, model.coding_) for p in pairs))
    assert errors[0] > errors[1] > errors[2]


# --- odd tables --------------------------------------------------------------------------------------------------


def test_one_column():
    schema = Schema((COLUMNS[3],))
    codes = {"ward": people(5_000)["ward"]}
    model, curator = fitted(codes, schema=schema)
    drawn = model.draw(5_000, rng=np.random.default_rng(0))
    assert distance(drawn, codes, ["ward"], model.coding_) < 0.05
    assert curator.spent == pytest.approx(curator.total, rel=1e-5)


def test_columns_of_one_level_take_no_part():
    schema = Schema((Column("site", "category", levels=("north",)), COLUMNS[0], COLUMNS[4]))
    codes = {"site": np.zeros(4_000, dtype=int), **{c: people(4_000)[c] for c in ("sex", "dead")}}
    model, _ = fitted(codes, schema=schema)
    assert set(model._view.names) == {"sex", "dead"}
    assert (model.draw(1_000, rng=np.random.default_rng(0))["site"] == 0).all()
    lonely, _ = fitted({"site": codes["site"]}, schema=Schema(schema.columns[:1]))
    assert lonely.fitted_ is None
    assert (lonely.draw(10, rng=np.random.default_rng(0))["site"] == 0).all()


def test_no_modelled_column():
    model, curator = fitted({}, schema=Schema((Column("note", "text"),)))
    assert model.draw(3, rng=np.random.default_rng(0)) == {}
    assert curator.asked == []


def test_noise_that_drowns_everything_still_gives_codes_in_range():
    model, _ = fitted(people(50), 1e-9)
    drawn = model.draw(2_000, rng=np.random.default_rng(0), given={"sex": np.ones(2_000, dtype=np.int32)})
    assert (drawn["sex"] == 1).all()
    assert all(0 <= drawn[c].min() <= drawn[c].max() < model.coding_.codecs[c].size for c in model.coding_.names)


# --- drawing -----------------------------------------------------------------------------------------------------


def test_given_codes_come_back_and_the_rest_follows_them(model):
    n = 60_000
    rng = np.random.default_rng(3)
    free = model.draw(n, rng=rng)
    given = {"dead": np.repeat([0, 1], n // 2).astype(np.int32), "sex": np.tile([0, 1], n // 2).astype(np.int32)}
    drawn = model.draw(n, rng=rng, given=given)
    for name, codes in given.items():
        assert drawn[name] is codes or np.array_equal(drawn[name], codes)
    for dead in (0, 1):
        for sex in (0, 1):  # the same distribution as free rows that happen to have these values
            one, other = (d["ward"][(d["dead"] == dead) & (d["sex"] == sex)] for d in (drawn, free))
            assert same_distribution(one, other)


def same_distribution(a, b):
    """Two-sample chi-square test with false alarm 1e-6; rare codes are pooled."""
    table = np.stack([np.bincount(v, minlength=max(a.max(), b.max()) + 1) for v in (a, b)]).astype(float)
    rare = table.min(axis=0) < 20
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return ((table - expected) ** 2 / expected).sum() < chi2.ppf(1 - FALSE_ALARM, table.shape[1] - 1)


def test_rare_given_codes_are_kept_as_they_are(model):
    codec = model.coding_.codecs["ward"]
    given = {"ward": np.array([codec.other, codec.invalid, codec.missing, 7], dtype=np.int32)}
    assert np.array_equal(model.draw(4, rng=np.random.default_rng(0), given=given)["ward"], given["ward"])


def test_same_answers_and_seed_give_the_same_model_and_rows(crowd, model):
    again, _ = fitted(crowd)
    other, _ = fitted(crowd, seed=1)
    rows = [m.draw(300, rng=np.random.default_rng(5)) for m in (model, again, other)]
    assert all(np.array_equal(rows[0][c], rows[1][c]) for c in rows[0])
    assert any(not np.array_equal(rows[0][c], rows[2][c]) for c in rows[0])


def test_state_round_trip(model):
    state = model.state()
    values = json.loads(json.dumps(state.values, allow_nan=False))
    again = Marginal.from_state(State(values, {k: v.copy() for k, v in state.arrays.items()}), model.coding_)
    given = {"age": np.arange(200, dtype=np.int32) % 50}
    for known in (None, given):
        a, b = (m.draw(200, rng=np.random.default_rng(5), given=known) for m in (model, again))
        assert all(np.array_equal(a[c], b[c]) for c in a)
    assert again.state().arrays.keys() == state.arrays.keys()


def test_progress_totals_are_public():
    """Stages and totals must not differ between tables of one schema under one budget."""
    def told(n):
        calls = set()
        Marginal().fit(FakeCurator(SCHEMA, people(n), 0.056), rng=np.random.default_rng(0),  # type: ignore[arg-type]
                       progress=lambda stage, done, total=None: calls.add((stage, total)))
        return calls
    assert told(4_000) == told(9_000)


def test_settings_and_order_of_calls_are_checked():
    for settings in ({"max_cells": 0}, {"rounds": 0}):
        with pytest.raises(UsageError, match=next(iter(settings))):
            Marginal(**settings)
    with pytest.raises(NotFittedError):
        Marginal().state()


def test_the_cap_of_the_tree_holds(crowd):
    model, _ = fitted(crowd, 1.0, max_cells=200)
    singles = sum(model._view.sizes)
    assert model.fitted_.tree.cells <= max(200, singles)


# --- with the real curator ---------------------------------------------------------------------------------------


def test_with_the_real_curator_the_budget_is_spent_and_rows_per_unit_are_learned():
    from tabsynth.core.table import Cells, Table

    schema = Schema((Column("id", "id", role="unit"), *COLUMNS[:1], COLUMNS[3]), max_rows_per_unit=3)
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(1_500), 1 + np.arange(1_500) % 3)
    n = len(rows)
    sex = rng.integers(0, 2, 1_500)[rows].astype(np.int32)
    table = Table(schema, {
        "id": Cells(np.array([f"p{i}" for i in rows], dtype=object), np.zeros(n, np.uint8)),
        "sex": Cells(sex, np.zeros(n, np.uint8), ("f", "m")),
        "ward": Cells((sex * 4 + rng.integers(0, 4, n)).astype(np.int32), np.zeros(n, np.uint8), tuple("abcdefgh")),
    })
    budget = Budget.of(3, "1e-6", unit="id", max_rows_per_unit=3)
    curator = Curator(table, schema, budget, reservation=Ledger.scratch("test").reserve(budget, purpose="test"))
    model = Marginal().fit(curator, rng=rng)
    assert curator.total * (1 - 1e-5) < curator.spent <= curator.total
    drawn = model.draw(3_000, rng=rng)
    assert (drawn["ward"] // 4 == drawn["sex"]).mean() > 0.9
    atoms = np.bincount(drawn[ROWS], minlength=3)[:3] / 3_000
    assert np.abs(atoms - 1 / 3).max() < 0.1


def test_the_noisy_number_of_people_is_kept(model, crowd):
    assert abs(model.total_ - 1) > 1
    again = Marginal.from_state(model.state(), model.coding_)
    assert again.total_ == model.total_


def test_a_budget_left_over_is_spent_without_undoing_the_denoising(monkeypatch):
    """A last round without pairs leaves its budget to the columns; the fit sees denoised pairs, the file the counts."""
    seen, answers, choose, refit = [], {}, selection.choose, tree_model._with_columns

    def once(*given, forest=False):
        return choose(*given, forest=forest) if forest else selection.Choice({}, given[3])

    def spied(fitted, *rest):
        seen.append(fitted.measurements)
        return refit(fitted, *rest)

    class Remembers(FakeCurator):
        def measure(self, columns, *, sigma, coarse=None):
            answers[columns] = super().measure(columns, sigma=sigma, coarse=coarse)
            return answers[columns]

    monkeypatch.setattr(selection, "choose", once)
    monkeypatch.setattr(tree_model, "_with_columns", spied)
    curator = Remembers(SCHEMA, people(3_000), 0.05)
    fitted = Marginal().fit(curator, rng=np.random.default_rng(0))
    pairs = {c: m.values for c, m in fitted.fitted_.measurements.items() if len(c) == 2}
    assert pairs
    assert len(seen) == 1
    for (a, b), values in pairs.items():
        assert np.array_equal(values, answers[fitted._view.names[a], fitted._view.names[b]])
    assert any(not np.allclose(seen[0][pair].values, values) for pair, values in pairs.items())
    assert curator.remaining < 1e-6 * curator.total
