"""A table as codes: which columns, which weights, which facts are missing, and the way through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tabsynth.core.coding import ROWS, Coding
from tabsynth.core.errors import ModelError, PrivacyError, RuleError, SchemaError
from tabsynth.core.rules.mapped import cells_of, values_of
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table

PUBLIC = Schema((
    Column("patient", "id", role="unit"),
    Column("name", "text", role="direct-identifier"),
    Column("visit", "id"),
    Column("sex", "category", levels=("f", "m"), constant_per_unit=True),
    Column("age", "integer", bounds=(0, 120)),
    Column("ward", "category", open=True),
    Column("smoker", "boolean"),
    Column("note", "text"),
    Column("decade", "integer", bounds=(0, 12)),
), rules=({"mapped": {"from": ["age"], "to": "decade", "table": {10: 1, 20: 2}}},), max_rows_per_unit=3)


def table_of(schema, n=None, **values):
    n = n if n is not None else len(next(iter(values.values())))
    return Table(schema, {c.name: cells_of(c, values.get(c.name, [None] * n)) for c in schema.columns})


def test_public_coding_has_the_modelled_columns_then_rows():
    coding = Coding.public(PUBLIC)
    assert coding.names == ("sex", "age", "ward", "smoker", ROWS)
    assert coding.is_public
    assert coding.sizes == tuple(c.size for c in coding.codecs.values())


def test_without_a_unit_there_is_no_rows_column():
    assert Coding.public(PUBLIC.with_unit("row")).names == ("sex", "age", "ward", "smoker")


def test_missing_public_facts_are_named_all_at_once():
    schema = Schema((Column("a", "number"), Column("b", "date"), Column("c", "category"), Column("d", "boolean"),
                     Column("e", "category", code_list="icd9cm-3digit"), Column("f", "text"),
                     Column("g", "number", role="direct-identifier"), Column("h", "integer")),
                    rules=({"mapped": {"from": ["d"], "to": "h", "table": {"true": 1}}},))
    with pytest.raises(PrivacyError) as error:
        Coding.public(schema)
    message = str(error.value)
    assert "bounds of 'a', 'b' and levels of 'c';" in message
    assert "schema.yaml" in message
    assert "open: true" in message


def test_a_learned_mapping_is_refused_under_a_guarantee():
    rules = ({"mapped": {"from": ["age"], "to": "decade"}},)
    with pytest.raises(RuleError, match="no table"):
        Coding.public(Schema(PUBLIC.columns, rules=rules))


def test_levels_of_open_columns_are_those_that_were_bought():
    empty, bought = Coding.public(PUBLIC), Coding.public(PUBLIC, discovered={"ward": ("A", "B")})
    assert bought.codecs["ward"].size == empty.codecs["ward"].size + 2
    codes = bought.codecs["ward"].encode(cells_of(PUBLIC["ward"], ["A", "B", "Z"]))
    assert codes.tolist() == [0, 1, bought.codecs["ward"].other]


def test_rows_without_a_unit_are_dropped_and_a_unit_weighs_one():
    t = table_of(PUBLIC, patient=["p", "q", None, "p", "p", "q", "r", "p"], age=[10, 20, 30, 40, 50, 60, 70, 80])
    codes = Coding.public(PUBLIC).encode(t)
    assert codes.values.shape == (7, 5)
    assert codes.values.dtype == np.int32
    assert codes.weights.tolist() == [1 / 4, 1 / 2, 1 / 4, 1 / 4, 1 / 2, 1, 1 / 4]
    age = Coding.public(PUBLIC).codecs["age"]
    assert codes.column("age").tolist() == age.encode(cells_of(PUBLIC["age"], [10, 20, 40, 50, 60, 70, 80])).tolist()


def test_row_counts_are_capped():
    t = table_of(PUBLIC, patient=["p"] * 5 + ["q"] * 2)
    coding = Coding.public(PUBLIC)
    codes = coding.encode(t)
    counts = coding.codecs[ROWS].decode(codes.column(ROWS), np.random.default_rng(0))
    assert values_of(counts) == [3] * 5 + [2] * 2
    assert codes.weights.sum() == pytest.approx(2)


def test_an_empty_table_is_encoded():
    for n in (0, 4):  # four rows, none of which has a unit
        codes = Coding.public(PUBLIC).encode(table_of(PUBLIC, n))
        assert codes.values.shape == (0, 5)
        assert codes.weights.shape == (0,)


@pytest.mark.parametrize("most", [1, 2, 100, 5000])
def test_small_row_counts_have_a_code_of_their_own(most):
    schema = Schema(PUBLIC.columns, max_rows_per_unit=most)
    codec = Coding.public(schema).codecs[ROWS]
    counts = cells_of(codec.column, [m for m in (1, 2, 3, most) if m <= most])
    back = codec.decode(codec.encode(counts), np.random.default_rng(0))
    assert values_of(back)[:-1] == values_of(counts)[:-1]
    assert values_of(back)[-1] <= most


def learned_table():
    n = 600
    rng = np.random.default_rng(0)
    age = (10 * rng.integers(1, 3, n)).tolist()
    return table_of(PUBLIC, patient=[str(i // 2) for i in range(n)], age=age, decade=[a // 10 for a in age],
                    ward=[f"rare{i}" if i < 8 else "ABC"[i % 3] for i in range(n)], sex=["f", "m"] * 300,
                    smoker=[True, None, False] * 200)


def test_learned_coding_pools_rare_levels_and_counts_them_without_names():
    coding = Coding.learn(learned_table())
    assert not coding.is_public
    assert coding.names == ("sex", "age", "ward", "smoker", ROWS)
    pooled = coding.suppressed()
    assert set(pooled) == {"ward"}
    assert pooled["ward"]["levels"] == 8
    assert pooled["ward"]["share"] == pytest.approx(8 / 600, abs=1e-4)
    assert "rare" not in json.dumps(coding.state())


@pytest.mark.parametrize("learned", [False, True])
def test_state_round_trip(learned):
    t = learned_table()
    schema = t.schema if not learned else Schema(PUBLIC.columns, rules=(
        {"mapped": {"from": ["age"], "to": "decade"}}, {"compare": "decade <= age"}))
    t = Table(schema, t.columns)
    coding = Coding.learn(t) if learned else Coding.public(schema, discovered={"ward": ("A",)})
    state = json.loads(json.dumps(coding.state(), sort_keys=True))
    again = Coding.from_state(schema, state)
    assert again.names == coding.names
    assert again.is_public == coding.is_public
    assert again.state() == coding.state()
    assert np.array_equal(again.encode(t).values, coding.encode(t).values)
    assert again.rules.derived == ("decade",)


@pytest.mark.parametrize("n", [0, 3])
def test_nothing_is_learned_from_no_one(n):
    with pytest.raises(ModelError, match="no rows"):
        Coding.learn(table_of(PUBLIC, n))


def test_the_reserved_name_is_refused():
    with pytest.raises(SchemaError, match="reserved"):
        Coding.public(Schema((Column(ROWS, "boolean"),)))
