"""Cells of text files: both directions are total, and what is written reads back as the same cells."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tabsynth.core import clock, duration
from tabsynth.core.errors import SchemaError
from tabsynth.core.schema import KINDS, Column, Dialect
from tabsynth.core.table import CANONICAL, INVALID, MISSING, PRESENT, Cells
from tabsynth.core.text import SPELLINGS, parse, render

GERMAN = Dialect(decimal=",", thousands=".")
DAYS = st.integers((dt.date(1, 1, 1) - dt.date(1970, 1, 1)).days, (dt.date(9999, 12, 31) - dt.date(1970, 1, 1)).days)
MODERN = st.integers(-60 * 365, 130 * 365)


def cells(column: Column, values: list[object]) -> Cells:
    return Cells(np.array(values, CANONICAL[column.kind]), np.zeros(len(values), np.uint8))


def read(column: Column, text: str | None, dialect: Dialect | None = None) -> object:
    """The value of one text, or "missing" or "invalid"."""
    out = parse(column, [text], dialect)
    if out.state[0] != PRESENT:
        return {MISSING: "missing", INVALID: "invalid"}[int(out.state[0])]
    return out.levels[out.values[0]] if column.kind == "category" else out.values[0]


def same_after_text(column: Column, values: list[object], dialect: Dialect | None = None) -> None:
    before = cells(column, values)
    assert parse(column, render(column, before, dialect).tolist(), dialect).same_as(before)


# --- totality ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@example(texts=["1e999", "-" + "9" * 5000, "٣", "1_0", "nan", "inf", "0e99999", "\x00", "1970-13-45", "24:00", "|"])
@given(texts=st.lists(st.text(max_size=12) | st.from_regex(r"[-+0-9.,eE:TZhm/ ]{1,12}", fullmatch=True)))
def test_any_text_reads_and_writes_without_raising(kind: str, texts: list[str]) -> None:
    for dialect in (None, GERMAN):
        column = Column("x", kind)  # type: ignore[arg-type]
        out = parse(column, texts, dialect)
        assert len(out) == len(texts)
        assert set(out.state.tolist()) <= {PRESENT, MISSING, INVALID}
        again = parse(column, render(column, out, dialect).tolist(), dialect)
        assert np.array_equal(again.present, out.present & (render(column, out, dialect) != ""))


@settings(max_examples=60)
@given(text=st.text(max_size=12), form=st.sampled_from(["%d.%m.%Y", "%Y%m%d|%m/%d/%y", "%b %d %H:%M:%S.%f %z", "%j%Y"]))
def test_any_text_in_any_date_format(text: str, form: str) -> None:
    for kind in ("date", "datetime", "time"):
        assert parse(Column("x", kind, format=form), [text]).state[0] in (PRESENT, MISSING, INVALID)  # type: ignore[arg-type]


# --- numbers -------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_floats_come_back_exactly(values: list[float]) -> None:
    same_after_text(Column("x", "number"), values)
    same_after_text(Column("x", "number"), values, GERMAN)


@settings(max_examples=100)
@given(values=st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_integers_come_back_exactly(values: list[int]) -> None:
    same_after_text(Column("x", "integer"), values)


@pytest.mark.parametrize(("text", "value"), [
    ("0", 0.0), (" 7 ", 7.0), ("13748.76", 13748.76), ("1.995e-06", 1.995e-06), ("+.5", 0.5), ("5.", 5.0),
    ("1e999", "invalid"), ("nan", "invalid"), ("1,5", "invalid"), ("1_0", "invalid"), ("12 mg", "invalid"),
    ("", "missing"), ("  ", "missing"), (None, "missing"),
])
def test_numbers(text: str | None, value: object) -> None:
    assert read(Column("x", "number"), text) == value


@pytest.mark.parametrize(("text", "value"), [
    ("7.217,54", 7217.54), ("943,51", 943.51), ("1234,5", 1234.5), ("1.5", "invalid"), ("1.234.567,8", 1234567.8),
])
def test_a_german_number(text: str, value: object) -> None:
    assert read(Column("x", "number"), text, GERMAN) == value


@pytest.mark.parametrize(("text", "value"), [
    ("9223372036854775807", 2**63 - 1), ("9223372036854775808", "invalid"), ("9007199254740993", 2**53 + 1),
    ("5.0", 5), ("5.5", "invalid"), ("1e+05", 100_000), ("1e99", "invalid"), ("007", 7),
])
def test_integers(text: str, value: object) -> None:
    assert read(Column("x", "integer"), text) == value


@pytest.mark.parametrize(("column", "value", "text"), [
    (Column("x", "number"), 0.0, "0"), (Column("x", "number"), -0.0, "0"), (Column("x", "number"), 1e-5, "0.00001"),
    (Column("x", "number"), 1e16, "10000000000000000"), (Column("x", "number", decimals=2), 7.0, "7.00"),
    (Column("x", "number", format="repr"), 5.0, "5.0"), (Column("x", "number", format=".3e"), 0.01025, "1.025e-02"),
    (Column("x", "number", format="bare"), -0.5, "-.5"),
])
def test_numbers_are_written_as_people_write_them(column: Column, value: float, text: str) -> None:
    assert render(column, cells(column, [value])).tolist() == [text]


def test_thousands_are_written_back_for_numbers_with_a_mark() -> None:
    column = Column("x", "number", decimals=2)
    assert render(column, cells(column, [7217.54, -0.4, -1234567.0]), GERMAN).tolist() == [
        "7.217,54", "-0,40", "-1.234.567,00"]
    bare = Column("x", "number", format="bare")
    assert render(bare, cells(bare, [0.5]), GERMAN).tolist() == [",5"]


# --- categories, ids, booleans -------------------------------------------------------------------------------


@settings(max_examples=60)
@given(texts=st.lists(st.text(max_size=5)))
def test_categories_ids_and_texts_keep_every_byte(texts: list[str]) -> None:
    for kind in ("category", "id", "text"):
        column = Column("x", kind, missing=("?",))  # type: ignore[arg-type]
        assert render(column, parse(column, texts)).tolist() == texts


def test_none_and_na_stay_levels_and_blanks_are_kept() -> None:
    column = Column("x", "category", missing=("?",))
    out = parse(column, ["None", "NA", "ward ", "ward", "?", ""])
    assert out.levels == ("None", "NA", "ward ", "ward", "")
    assert out.state.tolist() == [PRESENT] * 4 + [MISSING, PRESENT]


def test_declared_levels_come_first() -> None:
    assert parse(Column("x", "category", levels=("b", "a")), ["c", "a"]).levels == ("b", "a", "c")


@pytest.mark.parametrize("pair", SPELLINGS)
def test_usual_booleans(pair: tuple[str, str]) -> None:
    for text in (*pair, *(t.upper() for t in pair)):
        assert bool(read(Column("x", "boolean"), text)) is (text.lower() == pair[1])


def test_declared_booleans_refuse_other_spellings() -> None:
    column = Column("x", "boolean", levels=("N", "Y"))
    assert [read(column, t) for t in ("N", "Y", "y", "0", "maybe")] == [False, True, True, "invalid", "invalid"]
    assert render(column, parse(column, ["N", "Y"])).tolist() == ["N", "Y"]
    assert [read(Column("x", "boolean", format="t|T"), t) for t in ("t", "T")] == [False, True]


# --- dates and times -----------------------------------------------------------------------------------------

DATE_FORMATS = (None, "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%d %b %Y", "%-d/%-m/%Y", "%B %d, %Y", "%j %Y",
                "%F")


@settings(max_examples=100)
@given(days=st.lists(DAYS, min_size=1), form=st.sampled_from(DATE_FORMATS))
def test_dates_come_back(days: list[int], form: str | None) -> None:
    same_after_text(Column("x", "date", format=form), days)


@settings(max_examples=60)
@given(days=st.lists(MODERN, min_size=1), form=st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%A %d %B %Y"]))
def test_dates_are_written_as_by_the_standard_library(days: list[int], form: str) -> None:
    column = Column("x", "date", format=form)
    slow = [(dt.date(1970, 1, 1) + dt.timedelta(d)).strftime(form) for d in days]
    assert render(column, cells(column, days)).tolist() == slow


TIME_FORMATS = (
    (None, 1), ("%Y-%m-%d %H:%M:%S", 10**6), ("%Y-%m-%dT%H:%M:%S.%fZ", 1), ("%d.%m.%Y %H:%M", 60 * 10**6),
    ("%m/%d/%Y %I:%M:%S %p", 10**6), ("%Y-%m-%d %H:%M:%S.%3f", 1000), ("%Y-%m-%dT%H:%M:%S%z", 10**6),
    ("%Y-%m-%dT%H:%M:%S%:z", 10**6),
)


@settings(max_examples=100)
@given(micros=st.lists(st.integers(-(10**15), 4 * 10**15), min_size=1), form=st.sampled_from(TIME_FORMATS),
       zone=st.sampled_from([None, "UTC", "+05:30"]))
def test_datetimes_come_back(micros: list[int], form: tuple[str | None, int], zone: str | None) -> None:
    text, tick = form
    same_after_text(Column("x", "datetime", format=text, timezone=zone), [m // tick * tick for m in micros])


@settings(max_examples=60)
@given(seconds=st.lists(st.integers(0, 2 * 10**9), min_size=1))
def test_an_offset_keeps_the_hour_that_daylight_saving_repeats(seconds: list[int]) -> None:
    same_after_text(Column("x", "datetime", timezone="Europe/Berlin"), [s * 10**6 for s in seconds])


@pytest.mark.parametrize(("column", "text", "value"), [
    (Column("x", "date", format="%Y%m%d"), "20230623", 19531), (Column("x", "date"), "31/02/2001", "invalid"),
    (Column("x", "date", format="%Y%m%d"), "2007503", "invalid"), (Column("x", "date"), "0000-00-00", "invalid"),
    (Column("x", "date", format="%m/%d/%Y"), "1/2/2016", 16802), (Column("x", "date"), "2020-01-01 00:00:00", 18262),
    (Column("x", "date", format="%d.%m.%Y|%Y-%m-%d"), "2020-01-01", 18262),
    (Column("x", "datetime", timezone="Europe/Berlin"), "2022-06-24 04:53", 1656039180 * 10**6),
    (Column("x", "datetime", timezone="UTC"), "2022-06-24T04:53:00+02:00", 1656039180 * 10**6),
    (Column("x", "time"), "24:00", "invalid"), (Column("x", "time", format="%H:%M"), "07:31", 27060 * 10**6),
    (Column("x", "timedelta"), "27h49m", 100140 * 10**6), (Column("x", "timedelta"), "100:00:01", 360001 * 10**6),
    (Column("x", "timedelta", format="HH:MM"), "27h49m", "invalid"), (Column("x", "timedelta"), "-5", -5 * 10**6),
])
def test_single_moments(column: Column, text: str, value: object) -> None:
    assert read(column, text) == value


@settings(max_examples=60)
@given(micros=st.lists(st.integers(0, 86_400 * 10**6 - 1), min_size=1))
def test_times_come_back(micros: list[int]) -> None:
    same_after_text(Column("x", "time"), micros)


@settings(max_examples=60)
@given(micros=st.lists(st.integers(-(10**14), 10**14), min_size=1), form=st.sampled_from([None, *duration.FORMATS]))
def test_durations_come_back(micros: list[int], form: str | None) -> None:
    tick = 1 if form in (None, "HH:MM:SS", "seconds") else duration.tick(form)
    whole = [abs(m) // tick * tick * (1 if m > 0 else -1) for m in micros]
    same_after_text(Column("x", "timedelta", format=form), whole)


def test_two_digit_years_and_noon() -> None:
    form = clock.compile_format("%y %I %p")
    years = {text: form.parse(f"{text} 12 AM") for text in ("68", "69")}
    assert {text: m and clock.iso_date(m.day) for text, m in years.items()} == {"68": "2068-01-01", "69": "1969-01-01"}
    hours = [form.render(0, hour * clock.HOUR) for hour in (0, 11, 12, 23)]
    assert hours == ["70 12 AM", "70 11 AM", "70 12 PM", "70 11 PM"]


@pytest.mark.parametrize("form", ["%Q", "%d %d"])
def test_a_bad_format_is_refused(form: str) -> None:
    with pytest.raises(SchemaError):
        clock.compile_format(form)
