"""The condition language: parsing, types, three-valued meaning, messages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.errors import RuleError
from tabsynth.core.rules.expression import Expression
from tabsynth.core.rules.mapped import cells_of
from tabsynth.core.rules.parser import tokenize
from tabsynth.core.schema import Column, Schema

SCHEMA = Schema((
    Column("age", "integer"),
    Column("dose", "number"),
    Column("temp °C", "number"),
    Column("hours-per-week", "integer"),
    Column("sex", "category", levels=("male", "female")),
    Column("grade", "category", levels=("1", "2", "3.0")),
    Column("city", "category"),
    Column("smoker", "boolean"),
    Column("alive", "boolean", levels=("no", "yes")),
    Column("admitted", "date"),
    Column("discharged", "date", format="%d.%m.%Y"),
    Column("seen", "datetime"),
    Column("seen_utc", "datetime", timezone="Europe/Berlin"),
    Column("at", "time"),
    Column("stay", "timedelta"),
    Column("note", "text"),
))


def cells(**values):
    return {name: cells_of(SCHEMA[name], column) for name, column in values.items()}


def holds(text, **values):
    return Expression.parse(text, SCHEMA).holds(cells(**values)).tolist()


@pytest.mark.parametrize(("text", "expected"), [
    ("age == 2", [False, True, False, False]),
    ("age != 2", [True, False, True, False]),
    ("age < 2", [True, False, False, False]),
    ("age <= 2.5", [True, True, False, False]),
    ("2 <= age", [False, True, True, False]),
    ("age in [1, 3]", [True, False, True, False]),
    ("age not in [1, 3]", [False, True, False, False]),
    ("not age in [1, 3]", [False, True, False, False]),
    ("not age == 2", [True, False, True, False]),
    ("age is missing", [False, False, False, True]),
    ("age is not missing", [True, True, True, False]),
    ("age == 1 or age is missing", [True, False, False, True]),
    ("age > 0 and not (age == 3)", [True, True, False, False]),
    ("age == 1 or age == 2 and age == 3", [True, False, False, False]),
    ("(age == 1 or age == 2) and age == 2", [False, True, False, False]),
    ("age==-1 OR age>=3", [False, False, True, False]),
])
def test_meaning_on_integers(text, expected):
    assert holds(text, age=[1, 2, 3, None]) == expected


def test_a_missing_cell_makes_neither_a_comparison_nor_its_negation_true():
    for text in ("age > 5", "not age > 5", "age != 5", "age not in [5]", "age <= `hours-per-week`"):
        assert holds(text, age=[None], **{"hours-per-week": [4]}) == [False]


def test_what_is_decided_without_the_missing_cell_is_decided():
    assert holds("age > 5 or dose > 1", age=[None], dose=[2.0]) == [True]
    expression = Expression.parse("age > 5 and dose > 1", SCHEMA)
    assert expression.fails(cells(age=[None], dose=[0.5])).tolist() == [True]


@pytest.mark.parametrize(("text", "values", "expected"), [
    ("sex == 'male'", {"sex": ["male", "female", None]}, [True, False, False]),
    ('sex in ["male", "female"]', {"sex": ["male", "female", None]}, [True, True, False]),
    ("grade == 1", {"grade": ["1", "2"]}, [True, False]),
    ("grade in [2, 3]", {"grade": ["1", "2", "3.0"]}, [False, True, True]),
    ("city == 007", {"city": ["007", "7"]}, [True, False]),
    ("city == 'it''s'", {"city": ["it's", "its"]}, [True, False]),
    ("smoker == true", {"smoker": [True, False, None]}, [True, False, False]),
    ("alive == 'yes'", {"alive": [True, False]}, [True, False]),
    ("`temp °C` >= -1.5e0", {"temp °C": [-2.0, -1.5]}, [False, True]),
    ("hours-per-week > 40", {"hours-per-week": [40, 41]}, [False, True]),
    ("admitted == '1970-01-03'", {"admitted": [2, 3]}, [True, False]),
    ("discharged >= '1970-01-03'", {"discharged": [1, 2]}, [False, True]),
    ("seen > '1970-01-01T00:00:01'", {"seen": [1_000_000, 1_000_001]}, [False, True]),
    ("seen_utc == '1970-01-01T01:00'", {"seen_utc": [0, 1]}, [True, False]),
    ("at < '00:01'", {"at": [59_999_999, 60_000_000]}, [True, False]),
    ("stay <= 90", {"stay": [90_000_000, 90_000_001]}, [True, False]),
    ("note == 'x'", {"note": ["x", "y"]}, [True, False]),
])
def test_meaning_by_kind(text, values, expected):
    assert holds(text, **values) == expected


def test_two_columns():
    assert holds("admitted <= discharged", admitted=[1, 5, None], discharged=[1, 4, 9]) == [True, False, False]
    assert holds("age > dose", age=[2, 2], dose=[1.5, 2.5]) == [True, False]
    assert holds("admitted < seen", admitted=[1, 1], seen=[86_400_000_000, 86_400_000_001]) == [False, True]
    assert holds("sex == city", sex=["male", "female", "male"], city=["male", "male", None]) == [True, False, False]
    assert holds("sex != city", sex=["male", "female", "male"], city=["male", "male", None]) == [False, True, False]


def test_huge_integers_are_compared_exactly():
    assert holds("age == 9007199254740993", age=[9007199254740992, 9007199254740993]) == [False, True]


def test_categories_are_compared_by_text_whatever_their_codes():
    reordered = cells_of(Column("sex", "category", levels=("female", "male")), ["male", "female"])
    assert Expression.parse("sex == 'male'", SCHEMA).holds({"sex": reordered}).tolist() == [True, False]


def test_a_column_without_any_level_equals_nothing():
    empty = cells_of(Column("city", "category"), [None, None])
    assert Expression.parse("city == 'a'", SCHEMA).holds({"city": empty}).tolist() == [False, False]


@pytest.mark.parametrize(("text", "position", "expected"), [
    ("agee == 1", 1, "Did you mean 'age'?"),
    ("age = 1", 5, "'=='"),
    ("age == 1 & dose > 2", 10, "'and'"),
    ("age ==", 7, "column name or a literal"),
    ("age", 4, "expected =="),
    ("age == 1 dose", 10, "'and', 'or' or the end"),
    ("(age == 1", 10, "')'"),
    ("age in (1, 2)", 8, "'['"),
    ("age in [1 2]", 11, "']'"),
    ("age in []", 9, "literal"),
    ("age is 5", 8, "'missing'"),
    ("1 == 2", 1, "must be a column"),
    ("age == 'x'", 8, "a number such as 42"),
    ("dose == true", 9, "a number"),
    ("sex == 'mael'", 8, "did you mean 'male'?"),
    ("sex == 'x'", 8, "its levels are 'male', 'female'"),
    ("sex < 'male'", 5, "has no order"),
    ("smoker >= true", 8, "has no order"),
    ("smoker == 'perhaps'", 11, "true or false"),
    ("admitted == '31.12.1999'", 13, "ISO date"),
    ("admitted == 5", 13, "ISO date"),
    ("at == 'noon'", 7, "a time in quotes"),
    ("age == sex", 8, "cannot be compared"),
    ("seen == seen_utc", 9, "time zone"),
    ("sex == 'male", 8, "not closed"),
    ("age == 1 ;", 10, "no meaning"),
    ("admitted == 1999-12-31", 13, "in quotes"),
    ("", 1, "column name"),
])
def test_messages_name_the_position_and_what_was_expected(text, position, expected):
    with pytest.raises(RuleError) as error:
        Expression.parse(text, SCHEMA)
    assert f"position {position}:" in str(error.value)
    assert expected in str(error.value)


def test_deep_nesting_is_refused_not_a_crash():
    for text in ("(" * 3000 + "age == 1" + ")" * 3000, "not " * 3000 + "age == 1"):
        with pytest.raises(RuleError, match="deep"):
            Expression.parse(text, SCHEMA)


def test_columns_and_equalities():
    expression = Expression.parse("sex == 'male' and age == 4 and alive == 'no' and (dose > 1 or city == 'x')", SCHEMA)
    assert expression.columns == ("sex", "age", "alive", "dose", "city")
    assert expression.equalities() == {"sex": "male", "age": 4, "alive": False}
    assert Expression.parse("sex == 'male' or age == 4", SCHEMA).equalities() == {}
    assert Expression.parse("not sex == 'male'", SCHEMA).equalities() == {}
    assert Expression.parse("sex in ['male'] and dose == 2", SCHEMA).equalities() == {"sex": "male"}


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab=<>!()[],'\"` \t.-_0159andorinotsmg°", max_size=40))
def test_any_text_parses_or_is_refused_with_a_rule_error(text):
    message = "position"
    try:
        Expression.parse(text, SCHEMA)
    except RuleError as error:
        message = str(error)
    assert "position" in message


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_any_column_name_can_be_written_in_backticks(name):
    schema = Schema((Column(name, "integer"),))
    text = "`" + name.replace("`", "``") + "` == 1"
    assert Expression.parse(text, schema).columns == (name,)
    assert tokenize(text)[0].text == name


# --- against a slow, obvious evaluator -------------------------------------------------------------------------

atoms = st.sampled_from([
    ("age == 1", lambda r: None if r[0] is None else r[0] == 1),
    ("age < 2", lambda r: None if r[0] is None else r[0] < 2),
    ("dose in [0, 1]", lambda r: None if r[1] is None else r[1] in (0, 1)),
    ("dose is missing", lambda r: r[1] is None),
    ("age >= dose", lambda r: None if None in r else r[0] >= r[1]),
])


def negate(part):
    return f"not ({part[0]})", lambda r: None if part[1](r) is None else not part[1](r)


def join(parts):
    word, left, right = parts
    decisive = word == "or"

    def slow(row):
        found = [left[1](row), right[1](row)]
        if decisive in found:
            return decisive
        return None if None in found else not decisive

    return f"({left[0]}) {word} ({right[0]})", slow


conditions = st.recursive(
    atoms, lambda inner: inner.map(negate) | st.tuples(st.sampled_from(["and", "or"]), inner, inner).map(join),
    max_leaves=6)
numbers = st.lists(st.tuples(*[st.none() | st.integers(0, 3)] * 2), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(conditions, numbers)
def test_vectorised_evaluation_equals_row_by_row(condition, rows):
    text, slow = condition
    table = cells(age=[r[0] for r in rows], dose=[None if r[1] is None else float(r[1]) for r in rows])
    expression = Expression.parse(text, SCHEMA)
    assert expression.holds(table).tolist() == [slow(r) is True for r in rows]
    assert expression.fails(table).tolist() == [slow(r) is False for r in rows]
    assert not np.any(expression.holds(table) & expression.fails(table))
