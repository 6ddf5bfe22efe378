"""Missing cells of real rows: what stays, what is filled and from which distribution, rules, persons.

The model is a list of possible rows with weights, filtered by what is known of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tabsynth.core.coding import ROWS, Coding
from tabsynth.core.errors import ColumnNotFoundError, SchemaError
from tabsynth.core.impute import MAX_TRIES, Completed, impute
from tabsynth.core.rng import BLOCK_ROWS, Streams
from tabsynth.core.rules.mapped import cells_of, values_of
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import INVALID, Cells, Table

FIVE_SIGMA = 5.0
"""A normal deviate beyond it: 6e-7, the false-alarm rate of each statistical test below."""


class Listed:
    """All combinations of codes of these columns, by weight; the default weighs a missing cell 1, others 2."""

    def __init__(self, coding: Coding, weight=None) -> None:
        self.names, self.n_drawn, self.given = coding.names, 0, set[tuple[str, ...]]()
        self.rows = np.array(list(product(*(range(c.size - 2) for c in coding.codecs.values()))), np.int32)
        special = self.rows == np.array([c.missing for c in coding.codecs.values()])
        self.weights = np.prod(np.where(special, 1, 2), axis=1) if weight is None else weight(self.rows)

    def __call__(self, n: int, *, rng: np.random.Generator,
                 given: Mapping[str, NDArray[np.int32]] | None = None) -> dict[str, NDArray[np.int32]]:
        given, self.n_drawn = given or {}, self.n_drawn + n
        self.given.add(tuple(given))
        fits = np.ones((n, len(self.rows)), bool)
        for name, codes in given.items():
            fits &= self.rows[:, self.names.index(name)] == codes[:, None]
        weights = np.cumsum(np.where(fits, self.weights, 1e-12), axis=1)
        chosen = (weights < rng.random(n)[:, None] * weights[:, -1:]).sum(axis=1)
        return {name: given.get(name, self.rows[chosen, j]) for j, name in enumerate(self.names)}


def table_of(schema: Schema, **values) -> Table:
    return Table(schema, {c.name: cells_of(c, values[c.name]) for c in schema.columns})


def completed(table: Table, *, seed: int = 0, weight=None, draw=None) -> Completed:
    coding = Coding.public(table.schema)
    return impute(draw or Listed(coding, weight), coding, table, streams=Streams.from_rng(np.random.default_rng(seed)))


def column(name: str, *levels: str, **facts) -> Column:
    return Column(name, "category", levels=levels, **facts)


TWO = Schema((column("a", "x", "y"), column("b", "x", "y", "z"), Column("note", "text")))


@given(st.lists(st.tuples(st.sampled_from(["x", "y", None]), st.sampled_from(["x", "y", "z", None]),
                          st.sampled_from(["p", None])), min_size=1, max_size=30), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_known_cells_are_untouched_and_all_others_filled(rows, seed):
    a, b, note = zip(*rows, strict=True)
    table = table_of(TWO, a=a, b=b, note=note)
    done = completed(table, seed=seed)
    for name, before in (("a", a), ("b", b)):
        after = values_of(done.table[name])
        assert all(new is not None and (old is None or new == old) for old, new in zip(before, after, strict=True))
        assert done.filled.get(name, np.zeros(len(rows), bool)).tolist() == [old is None for old in before]
    assert values_of(done.table["note"]) == list(note), "what is not modelled is not filled"
    assert not done.left
    assert done.table == completed(table, seed=seed).table


def test_fills_follow_the_distribution_of_present_cells_given_the_known_ones():
    """b is x with weight 3 of 4 where a is x, and y or z evenly where a is y; missing with weight 1 in both."""
    def weight(rows):
        return np.where(rows[:, 1] == 3, 1, np.where(rows[:, 0] == 0, np.array([3, 1, 0, 0])[rows[:, 1]],
                                                     np.array([0, 1, 1, 0])[rows[:, 1]])).astype(float)

    n = 4000
    table = table_of(TWO, a=["x", "y"] * n, b=[None] * (2 * n), note=[None] * (2 * n))
    b = np.array(values_of(completed(table, weight=weight).table["b"]))
    for of, level, share in (("x", "x", .75), ("x", "y", .25), ("x", "z", 0), ("y", "x", 0), ("y", "y", .5)):
        found = (b[0 if of == "x" else 1::2] == level).mean()
        assert abs(found - share) <= FIVE_SIGMA * np.sqrt(share * (1 - share) / n), (of, level)


def test_a_missing_cell_of_a_column_that_is_never_missing_is_drawn_again():
    """Its codec would decode a missing code as any level."""
    n = 2000
    schema = Schema((column("a", "x", "y", nullable=False),))
    done = completed(table_of(schema, a=[None] * n), weight=lambda rows: np.array([3.0, 1.0, 4.0])[rows[:, 0]])
    share = np.mean(np.array(values_of(done.table["a"])) == "x")
    assert abs(share - .75) <= FIVE_SIGMA * np.sqrt(.75 * .25 / n)


def test_rows_of_one_pattern_are_drawn_together_in_blocks():
    n = BLOCK_ROWS + 5
    coding = Coding.public(TWO)
    draw = Listed(coding)
    calls = []

    def counting(n, *, rng, given=None):
        calls.append((n, tuple(given or ())))
        return draw(n, rng=rng, given=given)

    table = table_of(TWO, a=["x"] * n + [None] * 3 + ["y"], b=[None] * n + ["x"] * 3 + ["y"], note=[None] * (n + 4))
    completed(table, draw=counting)
    first = [(3, ("b",)), (BLOCK_ROWS, ("a",)), (5, ("a",))]
    assert all(call in calls for call in first)


def test_what_never_comes_stays_missing_after_so_many_tries():
    table = table_of(TWO, a=["x"] * 3, b=[None, None, "y"], note=[None] * 3)
    coding = Coding.public(TWO)
    draw = Listed(coding, lambda rows: (rows[:, 1] == 3).astype(float))
    done = completed(table, draw=draw)
    assert values_of(done.table["b"]) == [None, None, "y"]
    assert done.left == {"b": 2}
    assert not done.filled
    assert draw.n_drawn == 2 * MAX_TRIES


def test_the_draw_that_fills_most_is_kept():
    table = table_of(TWO, a=[None] * 9, b=[None] * 9, note=[None] * 9)
    done = completed(table, weight=lambda rows: (rows[:, 1] == 3).astype(float))
    assert done.left == {"b": 9}
    assert done.filled["a"].all()


def test_unreadable_cells_are_neither_filled_nor_given():
    table = table_of(TWO, a=["x", "y"], b=[None, "x"], note=[None] * 2)
    a = Cells(table["a"].values, np.array([INVALID, 0], np.uint8), table["a"].levels)
    draw = Listed(Coding.public(TWO))
    done = completed(Table(TWO, {**table.columns, "a": a}), draw=draw)
    assert done.table["a"].same_as(a)
    assert draw.given == {()}
    assert done.filled.keys() == {"b"}


PREGNANCY = Schema(
    (column("sex", "f", "m"), column("pregnant", "no", "yes"), column("week", "early", "late")),
    rules=({"implies": {"if": "sex == 'm'", "then": "pregnant is missing"}},
           {"implies": {"if": "pregnant is missing or pregnant == 'no'", "then": "week is missing"}}))


def test_a_cell_that_is_missing_by_rule_stays_missing():
    """And by a rule that follows from it; without a single draw for such a row."""
    table = table_of(PREGNANCY, sex=["m", "m", "f", "f"], pregnant=[None, None, "no", "yes"], week=[None] * 4)
    draw = Listed(Coding.public(PREGNANCY))
    done = completed(table, draw=draw)
    assert values_of(done.table["pregnant"]) == [None, None, "no", "yes"]
    assert [value is None for value in values_of(done.table["week"])] == [True, True, True, False]
    assert not done.left
    assert done.by_rule == {"pregnant": 2, "week": 3}
    assert draw.n_drawn < MAX_TRIES


def test_a_cell_that_is_missing_by_rule_is_given_as_such():
    draw = Listed(Coding.public(PREGNANCY))
    completed(table_of(PREGNANCY, sex=[None], pregnant=["no"], week=[None]), draw=draw)
    assert draw.given == {("pregnant", "week")}


def test_a_rule_settles_nothing_while_what_it_reads_may_be_filled():
    """A cell that a drawn one wants missing is no hole: (no, missing) weighs 2, (yes, early) and (yes, late) 4 each."""
    n = 2000
    done = completed(table_of(PREGNANCY, sex=["f"] * n, pregnant=[None] * n, week=[None] * n))
    pregnant, week = (values_of(done.table[name]) for name in ("pregnant", "week"))
    assert {(p, w is None) for p, w in zip(pregnant, week, strict=True)} == {("yes", False), ("no", True)}
    assert abs(pregnant.count("no") / n - .2) <= FIVE_SIGMA * np.sqrt(.2 * .8 / n)
    assert (done.left, done.by_rule) == ({}, {"week": pregnant.count("no")})


def test_where_it_depends_on_a_cell_that_is_missing_too_the_draw_decides():
    n = 400
    table = table_of(PREGNANCY, sex=[None] * n, pregnant=["yes"] * n, week=[None] * n)
    done = completed(table)
    assert set(values_of(done.table["sex"])) == {"f"}, "a pregnant man breaks the rule"
    assert all(values_of(done.table["week"]))
    assert set(violations(done.table).values()) == {0}


def violations(table: Table) -> dict[str, int]:
    return Coding.public(table.schema).rules.violations(table)


RULED = Schema((Column("low", "integer", bounds=(0, 9)), Column("high", "integer", bounds=(0, 9)),
                column("size", "small", "big", nullable=False)),
               rules=({"compare": "low <= high"},
                      {"mapped": {"from": ["high"], "to": "size",
                                  "table": {str(i): "small" if i < 5 else "big" for i in range(10)}}}))


def test_rules_are_kept_and_computed_columns_follow():
    rng = np.random.default_rng(1)
    n = 600
    low, high = np.sort(rng.integers(0, 10, (2, n)), axis=0)
    size = np.where(high < 5, "small", "big")
    gone = rng.random((3, n)) < .4
    cells = [[None if hole else value for value, hole in zip(values.tolist(), holes, strict=True)]
             for values, holes in zip((low, high, size), gone, strict=True)]
    table = table_of(RULED, **dict(zip(RULED.names, cells, strict=True)))
    done = completed(table)
    assert set(violations(done.table).values()) == {0}
    assert not done.left, "also where a known computed column says which values may be filled in"
    assert all(done.table[name].present.all() for name in RULED.names)


def test_what_cannot_be_completed_is_left_and_counted():
    """low = 9 leaves high = 9 alone, of which small is not the size; a row that is broken already stays as it is."""
    table = table_of(RULED, low=[9, 8, 3], high=[None, 2, None], size=["small", None, "small"])
    done = completed(table)
    assert values_of(done.table["high"])[:2] == [None, 2]
    assert values_of(done.table["high"])[2] in (3, 4)
    assert done.left == {"high": 1}
    assert values_of(done.table["size"]) == ["small", "small", "small"]


VISITS = Schema((Column("patient", "id", role="unit"), column("sex", "f", "m", constant_per_unit=True),
                 column("ward", "a", "b")), max_rows_per_unit=4,
                rules=({"forbid": "sex == 'm' and ward == 'b'"},))


def test_a_persons_rows_share_what_they_share():
    table = table_of(VISITS, patient=["p", "p", "q", "q", "q", None, None],
                     sex=[None, "m", None, None, None, None, None], ward=["a"] * 7)
    for seed in range(8):
        done = completed(table, seed=seed)
        sex = values_of(done.table["sex"])
        assert sex[:2] == ["m", "m"], "known from the other row"
        assert len(set(sex[2:5])) == 1
        assert all(sex)
    assert len({tuple(values_of(completed(table, seed=seed).table["sex"])) for seed in range(8)}) > 2


def test_what_breaks_a_rule_in_another_row_of_the_person_is_not_shared():
    """Half of the first rows get m, which their second rows forbid."""
    n = 40
    table = table_of(VISITS, patient=[f"p{i // 2}" for i in range(2 * n)], sex=[None] * (2 * n), ward=["a", "b"] * n)
    done = completed(table)
    sex = values_of(done.table["sex"])
    assert set(sex[::2]) == {"f", None}
    assert sex[::2] == sex[1::2]
    assert done.left == {"sex": sex.count(None)}
    assert set(violations(done.table).values()) == {0}


def test_the_number_of_a_persons_rows_is_given():
    seen = []
    draw = Listed(Coding.public(VISITS))

    def watching(n, *, rng, given=None):
        seen.append((sorted(given or ()), (given or {}).get(ROWS, np.zeros(0)).tolist()))
        return draw(n, rng=rng, given=given)

    completed(table_of(VISITS, patient=["p", "q", "q", None], sex=["f"] * 4, ward=["a", None, "a", None]),
              draw=watching)
    rows_codec = Coding.public(VISITS).codecs[ROWS]
    two = rows_codec.encode(cells_of(rows_codec.column, [2])).tolist()
    assert (sorted((ROWS, "sex")), two) in seen
    assert (["sex"], []) in seen, "a row without a person"


def test_a_table_that_does_not_fit_is_refused():
    whole = table_of(TWO, a=["x"], b=["x"], note=["p"])
    coding = Coding.public(TWO)
    streams = Streams.from_rng(np.random.default_rng(0))
    with pytest.raises(ColumnNotFoundError, match="column 'b' is not in the table"):
        impute(Listed(coding), coding, whole.select(["a", "note"]), streams=streams)
    other = Schema((TWO["a"], Column("b", "integer")))
    with pytest.raises(SchemaError, match="'b' of the table is of kind integer; the model has category"):
        impute(Listed(coding), coding, table_of(other, a=["x"], b=[1]), streams=streams)
