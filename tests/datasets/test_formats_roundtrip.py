"""What is read comes back: CSV byte for byte, Parquet by Arrow type and value, JSON Lines by JSON value."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabsynth.core.compact import Compact
from tabsynth.core.schema import Dialect
from tabsynth.core.table import Table
from tabsynth.datasets import formats

ANYTHING = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

FILES = {
    "lf": b"a,b,c\n1,x,2020-01-31\n-2,,1999-12-01\n,z,\n",
    "crlf": b"a,b\r\n1,x\r\n2,y\r\n",
    "cr": b"a,b\r1,x\r2,y\r",
    "bom": "\ufeffGröße (cm), id\r\n165.9,1\r\n170.0,2\r\n".encode(),
    "utf-16": "患者ID;Größe\r\nP-1;1,5\r\nP-2;2,5\r\n".encode("utf-16"),
    "utf-16-be": b"\xfe\xff" + "a;b\nä;1\n".encode("utf-16-be"),
    "cp1252": "Größe;Kosten €;Datum\r\n1,5;1.002,70;03.01.2020\r\n2,0;13,00;31.12.1999\r\n".encode("cp1252"),
    "latin-1": b"gr\xf6\xdfe,\x81\n1,\x90\n2,\x90\n",
    "tab": b"a\tb\n1\tx,y\n2\t\"q\"\"uote\"\n",
    "bar": b"a|b\n1|x\n2|y\n",
    "quotes": b'"a,b","""quoted""","new\nline"\n1,"c,d","two\r\nlines"\n2,plain,"""a"""\n',
    "formulas": b"note\n=SUM(A1:A2)\n+1\n@cmd\n-2+3\n",
    "one column with gaps": b'a\n1\n""\n3\n',
    "decimals": b"a,b,c,d\n1.50,5.0,7,.5\n2.25,7.25,7.25,1.5\n3.00,1e-05,0.5,-.25\n",
    "exponents": b"a\n7.339e-04\n1.551e+02\n",
    "mixed decimals": b"a,b\n1.50,1\n1.5,02\n2,3\n",
    "missing tokens": b"a,b,c,d\n?,NA,None,n/a\n1,2.5,None,x\n2,NA,Norm,y\n?,3.5,>8,n/a\n",
    "booleans": b"a,b,c,d\nyes,TRUE,0,f\nno,FALSE,1,t\nyes,,1,F\n",
    "dates": b"a,b,c,d\n31.01.2020,1/5/2020,05-Jan-2020,2020-01-31\n01.02.2020,12/31/2020,06-Feb-2020,unknown\n",
    "ambiguous dates": b"a\n01/02/2003\n03/04/2005\n",
    "moments": b"a,b,c\n2020-01-31T10:00:00Z,2020-01-31 10:00,2020-01-31T10:00:00.125+01:00\n"
               b"2021-01-31T10:00:01Z,2020-07-31 23:59,2020-07-31T10:00:00.000+01:00\n",
    "summer time": b"a\n2020-01-31T10:00:00+01:00\n2020-07-31T10:00:00+02:00\n",
    "python isoformat": b"a\n2020-01-31T10:00:00\n2020-01-31T10:00:00.125000\n",
    "times and durations": b"a,b,c,d\n07:31,27:49:05,2h13m,9:05\n23:59,01:00:00,69h5m,12:30\n",
    "codes": b"zip,ndc,big\n01234,00012345678,18446744073801762161\n99999,12345678901,18446744074574532770\n",
    "constant and empty": b"a,b,c\nX,,\nX,,1\nX,,\n",
    "blanks": b"a,b\nICU ,1\n icu, 2\nICU,3\n",
    "units": b"a,b,c\n12 mg,95.8%,37 \xc2\xb0C\n9 mg,40.4%,38 \xc2\xb0C\n",
    "special numbers": b"a\n-0.0\ninf\n1e-320\n2.5\n",
}


def same_bytes(folder: Path, content: bytes, suffix: str = ".csv") -> Table:
    source, target = folder / f"in{suffix}", folder / f"out{suffix}"
    source.write_bytes(content)
    table = formats.read(source)
    formats.write(table, target, force=True)
    assert target.read_bytes() == content
    return table


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_csv_byte_for_byte(tmp_path, content):
    same_bytes(tmp_path, content)


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_csv_read_again_under_its_own_schema_is_the_same_table(tmp_path, content):
    table = same_bytes(tmp_path, content)
    again = formats.read(tmp_path / "in.csv", schema=table.schema)
    assert again == table
    assert again.schema.dialect == table.schema.dialect
    source = formats.scan(tmp_path / "in.csv", dialect=table.schema.dialect)
    packed = Compact.gather(formats.batches(source, table.schema))
    assert set(packed.columns) == {column.name for column in table.schema.columns if column.modelled}
    for name in packed.columns:
        assert packed[name].same_as(table[name])


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.zst"])
def test_compressed_files_hold_the_same_bytes(tmp_path, suffix):
    table = same_bytes(tmp_path, FILES["crlf"])
    paths = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for path in paths:
        formats.write(table, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert pa.input_stream(str(paths[0]), compression="detect").read() == FILES["crlf"]
    assert formats.read(paths[0]) == table


def test_tsv_is_written_with_tabs(tmp_path):
    table = same_bytes(tmp_path, FILES["lf"])
    formats.write(table, tmp_path / "a.tsv")
    assert (tmp_path / "a.tsv").read_bytes().startswith(b"a\tb\tc\n1\tx\t")
    assert formats.read(tmp_path / "a.tsv") == table


def test_dialects_are_found(tmp_path):
    def dialect(name: str) -> Dialect | None:
        return same_bytes(tmp_path, FILES[name]).schema.dialect

    assert dialect("cp1252") == Dialect(";", "cp1252", ",", ".", False, "\r\n")
    assert dialect("bom") == Dialect(bom=True, newline="\r\n")
    assert dialect("utf-16") == Dialect(";", "utf-16-le", ",", None, True, "\r\n")
    assert dialect("tab") == Dialect("\t")
    assert dialect("latin-1") == Dialect(encoding="latin-1")


cell = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
short = st.sampled_from(["", "a", "b ", " c", "NA", "None", "?", "1", "1.5", "1,5", "é", '"', "x,y", "2020-01-01", "=1",
                         "\n"])
number = st.decimals(-10**6, 10**6, places=2, allow_nan=False).map(lambda d: str(d + 0))
integer = st.integers(-2**65, 2**65).map(str)
date = st.dates().map(lambda d: d.isoformat())
stamp = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)).map(lambda d: d.isoformat())


@st.composite
def text_tables(draw) -> list[list[str]]:
    n = draw(st.integers(1, 8))
    kinds = draw(st.lists(st.sampled_from([cell, short, number, integer, date, stamp]), min_size=1, max_size=4))
    names = draw(st.lists(cell.filter(bool), min_size=len(kinds), max_size=len(kinds), unique=True))
    columns = [draw(st.lists(kind, min_size=n, max_size=n)) for kind in kinds]
    return [names, *map(list, zip(*columns))]


@ANYTHING
@given(rows=text_tables(), newline=st.sampled_from(["\n", "\r\n"]), bom=st.booleans(), mark=st.sampled_from(",;\t|"))
def test_any_csv_byte_for_byte_or_by_parsed_cells(tmp_path, rows, newline, bom, mark):
    """The reference reader is the standard library's; a second token for "not given" is the only licence."""
    content = ("\ufeff" * bom + _written(rows, mark, newline)).encode()
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(content)
    given = formats.scan(source, dialect=Dialect(mark, bom=bom, newline=newline)).dialect
    table = formats.read(source, dialect=given)
    formats.write(table, target, force=True)
    out = target.read_bytes()
    if out != content:
        found = list(csv.reader(io.StringIO(out.decode("utf-8-sig"), newline=""), delimiter=mark))
        for j, column in enumerate(table.schema.columns):
            cells = [row[j] for row in found[1:]]
            assert all(a == b or {a, b} <= set(column.missing) for a, b in zip(cells, [r[j] for r in rows[1:]]))
    else:
        assert table == formats.read(source, schema=table.schema)


def _written(rows: list[list[str]], mark: str, newline: str) -> str:
    """Minimal quoting, spelled out slowly."""
    def quoted(text: str) -> str:
        special = any(c in text for c in (mark, '"', "\n", "\r")) or (len(rows[0]) == 1 and text == "")
        return '"' + text.replace('"', '""') + '"' if special else text

    return "".join(mark.join(map(quoted, row)) + newline for row in rows)


def arrow_table(n: int = 60) -> pa.Table:
    day = dt.date(2020, 1, 1)
    noon = dt.datetime(2020, 3, 28, 12)
    hours = [None if i % 7 == 0 else noon + dt.timedelta(hours=i) for i in range(n)]
    return pa.table({
        "i8": pa.array([i % 5 for i in range(n)], pa.int8()),
        "type_id": pa.array([i % 3 for i in range(n)], pa.int64()),
        "patient_id": pa.array([i // 2 + 1000 for i in range(n)], pa.int32()),
        "u64": pa.array([2**64 - 1 - i for i in range(n)], pa.uint64()),
        "flag": pa.array([i % 2 for i in range(n)], pa.int8()),
        "bool": pa.array([None if i % 7 == 0 else i % 3 == 0 for i in range(n)]),
        "f64": pa.array([None if i % 5 == 0 else i / 4 for i in range(n)]),
        "f32": pa.array([i / 10 for i in range(n)], pa.float32()),
        "all_null": pa.array([None] * n, pa.float64()),
        "null": pa.nulls(n),
        "dec": pa.array([decimal.Decimal(i) / 4 for i in range(n)], pa.decimal128(10, 2)),
        "date": pa.array([day + dt.timedelta(i) for i in range(n)]),
        "naive": pa.array(hours, pa.timestamp("ms")),
        "zoned": pa.array(hours, pa.timestamp("ns", tz="Europe/Berlin")),
        "time": pa.array([dt.time(i % 24, i) for i in range(n)]),
        "duration": pa.array([dt.timedelta(days=i) for i in range(n)]),
        "text": pa.array([["x", "", "?", None][i % 4] for i in range(n)]),
        "large": pa.array([["x", "y"][i % 2] for i in range(n)], pa.large_string()),
        "date_text": pa.array([f"2020-01-{i % 28 + 1:02d}" for i in range(n)]),
        "category": pa.array([["x", None, "y"][i % 3] for i in range(n)]).dictionary_encode(),
        "bytes": pa.array([b"%d" % i for i in range(n)]),
        "first_name": pa.array([f"Name {i}" for i in range(n)]),
        "empty_text": pa.array([""] * n),
    })


def test_parquet_keeps_types_and_values(tmp_path):
    pq.write_table(arrow_table(), tmp_path / "in.parquet")
    expected = pq.read_table(tmp_path / "in.parquet")
    table = formats.read(tmp_path / "in.parquet")
    formats.write(table.batches(17), tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.equals(expected.schema)
    for name in expected.column_names:
        assert found.column(name).to_pylist() == expected.column(name).to_pylist(), name
    assert found.schema.metadata[b"tabsynth.synthetic"] == b"true"


def test_real_rows_are_not_marked_synthetic(tmp_path):
    pq.write_table(arrow_table(5), tmp_path / "in.parquet")
    formats.write(formats.read(tmp_path / "in.parquet"), tmp_path / "out.parquet", synthetic=False)
    assert b"tabsynth.synthetic" not in (pq.read_schema(tmp_path / "out.parquet").metadata or {})


def test_parquet_without_rows_and_with_lists(tmp_path):
    pq.write_table(arrow_table(0), tmp_path / "none.parquet")
    with pytest.raises(formats.SourceError, match="has columns but no rows"):
        formats.scan(tmp_path / "none.parquet")
    pq.write_table(pa.table({"codes": [["a", "b"]]}), tmp_path / "lists.parquet")
    with pytest.raises(formats.SourceError, match="nested values in column 'codes'"):
        formats.scan(tmp_path / "lists.parquet")


def test_the_same_schema_reads_csv_parquet_and_json_lines(tmp_path):
    (tmp_path / "a.csv").write_bytes(FILES["cp1252"])
    table = formats.read(tmp_path / "a.csv")
    for name in ("b.parquet", "b.jsonl", "b.csv.zst"):
        formats.write(table, tmp_path / name)
        assert formats.read(tmp_path / name, schema=table.schema) == table, name


of_one_kind = st.sampled_from([st.booleans(), st.integers(-2**60, 2**60), cell, st.sampled_from(["a", "b", ""]),
                               st.floats(allow_nan=False, allow_infinity=False)])


@ANYTHING
@given(data=st.data())
def test_any_json_lines_by_value(tmp_path, data):
    n = data.draw(st.integers(1, 6))
    names = data.draw(st.lists(cell, min_size=1, max_size=3, unique=True))
    kinds = [data.draw(of_one_kind) for _ in names]
    rows = [{name: data.draw(st.one_of(st.none(), kind)) for name, kind in zip(names, kinds)} for _ in range(n)]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8", newline="")
    table = formats.read(source)
    formats.write(table, target, force=True)
    found = [json.loads(line) for line in target.read_text(encoding="utf-8").split("\n")[:-1]]
    assert found == rows


def test_mixed_json_values_become_texts(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": "x"}\n{"b": [1, 2]}\n')
    table = formats.read(tmp_path / "a.jsonl")
    assert table.schema.names == ("a", "b")
    assert table["b"].present.tolist() == [False, False, True]


DATA = os.environ.get("TABSYNTH_DATA")


@pytest.mark.skipif(DATA is None, reason="TABSYNTH_DATA does not name the folder of development data")
@pytest.mark.parametrize("name", ["adult.csv", "diabetes130.csv.gz", "covid_testing.csv.gz", "tate_text.csv.gz",
                                  "horse_colic.csv", "shoppers.csv.gz"])
def test_published_files_byte_for_byte(tmp_path, name):
    source = Path(str(DATA)) / name
    table = formats.read(source)
    formats.write(table, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == pa.input_stream(str(source), compression="detect").read()
