"""Files in pieces: each stands by itself, all together are one file, and none depends on how it came about."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabsynth.core.table import Table
from tabsynth.datasets import formats
from tabsynth.datasets.formats import _footer
from tabsynth.datasets.formats.writing import Piece


def table(n: int = 100) -> Table:
    """Repeated and unrepeated numbers, texts with and without gaps."""
    rng = np.random.default_rng(1)
    return Table.from_arrow(pa.table({
        "age": rng.integers(0, 9, n), "weight": rng.random(n), "sex": rng.choice(["f", "m"], n),
        "ward": pa.array([None if i % 7 == 0 else f"ward {i % 5}" for i in range(n)], pa.large_string()),
        "stage": pa.array([f"s{i % 3}" for i in range(n)]).dictionary_encode(),
    }))


def pieces(name: str, rows: int, taken: int = 0) -> list[bytes]:
    """A file of parts of 10 rows in pieces of at least `rows`; of another's first pieces the file is told only."""
    earlier = pieces(name, rows)[:taken] if taken else []
    writing = formats.writing(name)
    writing.format.rows = rows
    for piece in earlier:
        writing.taken(piece)
    left = table().take(slice(taken * rows, None))
    made: list[Piece[int]] = list(writing.pieces((part, i) for i, part in enumerate(left.batches(10))))
    return [*earlier, *(piece.data for piece in made), writing.end()]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.zst", "a.parquet"])
def test_pieces_make_one_file(tmp_path: Path, name: str) -> None:
    whole = pieces(name, 30)
    assert len(whole) == 5
    (tmp_path / name).write_bytes(b"".join(whole))
    assert formats.read(tmp_path / name, schema=table().schema) == table()
    assert [pieces(name, 30, taken) for taken in (1, 2, 3)] == [whole] * 3


def test_parquet_pieces_are_row_groups_with_right_offsets() -> None:
    *parts, end = pieces("a.parquet", 30)
    file = pq.ParquetFile(pa.BufferReader(b"".join([*parts, end])))
    assert [file.metadata.row_group(i).num_rows for i in range(4)] == [30, 30, 30, 10]
    for i, part in enumerate(parts):
        assert file.read_row_group(i).equals(pq.read_table(pa.BufferReader(part)))
        assert file.metadata.row_group(i).column(0).statistics.max == max(file.read_row_group(i)["age"].to_pylist())
    assert file.schema_arrow.metadata == {b"tabsynth.synthetic": b"true"}
    assert [str(field.type) for field in file.schema_arrow] == [
        "int64", "double", "string", "large_string", "dictionary<values=string, indices=int32, ordered=0>"]


def test_numbers_that_seldom_repeat_have_no_dictionary() -> None:
    part = pq.read_metadata(pa.BufferReader(pieces("a.parquet", 100)[0])).row_group(0)
    assert [part.column(i).has_dictionary_page for i in range(5)] == [True, False, True, True, True]


def test_a_footer_is_read_and_written_as_it_is() -> None:
    """More than 15 items, every type of number, statistics, an ordered dictionary, a zone: byte for byte."""
    wide = {f"c{i}": pa.array([i, None]) for i in range(20)}
    rows = pa.table({
        **wide, "t": pa.array([0, 1], pa.timestamp("ms", "UTC")), "d": pa.array([None, 1], pa.decimal128(9, 2)),
        "b": [True, False], "f": [1.5, float("nan")], "s": ["x", "y" * 300]})
    sink = io.BytesIO()
    pq.write_table(rows, sink, row_group_size=1, write_page_index=True)
    file = sink.getvalue()
    size = int.from_bytes(file[-8:-4], "little")
    footer = _footer.footer_of(file)
    assert _footer.joined([(0, footer)]) == file[-8 - size:]
    before, after = (pq.read_metadata(pa.BufferReader(b"PAR1" + _footer.joined([(by, footer)]))).row_group(1).column(3)
                     for by in (0, 1000))
    assert after.data_page_offset == before.data_page_offset + 1000


def test_a_table_without_rows_is_a_file() -> None:
    for name in ("a.csv", "a.parquet"):
        writing = formats.writing(name)
        (piece,) = writing.pieces([(table(0), None)])
        data = piece.data + writing.end()
        names = pq.read_schema(pa.BufferReader(data)).names if name == "a.parquet" else data.decode().strip().split(",")
        assert names == list(table().schema.names)
