"""Balanced columns, and how exactly rows follow what is given."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabsynth.core.coding import Coding
from tabsynth.core.conditioning import Conditioning, conditioning
from tabsynth.core.errors import ColumnNotFoundError, SchemaError, UsageError
from tabsynth.core.given import Balanced
from tabsynth.core.rules.mapped import cells_of, values_of
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table

WARD = Schema((
    Column("stage", "category", levels=("I", "II", "III")), Column("smoker", "boolean"),
    Column("age", "integer", bounds=(0, 99)), Column("points", "integer", bounds=(0, 9)),
    Column("sex", "category", levels=("f", "m"), nullable=False), Column("name", "text")),
    rules=({"mapped": {"from": ["stage"], "to": "points", "table": {"I": 0, "II": 1, "III": 2}}},))
CODING = Coding.public(WARD)


@given(st.integers(0, 100), st.booleans(), st.integers(0, 40), st.integers(0, 100))
def test_every_level_comes_equally_often_in_whatever_part(n, missing, start, stop):
    rows = Balanced.of(CODING, "stage", n, missing=missing)
    whole = values_of(rows.take(slice(0, n))["stage"])
    counts = Counter(whole)
    assert len(whole) == len(rows) == n
    assert max(counts.values(), default=0) - min((counts[v] for v in rows.levels), default=0) <= 1
    assert values_of(rows.take(slice(start, stop))["stage"]) == whole[start:stop]
    assert whole == values_of(Balanced.of(CODING, "stage", 200, missing=missing).take(slice(0, n))["stage"])


def test_levels_are_those_the_model_can_draw():
    table = Table(WARD, {c.name: cells_of(c, v) for c, v in zip(WARD.columns, (
        ["I"] * 40 + ["II"] * 40 + ["III"] * 2, [True] * 82, [5] * 82, [0] * 40 + [1] * 40 + [2] * 2, ["f"] * 82,
        ["x"] * 82), strict=True)})
    assert Balanced.of(Coding.learn(table), "stage", 4).levels == ("I", "II"), "III is held by two people"
    assert Balanced.of(CODING, "smoker", 4).levels == (False, True)


def test_what_cannot_be_balanced():
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'stage'"):
        Balanced.of(CODING, "stge", 4)
    with pytest.raises(SchemaError, match="'age' is of kind integer.* Choose one of: stage, smoker, sex"):
        Balanced.of(CODING, "age", 4)
    with pytest.raises(SchemaError, match="'points' is computed from other columns"):
        Balanced.of(CODING, "points", 4)
    with pytest.raises(SchemaError, match="'name' is of kind text"):
        Balanced.of(CODING, "name", 4)
    with pytest.raises(UsageError, match="'sex' is declared never missing"):
        Balanced.of(CODING, "sex", 4, missing=True)


class Weighs:
    """Exact for `stage`; else row i has (code of smoker + 1) * 2 draws that count."""

    particles = 32

    def is_exact(self, given):
        return set(given) == {"stage"}

    def effective_sizes(self, given, *, rng):
        return 2.0 * (given["smoker"] + 1)


def of(values, name="smoker"):
    return Table(Schema((WARD[name],)), {name: cells_of(WARD[name], values)})


def test_the_text_says_how_many_draws_count():
    rng = np.random.default_rng(0)
    exact = conditioning(Weighs(), CODING, of(["I"], "stage"), rng)
    assert exact.text == "conditioning on stage: exact"
    assert exact.to_json() == {"columns": ["stage"], "exact": True}
    assert not exact.is_weak
    many = conditioning(Weighs(), CODING, of([False] * 1000 + [True] * 3000), rng)
    assert len(many.sizes) == 1000
    assert many.text == ("conditioning on smoker: approximate: median effective sample size 4.0 of 32, least 2.0, "
                         "under 3 in 25.0 % of rows")
    assert many.to_json()["share_under_3"] == .25
    assert not many.is_weak
    assert conditioning(Weighs(), CODING, of([False] * 3), rng).is_weak


def test_nothing_is_said_for_models_that_do_not_weigh():
    assert conditioning(object(), CODING, of([True]), np.random.default_rng(0)) is None
    assert conditioning(Weighs(), CODING, of([]), np.random.default_rng(0)) is None


def test_no_row_under_three_is_not_mentioned():
    assert Conditioning(("a",), 32, np.array([5.0, 4.0])).text.endswith("least 4.0")
