"""Equalities and sums between columns: found where they are, come back at their rate, and in nothing else's way."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from tabsynth.core import registry
from tabsynth.core.coding import Coding
from tabsynth.core.errors import SchemaError
from tabsynth.core.rules.expression import Expression
from tabsynth.core.rules.mapped import cells_of, values_of
from tabsynth.core.schema import Column, Schema
from tabsynth.core.synthesizer import State, Synthesizer
from tabsynth.core.table import MISSING, Cells, Table

DAY = 86_400_000_000
N = 4_000


class Replay(Synthesizer):
    """Draws the codes of real rows: the joint distribution itself, conditional by filtering."""

    name = "replay"

    def fit_codes(self, codes, *, rng, progress=None):
        self.codes_ = codes.values

    def draw(self, n, *, rng, given=None):
        known = given or {}
        rows = rng.integers(0, len(self.codes_), n)
        if known:
            at = [self.coding_.names.index(name) for name in known]
            wanted = np.stack(list(known.values()), axis=1)
            rows = np.array([rng.choice(np.flatnonzero((self.codes_[:, at] == one).all(axis=1))) for one in wanted],
                            np.intp)
        return {name: self.codes_[rows, j] for j, name in enumerate(self.coding_.names)}

    def state(self):
        return State()

    @classmethod
    def from_state(cls, state, coding):
        raise NotImplementedError


def numbers(rng, n=N, spread=1.5):
    return np.round(1000 * np.exp(spread * rng.normal(size=n))).astype(int)


def table_of(values, rules=(), columns=None):
    columns = tuple((columns or {}).get(name) or Column(name, "integer") for name in values)
    schema = Schema(columns, rules=rules)
    return Table(schema, {c.name: cells_of(c, list(values[c.name])) for c in columns})


@cache
def payments(share=0.3, gaps=0.0, n=N):
    """`paid` equals `bill` in `share` of the rows, is zero in a fifth, and anything else in the others."""
    rng = np.random.default_rng(1)
    bill, kind = numbers(rng, n), rng.random(n)
    paid = np.where(kind < share, bill, np.where(kind < share + 0.2, 0, numbers(rng, n)))
    holes = rng.random(n) < gaps
    return table_of({"bill": [None if hole else int(b) for b, hole in zip(bill, holes, strict=True)],
                     "paid": paid.tolist()})


def drawn(table, n=N, **asked):
    return Replay().fit(table, rng=np.random.default_rng(0)).sample(n, rng=np.random.default_rng(1), **asked)


def texts(coding):
    return {one.to.name: [formula.text for formula in one.each] for one in coding.formulas}


def equal(table, a, b):
    return float((table[a].present & table[b].present & (table[a].values == table[b].values)).mean())


@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
def test_an_equality_comes_back_at_its_rate(share):
    table = payments(share)
    coding = Coding.learn(table)
    assert texts(coding) == {"paid": ["bill"]}
    assert coding.formulas[0].each[0].share == pytest.approx(share, rel=0.2)
    synth = drawn(table)
    assert equal(synth, "paid", "bill") == pytest.approx(equal(table, "paid", "bill"), rel=0.15, abs=0.005)
    assert synth.schema.names == ("bill", "paid")
    zeros = [float((t["paid"].values == 0).mean()) for t in (table, synth)]
    assert zeros[1] == pytest.approx(zeros[0], abs=0.04)


def test_too_rare_an_equality_or_one_shown_by_few_people_is_no_formula():
    assert texts(Coding.learn(payments(0.005))) == {}
    few = payments(0.3, n=400)
    owners = np.minimum(np.arange(400), 9 + 2 * (few["bill"].values != few["paid"].values) * np.arange(400))
    schema = Schema((Column("who", "integer", role="unit"), *few.schema.columns))
    rows = Table(schema, {"who": cells_of(schema["who"], owners.tolist()), **few.columns})
    assert len(np.unique(owners[few["bill"].values == few["paid"].values])) < 11
    assert texts(Coding.learn(rows)) == {}


def test_nothing_is_found_between_unrelated_columns_or_in_values_with_codes_of_their_own():
    rng = np.random.default_rng(2)
    small = rng.integers(0, 100, N)
    table = table_of({"a": numbers(rng), "b": numbers(rng), "c": small, "d": small, "e": rng.integers(0, 9, N)})
    assert texts(Coding.learn(table)) == {}


SUMS = {
    "total": (("integer", "integer", "integer"), lambda x, z: x + z),
    "rest": (("integer", "integer", "integer"), lambda x, z: x - z),
    "money": (("number", "number", "number"), lambda x, z: np.round(x / 100 + z / 100, 2)),
    "end": (("date", "integer", "date"), lambda x, z: x + z),
    "days": (("date", "date", "integer"), lambda x, z: x - z),
    "over": (("datetime", "timedelta", "datetime"), lambda x, z: x + z),
    "length": (("datetime", "datetime", "timedelta"), lambda x, z: x - z),
    "last day": (("date", "timedelta", "date"), lambda x, z: x + z // DAY),
}


def summed(name, share):
    """x, z and a column that is their sum or difference in `share` of the rows, of the kinds of SUMS[name]."""
    rng = np.random.default_rng(3)
    kinds, f = SUMS[name]
    x, z = numbers(rng) + 4_000, numbers(rng)
    if "timedelta" in kinds or "datetime" in kinds:
        x, z = (one * (DAY if kind == "timedelta" and "date" in kinds else 1 if kind == "date" else 1_000_000)
                for one, kind in zip((x, z), kinds, strict=False))
    right = f(x, z)
    y = np.where(rng.random(N) < share, right, rng.permutation(right))
    if "number" in kinds:
        x, z = x / 100, z / 100
    columns = {n: Column(n, kind) for n, kind in zip(("x", "z", "y"), kinds, strict=True)}
    return table_of({"x": x.tolist(), "z": z.tolist(), "y": y.tolist()}, columns=columns), f


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("name", SUMS)
def test_a_sum_comes_back_at_its_rate(name, share):
    table, f = summed(name, share)
    sign = "-" if name in ("rest", "days", "length") else "+"
    coding = Coding.learn(table)
    assert texts(coding)["y"][0] in (f"x {sign} z", f"z {sign} x")
    synth = drawn(table)
    scale = 100 if name == "money" else 1
    right = f(*(np.rint(synth[n].values * scale).astype(int) for n in "xz"))
    obeyed = synth["y"].values == right
    assert share - 0.1 <= obeyed.mean() <= share + 0.05
    assert synth["y"].values.max() <= table["y"].values.max()


def test_formulas_have_no_circles_and_pseudo_columns_stand_before_their_columns():
    rng = np.random.default_rng(4)
    a = numbers(rng)
    b, c = (np.where(rng.random(N) < 0.5, a, numbers(rng)) for _ in range(2))
    coding = Coding.learn(table_of({"a": a, "b": b, "c": c}))
    assert texts(coding) == {"b": ["a"], "c": ["a"]}
    assert coding.names == ("a", "(b equals)", "b", "(c equals)", "c")


def test_what_rows_of_a_person_share_follows_only_from_what_they_share():
    rng = np.random.default_rng(5)
    bill = numbers(rng)
    columns = {"paid": Column("paid", "integer", constant_per_unit=True)}
    assert texts(Coding.learn(table_of({"bill": bill, "paid": bill}, columns=columns))) == {}
    columns["bill"] = Column("bill", "integer", constant_per_unit=True)
    coding = Coding.learn(table_of({"bill": bill, "paid": bill}, columns=columns))
    assert texts(coding) == {"paid": ["bill"]}
    assert coding.codecs["(paid equals)"].column.constant_per_unit


def test_given_cells_are_taken_over_and_followed():
    table = payments(0.8)
    paid = table.select(["paid"]).take(slice(0, 50))
    assert drawn(table, 50, given=paid)["paid"].same_as(paid["paid"])
    bill = table.select(["bill"]).take(slice(0, 50))
    synth = drawn(table, 50, given=bill)
    assert synth["bill"].same_as(bill["bill"])
    assert equal(synth, "paid", "bill") > 0.5


def test_a_condition_and_a_rule_are_checked_on_the_final_values():
    table = payments(0.8)
    for text, holds in (("paid == bill", np.equal), ("paid < bill", np.less)):
        synth = drawn(table, 200, where=Expression.parse(text, table.schema))
        assert holds(synth["paid"].values, synth["bill"].values).all()
    ruled = table_of({"bill": table["bill"].values.tolist(),
                      "paid": np.minimum(table["paid"].values, table["bill"].values).tolist()},
                     rules=({"compare": "paid <= bill"},))
    synth = drawn(ruled, 1000)
    assert (synth["paid"].values <= synth["bill"].values).all()
    assert equal(synth, "paid", "bill") > 0.8


def test_where_the_source_is_missing_the_drawn_value_stays():
    table = payments(0.8, gaps=0.4)
    coding = Coding.learn(table)
    codes = coding.encode(table).column("(paid equals)")
    assert not codes[table["bill"].state == MISSING].any()
    follows = Cells(np.ones(3, np.int32), np.zeros(3, np.uint8), ("0", "1"))
    paid = cells_of(table.schema["paid"], [900, 900, None])
    bill = Cells(np.array([905, 905, 905]), np.array([0, MISSING, 0], np.uint8))
    final = coding.formulas[0].applied({"bill": bill, "paid": paid, "(paid equals)": follows}, coding.codecs["paid"])
    assert values_of(final) == [905, 900, None]


def test_a_formula_speaks_only_near_the_drawn_value_and_inside_the_bins():
    coding = Coding.learn(payments(0.8))
    follows = Cells(np.ones(3, np.int32), np.zeros(3, np.uint8), ("0", "1"))
    paid = cells_of(Column("paid", "integer"), [900, 900, 10**6])
    bill = cells_of(Column("bill", "integer"), [9_000, 0, 10**7])
    final = coding.formulas[0].applied({"bill": bill, "paid": paid, "(paid equals)": follows}, coding.codecs["paid"])
    assert values_of(final) == [900, 900, 10**6]


def test_codings_with_formulas_go_through_json():
    coding = Coding.learn(summed("length", 1.0)[0])
    again = Coding.from_state(coding.schema, json.loads(json.dumps(coding.state())))
    assert again.formulas == coding.formulas
    assert again.names == coding.names
    assert again.sizes == coding.sizes


def test_a_file_without_formulas_is_read():
    coding = Coding.learn(payments(0.0))
    state = {key: value for key, value in coding.state().items() if key != "formulas"}
    assert Coding.from_state(coding.schema, state).names == coding.names


def test_the_name_of_a_pseudo_column_is_reserved():
    table = payments(0.5)
    values = {name: table[name].values.tolist() for name in table.schema.names}
    with pytest.raises(SchemaError, match="reserved"):
        Coding.learn(table_of({**values, "(paid equals)": [1, 2] * (N // 2)}))


def test_a_public_coding_has_none():
    table = payments(0.8)
    schema = table.schema.with_columns(Column(name, "integer", bounds=(0, 10**6)) for name in table.schema.names)
    assert Coding.public(schema).formulas == ()
    assert Coding.public(schema).names == ("bill", "paid")


def test_seqforest_draws_a_column_after_its_sources_and_independent_columns_keep_their_margins():
    table = payments(0.8)
    forest = registry.load("models", "seqforest")(order="schema").fit(table, rng=np.random.default_rng(0))
    assert equal(forest.sample(N, rng=np.random.default_rng(1)), "paid", "bill") == pytest.approx(0.8, abs=0.08)
    floor = registry.load("models", "independent")().fit(table, rng=np.random.default_rng(0))
    synth = floor.sample(N, rng=np.random.default_rng(1))["paid"].values
    for q in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.mean(synth <= np.quantile(table["paid"].values, q)) == pytest.approx(q if q > 0.2 else 0.2, abs=0.04)
