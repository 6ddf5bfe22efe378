"""Texts read by Arrow give the cells that reading them one by one gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core import text
from tabsynth.core.schema import Column, Dialect
from tabsynth.datasets.formats import parsing

PLAIN = st.integers(-(10**18), 10**18).map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
ODD = st.sampled_from([
    "", "-", "NA", " 7", "7 ", "+7", "007", "-0", "-0.0", "1.", ".5", "1e5", "1E-400", "1e400", "1_000", "nan", "inf",
    "0x10", "1,5", "1.000,5", "٣", "1\n2", "999999999999999999", "9223372036854775808", "-999", "5.0", "None"])


@settings(max_examples=200)
@given(kind=st.sampled_from(["number", "integer"]), texts=st.lists(PLAIN | ODD, max_size=6, unique=True),
       null=st.booleans(), missing=st.sampled_from([(), ("NA",), ("-999", "-")]), mark=st.sampled_from(".,"))
def test_the_same_cells(kind: str, texts: list[str], null: bool, missing: tuple[str, ...], mark: str) -> None:
    column = Column("x", kind, missing=missing)  # type: ignore[arg-type]
    dialect = Dialect(decimal=mark)
    every = [*texts, *[None] * null]
    found = parsing.parse(column, pa.array(every, pa.string()), dialect)
    expected = text.parse(column, every, dialect)
    assert found.values.dtype == expected.values.dtype
    assert found.state.tolist() == expected.state.tolist()
    assert found.values.tobytes() == expected.values.tobytes()


def test_plain_numbers_are_not_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(text, "parse")
    texts = pa.array(["1.5", "-2e3", "", "-999", None])
    cells = parsing.parse(Column("x", "number", missing=("-999",)), texts, Dialect())
    assert cells.values.tolist() == [1.5, -2000.0, 0.0, 0.0, 0.0]
    assert cells.present.tolist() == [True, True, False, False, False]
    assert parsing.parse(Column("x", "integer"), pa.array(["7"]), Dialect()).values.dtype == np.int64
