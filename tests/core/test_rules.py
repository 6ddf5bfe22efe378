"""Rules: forms, mapped columns, order, feasibility, state."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.errors import RuleError
from tabsynth.core.rules import Rules
from tabsynth.core.rules.mapped import cells_of
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table

COLUMNS = (
    Column("id", "id", role="unit"),
    Column("education", "category", levels=("HS", "BSc", "MSc")),
    Column("years", "integer", bounds=(0, 20)),
    Column("sex", "category", levels=("m", "f")),
    Column("pregnancies", "integer", bounds=(0, 20)),
    Column("admitted", "date"),
    Column("discharged", "date"),
    Column("smoker", "boolean"),
    Column("dose", "number", bounds=(0, 10)),
)


def schema(*rules, columns=COLUMNS):
    return Schema(columns, rules=rules)


def table(of, **values):
    n = len(next(iter(values.values())))
    cells = {c.name: cells_of(c, values.get(c.name, [None] * n)) for c in of.columns}
    if "id" not in values and "id" in of.by_name:
        cells["id"] = cells_of(of["id"], [str(i) for i in range(n)])
    return Table(of, cells)


def broken(rule, **values):
    s = schema(rule)
    t = table(s, **values)
    rules = Rules.compile(s)
    assert rules.violations(t) == {rules.all[0].text: int((~rules.valid(t.columns)).sum())}
    return (~rules.valid(t.columns)).tolist()


def test_compare():
    rule = {"compare": "admitted <= discharged"}
    assert broken(rule, admitted=[1, 2, None, 5], discharged=[1, 1, 1, None]) == [False, True, False, False]


def test_implies_is_broken_only_by_given_cells():
    rule = {"implies": {"if": "sex == 'm'", "then": "pregnancies == 0"}}
    assert broken(rule, sex=["m", "m", "f", None, "m"], pregnancies=[0, 1, 1, 1, None]) == \
        [False, True, False, False, False]


def test_implies_can_ask_for_a_value():
    rule = {"implies": {"if": "sex == 'm'", "then": "pregnancies == 0 and pregnancies is not missing"}}
    assert broken(rule, sex=["m", "m"], pregnancies=[0, None]) == [False, True]


def test_forbid():
    rule = {"forbid": "sex == 'm' and pregnancies in [1, 2]"}
    assert broken(rule, sex=["m", "m", "f", None], pregnancies=[1, 0, 1, 1]) == [True, False, False, False]


MAPPED = {"mapped": {"from": ["education"], "to": "years", "table": {"HS": "12", "BSc": 15, "MSc": "17"}}}


def test_mapped_is_derived_in_kind_and_checked():
    s = schema(MAPPED)
    rules = Rules.compile(s)
    assert rules.derived == ("years",)
    t = table(s, education=["MSc", "HS", None, "BSc"], years=[17, 13, 1, None])
    found = rules.derive({"education": t["education"]})["years"]
    assert found.values.dtype == np.int64
    assert found.values.tolist() == [17, 12, 0, 15]
    assert found.present.tolist() == [True, True, False, True]
    assert rules.valid(t.columns).tolist() == [True, False, False, False]
    assert rules.violations(t) == {"education -> years": 3}


def test_mapped_by_several_parents_missing_included():
    rows = [["HS", True, 1.5], ["HS", False, "2.5"], [None, True, 9], ["BSc", True, None]]
    s = schema({"mapped": {"from": ["education", "smoker"], "to": "dose", "table": rows}})
    t = table(s, education=["HS", "HS", None, "BSc", "MSc", "HS"], smoker=[False, True, True, True, True, None])
    found = Rules.compile(s).derive(t.columns)["dose"]
    assert found.present.tolist() == [True, True, True, False, False, False]
    assert found.values[:3].tolist() == [2.5, 1.5, 9.0]


def test_a_derived_category_has_its_levels_in_declared_order():
    s = schema({"mapped": {"from": "years", "to": "education", "table": {17: "MSc", 12: "HS"}}})
    found = Rules.compile(s).derive(table(s, years=[12, 17, 13]).columns)["education"]
    assert found.levels == ("HS", "BSc", "MSc")
    assert found.values[:2].tolist() == [0, 2]
    assert found.present.tolist() == [True, True, False]


def test_derived_columns_are_computed_in_the_order_they_need():
    chain = (
        {"mapped": {"from": ["years"], "to": "dose", "table": {12: 1, 15: 2}}},
        {"mapped": {"from": ["education"], "to": "years", "table": {"HS": 12, "BSc": 15}}},
    )
    s = schema(*chain)
    rules = Rules.compile(s)
    assert rules.derived == ("years", "dose")
    assert rules.derive(table(s, education=["BSc"]).columns)["dose"].values.tolist() == [2.0]
    assert rules.sources_of(["dose", "sex"]) == ("sex", "education")


def one(source, to):
    return {"mapped": {"from": [source], "to": to, "table": {"1": 1}}}


@pytest.mark.parametrize(("rules", "message"), [
    ((one("a", "b"), one("b", "a")), "circle"),
    ((one("a", "b"), one("c", "b")), "two mapped rules"),
    (({"mapped": {"from": ["a"], "to": "a", "table": {"1": 1}}},), "other columns"),
    (({"mapped": {"from": ["a"], "to": "zz", "table": {"1": 1}}},), "not in the schema"),
    (({"mapped": {"from": ["a"], "to": "b", "table": {"1": "x"}}},), "'x' is not a value of column 'b'"),
    (({"mapped": {"from": ["a", "c"], "to": "b", "table": [[1, 2]]}},), "rows of 2 source values"),
    (({"mapped": {"from": ["a"], "to": "b", "table": [[1, 2], [1, 3]]}},), "two values for one combination"),
    (({"mapped": {"from": ["a"], "to": "b"}},), "Add 'table:"),
    (({"mapped": {"to": "b"}},), "is written"),
    (({"mapped": {"from": ["k"], "to": "b", "table": {"1": 1}}},), "regenerated"),
    (({"compare": "k == 'x'"},), "regenerated"),
    (({"compares": "a < b"},), "exactly one of the keys"),
    (({"compare": "a < b", "forbid": "a < b"},), "exactly one"),
    (({"compare": True},), "must be a text"),
    (({"implies": {"if": "a == 1"}},), "{if: condition, then: condition}"),
    (({"forbid": "a === 1"},), "position"),
])
def test_rules_that_cannot_be_read(rules, message):
    columns = (Column("a", "integer"), Column("b", "integer"), Column("c", "integer"), Column("k", "id"))
    with pytest.raises(RuleError) as error:
        Rules.compile(Schema(columns, rules=rules))
    assert message in str(error.value)


def learned(people, **values):
    s = schema({"mapped": {"from": ["education"], "to": "years"}})
    t = table(s, id=people, **values)
    return Rules.compile(s, learn_from=t), s


def test_learned_table_takes_majorities_of_eleven_people():
    education = ["HS"] * 200 + ["BSc"] * 11 + ["MSc"] * 10
    years = [12] * 199 + [13] + [15] * 11 + [17] * 10
    rules, s = learned([str(i) for i in range(221)], education=education, years=years)
    found = rules.derive(table(s, education=["HS", "BSc", "MSc"]).columns)["years"]
    assert found.values[:2].tolist() == [12, 15]
    assert found.present.tolist() == [True, True, False]


def test_eleven_rows_of_ten_people_are_not_learned():
    rules, s = learned([str(i % 10) for i in range(40)], education=["HS"] * 40, years=[12] * 40)
    assert rules.maps[0].keys == ()
    t = table(s, education=["HS"], years=[12])
    assert rules.derive({"education": t["education"]})["years"].present.tolist() == [False]
    assert rules.violations(t) == {"education -> years": 0}  # nothing is known of this combination


def test_a_dependency_that_does_not_hold_is_refused():
    with pytest.raises(RuleError, match=r"2\.0% of the rows"):
        learned([str(i) for i in range(100)], education=["HS"] * 100, years=[12] * 98 + [13] * 2)


def test_learned_tables_survive_json():
    rules, s = learned([str(i) for i in range(40)], education=["HS"] * 20 + [None] * 20, years=[12] * 20 + [None] * 20)
    again = Rules.from_state(s, json.loads(json.dumps(rules.state())))
    t = table(s, education=["HS", None, "BSc"])
    assert again == rules
    assert again.derive(t.columns)["years"].same_as(rules.derive(t.columns)["years"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["HS", "BSc", None]), st.sampled_from([True, False, None])), max_size=30),
       st.dictionaries(st.tuples(st.sampled_from(["HS", "BSc", "MSc", None]), st.sampled_from([True, False, None])),
                       st.integers(0, 9) | st.none(), min_size=1))
def test_lookup_equals_a_dictionary(rows, entries):
    rule = {"from": ["education", "smoker"], "to": "years", "table": [[*key, value] for key, value in entries.items()]}
    s = schema({"mapped": rule})
    t = table(s, education=[r[0] for r in rows], smoker=[r[1] for r in rows])
    found = Rules.compile(s).derive(t.columns)["years"]
    slow = [entries.get(row) for row in rows]
    assert [v if p else None for v, p in zip(found.values.tolist(), found.present, strict=True)] == slow


# --- feasibility -----------------------------------------------------------------------------------------------

def number(name, low=0, high=10, **kwargs):
    return Column(name, "integer", bounds=(low, high), **kwargs)


A, B, C = number("a"), number("b"), number("c")
FULL = [number(name, nullable=False) for name in "abc"]
SEX = Column("sex", "category", levels=("m", "f"))


@pytest.mark.parametrize(("columns", "rules"), [
    ([A], [{"compare": "a > 10"}]),
    ([A], [{"compare": "a > 5"}, {"compare": "a < 5"}]),
    ([A, B], [{"compare": "a < b"}, {"compare": "b < a"}]),
    ([A, B, C], [{"compare": "a < b"}, {"compare": "b < c"}, {"compare": "c < a"}]),
    ([number("a", 5, 9), number("b", 0, 4)], [{"compare": "a <= b"}]),
    ([A], [{"forbid": "a >= 0"}]),
    ([A], [{"forbid": "a is missing or a is not missing"}]),
    (FULL[:1], [{"compare": "a is missing"}]),
    ([SEX], [{"forbid": "sex == 'm'"}, {"forbid": "sex == 'f'"}]),
    ([SEX, A], [{"implies": {"if": "sex in ['m', 'f']", "then": "a > 3"}}, {"compare": "a < 2"}]),
    ([Column("d", "date", bounds=("2000-01-01", "2000-12-31"))], [{"compare": "d > '2000-12-31'"}]),
    ([Column("x", "number", bounds=(0, 1)), Column("y", "number", bounds=(1, 2))], [{"compare": "x > y"}]),
    ([Column("s", "boolean"), A], [{"implies": {"if": "s == true", "then": "a > 10"}}, {"forbid": "s == false"},
                                   {"compare": "s is not missing"}, {"compare": "a is not missing"}]),
    ([SEX, A], [{"mapped": {"from": ["sex"], "to": "a", "table": {"m": 1, "f": 2}}}, {"compare": "a > 2"}]),
])
def test_infeasible_sets_are_refused(columns, rules):
    with pytest.raises(RuleError):
        Rules.compile(Schema(tuple(columns), rules=tuple(rules)))


@pytest.mark.parametrize(("columns", "rules"), [
    ([A], [{"compare": "a > 5"}, {"compare": "a < 7"}]),
    ([A, B, C], [{"compare": "a < b"}, {"compare": "b < c"}, {"compare": "a != 0"}]),
    ([number("a", 5, 9), number("b", 0, 5)], [{"compare": "a <= b"}]),
    ([number("a", 0, 2), number("b", 0, 2), number("c", 0, 2)], [{"compare": "a < b"}, {"compare": "b < c"}]),
    ([A, B], [{"forbid": "a is not missing and b is not missing"}]),
    ([SEX], [{"forbid": "sex == 'm'"}]),
    ([Column("city", "category")], [{"forbid": "city == 'x'"}]),
    ([Column("city", "category", open=True), SEX], [{"compare": "city == sex"}]),
    ([Column("x", "number"), Column("y", "number")], [{"compare": "x < y"}, {"compare": "x > 5"}]),
    ([Column("d", "date"), Column("t", "datetime")], [{"compare": "d <= t"}, {"compare": "t < '2000-01-02'"}]),
    ([SEX, A], [{"implies": {"if": "sex == 'm'", "then": "a == 0"}}, {"compare": "a >= 0"}]),
    ([SEX, A], [{"mapped": {"from": ["sex"], "to": "a", "table": {"m": 1, "f": 2}}}, {"compare": "a > 1"}]),
    ([number(f"v{i}") for i in range(11)], [{"compare": f"v{i} < v{i + 1}"} for i in range(10)]),
])
def test_feasible_sets_are_accepted(columns, rules):
    Rules.compile(Schema(tuple(columns), rules=tuple(rules)))


LEVELS = tuple(f"l{i}" for i in range(40))
LOCK = (*(Column(name, "category", levels=LEVELS) for name in ("row", "seat")),
        Column("free", "category", levels=("yes", "no"), nullable=False))


@pytest.mark.parametrize("key", [("l0", "l0"), ("l17", "l23"), ("l39", "l1")])
def test_one_row_in_many_is_found(key):
    """A narrow search keeps a few rows of 40 and mostly misses the one seat that is free; the wide one does not."""
    seats = [[row, seat, "yes" if (row, seat) == key else "no"] for row in LEVELS for seat in LEVELS]
    rules = ({"mapped": {"from": ["row", "seat"], "to": "free", "table": seats}}, {"compare": "free == 'yes'"})
    Rules.compile(Schema(LOCK, rules=rules))
    rules[0]["mapped"]["table"] = [[*pair, "no"] for *pair, _ in seats]
    with pytest.raises(RuleError):
        Rules.compile(Schema(LOCK, rules=rules))


def test_stored_rules_are_not_searched_again(monkeypatch):
    schema = Schema((A, B), rules=({"compare": "a < b"},))
    state = Rules.compile(schema).state()
    monkeypatch.setattr("tabsynth.core.rules.feasible.refuse_infeasible", lambda *_: pytest.fail("searched again"))
    assert Rules.from_state(schema, state).checks[0].text == "a < b"


small = st.sampled_from(["a < b", "b < c", "c < a", "a == b", "a != b", "b >= 2", "a <= 1", "c == 1", "a > 0", "c != 1",
                         "b != 2", "a >= c"])


@settings(max_examples=120, deadline=None)
@given(st.lists(small, min_size=1, max_size=6, unique=True))
def test_the_search_agrees_with_trying_every_row(conditions):
    columns = tuple(number(name, 0, 2, nullable=False) for name in "abc")
    domain = [(a, b, c) for a in range(3) for b in range(3) for c in range(3)]
    cells = {name: cells_of(columns[i], [row[i] for row in domain]) for i, name in enumerate("abc")}
    free = Rules.compile(Schema(columns))
    assert free.valid(cells).all()
    try:
        rules = Rules.compile(Schema(columns, rules=tuple({"compare": text} for text in conditions)))
    except RuleError:
        from tabsynth.core.rules.expression import Expression
        every = [Expression.parse(text, Schema(columns)).holds(cells) for text in conditions]
        assert not np.logical_and.reduce(every).any()
    else:
        assert rules.valid(cells).any()
