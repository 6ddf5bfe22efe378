"""What a condition says of codes, against decoding every code many times."""

from __future__ import annotations

import numpy as np
import pytest

from tabsynth.core import codec
from tabsynth.core.errors import RuleError
from tabsynth.core.rules.expression import Expression
from tabsynth.core.rules.on_codes import OnCodes
from tabsynth.core.schema import Column, Schema

SCHEMA = Schema((
    Column("sex", "category", levels=("f", "m"), nullable=False),
    Column("ward", "category", levels=("icu", "er", "surgery")),
    Column("town", "category", open=True),
    Column("age", "integer", bounds=(0, 400)),
    Column("cost", "number", bounds=(0, 1000), decimals=2, special=(0.0, 500.0)),
    Column("weight", "number", bounds=(0, 300)),
    Column("born", "date", bounds=("1900-01-01", "2020-12-31")),
    Column("dead", "boolean"),
))
CODECS = {c.name: codec.public(c) for c in SCHEMA.columns if not c.open} | {
    "town": codec.public(SCHEMA["town"], levels=("north",))}


def decoded(where, name, rng, times=400):
    """For every code: whether the condition held for all draws, and for any. Special codes count as missing."""
    one = CODECS[name]
    codes = np.repeat(np.arange(one.size, dtype=np.int32), times)
    held = where.holds({name: one.decode(codes, rng)}).reshape(one.size, times)
    return held.all(axis=1), held.any(axis=1)


@pytest.mark.parametrize("text", [
    "age >= 65", "age > 64 and age < 70", "age == 17", "age != 17", "age in [3, 50, 399]", "age < 17.5", "age > 500",
    "age is missing", "not age >= 65", "cost == 0", "cost > 0", "cost == 500", "cost <= 500", "cost > 17.23",
    "weight >= 70", "weight > 4.6875", "born < '1950-03-01'", "born == '1950-03-01'", "sex == 'f'",
    "ward in ['icu', 'er']",
    "ward != 'icu'", "dead == true", "not dead == true", "dead == true or dead is missing"])
def test_codes_agree_with_what_they_decode_to(text):
    where = Expression.parse(text, SCHEMA)
    name, = where.columns
    on = OnCodes.of(where, CODECS)
    size = CODECS[name].size
    every, some = on.over([np.arange(size)])
    allowed = on.cases[0].any(axis=1)
    all_drawn, any_drawn = decoded(where, name, np.random.default_rng(0))
    assert not (every & ~all_drawn)[allowed].any()
    assert not (any_drawn & ~some)[allowed].any()
    assert (some & ~every)[:size - 3].sum() <= 3  # along a line, at most the code of each constant is cut
    assert not some[~allowed].any()


def test_a_condition_at_the_edge_of_a_code_cuts_nothing():
    edge = int(CODECS["age"].labels()[20].split(" ")[0])
    for text, cut in ((f"age >= {edge}", 0), (f"age > {edge}", 1)):
        every, some = OnCodes.of(Expression.parse(text, SCHEMA), CODECS).over([np.arange(CODECS["age"].size)])
        assert (some & ~every).sum() == cut


def test_unlisted_levels_of_an_open_column_are_other():
    other = CODECS["town"].other
    for text, holds, may in (("town == 'north'", False, False), ("town != 'north'", True, True),
                             ("town == 'south'", False, True), ("town is missing", False, False)):
        every, some = OnCodes.of(Expression.parse(text, SCHEMA), CODECS).over([np.arange(CODECS["town"].size)])
        assert (every[other], some[other]) == (holds, may), text


def test_two_columns_by_brute_force():
    where = Expression.parse("(ward == 'icu' and dead == true) or ward is missing", SCHEMA)
    on = OnCodes.of(where, CODECS).turned(("dead", "ward"))
    every, some = on.over([np.arange(5), np.arange(6)])
    assert np.array_equal(every, some)
    assert {tuple(cell) for cell in np.argwhere(every).tolist()} == {(1, 0), (0, 3), (1, 3), (2, 3)}
    grouped = np.array([0, 1, 1, 1, 1, 1])  # icu | the rest
    every, some = on.over([np.arange(5), grouped])
    assert every[1].tolist() == [True, False]
    assert some[:3, 1].tolist() == [True] * 3
    able, unable = on.told_apart(1, [np.arange(5), grouped])
    assert able.tolist() == [False, False, False, True, False, False]
    assert unable.tolist() == [False, True, True, False, False, False]


def test_columns_compared_with_each_other_are_refused():
    schema = Schema((Column("a", "integer", bounds=(0, 9)), Column("b", "integer", bounds=(0, 9))))
    with pytest.raises(RuleError, match="'a' and 'b'"):
        OnCodes.of(Expression.parse("a <= b", schema), {c.name: codec.public(c) for c in schema.columns})
