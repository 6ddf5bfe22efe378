"""The Python face: any frame in and the same kind out, scikit-learn's conventions, clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from sklearn.base import clone

from tabsynth.core.errors import NotFittedError, RuleError, SchemaError, SourceError, TabsynthError, UsageError
from tabsynth.core.schema import Column, Population, Schema
from tabsynth.core.table import Table
from tabsynth.pipeline.books import describe
from tabsynth.pipeline.frames import kind_of
from tabsynth.pipeline.synthesizer import TabularSynthesizer, generator

PUBLIC = Schema((
    Column("patient", "id", role="unit"),
    Column("age", "integer", bounds=(18, 90), source="form", constant_per_unit=True),
    Column("sex", "category", levels=("f", "m"), source="form", constant_per_unit=True),
    Column("weight", "number", bounds=(20, 200), decimals=1, source="scale"),
    Column("ward", "category", levels=("icu", "medicine", "surgery"), source="ward list"),
), population=Population("visits", 120))


@pytest.fixture(scope="module")
def fitted(visits: pd.DataFrame) -> TabularSynthesizer:
    return TabularSynthesizer(model="copula").fit(visits, unit="patient", rng=1)


def test_pandas_dtypes_come_back() -> None:
    rng, n = np.random.default_rng(0), 90
    frame = pd.DataFrame({
        "i8": rng.integers(0, 99, n).astype("int8"), "Int": pd.array([None, 1, 2] * 30, dtype="Int64"),
        "f32": rng.normal(size=n).astype("float32"), "bool": rng.random(n) < 0.3,
        "Bool": pd.array([None, True, False] * 30, dtype="boolean"),
        "str": pd.array(["x", "y", None] * 30, dtype="string"),
        "cat": pd.Categorical(["a", "b", "c"] * 30, categories=["c", "a", "b"], ordered=True),
        "when": pd.date_range("2020-01-01", periods=n, freq="D"),
        "zone": pd.date_range("2020-01-01", periods=n, freq="h", tz="Europe/Berlin"),
        "took": pd.to_timedelta(rng.integers(0, 999, n), unit="s"), "none": [None] * n, "same": ["k"] * n,
        "ü ö": rng.integers(0, 3, n)})
    before = frame.copy(deep=True)
    out = TabularSynthesizer(model="independent").fit(frame, rng=1).sample(40, rng=2)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_series_equal(out.dtypes, frame.dtypes)
    assert list(out.index) == list(range(40))


@pytest.mark.parametrize(("make", "kind"), [
    (lambda f: polars.from_pandas(f), "polars"), (pa.Table.from_pandas, "arrow"), (Table.from_pandas, "table"),
    (lambda f: f, "pandas")])
def test_the_kind_that_came_in_goes_out(visits: pd.DataFrame, make: Callable[[Any], Any], kind: str) -> None:
    data = make(visits)
    out = TabularSynthesizer(model="independent").fit(data, rng=1).sample(7, rng=1)
    assert kind_of(data) == kind_of(out) == kind
    assert len(out) == 7
    if kind in ("polars", "arrow"):
        assert [str(t) for t in data.schema] == [str(t) for t in out.schema]


def test_a_seed_repeats_the_rows(fitted: TabularSynthesizer) -> None:
    pd.testing.assert_frame_equal(fitted.sample(50, rng=3), fitted.sample(50, rng=np.random.default_rng(3)))
    assert not fitted.sample(50, rng=3).equals(fitted.sample(50, rng=4))


def test_unit_column_is_made_anew_and_rows_share_what_is_constant(visits: pd.DataFrame) -> None:
    frame = visits.assign(patient=visits.patient.str[1:].astype(int) + 5000)
    out = TabularSynthesizer(model="copula").fit(frame, schema=Schema(tuple(
        Column(c.name, c.kind, role="unit" if c.name == "patient" else "feature",
               constant_per_unit=c.name in ("age", "sex")) for c in Table.from_pandas(frame).schema.columns)),
        rng=1).sample(200, rng=1)
    assert out.patient.nunique() < 200
    assert (out.groupby("patient")[["age", "sex"]].nunique() == 1).all(axis=None)


def test_given_and_where(fitted: TabularSynthesizer) -> None:
    out = fitted.sample(given=pd.DataFrame({"ward": ["icu", "surgery"] * 5, "age": [40, 61] * 5}), rng=1)
    assert (list(out.ward), list(out.age)) == (["icu", "surgery"] * 5, [40, 61] * 5)
    old = fitted.sample(30, rng=1, where="age >= 50 and sex == 'f'")
    assert len(old) == 30
    assert (old.age >= 50).all()
    assert (old.sex == "f").all()
    with pytest.raises(UsageError, match="n is 2, but 3 rows are given"):
        fitted.sample(2, given=pd.DataFrame({"ward": ["icu"] * 3}))
    with pytest.raises(SchemaError, match="Did you mean 'ward'"):
        fitted.sample(given=pd.DataFrame({"wrd": ["icu"]}))
    with pytest.raises(RuleError, match="'agee' is not in the schema"):
        fitted.sample(5, where="agee > 1")


def test_balance(fitted: TabularSynthesizer) -> None:
    out = fitted.sample(30, rng=1, balance="ward")
    assert set(out.ward.value_counts()) == {10}
    assert out.patient.is_unique
    pd.testing.assert_frame_equal(out, fitted.sample(30, rng=1, balance="ward"))
    with pytest.raises(UsageError, match="not both"):
        fitted.sample(balance="ward", given=pd.DataFrame({"ward": ["icu"]}))
    with pytest.raises(SchemaError, match="kind integer"):
        fitted.sample(3, balance="age")


@pytest.mark.parametrize(("make", "kind"), [
    (lambda f: polars.from_pandas(f), "polars"), (pa.Table.from_pandas, "arrow"), (Table.from_pandas, "table"),
    (lambda f: f, "pandas")])
def test_impute_fills_the_frame_that_came(fitted: TabularSynthesizer, visits: pd.DataFrame,
                                          make: Callable[[Any], Any], kind: str) -> None:
    """Its other columns, its index and its dtypes are its own."""
    frame = visits.iloc[:80].assign(ward=visits.ward.mask(visits.index % 3 == 0),
                                    weight=visits.weight.mask(visits.index % 4 == 0), remark=list("ab") * 40)
    frame.index = frame.index + 7
    data = make(frame.reset_index(drop=True) if kind == "polars" else frame)
    if kind == "table":
        data = Table(data.schema.with_columns(
            Column("ward", "category") if c.name == "ward" else c for c in data.schema.columns), data.columns)
    out = fitted.impute(data, rng=1)
    assert kind_of(out) == kind
    known = out if kind == "pandas" else out.to_pandas()
    assert not known[["ward", "weight"]].isna().any(axis=None)
    there = frame.ward.notna().to_numpy()
    assert (known.ward.astype(object).to_numpy()[there] == frame.ward.to_numpy()[there]).all()
    assert list(known.remark) == list("ab") * 40
    if kind == "pandas":
        pd.testing.assert_series_equal(out.dtypes, frame.dtypes)
        assert out.index.equals(frame.index)


def test_imputing_several_times(fitted: TabularSynthesizer, visits: pd.DataFrame) -> None:
    frame = visits.assign(weight=visits.weight.mask(visits.index % 4 == 0)).rename(columns={"weight": "weight"})
    one, two = fitted.impute(frame, draws=2, rng=1)
    pd.testing.assert_frame_equal(one, fitted.impute(frame, rng=1))
    assert not one.equals(two)
    pd.testing.assert_frame_equal(one[frame.weight.notna()], frame[frame.weight.notna()])
    pd.testing.assert_frame_equal(fitted.impute(one, rng=1), one)
    with pytest.raises(UsageError, match="draws must be 1 or more"):
        fitted.impute(frame, draws=0)
    with pytest.raises(SchemaError, match="column 'ward' is not in the table"):
        fitted.impute(frame.drop(columns="ward"))


@pytest.mark.parametrize(("wrong", "words"), [
    ({"num_rows": 5}, "Did you mean 'n'"), ({"n_samples": 5}, "Did you mean 'n'"), ({"count": 5}, "Did you mean 'n'"),
    ({"n": 5, "random_state": 1}, "Did you mean 'rng'"), ({"n": 5, "conditions": {}}, "Did you mean 'given'"),
    ({"n": 5, "colour": 1}, "It takes: n, rng, given, where"), ({}, "sample needs n"), ({"n": -1}, "0 or more"),
    ({"n": 2.5}, "whole number"), ({"n": "5"}, "whole number"), ({"n": True}, "whole number"),
    ({"n": 5, "rng": "seven"}, "seed"), ({"n": 5, "rng": -1}, "seed")])
def test_arguments_that_cannot_be_used(fitted: TabularSynthesizer, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        fitted.sample(**wrong)


def test_fit_refuses_what_it_cannot_use(visits: pd.DataFrame) -> None:
    make = TabularSynthesizer
    for act, words in (
            (lambda: make().fit([1, 2]), "a table is expected, got list"),
            (lambda: make().fit(visits, random_state=1), "Did you mean 'rng'"),
            (lambda: make().fit(visits, unit="patiant"), "Did you mean 'patient'"),
            (lambda: make("ctgan").fit(visits), "no model called 'ctgan'"),
            (lambda: make("copula", settings={"bins": 1}).fit(visits), "no setting 'bins'"),
            (lambda: make(epsilon=1).fit(visits), "needs schema="),
            (lambda: make().fit(visits.head(9)), "at least 30 are needed")):
        with pytest.raises(TabsynthError, match=words):
            act()
    with pytest.raises(NotFittedError):
        make().sample(5)


def test_conventions_of_scikit_learn() -> None:
    one = TabularSynthesizer(model="copula", settings={"rounds": 2}, population="p")
    assert clone(one).get_params() == one.get_params()
    assert one.set_params(model="independent").get_params()["model"] == "independent"
    with pytest.raises(UsageError, match="has no parameter 'modell'"):
        one.set_params(modell="x")
    assert repr(TabularSynthesizer(epsilon=1)) == "TabularSynthesizer(model='auto', epsilon=1)"
    assert not [name for name in vars(one) if name.endswith("_")]


def test_a_model_file_gives_the_same_rows(fitted: TabularSynthesizer, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m.tabsynth")
    again = TabularSynthesizer.load(tmp_path / "m.tabsynth")
    pd.testing.assert_frame_equal(again.sample(60, rng=9), fitted.sample(60, rng=9))
    with pytest.raises(SourceError, match="exists already"):
        fitted.save(tmp_path / "m.tabsynth")
    fitted.save(tmp_path / "m.tabsynth", force=True)


def test_epsilon_books_in_the_ledger_or_is_stamped(visits: pd.DataFrame, tmp_path: Path) -> None:
    totals = []
    for _ in range(2):
        one = TabularSynthesizer(epsilon=1, ledger=tmp_path / "book").fit(visits, schema=PUBLIC, rng=1)
        assert one.statement_ is not None
        assert one.statement_.stamps == ()
        totals.append(describe(tmp_path / "book", "visits")["epsilon"])
    assert totals[0] <= 1 < totals[1]
    assert (tmp_path / "book").is_dir()
    scratch = TabularSynthesizer(epsilon=1).fit(visits, schema=PUBLIC, rng=1)
    assert scratch.statement_ is not None
    assert any("NOT FOR RELEASE" in stamp for stamp in scratch.statement_.stamps)
    assert scratch.sample(20, rng=1).shape == (20, 5)


def test_generator() -> None:
    one = np.random.default_rng(1)
    assert generator(one) is one
    assert generator(3).random() == np.random.default_rng(3).random()
    assert generator(None).random() != generator(None).random()
