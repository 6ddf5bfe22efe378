"""From draws to rows: units, row counts, constants, rules, conditions, given cells, ids, streams.

The model here is the slowest and most obvious one: a list of possible rows with weights, filtered by what is given.
The codec is as plain: code k of a column is its k-th value.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core import assemble, blocks
from tabsynth.core.blocks import PART_ROWS, Blocks
from tabsynth.core.codec.base import Codec
from tabsynth.core.coding import ROWS, Coding, modelled, rows_column
from tabsynth.core.draws import anchors
from tabsynth.core.errors import ColumnNotFoundError, ModelError, RuleError, SchemaError, TabsynthError, UsageError
from tabsynth.core.identifiers import IDENTIFIER, TEXT, Pattern
from tabsynth.core.rng import BLOCK_ROWS, Streams
from tabsynth.core.rules import Rules
from tabsynth.core.rules.expression import Expression
from tabsynth.core.rules.mapped import cells_of, values_of
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import LogicalType, Table

FIVE_SIGMA = 5.0
"""A normal deviate beyond it: 6e-7, the false-alarm rate of each statistical test below."""


class PlainCodec(Codec):
    """Code k is values[k]; None is missing. With `jitter`, a number gets 0 or 1 added when decoded (a bin)."""

    def __init__(self, column, values, jitter=False):
        self.column, self.values, self.jitter = column, tuple(values), jitter

    size = property(lambda self: len(self.values))
    ordered = property(lambda self: 0)
    holds = property(lambda self: {"values": len(self.values)})

    def encode(self, cells):
        return np.array([self.values.index(v) if v in self.values else self.values.index(2 * (v // 2))
                         for v in values_of(cells)], dtype=np.int32)

    def decode(self, codes, rng):
        found = cells_of(self.column, self.values).take(codes)
        return replace(found, values=found.values + rng.integers(0, 2, len(found))) if self.jitter else found

    def probes(self, values):
        raise NotImplementedError

    def representative(self):
        raise NotImplementedError

    def labels(self):
        raise NotImplementedError

    def state(self):
        raise NotImplementedError


def coding_of(schema, domains, jitter=()):
    """A coding whose column `name` takes the values domains[name]."""
    rules = Rules.compile(schema)
    columns = [*modelled(schema, rules), *([] if schema.unit is None else [rows_column(schema)])]
    return Coding(schema, {c.name: PlainCodec(c, domains[c.name], c.name in jitter) for c in columns}, rules, True)


class ListedRows:
    """Draws from listed rows of codes, each with a weight, conditional by filtering."""

    def __init__(self, coding, rows):
        self.names = coding.names
        index = [coding.codecs[name].values.index for name in self.names]
        self.rows = np.array([[find(v) for find, v in zip(index, row, strict=True)] for row, _ in rows], dtype=np.int32)
        self.weights = np.array([weight for _, weight in rows], dtype=float)
        self.asked = Counter()

    def __call__(self, n, *, rng, given=None):
        self.asked[tuple(given or ())] += n
        columns = [self.names.index(name) for name in given or ()]
        known = np.stack([*(given or {}).values()], axis=1) if columns else np.zeros((n, 0), np.int32)
        out = np.empty((n, len(self.names)), dtype=np.int32)
        for key in np.unique(known, axis=0) if columns else known[:1]:
            where = (known == key).all(axis=1)
            weights = self.weights * (self.rows[:, columns] == key).all(axis=1)
            assert weights.sum() > 0, "the condition has probability 0"
            out[where] = self.rows[rng.choice(len(weights), int(where.sum()), p=weights / weights.sum())]
        return {name: out[:, j] for j, name in enumerate(self.names)}


def sample(model, coding, n, seed=0, **kwargs):
    return Table.concat(part for part, _ in assemble.rows(model, coding, n, rng=np.random.default_rng(seed), **kwargs))


# --- a small hospital ------------------------------------------------------------------------------------------

HOSPITAL = Schema((
    Column("patient", "integer", role="unit"),
    Column("sex", "category", levels=("f", "m"), constant_per_unit=True),
    Column("ward", "category", levels=("A", "B", "C")),
    Column("age", "integer", bounds=(0, 99)),
))
DOMAINS = {"sex": ("f", "m"), "ward": ("A", "B", "C", None), "age": (10, 20, 30), ROWS: (1, 2, 5)}


def hospital(schema=HOSPITAL, domains=DOMAINS, jitter=()):
    """Ward depends on the row count, age on sex and ward."""
    coding = coding_of(schema, domains, jitter)
    rows = [((sex, ward, age, m), (4 if m == 1 else 1) * (6 if (ward == "C") == (m == 5) else 1)
             * (3 if (age == 30) == (sex == "m" and ward != "A") else 1))
            for sex in "fm" for ward in DOMAINS["ward"] for age in DOMAINS["age"] for m in DOMAINS[ROWS]]
    return coding, ListedRows(coding, rows), rows


def columns_of(table, *names):
    return list(zip(*(values_of(table[name]) for name in names), strict=True))


def test_row_level_distribution_is_that_of_the_real_rows():
    """Each listed row stands for weight/m of a unit; real rows then have weight * m. Units cluster the rows."""
    coding, model, listed = hospital()
    table = sample(model, coding, 60_000)
    unit = table.unit_codes()
    total = sum(weight * row[3] for row, weight in listed)
    for name, position in (("ward", 1), ("age", 2), ("sex", 0)):
        values = np.array(values_of(table[name]), dtype=object)
        for value in DOMAINS[name]:
            expected = sum(w * row[3] for row, w in listed if row[position] == value) / total
            hit = (values == value) if value is not None else np.array([v is None for v in values])
            sums = np.bincount(unit, hit - expected)  # per unit, mean 0 if the claim holds
            error = np.sqrt((sums**2).sum())
            assert abs(sums.sum()) < FIVE_SIGMA * error, (name, value)


def test_unit_level_distribution_is_that_of_the_real_units():
    coding, model, listed = hospital()
    table = sample(model, coding, 60_000)
    sizes = np.bincount(table.unit_codes())[:-1]
    total = sum(weight for _, weight in listed)
    for m in DOMAINS[ROWS]:
        share = sum(w for row, w in listed if row[3] == m) / total
        assert abs((sizes == m).mean() - share) < FIVE_SIGMA * np.sqrt(share * (1 - share) / len(sizes))


def test_relations_between_columns_are_kept_at_row_level():
    coding, model, listed = hospital()
    table = sample(model, coding, 60_000)
    seen = Counter(columns_of(table, "sex", "ward", "age"))
    total = sum(w * row[3] for row, w in listed)
    for key in {row[:3] for row, _ in listed}:
        expected = sum(w * row[3] for row, w in listed if row[:3] == key) / total
        hits = np.array([row == key for row in columns_of(table, "sex", "ward", "age")]) - expected
        sums = np.bincount(table.unit_codes(), hits)
        assert abs(sums.sum()) < FIVE_SIGMA * np.sqrt((sums**2).sum()), (key, seen[key] / 60_000, expected)


def test_rows_of_a_unit_stay_together_with_its_constants():
    coding, model, _ = hospital()
    table = sample(model, coding, 30_000)
    unit = table.unit_codes()
    assert (np.diff(unit) >= 0).all()
    assert values_of(table["patient"]) == (unit + 1).tolist()
    assert set(Counter(unit.tolist()).values()) <= {1, 2, 3, 4, 5}  # 3 and 4: only the last unit, cut short
    assert set(np.bincount(unit)[:-1].tolist()) <= {1, 2, 5}
    assert len(set(zip(unit.tolist(), values_of(table["sex"]), strict=True))) == unit.max() + 1


@pytest.mark.parametrize("n", [0, 1, 7, BLOCK_ROWS + 3])
def test_exactly_n_rows_and_a_prefix_of_more(n):
    coding, model, _ = hospital()
    table = sample(model, coding, n)
    assert len(table) == n
    assert table == sample(model, coding, 2 * BLOCK_ROWS).take(slice(0, n))


def test_same_seed_same_rows_however_they_are_consumed():
    coding, model, _ = hospital()
    whole = sample(model, coding, 20_000, seed=3)
    parts = assemble.rows(model, coding, 20_000, rng=np.random.default_rng(3))
    slow = Table.concat([part.take(slice(i, i + 7)) for part, _ in parts for i in range(0, len(part), 7)])
    assert whole == slow
    assert whole != sample(model, coding, 20_000, seed=4)


def test_parts_stay_small():
    coding, model, _ = hospital()
    sizes = [len(part) for part, _ in assemble.rows(model, coding, 50_000, rng=np.random.default_rng(0))]
    assert max(sizes) <= PART_ROWS + 5
    assert sum(sizes) == 50_000


def test_a_block_does_not_need_the_blocks_before_it():
    """Another process draws the odd blocks, backwards; the table is the same."""
    coding, model, _ = hospital()

    def parts(streams, first):
        assert isinstance(streams, Streams)
        odd, even = (Blocks(model, coding, streams) for _ in range(2))
        ahead = {number: list(odd(number)) for number in (3, 1)}
        for number in range(4):
            yield from ahead.get(number) or even(number)

    whole = sample(model, coding, 3 * BLOCK_ROWS * 2, seed=5)
    assert sample(model, coding, 3 * BLOCK_ROWS * 2, seed=5, parts=parts) == whole


def test_progress_ends_at_n():
    coding, model, _ = hospital()
    seen = []
    sample(model, coding, 100, progress=lambda stage, done, total=None: seen.append((stage, done, total)))
    assert seen[0] == ("sample", 0, 100)
    assert seen[-1] == ("sample", 100, 100)


def test_empty_table_has_all_columns_levels_and_types():
    logical = LogicalType("dictionary<values=string, indices=int8, ordered=0>", "category").to_json()
    schema = HOSPITAL.with_columns([*HOSPITAL.columns[:2], Column("ward", "category", levels=("A", "B", "C"),
                                                                  logical=logical), HOSPITAL["age"]])
    coding, model, _ = hospital(schema)
    for n in (0, 5):
        table = sample(model, coding, n)
        assert table["ward"].levels == ("A", "B", "C")
        assert table["ward"].logical == LogicalType.from_json(logical)
        assert table["age"].values.dtype == np.int64


def test_without_a_unit_every_draw_is_a_row():
    schema = Schema((Column("sex", "category"), Column("age", "integer")))
    coding = coding_of(schema, {"sex": ("f", "m"), "age": (1, 2)})
    model = ListedRows(coding, [(("f", 1), 3), (("m", 2), 1)])
    table = sample(model, coding, 10_000)
    assert set(columns_of(table, "sex", "age")) == {("f", 1), ("m", 2)}
    assert abs(np.mean(table["age"].values == 1) - 0.75) < FIVE_SIGMA * np.sqrt(0.75 * 0.25 / 10_000)
    assert model.asked == {(): 2 * BLOCK_ROWS}


# --- rules -----------------------------------------------------------------------------------------------------

def with_rules(*rules):
    return Schema(HOSPITAL.columns, rules=rules)


RULES = ({"implies": {"if": "sex == 'm'", "then": "ward != 'A'"}}, {"forbid": "ward == 'C' and age == 10"})


def test_rules_hold_in_every_row_units_keep_their_shares_and_rows_follow_given_their_unit():
    coding, model, listed = hospital(with_rules(*RULES))
    table = sample(model, coding, 40_000)
    assert coding.rules.violations(table) == dict.fromkeys((r.text for r in coding.rules.all), 0)
    allowed = [(row, w) for row, w in listed
               if not (row[0] == "m" and row[1] == "A") and not (row[1] == "C" and row[2] == 10)]
    units = {(sex, m): sum(w for row, w in listed if row[0] == sex and row[3] == m) for sex in "fm" for m in (1, 2, 5)}
    kept = {unit: sum(w for row, w in allowed if (row[0], row[3]) == unit) for unit in units}
    rows = {row: row[3] * units[row[0], row[3]] * w / kept[row[0], row[3]] for row, w in allowed}
    seen = columns_of(table, "sex", "ward", "age")
    for key in {row[:3] for row in rows}:
        expected = sum(w for row, w in rows.items() if row[:3] == key) / sum(rows.values())
        sums = np.bincount(table.unit_codes(), np.array([row == key for row in seen]) - expected)
        assert abs(sums.sum()) < FIVE_SIGMA * np.sqrt((sums**2).sum()), key


def test_the_if_part_of_a_rule_keeps_its_share():
    """Independent columns break "no medication, no drug" nearly always; the share of people without must stay."""
    drugs = [f"drug{i}" for i in range(4)]
    names = ["medication", *drugs]
    schema = Schema(tuple(Column(c, "category", levels=("no", "yes")) for c in names), rules=(
        {"implies": {"if": "medication == 'no'", "then": " and ".join(f"{drug} == 'no'" for drug in drugs)}},))
    coding = coding_of(schema, dict.fromkeys(names, ("no", "yes")))
    assert anchors(coding.rules, coding.names, []) == ["medication"]

    def independent(n, *, rng, given=None):
        fresh = {c: (rng.random(n) < 0.5).astype(np.int32) for c in names}
        return {**fresh, **(given or {})}

    table = sample(independent, coding, 4_000)
    assert coding.rules.valid(table.columns).all()
    assert abs(np.mean(table["medication"].values) - 0.5) < FIVE_SIGMA * np.sqrt(0.25 / 4_000)


def test_anchors_leave_every_rule_something_to_change():
    def kept(rules, constants=()):
        columns = [Column(c, "integer") for c in "abcd"]
        return anchors(Rules.compile(Schema(tuple(columns), rules=rules)), "abcd", constants)

    if_a_then_b = {"implies": {"if": "a == 1", "then": "b == 1"}}
    assert kept((if_a_then_b,)) == ["a"]
    assert kept((if_a_then_b,), ["b"]) == ["b"]
    assert kept((if_a_then_b,), ["a", "b"]) == ["a"]
    assert kept((if_a_then_b, {"implies": {"if": "b == 1", "then": "c == 1"}})) == ["a"]
    if_c_then_b, if_c_then_a = ({"implies": {"if": "c == 2", "then": f"{x} == 2"}} for x in "ba")
    assert kept((if_a_then_b, if_c_then_b, if_c_then_a)) == ["a"]
    assert kept(({"compare": "c <= d"},), ["c", "d"]) == []
    assert kept(({"compare": "c <= d"}, if_a_then_b), ["c"]) == ["a", "c"]
    assert kept(({"forbid": "a == 1 and b == 1"},), ["a"]) == ["a"]


def test_rules_that_tie_two_columns_both_ways_keep_one_and_redraw_the_other():
    rules = ({"implies": {"if": "a == 1", "then": "b == 1"}}, {"implies": {"if": "b == 1", "then": "a == 1"}})
    schema = Schema((Column("a", "integer"), Column("b", "integer")), rules=rules)
    coding = coding_of(schema, {"a": (1, 2), "b": (1, 2)})
    assert anchors(coding.rules, coding.names, []) == ["a"]
    model = ListedRows(coding, [((1, 1), 0.18), ((1, 2), 0.02), ((2, 1), 0.4), ((2, 2), 0.4)])
    table = sample(model, coding, 10_000)
    assert set(columns_of(table, "a", "b")) == {(1, 1), (2, 2)}
    assert abs(np.mean(table["a"].values == 1) - 0.2) < FIVE_SIGMA * np.sqrt(0.16 / 10_000)


def test_an_anchor_that_allows_nothing_is_given_up():
    rules = ({"implies": {"if": "a == 1", "then": "b == 1"}}, {"implies": {"if": "a == 1", "then": "b == 2"}})
    schema = Schema((Column("a", "integer"), Column("b", "integer"), Column("c", "integer")), rules=rules)
    coding = coding_of(schema, {"a": (1, 2), "b": (1, 2), "c": (1, 2)})
    model = ListedRows(coding, [((a, b, c), 1) for a in (1, 2) for b in (1, 2) for c in (1, 2)])
    table = sample(model, coding, 2_000, given=Table(
        Schema(schema.columns[2:]), {"c": cells_of(schema["c"], [1] * 2_000)}))
    assert set(values_of(table["a"])) == {2}
    assert set(values_of(sample(model, coding, 2_000)["a"])) == {2}


def test_rules_hold_for_values_drawn_inside_a_bin():
    coding, model, _ = hospital(with_rules({"forbid": "age in [11, 20, 31]"}), jitter=("age",))
    table = sample(model, coding, 5_000)
    assert set(values_of(table["age"])) == {10, 21, 30}


def test_a_mapped_column_is_computed_and_may_be_asked_for():
    schema = Schema((*HOSPITAL.columns, Column("floor", "integer")), rules=(
        {"mapped": {"from": ["ward"], "to": "floor", "table": {"A": 1, "B": 2, "C": 2}}}, {"compare": "floor == 2"}))
    coding, model, _ = hospital(schema)
    table = sample(model, coding, 3_000)
    assert set(columns_of(table, "ward", "floor")) == {("B", 2), ("C", 2), (None, None)}


def test_a_derived_column_that_may_not_be_missing_is_not():
    schema = Schema((*HOSPITAL.columns, Column("floor", "integer", nullable=False)), rules=(
        {"mapped": {"from": ["ward"], "to": "floor", "table": {"A": 1, "B": 2}}},))
    coding, model, _ = hospital(schema)
    assert set(columns_of(sample(model, coding, 3_000), "ward", "floor")) == {("A", 1), ("B", 2)}


def test_rules_that_the_model_cannot_meet_are_reported_with_the_share():
    coding, model, _ = hospital(with_rules({"compare": "age > 35"}))
    with pytest.raises(ModelError, match=r"accepted 0 of \d{6,7} draws"):
        sample(model, coding, 1)


def test_a_unit_whose_further_rows_cannot_be_drawn_is_left_out(monkeypatch):
    monkeypatch.setattr(blocks, "MAX_ROUNDS", 1)
    coding, model, _ = hospital(with_rules({"compare": "ward == 'A'"}))
    table = sample(model, coding, 2_000)
    assert set(values_of(table["ward"])) <= {"A", None}
    assert set(np.bincount(table.unit_codes())[:-1].tolist()) <= {1, 2, 5}


def test_rare_acceptance_leaves_the_row_counts_alone():
    """One row in 100 is allowed: redrawing must not favour units with few rows."""
    schema = with_rules({"compare": "ward == 'A'"})
    coding = coding_of(schema, {"sex": ("f",), "ward": ("A", "B"), "age": (10,), ROWS: (1, 5)})
    model = ListedRows(coding, [(("f", ward, 10, m), 1 if ward == "A" else 99) for ward in "AB" for m in (1, 5)])
    table = sample(model, coding, 200)
    sizes = np.bincount(table.unit_codes())[:-1]
    assert abs((sizes == 5).mean() - 0.5) < FIVE_SIGMA * np.sqrt(0.25 / len(sizes))
    assert set(values_of(table["ward"])) == {"A"}


# --- where -----------------------------------------------------------------------------------------------------

def test_where_conditions_on_equalities_and_waits_for_the_rest():
    coding, model, listed = hospital()
    where = Expression.parse("ward == 'B' and age > 10", HOSPITAL)
    table = sample(model, coding, 20_000, where=where)
    assert {row[0] for row in columns_of(table, "ward", "age")} == {"B"}
    assert min(values_of(table["age"])) == 20
    assert not any("ward" not in asked for asked in model.asked)
    allowed = [(row, w) for row, w in listed if row[1] == "B" and row[2] > 10]
    expected = sum(w * row[3] for row, w in allowed if row[0] == "m") / sum(w * row[3] for row, w in allowed)
    hit = np.array(values_of(table["sex"]), dtype=object) == "m"
    sums = np.bincount(table.unit_codes(), hit - expected)
    assert abs(sums.sum()) < FIVE_SIGMA * np.sqrt((sums**2).sum())


def test_where_on_a_value_inside_a_bin():
    coding, model, _ = hospital(jitter=("age",))
    table = sample(model, coding, 500, where=Expression.parse("age == 21", HOSPITAL))
    assert set(values_of(table["age"])) == {21}


def test_where_that_never_holds():
    coding, model, _ = hospital()
    with pytest.raises(ModelError, match="accepted 0"):
        sample(model, coding, 5, where=Expression.parse("age == 10 and age == 20", HOSPITAL))


def test_where_on_a_level_that_the_model_does_not_produce():
    coding, model, _ = hospital()
    pooled = PlainCodec(HOSPITAL["ward"], DOMAINS["ward"])
    pooled.encode = lambda cells: np.full(len(cells), 3, dtype=np.int32)
    coding = Coding(coding.schema, {**coding.codecs, "ward": pooled}, coding.rules, True)
    with pytest.raises(ModelError, match="does not produce"):
        sample(model, coding, 5, where=Expression.parse("ward == 'B'", HOSPITAL))


def test_where_on_a_regenerated_column_is_refused():
    coding, model, _ = hospital()
    with pytest.raises(RuleError, match="regenerated"):
        sample(model, coding, 5, where=Expression.parse("patient == 5", HOSPITAL))


# --- given -----------------------------------------------------------------------------------------------------

def given_table(**values):
    schema = Schema(tuple(HOSPITAL.by_name.get(name, Column(name, "integer")) for name in values))
    return Table(schema, {name: cells_of(schema[name], column) for name, column in values.items()})


def test_given_cells_are_taken_over_exactly_one_row_each():
    coding, model, _ = hospital(jitter=("age",))
    known = given_table(ward=["A", None, "C", "B"], age=[11, 20, 31, 30])
    table = sample(model, coding, 4, given=known)
    assert columns_of(table, "ward", "age") == columns_of(known, "ward", "age")
    assert values_of(table["patient"]) == [1, 2, 3, 4]
    assert table["ward"].levels == ("A", "B", "C")


def test_given_rows_in_many_blocks():
    coding, model, _ = hospital()
    known = given_table(age=[10, 20, 30] * BLOCK_ROWS)
    table = sample(model, coding, len(known), given=known)
    assert table["age"].same_as(known["age"])
    assert table.unit_codes().max() + 1 == len(known)
    male = np.array(values_of(table["sex"]), dtype=object) == "m"
    assert male[2::3].mean() > male[::3].mean() + 0.1


def test_given_rows_keep_the_rules():
    coding, model, _ = hospital(with_rules(*RULES))
    table = sample(model, coding, 300, given=given_table(sex=["m"] * 300))
    assert "A" not in values_of(table["ward"])
    with pytest.raises(ModelError, match="1 of 2 given rows"):
        sample(model, coding, 2, given=given_table(sex=["m", "f"], ward=["A", "A"]))


@pytest.mark.parametrize(("known", "n", "error"), [
    (given_table(age=[10, 20]), 3, UsageError),
    (given_table(wrad=[1]), 1, ColumnNotFoundError),
    (given_table(patient=[1]), 1, SchemaError),
    (Table(Schema((Column("age", "number"),)), {"age": cells_of(Column("age", "number"), [1.0])}), 1, SchemaError),
])
def test_given_that_does_not_fit_is_refused_before_drawing(known, n, error):
    coding, model, _ = hospital()
    with pytest.raises(error):
        assemble.rows(model, coding, n, rng=np.random.default_rng(0), given=known)
    assert not model.asked


def test_no_given_rows_give_an_empty_table():
    coding, model, _ = hospital()
    assert len(sample(model, coding, 0, given=given_table(age=[]))) == 0


def test_negative_n_is_refused():
    coding, model, _ = hospital()
    with pytest.raises(UsageError):
        sample(model, coding, -1)


# --- ids -------------------------------------------------------------------------------------------------------

def test_ids_texts_and_identifiers_are_made_anew():
    schema = Schema((
        Column("patient", "id", role="unit", pattern="P-####"),
        Column("mrn", "id", role="direct-identifier", pattern="@##", constant_per_unit=True),
        Column("visit", "id"),
        Column("number", "integer", role="direct-identifier"),
        Column("name", "category", role="direct-identifier", levels=("Ann", "Bob")),
        Column("email", "text", role="direct-identifier"),
        Column("birth", "date", role="direct-identifier"),
        Column("note", "text"),
        Column("age", "integer"),
    ))
    coding = coding_of(schema, {"age": (1, 2), ROWS: (1, 3)})
    table = sample(ListedRows(coding, [((1, 1), 1), ((2, 3), 1)]), coding, 500)
    unit = table.unit_codes()
    patients = values_of(table["patient"])
    assert all(re.fullmatch(r"P-\d{4}", p) for p in patients)
    assert len(set(patients)) == unit.max() + 1
    assert len(set(zip(patients, values_of(table["mrn"]), strict=True))) == unit.max() + 1
    assert all(re.fullmatch(r"[A-Z]\d\d", m) for m in values_of(table["mrn"]))
    assert values_of(table["visit"]) == [str(i + 1) for i in range(500)]
    assert values_of(table["number"]) == list(range(1, 501))
    assert set(values_of(table["name"])) == {IDENTIFIER}
    assert set(values_of(table["email"])) == set(values_of(table["note"])) == {TEXT}
    assert not table["birth"].present.any()


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="#@-A9", min_size=1, max_size=4), st.integers(0, 2**32))
def test_a_pattern_gives_every_id_once(text, seed):
    pattern = Pattern.keyed(text, np.random.default_rng(seed))
    n = min(pattern.space, 3_000)
    ids = pattern.spell(np.arange(n)).tolist()
    assert len(set(ids)) == n
    shape = re.escape(text).replace(r"\#", r"\d").replace("@", "[A-Z]")
    assert all(re.fullmatch(shape, found) for found in ids)


def test_a_very_long_pattern():
    ids = Pattern.keyed("@" * 30, np.random.default_rng(0)).spell(np.arange(100)).tolist()
    assert len(set(ids)) == 100
    assert all(re.fullmatch("[A-Z]{30}", found) for found in ids)


def test_a_pattern_that_is_too_short_is_refused():
    schema = Schema((Column("visit", "id", pattern="V#"), Column("age", "integer")))
    coding = coding_of(schema, {"age": (1,)})
    model = ListedRows(coding, [((1,), 1)])
    assert len(set(values_of(sample(model, coding, 10)["visit"]))) == 10
    with pytest.raises(ModelError, match="room for 10"):
        sample(model, coding, 11)


def test_a_unit_that_cannot_be_numbered_is_refused():
    schema = Schema((Column("day", "date", role="unit"), Column("age", "integer")))
    coding = coding_of(schema, {"age": (1,), ROWS: (1,)})
    with pytest.raises(TabsynthError, match="kind id"):
        sample(ListedRows(coding, [((1, 1), 1)]), coding, 1)
