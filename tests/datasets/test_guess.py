"""The draft schema: what each kind of column is taken for, why, and that nothing of the rows gets into it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabsynth.core.errors import ColumnNotFoundError
from tabsynth.core.schema import Column
from tabsynth.datasets import formats, kinds, names
from tabsynth.datasets.guess import Guessed, Note, guess, guess_schema, proposals

N = 120


def of(folder: Path, columns: dict[str, list[object]], **options) -> Guessed:
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns.keys(), *zip(*columns.values())])
    return guess(formats.scan(folder / "a.csv"), **options)


def one(folder: Path, name: str, cells: list[object], **options) -> tuple[Column, Note]:
    guessed = of(folder, {name: cells, "filler": ["x"] * len(cells)}, **options)
    return guessed.schema[name], guessed.notes[0]


def spread(*cells: object) -> list[object]:
    return [cells[i % len(cells)] for i in range(N)]


@pytest.mark.parametrize(("name", "cells", "kind", "more"), [
    ("age", list(range(18, 18 + N)), "integer", {"role": "quasi-identifier"}),
    ("height", [f"{150 + i / 4:.1f}" for i in range(N)], "number", {"decimals": 1}),
    ("weight", [str(round(70 + i / 100, 2)) for i in range(N)], "number", {"format": "repr", "step": 0.01}),
    ("flag", spread(0, 1), "boolean", {"format": "0|1"}),
    ("smoker", spread("Yes", "No", ""), "boolean", {"format": "No|Yes", "missing": ("",)}),
    ("change", spread("Ch", "No"), "category", {}),
    ("spellings", spread("yes", "no", "Y", "N", "true", "f", "1", "0"), "category", {}),
    ("A1Cresult", spread("None", "None", ">8", "Norm"), "category", {"missing": ("",)}),
    ("race", spread("?", "Other", "White"), "category", {"missing": ("?", ""), "role": "quasi-identifier"}),
    ("glucose", spread("None", "5", "NA", "6", "7"), "integer", {"missing": ("NA", "None", "")}),
    ("admission_type_id", spread(1, 2, 3, 8), "category", {}),
    ("education-num", spread(*range(1, 17)), "integer", {}),
    ("ward", spread(1, 2, 3), "category", {}),
    ("year", spread(1999, 2000, 2001), "integer", {}),
    ("encounter_id", [10**6 + 7 * i for i in range(N)], "id", {"pattern": "#######", "role": "feature"}),
    ("patient_nbr", [10**6 + i // 2 for i in range(N)], "id", {"role": "direct-identifier"}),
    ("MRN", [f"P-{i:06d}" for i in range(N)], "id", {"pattern": "P-######", "role": "direct-identifier"}),
    ("index", list(range(1, N + 1)), "id", {"pattern": None}),
    ("ndc", [f"{i:011d}" for i in range(N)], "id", {"pattern": "#" * 11}),
    ("huge", [2**53 + i * i for i in range(N)], "integer", {}),
    ("beyond", [2**64 + 10**9 * i for i in range(N)], "id", {"pattern": "#" * 20}),
    ("first_name", [f"Ann{'x' * (i % 7)}{i}" for i in range(N)], "text", {"role": "direct-identifier"}),
    ("contact", [f"user{i}@example.org" for i in range(N)], "text", {"role": "direct-identifier"}),
    ("ssn", [f"{i:03d}-55-{i:04d}" for i in range(N)], "id", {"pattern": "###-##-####", "role": "direct-identifier"}),
    ("phone", [4900000000 + 7919 * i for i in range(N)], "id", {"role": "direct-identifier"}),
    ("phone calls", [i % 40 for i in range(N)], "integer", {"role": "feature"}),
    ("insurance cost", [f"{i}.{i % 100:02d}" for i in range(N)], "number", {"role": "feature"}),
    ("clinic_name", spread("North", "South", "West"), "category", {"role": "feature"}),
    ("note", spread("stable", "two\nlines", "seen"), "text", {}),
    ("comment", [f"patient {i} was seen today and is stable" for i in range(N)], "text", {}),
    ("diag_1", spread("428", "V45", "250.01", "E900"), "category", {}),
    ("constant", ["X"] * N, "category", {}),
    ("empty", [""] * N, "category", {}),
    ("admitted", [f"2020-{i % 12 + 1:02d}-{i % 28 + 1:02d}" for i in range(N)], "date", {"format": "%Y-%m-%d"}),
    ("german", [f"{i % 28 + 1:02d}.{i % 12 + 1:02d}.2020" for i in range(N)], "date", {"format": "%d.%m.%Y"}),
    ("american", [f"{i % 12 + 1}/{i % 28 + 1}/2020" for i in range(N)], "date", {"format": "%-m/%-d/%Y"}),
    ("compact date", [f"2020{i % 12 + 1:02d}{i % 28 + 1:02d}" for i in range(N)], "date", {"format": "%Y%m%d"}),
    ("compact", [f"2020{i % 12 + 1:02d}{i % 28 + 1:02d}" for i in range(N)], "integer", {}),
    ("doubtful", [f"{i % 12 + 1:02d}/{i % 11 + 1:02d}/2020" for i in range(N)], "text", {}),
    ("utc", [f"2020-01-01T{i % 24:02d}:00:{i % 60:02d}Z" for i in range(N)], "datetime",
     {"format": "%Y-%m-%dT%H:%M:%SZ", "timezone": "UTC"}),
    ("offset", [f"2020-01-01 {i % 24:02d}:00:00.{i:03d}+01:00" for i in range(N)], "datetime",
     {"format": "%Y-%m-%d %H:%M:%S.%3f%:z", "timezone": "+01:00"}),
    ("berlin", [f"2020-{m:02d}-15T12:00:00+0{2 if 4 <= m <= 10 else 1}:00" for m in range(1, 13)] * 10, "datetime",
     {"timezone": "Europe/Berlin"}),
    ("seen_at", [f"{i % 24:02d}:{i % 60:02d}" for i in range(N)], "time", {"format": "%H:%M"}),
    ("duration", [f"{i % 24:02d}:{i % 60:02d}" for i in range(N)], "timedelta", {"format": "HH:MM"}),
    ("stay", [f"{i}h{i % 60}m" for i in range(N)], "timedelta", {"format": "0h0m"}),
    ("two digits", ["1.5", "1.50", *map(str, range(N - 2))], "text", {}),
])
def test_kind_by_kind(tmp_path, name, cells, kind, more):
    column, note = one(tmp_path, name, cells)
    assert column.kind == kind, note.reason
    for key, expected in more.items():
        assert getattr(column, key) == expected
    assert note.column == name
    assert note.kind == column.kind
    assert note.role == column.role
    assert note.reason
    assert note.consequence


def test_nothing_read_off_the_rows_is_in_the_schema(tmp_path):
    guessed = of(tmp_path, {"age": list(range(N)), "city": spread("Xanadu", "Ys"), "weight": spread(71.25, 80.5)})
    for column in guessed.schema.columns:
        assert column.bounds is None
        assert column.levels is None
        assert column.special == ()
        assert column.source is None
    assert "Xanadu" not in repr(guessed)
    assert not any("Xanadu" in note.reason + note.consequence for note in guessed.notes)
    found = proposals(guessed)
    assert found["age"]["bounds"] == [0, N - 1]
    assert set(found["city"]["levels"]) == {"Xanadu", "Ys"}
    assert found["weight"]["bounds"] == [71.25, 80.5]


def test_proposals_are_in_the_notation_of_bounds(tmp_path):
    from tabsynth.core import notation

    guessed = of(tmp_path, {
        "day": spread("1999-12-31", "2020-02-29"), "at": spread("2020-01-01 10:00", "2021-01-01 23:59"),
        "clock": spread("07:30", "23:59"), "stay": spread("27h5m", "1h0m"), "cost": [0] * (N - 25) + list(range(1, 26)),
    })
    found = proposals(guessed)
    for column in guessed.schema.columns:
        low, high = (notation.position(column, edge) for edge in found[column.name]["bounds"])
        assert low < high
    assert found["day"]["bounds"] == ["1999-12-31", "2020-02-29"]
    assert found["stay"]["bounds"] == [3600.0, 97500.0]
    assert found["cost"]["special"] == [0.0]


def test_sentinels_are_reported_and_kept(tmp_path):
    column, note = one(tmp_path, "pressure", [*range(80, 80 + N - 4), -999, -999, -1, -1])
    assert column.missing == ("",)
    assert "may stand for 'not given'" in note.reason
    assert "-999" not in note.reason
    assert note.values["perhaps_missing"] == [-1, -999]
    _, note = one(tmp_path, "day", [-1, -1, -30, *range(N - 3)])
    assert "not given" not in note.reason


def test_na_is_missing_among_texts_only_where_numbers_say_so(tmp_path):
    cells = {"stage": spread("NA", "I", "II")}
    assert of(tmp_path, cells).schema["stage"].missing == ("",)
    assert of(tmp_path, {**cells, "size": spread("NA", "1", "2")}).schema["stage"].missing == ("NA", "")


def test_tokens_named_by_the_user(tmp_path):
    column, _ = one(tmp_path, "dose", spread("unknown", "1", "2", "3"), missing=["unknown"])
    assert column.kind == "integer"
    assert column.missing == ("unknown", "")


def test_numbers_by_value(tmp_path):
    cells = ["1.5", "1.50", *map(str, range(N - 2))]
    column, note = one(tmp_path, "dose", cells)
    assert column.kind == "text"
    assert "state kind number" in note.reason
    assert note.confidence == "low"
    column, _ = one(tmp_path, "dose", cells, exact=False)
    assert column.kind == "number"


def panel(people: int = 60, visits: int = 3) -> dict[str, list[object]]:
    rows = [(p, v) for p in range(people) for v in range(visits)]
    return {
        "person": [f"P{p:03d}" for p, _ in rows],
        "sex": ["F" if p % 2 else "M" for p, _ in rows],
        "visit_date": [f"20{10 + v}-0{p % 9 + 1}-15" for p, v in rows],
        "birth_date": [f"19{10 + p}-01-01" for p, _ in rows],
        "score": [(p * 7 + v) % 11 for p, v in rows],
        "rare": ["yes" if (p, v) == (0, 0) else "no" for p, v in rows],
        "fixed": ["X"] * len(rows),
    }


def test_unit_time_and_what_is_constant_per_person(tmp_path):
    guessed = of(tmp_path, panel(), unit="person")
    schema = guessed.schema
    assert schema.unit == "person"
    assert schema["person"].pattern == "P###"
    assert [c.name for c in schema.columns if c.constant_per_unit] == ["sex", "birth_date"]
    assert [c.name for c in schema.columns if c.role == "time"] == ["visit_date"]
    assert schema["birth_date"].role == "quasi-identifier"
    assert not any(c.constant_per_unit for c in of(tmp_path, panel()).schema.columns)
    assert not any(c.constant_per_unit for c in of(tmp_path, panel(visits=1), unit="person").schema.columns)


def test_constancy_against_counting_by_hand(tmp_path, monkeypatch):
    """The check runs over batches; here every batch has five rows and people are shuffled across them."""
    from tabsynth.datasets.formats import csv as csv_format
    from tabsynth.datasets.profile import profile

    monkeypatch.setattr(csv_format, "BLOCK", 64)
    rng = np.random.default_rng(5)
    for _ in range(20):
        people = rng.integers(0, 6, 40)
        table = {"u": people.tolist(), **{f"c{k}": (people % k + (rng.random(40) < 0.02)).tolist() for k in (1, 2, 3)}}
        of(tmp_path, table)
        seen = profile(formats.scan(tmp_path / "a.csv"), unit="u")
        for name in table:
            slow = all(len({v for v, p in zip(table[name], table["u"]) if p == q}) == 1 for q in set(table["u"]))
            assert seen.columns[name].constant_per_unit == slow


def test_unit_must_exist(tmp_path):
    with pytest.raises(ColumnNotFoundError, match="Did you mean 'person'"):
        of(tmp_path, panel(), unit="persons")
    assert of(tmp_path, panel(), unit="row").schema.unit is None


def test_only_the_first_rows_are_looked_at(tmp_path):
    (tmp_path / "a.csv").write_text("a\n" + "1\n" * 50 + "x\n")
    source = formats.scan(tmp_path / "a.csv")
    assert guess(source, sample_rows=50).schema["a"].kind == "integer"
    assert guess_schema(source).by_name["a"].kind == "category"


def test_schema_of_a_guess_survives_its_file(tmp_path):
    from tabsynth.core.schema_file import dump_schema, load_schema

    columns = {**panel(), "weight": [("1.5", "2.0", "2.25")[i % 3] for i in range(180)]}
    schema = of(tmp_path, columns, unit="person").schema
    (tmp_path / "schema.yaml").write_text(dump_schema(schema), encoding="utf-8")
    assert load_schema(tmp_path / "schema.yaml") == schema


def test_typed_sources_keep_what_their_types_say(tmp_path):
    n = 60
    pq.write_table(pa.table({
        "type_id": pa.array([i % 3 for i in range(n)], pa.int16()),
        "dose": pa.array([i / 4 for i in range(n)]),
        "nothing": pa.array([None] * n, pa.float32()),
        "email": [f"user{i}@example.org" for i in range(n)],
        "day": [f"2020-01-{i % 28 + 1:02d}" for i in range(n)],
    }), tmp_path / "a.parquet")
    schema = guess(formats.scan(tmp_path / "a.parquet")).schema
    assert [c.kind for c in schema.columns] == ["category", "number", "number", "text", "date"]
    assert schema["email"].role == "direct-identifier"


def test_names_are_read_by_words():
    assert names.words("PatientID_2") == ("patient", "id", "2")
    assert not names.id_like("paid")
    assert not names.of_person("outpatient visits")


def test_patterns_have_room_and_never_hold_changing_letters():
    assert kinds.pattern(["AB1", "CD2"]) == "@@#"
    assert kinds.pattern(["a1", "b2"]) is None
    assert kinds.pattern(["X"] * 2) is None
    assert kinds.pattern([str(i) for i in range(10)]) is None
