"""A file with every fault at once, in small here and in full where the development data are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tabsynth.core.errors import SourceError
from tabsynth.datasets import formats
from tabsynth.datasets.guess import guess

DATA = os.environ.get("TABSYNTH_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="TABSYNTH_DATA does not name the folder of development data")

HEADER = (' id,患者ID,Größe (cm),weight;kg,visit date,admit_ts,ndc,beyond_int64,constant,all_missing,bool_text,'
          'mixed_type,decimal_comma,with_unit,sentinel,free_text,email,trail_space,"a,b","""quoted""",dup,dup2,datetime_utc,'
          'duration,percent,sci,neg_zero,ordinal')
DAYS = ["20070503", "2007-07-24", "31/02/2001", "0000-00-00", "unknown", "", "39217", "1178150400"]
NOTES = ["発熱と咳が3日間続く", '"Patient says:\n""no pain today"""', "=SUM(A1:A2)", "مريض مستقر", "😀 feeling better",
         "O'Brien; DROP TABLE x", "a\ttab", "x" * 400]
WARDS = ["ICU ", " icu", "ICU", "Icu", "ward", "WARD", "ward", "ward"]


def small() -> bytes:
    rows = []
    for i in range(48):
        j = i % 8
        rows.append(",".join([
            str(i + 1), f"P-{403081 + 7919 * i % 500000}", f"{165 + i / 10:.1f}", str(round(70 + i / 7, 2)), DAYS[j],
            f"2021-03-28 02:{i:02d}", f"{i * 1234567:011d}", str(2**64 + 10**9 * i), "X", "",
            ["N", "FALSE", "f", "no", "", "0", "Y", "TRUE"][j],
            ["<0.01", "n/a", "pos", "12 mg", ">300", "34", "5", "6"][j],
            f'"{7000 + i},0{j}"', f"{80 + j} mmHg", ["9999", "-1", "60", "61", "62", "63", "64", "65"][j], NOTES[j],
            f"user{i}@example.org", WARDS[j], str(j), ['"""a"""', "b", '"c,d"'][i % 3], str(i % 5), "xyz"[i % 3],
            f"2022-06-24T04:53:{i:02d}.000000Z", f"{i}h{i}m", f"{i / 10}%", f"{i % 9 + 1}.000e-0{j + 1}",
            ["-0.0", "inf", "1e-320", "0.0", "2.5"][i % 5], ["mild", "none"][i % 2],
        ]))
    return ("\ufeff" + "\r\n".join([HEADER, *rows, ""])).replace("\n\"\"", "\r\n\"\"").encode()


def renamed(name: str, folder: Path, old: bytes, new: bytes) -> Path:
    """A published awkward file with its duplicate column renamed."""
    content = (Path(str(DATA)) / name).read_bytes()
    assert content.count(old) == 1
    path = folder / name
    path.write_bytes(content.replace(old, new))
    return path


def test_every_fault_at_once_comes_back_byte_for_byte(tmp_path):
    (tmp_path / "a.csv").write_bytes(small())
    table = formats.read(tmp_path / "a.csv")
    assert len(table) == 48
    formats.write(table, tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == small()


def test_every_fault_at_once_is_named(tmp_path):
    (tmp_path / "a.csv").write_bytes(small())
    guessed = guess(formats.scan(tmp_path / "a.csv"))
    kinds = {c.name: c.kind for c in guessed.schema.columns}
    assert kinds == {
        " id": "id", "患者ID": "id", "Größe (cm)": "number", "weight;kg": "number", "visit date": "category",
        "admit_ts": "datetime", "ndc": "id", "beyond_int64": "id", "constant": "category", "all_missing": "category",
        "bool_text": "category", "mixed_type": "category", "decimal_comma": "text", "with_unit": "category",
        "sentinel": "integer", "free_text": "text", "email": "text", "trail_space": "category", "a,b": "integer",
        '"quoted"': "category", "dup": "integer", "dup2": "category", "datetime_utc": "datetime",
        "duration": "timedelta", "percent": "text", "sci": "number", "neg_zero": "category", "ordinal": "category",
    }
    reasons = {note.column: note.reason for note in guessed.notes}
    assert "several formats" in reasons["visit date"]
    assert "numbers mixed with other texts" in reasons["neg_zero"]
    assert "a unit" in reasons["with_unit"]
    assert "not given" in reasons["sentinel"]
    assert "9999" not in reasons["sentinel"]


def test_a_duplicate_header_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(small().replace(b",dup2,", b",dup,"))
    with pytest.raises(SourceError, match="duplicate column names: 'dup' is columns 21 and 22"):
        formats.scan(tmp_path / "a.csv")


@needs_data
@pytest.mark.parametrize(("name", "old", "new", "twice"), [
    ("edge_cases.csv", b"dup,dup,", b"dup,dup2,", "'dup' is columns 31 and 32"),
    ("edge_cases_cp1252_semicolon.csv", b"Kosten \x80;Kosten \x80;", b"Kosten \x80;Kosten 2;", "columns 5 and 6"),
])
def test_published_awkward_files(tmp_path, name, old, new, twice):
    with pytest.raises(SourceError, match=twice):
        formats.read(Path(str(DATA)) / name)
    path = renamed(name, tmp_path, old, new)
    table = formats.read(path)
    formats.write(table, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == path.read_bytes()
    assert formats.read(path, schema=table.schema) == table
    formats.write(table, tmp_path / "out.parquet")
    assert formats.read(tmp_path / "out.parquet", schema=table.schema) == table


@needs_data
def test_published_small_files():
    folder = Path(str(DATA)) / "edge_minis"
    assert len(formats.read(folder / "one_column.csv")) == 3
    assert [c.kind for c in formats.read(folder / "one_row.csv").schema.columns] == ["integer", "category", "date"]
    faults = {"empty.csv": "is empty", "header_only.csv": "header but no rows", "ragged.csv": "line 3"}
    for name, sentence in faults.items():
        with pytest.raises(SourceError, match=sentence):
            formats.read(folder / name)


@needs_data
def test_encounters_of_diabetic_patients():
    guessed = guess(formats.scan(Path(str(DATA)) / "diabetes130.csv.gz"), unit="patient_nbr", sample_rows=20_000)
    schema = guessed.schema
    assert schema.unit == "patient_nbr"
    assert schema["encounter_id"].kind == "id"
    for name in ("admission_type_id", "discharge_disposition_id", "admission_source_id"):
        assert schema[name].kind == "category"
    assert schema["race"].missing == ("?", "")
    assert schema["A1Cresult"].missing == schema["max_glu_serum"].missing == ("",)
    assert "None" in guessed.notes[schema.names.index("A1Cresult")].values["levels"]
    assert schema["readmitted"].role == "outcome"
    assert schema["diag_1"].kind == "category"
