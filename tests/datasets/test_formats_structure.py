"""Faults of a file's structure: one clear sentence, exit code 3, never a cell."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tabsynth.core.errors import ColumnNotFoundError, SchemaError, SourceError, UsageError
from tabsynth.core.schema import Column, Dialect, Schema
from tabsynth.core.table import INVALID, PRESENT
from tabsynth.datasets import formats

SECRET = "Zebediah"

FAULTS = [
    ("empty.csv", b"", "is empty"),
    ("empty.parquet", b"", "is empty"),
    ("header.csv", b"a,b,c\n", "has a header but no rows"),
    ("header_without_line_end.csv", b"a,b,c", "has a header but no rows"),
    ("header_and_blank_lines.csv", b"a,b\r\n\r\n\r\n", "has a header but no rows"),
    ("duplicate.csv", b"a,b,a\n1,2,Zebediah\n", "duplicate column names: 'a' is columns 1 and 3"),
    ("short_row.csv", b"a,b\n1,2\nZebediah\n4,5\n", "line 3 has 1 cell, expected 2"),
    ("long_row.csv", b"a,b\n1,2\n3,4\n5,Zebediah,7\n", "line 4 has 3 cells, expected 2"),
    ("after_a_line_break.csv", b'a,b\n1,"x\n\ny"\n\nZebediah\n', "line 6 has 1 cell, expected 2"),
    ("open_quote.csv", b'a,b\n1,2\n3,"Zebediah\n5,6\n', "quote on line 3 that is never closed"),
    ("undecodable.csv", b"a,b\n" + b"1,2\n" * 300_000 + b"3,Zebediah\xff\n", "bytes on line 300002 that are not utf-8"),
    ("early.csv", b"\xef\xbb\xbfa,b\n1,2\n3,Zebediah\xff\n", "are not utf-8"),
    ("not.csv.gz", b"a,b\n1,Zebediah\n", "is named .gz but is not gzip-compressed"),
    ("not.csv.zst", b"a,b\n1,Zebediah\n", "is named .zst but is not zstd-compressed"),
    ("cut.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 100_000, mtime=0)[:-40], "cut off or damaged"),
    ("not.parquet", b"a,b\n1,Zebediah\n", "is not a Parquet file"),
    ("bad.jsonl", b'{"a": 1}\n{"a": "Zebediah\n', "no valid JSON on line 2"),
    ("list.jsonl", b'{"a": 1}\n["Zebediah"]\n', "no JSON object on line 2"),
    ("twice.jsonl", b'{"a": 1, "a": "Zebediah"}\n', "one key twice on line 1"),
    ("undecodable.jsonl", b'{"a": 1}\n\n{"a": "\xff"}\n', "bytes on line 3 that are not utf-8"),
    ("no_keys.jsonl", b"{}\n{}\n", "has no rows with a key"),
    ("deep.jsonl", b'{"a": 1}\n{"Zebediah": ' + b"[" * 100_000 + b"\n", "too deeply nested JSON on line 2"),
    ("half_a_key.jsonl", b'{"a": 1}\n{"\\ud800Zebediah": 1}\n', "half of a Unicode surrogate pair in a key on line 2"),
    ("twice_without_header.csv", b"7,7,Zebediah\n8,9,x\n", "columns 1 and 2. Some names look like values"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), FAULTS, ids=[f[0] for f in FAULTS])
@pytest.mark.parametrize("names_only", [False, True])
def test_each_fault_is_one_sentence_without_a_cell(tmp_path, name, content, sentence, names_only):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        for _ in formats.scan(path, names_only=names_only).batches():
            pass
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("text", ["string", "large_string", "dictionary"])
def test_parquet_texts_that_are_not_utf8(tmp_path, text):
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.large_string() if text == "large_string" else pa.string()
    bad = pa.array([b"ok", b"Zebediah\xff"], pa.large_binary() if text == "large_string" else pa.binary())
    column = pa.Array.from_buffers(kind, 2, bad.buffers())
    if text == "dictionary":
        column = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), column)
    path = tmp_path / "bad.parquet"
    pq.write_table(pa.table({"a": column}), path)
    with pytest.raises(SourceError, match=r"bytes in column 'a'|cannot be read") as caught:
        formats.read(path, schema=Schema((Column("a", "category", levels=("ok",)),)))
    assert SECRET not in str(caught.value)


def test_parquet_with_any_byte_changed_is_read_or_refused_in_one_sentence(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"name": [SECRET] * 50, "n": range(50)}), path, compression="none")
    good = path.read_bytes()
    for at in range(4, len(good), 7):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
        try:
            formats.read(path, schema=Schema((Column("name", "id"), Column("n", "integer"))))
        except (SourceError, SchemaError) as error:
            assert SECRET not in str(error)  # noqa: PT017


@pytest.mark.parametrize("content", [b"Zebediah,f,36.6\nAbel,m,37.0\n", b"Zebediah,Smith\nAbel,Jones\n"])
def test_the_first_patient_of_a_file_without_header_is_not_quoted(tmp_path, content):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    for schema in (Schema((Column("sex", "category"),)), Schema((Column("f", "category"), Column("age", "integer")))):
        with pytest.raises(SchemaError) as caught:
            formats.read(path, schema=schema)
        assert SECRET not in str(caught.value)
        assert "header" in str(caught.value)


@pytest.mark.parametrize("part", [{"delimiter": ",,"}, {"delimiter": ""}, {"delimiter": '"'}, {"delimiter": "é"},
                                  {"delimiter": "\n"}, {"decimal": ""}, {"decimal": "ab"}, {"decimal": "5"},
                                  {"thousands": "."}, {"newline": "x"}])
def test_a_dialect_that_no_file_is_written_in(part):
    with pytest.raises(SchemaError):
        Dialect(**part)


@pytest.mark.parametrize("name", ["nope", "base64", "rot13", "idna", "punycode", "unicode_escape", "undefined", "",
                                  "a b"])
def test_an_encoding_that_no_table_is_written_in(tmp_path, name):
    with pytest.raises(SourceError, match="no text encoding"):
        formats.scan(_file(tmp_path, b"a\n1\n"), dialect=Dialect(encoding=name))


def test_missing_file_names_a_near_one(tmp_path):
    (tmp_path / "patients.csv").write_bytes(b"a\n1\n")
    with pytest.raises(SourceError, match=r"does not exist\. Did you mean .*patients\.csv"):
        formats.scan(tmp_path / "patient.csv")


def test_a_folder_is_not_a_table(tmp_path):
    with pytest.raises(SourceError, match="is a folder"):
        formats.scan(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_no_permission(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"a\n1\n")
    path.chmod(0)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        formats.scan(path)


def test_a_row_longer_than_a_block(tmp_path, monkeypatch):
    from tabsynth.datasets.formats import csv

    monkeypatch.setattr(csv, "BLOCK", 2**20)
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 3 + b'3,"' + b"1,2\n" * 2**20)
    with pytest.raises(SourceError, match=r"row longer than 1 MiB"):
        list(formats.scan(path).batches())


def test_schema_column_that_the_file_lacks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"age,sex\n1,F\n")
    schema = Schema((Column("agee", "integer"), Column("sex", "category")))
    with pytest.raises(ColumnNotFoundError, match="'agee' is not in .*Did you mean 'age'"):
        formats.read(path, schema=schema)


def test_columns_that_the_schema_lacks_are_left_out(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"age,name,sex\n1,Zebediah,F\n")
    schema = Schema((Column("sex", "category"), Column("age", "integer")))
    assert formats.read(path, schema=schema).schema.names == ("sex", "age")
    assert formats.extra_columns(formats.scan(path), schema) == ("name",)


NASTY = ["", " ", "NULL", "1e999", "-inf", "nan", "31/02/2001", "0x10", "９", "1.5.2", "٣", "é\u0301", "\t", "٫5",
         "=1+1", "2021-03-28 02:30", "99999999999999999999", "1,5", "\x00", "True", "24:00", "23:59:60",
         "P1D", "'", "a" * 500]


@pytest.mark.parametrize("kind", ["number", "integer", "category", "boolean", "date", "datetime", "time", "timedelta",
                                  "id", "text"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_under_a_schema_no_cell_raises(tmp_path, kind, suffix):
    import csv
    import json

    path = tmp_path / f"a{suffix}"
    with path.open("w", encoding="utf-8", newline="") as file:
        if suffix == ".csv":
            csv.writer(file).writerows([["x", "n"], *([cell, "1"] for cell in NASTY)])
        else:
            file.writelines(json.dumps({"x": cell, "n": 1}) + "\n" for cell in [*NASTY, 1.5, True, None, [1], {}])
    schema = Schema((Column("x", kind, levels=("F", "M") if kind in ("category", "boolean") else None),))
    table = formats.read(path, schema=schema)
    assert len(table) == len(NASTY) + (5 if suffix == ".jsonl" else 0)
    if kind in ("date", "timedelta", "boolean"):
        assert (table["x"].state == INVALID).sum() > 10


def test_under_a_schema_the_dialect_comes_from_the_header_alone(tmp_path):
    schema = Schema((Column("a", "number"), Column("b", "category")))
    path = tmp_path / "a.csv"
    path.write_bytes(b"a;b\r\n1,5;x\r\n2,5;y\r\n")
    assert (formats.read(path, schema=schema)["a"].state == INVALID).all()
    with_comma = formats.scan(path).dialect
    assert with_comma is not None
    assert with_comma.decimal == ","
    table = formats.read(path, schema=schema, dialect=with_comma)
    assert (table["a"].state == PRESENT).all()
    assert table["a"].values.tolist() == [1.5, 2.5]


def test_standard_input_may_be_read_twice(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(b"a,b\n1,x\n2,y\n"))))
    source = formats.scan("-")
    for _ in range(2):
        assert sum(batch.num_rows for batch in source.batches()) == 2
    assert source.label == "standard input"


def test_standard_output_gets_bytes(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\r\n1,x\r\n")
    sink = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(sink, write_through=True))
    assert formats.write(formats.read(path), "-") == 1
    assert sink.getvalue() == b"a,b\r\n1,x\r\n"


def test_output_is_not_overwritten_and_appears_only_when_complete(tmp_path):
    source = tmp_path / "a.csv"
    source.write_bytes(b"a\n1\n2\n")
    table = formats.read(source)
    target = tmp_path / "out.csv"
    formats.write(table, target)
    with pytest.raises(SourceError, match="exists already"):
        formats.write(table, target)
    assert formats.write(table.batches(1), target, force=True) == 2

    def broken():
        yield table
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        formats.write(broken(), target, force=True)
    assert target.read_bytes() == b"a\n1\n2\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "out.csv"]


def test_output_suffix_must_be_known(tmp_path):
    table = formats.read(_file(tmp_path, b"a\n1\n"))
    with pytest.raises(UsageError, match=r"suffixes are: \.csv"):
        formats.write(table, tmp_path / "a.docx")


def test_characters_that_the_encoding_lacks(tmp_path):
    from dataclasses import replace

    table = formats.read(_file(tmp_path, "a\n発熱\n".encode()))
    dialect = replace(table.schema.dialect, encoding="cp1252")
    with pytest.raises(SourceError, match="characters that cp1252 cannot write"):
        formats.write(replace(table, schema=replace(table.schema, dialect=dialect)), tmp_path / "b.csv")


def test_an_interrupt_while_a_library_loads_is_not_lost(tmp_path):
    """pyarrow imports pandas when it first needs it, in code that goes on after any exception."""
    path = _file(tmp_path, b"a\nx\ny\nx\n")
    program = f"""
import sys
from tabsynth.core.schema import Column, Schema
from tabsynth.datasets import formats

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "pandas":
            raise KeyboardInterrupt

assert "pandas" not in sys.modules
sys.meta_path.insert(0, CtrlC())
try:
    formats.read({str(path)!r}, schema=Schema((Column("a", "category"),)))
except KeyboardInterrupt:
    sys.exit(130)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert run.returncode == 130, run.stderr


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "in.csv"
    path.write_bytes(content)
    return path
