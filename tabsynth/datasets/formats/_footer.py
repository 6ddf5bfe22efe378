"""The footer of a Parquet file, as far as it takes to join files: row groups keep their bytes, offsets move.

A footer is a struct ``FileMetaData`` in Thrift's compact protocol (apache/parquet-format, ``parquet.thrift``;
apache/thrift, ``thrift-compact-protocol.md``). It is read field by field and written again, whatever fields there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

MAGIC: Final = b"PAR1"

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12

Struct = dict[int, tuple[int, Any]]
"""Field id -> type and value, in the order of the file. A list's value is (type of its items, items)."""

ROWS, ROW_GROUPS = 3, 4
COLUMNS, ORDINAL = 1, 7
META_DATA = 3
OFFSETS: Final = {
    "row group": (5,),                # file_offset
    "column": (2, 4, 6),              # file_offset, offset_index_offset, column_index_offset
    "meta data": (9, 10, 11, 14),     # data_page, index_page, dictionary_page, bloom_filter
}
"""Fields that count bytes from the start of the file; 0 stands for "not given"."""


def footer_of(file: bytes) -> Struct:
    """The footer of a whole Parquet file."""
    size = int.from_bytes(file[-8:-4], "little")
    return _Reader(file, len(file) - 8 - size).struct()


def joined(footers: Sequence[tuple[int, Struct]]) -> bytes:
    """The end of a file that consists of other files, one after another.

    Args:
        footers: where each of them starts, and its footer. All have one schema.
    """
    groups: list[Struct] = []
    for start, footer in footers:
        for group in footer[ROW_GROUPS][1][1]:
            numbered = {ORDINAL: (I16, len(groups))} if ORDINAL in group else {}
            groups.append({**_moved(group, start), **numbered})
    first = footers[0][1]
    rows = sum(footer[ROWS][1] for _, footer in footers)
    data = _struct({**first, ROWS: (I64, rows), ROW_GROUPS: (LIST, (STRUCT, groups))})
    return data + len(data).to_bytes(4, "little") + MAGIC


def _moved(group: Struct, by: int) -> Struct:
    group = _shifted(group, "row group", by)
    kind, columns = group[COLUMNS][1]
    moved = [_shifted(column, "column", by) for column in columns]
    moved = [{**column, META_DATA: (STRUCT, _shifted(column[META_DATA][1], "meta data", by))} for column in moved]
    return {**group, COLUMNS: (LIST, (kind, moved))}


def _shifted(struct: Struct, name: str, by: int) -> Struct:
    return {i: (kind, value + by if i in OFFSETS[name] and value else value) for i, (kind, value) in struct.items()}


class _Reader:
    """Values from bytes, one after another."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def struct(self) -> Struct:
        found: Struct = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            found[number] = (kind, kind == TRUE if kind in (TRUE, FALSE) else self._value(kind))
        return found

    def _value(self, kind: int) -> Any:
        if kind in (I16, I32, I64):
            return self._signed()
        if kind == BINARY:
            return self._taken(self._unsigned())
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, SET):
            head = self._byte()
            size = head >> 4 if head >> 4 < 15 else self._unsigned()
            return head & 15, [self._value(head & 15) for _ in range(size)]
        if kind in (TRUE, FALSE, BYTE):      # inside a list a truth value is a byte of its own
            return self._byte()
        assert kind == DOUBLE, f"a Parquet footer has no field of type {kind}"
        return self._taken(8)

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _taken(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size:self.at]

    def _unsigned(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 128:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift

    def _signed(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)


def _struct(fields: Struct) -> bytes:
    out = bytearray()
    last = 0
    for number, (kind, value) in sorted(fields.items()):
        gap = number - last
        last = number
        kind = (TRUE if value else FALSE) if kind in (TRUE, FALSE) else kind
        out += bytes([gap << 4 | kind]) if gap < 16 else bytes([kind]) + _signed(number)
        out += b"" if kind in (TRUE, FALSE) else _value(kind, value)
    return bytes(out + b"\0")


def _value(kind: int, value: Any) -> bytes:
    if kind in (I16, I32, I64):
        return _signed(value)
    if kind == BINARY:
        return _unsigned(len(value)) + bytes(value)
    if kind == STRUCT:
        return _struct(value)
    if kind in (LIST, SET):
        inner, items = value
        head = bytes([len(items) << 4 | inner]) if len(items) < 15 else bytes([0xF0 | inner]) + _unsigned(len(items))
        return head + b"".join(_value(inner, item) for item in items)
    return bytes(value) if kind == DOUBLE else bytes([value])


def _unsigned(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _signed(value: int) -> bytes:
    return _unsigned(value << 1 ^ value >> 63)
