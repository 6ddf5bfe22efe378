"""Bounds of open columns, bought on a public scale: near the truth where there is one, harmless where there is none."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from tabsynth.core import registry
from tabsynth.core.coding import NO_ENDS, Coding
from tabsynth.core.schema import Column, Dialect, Schema
from tabsynth.core.table import MISSING, PRESENT, Cells, Table
from tabsynth.core.text import writer
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import DISCOVERY_SHARE
from tabsynth.privacy.events import GRID
from tabsynth.privacy.mechanisms import GUARDS, LIKELY, SURE, bounds_event, outermost
from tabsynth.privacy.noise import NoiseSource
from tests.privacy.kit import OPEN, Recorder, build, curate, random_rows

BUDGET = Budget.of(1, "1e-6", unit="row")
COST = Column("cost", "number", open=True, decimals=2)


class Drawn(Recorder):
    """Rounded normal noise with a seed, so that what is tested is accuracy and the outcome is the same every time."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def release(self, values, *, sigma, keys=None):  # type: ignore[no-untyped-def]
        return values + np.rint(self.rng.normal(0, sigma, values.shape)).astype(np.int64)


def bounds_of(columns: dict[str, tuple[Column, np.ndarray]], noise: NoiseSource | None = None) -> dict:
    """Bought bounds in the columns' own unit."""
    schema = Schema(tuple(column for column, _ in columns.values()))
    table = Table(schema, {column.name: Cells(values, np.full(len(values), PRESENT, np.uint8))
                           for column, values in columns.values()})
    codecs = curate(table, BUDGET, noise).coding.codecs
    return {name: tuple(codecs[name].axis.values(codecs[name].bounds).tolist()) for name in columns}


def lognormal(seed: int, n: int = 2000) -> np.ndarray:
    return np.round(np.random.default_rng(seed).lognormal(4, 1, n), 2)


def test_bounds_of_a_lognormal_column_of_two_thousand_people_at_epsilon_1() -> None:
    """Of 100 tables, all lose less than 1 % of the mass; both bounds are within a factor 4 of the extremes in most."""
    near = 0
    for seed in range(100):
        values = np.round(lognormal(seed) * 1.07 ** (seed % 10), 2)  # wherever the powers of two fall
        low, high = bounds_of({"cost": (COST, values)}, Drawn(seed))["cost"]
        assert np.mean((values < low) | (values > high)) < 0.01, seed
        ratios = np.array([low / values.min(), high / values.max()])
        assert ((ratios > 1 / 6) & (ratios < 6)).all(), seed
        near += bool(((ratios > 1 / 4) & (ratios < 4)).all())
    assert near >= 95


def test_ten_open_columns_share_the_price() -> None:
    """The noise is sqrt(10) as strong; still less than 5 % of any column is lost."""
    for seed in range(10):
        values = {f"c{i}": lognormal(100 * seed + i) for i in range(10)}
        found = bounds_of({n: (replace(COST, name=n), v) for n, v in values.items()}, Drawn(seed))
        for name, column in values.items():
            assert np.mean((column < found[name][0]) | (column > found[name][1])) < 0.05, (seed, name)


def test_real_noise_gives_such_bounds_too() -> None:
    """At most one of three runs may miss: false alarms below 1e-6, as each misses with less than 5e-4."""
    values = lognormal(0)
    found = [bounds_of({"cost": (COST, values)})["cost"] for _ in range(3)]
    good = [low < 20 and 300 < high < 10_000 for low, high in found]
    assert sum(good) >= 2, found


@pytest.mark.parametrize(("values", "column", "bounds"), [
    (np.full(9000, 12.5), COST, (10.24, 20.48)),
    (np.zeros(9000), COST, (0, 0)),
    (np.r_[np.zeros(5000), np.full(5000, -3.0)], COST, (-5.12, 0)),
    (np.arange(9000) % 10, Column("visits", "integer", open=True), (0, 16)),
    (np.r_[np.full(9000, 70), [10**12]], Column("weight", "integer", open=True), (64, 128)),
])
def test_bounds_by_hand(values: np.ndarray, column: Column, bounds: tuple) -> None:
    """Without noise; one person's extreme value has no say."""
    dtype = np.float64 if column.kind == "number" else np.int64
    assert bounds_of({column.name: (column, values.astype(dtype))}, Recorder(noisy=False)) == {
        column.name: pytest.approx(bounds)}


@pytest.mark.parametrize(("counts", "expected"), [
    ([0, 0, 0, 0, 0, 0, 0], (3, 3)),                 # nothing is sure: zero alone
    ([0, 0, 0, 0, 9, 0, 0], (3, 6)),                 # what lies beside may hide more than a two-hundredth
    ([9, 0, 0, 0, 0, 0, 0], (0, 2)),
    ([0, 0, 0, 0, 9000, 0, 0], (4, 4)),              # here it cannot
    ([9000, 0, 0, 0, 0, 0, 0], (0, 0)),
    ([0, 0, 0, 4, 9000, 3, 0], (3, 5)),              # likely beside sure, but never across zero
    ([4, 4, 4, 9000, 4, 4, 4], (3, 3)),
    ([4, 4, 4, 4, 4, 4, 4], (3, 3)),                 # likely alone is not enough
    ([0, 6, 0, 0, 0, 0, 6], (0, 6)),
])
def test_outermost_bins(counts: list[int], expected: tuple[int, int]) -> None:
    """Counts in sigmas; bin 3 is zero."""
    assert (SURE, LIKELY, GUARDS) == (5, 2, 2)
    assert outermost(np.array(counts, np.int64) * GRID, 3, GRID) == expected


def test_a_bound_costs_its_share_and_no_delta() -> None:
    curator = curate(build(random_rows(1), OPEN))
    assert [(e.mechanism, e.columns) for e in curator.events] == [
        ("discovery", ("diagnosis",)), ("bounds", ("age",)), ("bounds", ("weight",))]
    assert curator.spent == pytest.approx(float(DISCOVERY_SHARE) * curator.total, rel=1e-6)
    for event in curator.events[1:]:
        assert event.delta_key == 0
        assert event.squared_sensitivity == 1
        assert event.cells > 50
    assert sum(e.delta_key for e in curator.events) == curator._budget.delta / 20
    numbers = OPEN.with_columns(c for c in OPEN.columns if c.name != "diagnosis")
    assert curate(build(random_rows(1), numbers))._filter.total.delta_keys == 0


def test_the_event_is_a_marginal() -> None:
    assert bounds_event("cost", 107, 4.0).squared_sensitivity == 1
    assert bounds_event("cost", 107, 4.0).sigma_steps == 4 * GRID


def test_nothing_that_passes_leaves_a_column_without_values() -> None:
    """Nobody there: neither an error nor a value, but rows that can be sampled."""
    for rows in ([], random_rows(0)[:3]):
        curator = curate(build(rows, OPEN), noise=Recorder(noisy=False))
        assert curator.coding.codecs["age"].bounds.tolist() == list(NO_ENDS)
        model = registry.load("models", "marginal")().fit(curate(build(rows, OPEN)), rng=np.random.default_rng(0))
        drawn = model.sample(50, rng=np.random.default_rng(1))
        assert set(drawn["weight"].values[drawn["weight"].present]) <= {0.0}


class Loud(Recorder):
    """Noise that lets every bin of a public scale pass, or only the last."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self.last = last

    def release(self, values, *, sigma, keys=None):  # type: ignore[no-untyped-def]
        answer = super().release(values, sigma=sigma, keys=keys)
        if 40 < values.size < 200 and len(self.asked) <= len(KINDS):
            answer[-1 if self.last else slice(None)] += 20 * sigma
        return answer


KINDS = (Column("a", "number", open=True), Column("b", "number", open=True, decimals=3),
         Column("c", "integer", open=True), Column("d", "date", open=True),
         Column("e", "datetime", open=True, timezone="Europe/Berlin"),
         Column("f", "timedelta", open=True, format="HH:MM"), Column("g", "number", open=True, scale="log"))


@pytest.mark.parametrize("last", [False, True])
def test_absurd_bounds_are_bounds_like_any_other(last: bool) -> None:
    """What noise can do at worst: a model is fitted, sampled and written as text."""
    schema = Schema(tuple(replace(c, nullable=c.name in "ace") for c in KINDS))
    cells = {c.name: Cells(np.zeros(3, np.float64 if c.kind == "number" else np.int64), np.full(3, PRESENT, np.uint8))
             for c in KINDS}
    curator = curate(Table(schema, cells), BUDGET, Loud(last))
    widest = [codec.bounds.tolist() for codec in curator.coding.codecs.values()]
    assert all(high > 10**6 for _, high in widest)
    drawn = registry.load("models", "marginal")().fit(curator, rng=np.random.default_rng(0)).sample(
        200, rng=np.random.default_rng(1))
    for column in schema.columns:
        write = writer(column, Dialect())
        assert all(write(value) for value in drawn[column.name].values[drawn[column.name].present].tolist())
    assert drawn.to_arrow().num_rows == len(drawn.to_pandas()) == 200


def test_statement_and_state_name_what_was_bought() -> None:
    curator = curate(build(random_rows(5, 3000), OPEN))
    facts = {f["column"]: f["fact"] for f in curator.statement().document["public"]}
    assert facts["age"] == facts["weight"] == "bounds bought from the budget"
    assert facts["diagnosis"] == "levels bought from the budget"
    coding = curator.coding
    assert coding.codecs["age"].bounds.tolist()[1] >= 128
    assert Coding.from_state(coding.schema, coding.state()).state() == coding.state()
    assert coding.is_public


def test_without_epsilon_an_open_column_is_one_without_bounds() -> None:
    rows = random_rows(5, 60)
    learned = [Coding.learn(Table(schema, build(rows, OPEN).columns)).state()
               for schema in (OPEN, OPEN.with_columns(replace(c, open=False) for c in OPEN.columns))]
    assert learned[0] == learned[1]


def test_no_warning_depends_on_values() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for values in ([np.inf, -np.inf, np.nan, 1e308, -1e308, 5e-324], [-0.0]):
            for column in (COST, Column("cost", "number", open=True), Column("cost", "number", open=True, scale="log")):
                schema = Schema((column,))
                state = np.full(len(values), PRESENT, np.uint8)
                state[0] = MISSING
                curate(Table(schema, {"cost": Cells(np.array(values), state)}), BUDGET)
