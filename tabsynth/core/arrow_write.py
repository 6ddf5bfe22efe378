"""From canonical cells to an Arrow array of the type they came with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.arrow_read import PER_MICRO, arrow_type, is_binary, is_text, objects, read_array
from tabsynth.core.recast import recast
from tabsynth.core.schema import Column
from tabsynth.core.table import INVALID, MISSING, PRESENT, Cells, LogicalType
from tabsynth.core.text import parse

if TYPE_CHECKING:
    import pyarrow as pa

_OF_KIND: Final = {
    "number": "double", "integer": "int64", "boolean": "bool", "category": "string", "date": "date32[day]",
    "datetime": "timestamp[us]", "time": "time64[us]", "timedelta": "duration[us]", "id": "string", "text": "string",
}


def natural_type(column: Column) -> pa.DataType:
    """The Arrow type of a kind that came from a text file."""
    text = _OF_KIND[column.kind]
    return arrow_type(f"timestamp[us, tz={column.timezone}]" if column.timezone else text)


def stored_type(column: Column, logical: LogicalType) -> pa.DataType:
    """The Arrow type that a column came with."""
    return natural_type(column) if logical.storage == "text" else arrow_type(logical.storage)


def to_array(column: Column, cells: Cells, *, coded: bool = False) -> pa.Array:
    """The Arrow array of one column, in the type it came with.

    Whole numbers beyond the type's range are clipped to it. Regenerated ids that the type cannot hold come as strings.

    Args:
        coded: categories that came as strings are given as dictionaries of strings.
    """
    import pyarrow as pa

    wanted = stored_type(column, cells.logical)
    if is_binary(wanted):
        return _write_binary(wanted, cells)
    if pa.types.is_null(wanted):
        return pa.nulls(len(cells)) if not cells.present.any() else to_array(column, _as_text_storage(cells))
    if pa.types.is_dictionary(wanted):
        return _write_dictionary(wanted, column, cells)
    if coded and is_text(wanted) and cells.levels:
        codes = _plain(cells.values.astype(np.int32), pa.int32(), cells)
        return pa.DictionaryArray.from_arrays(codes, _strings(cells.levels, wanted))
    if is_text(wanted) and column.kind in ("id", "text", "category"):
        return _plain(_texts(cells), wanted, cells)
    if wanted == natural_type(column):
        empty = Column(column.name, column.kind, timezone=column.timezone)
    else:
        empty, *_ = read_array(column.name, pa.array([], wanted))
    target = replace(empty, kind="id") if _too_big(wanted, column) else empty
    plain = _with_sentinel(recast(cells, column, target), column, target)
    if column.kind in ("id", "text") and (plain.state[cells.present] == INVALID).any():
        return pa.array(cells.values, pa.string(), mask=~cells.present)
    return _write(wanted, plain, target)


def _as_text_storage(cells: Cells) -> Cells:
    return replace(cells, logical=replace(cells.logical, storage="text"))


def _too_big(wanted: Any, column: Column) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_uint64(wanted)) and column.kind in ("id", "text", "category")


def _with_sentinel(cells: Cells, column: Column, target: Column) -> Cells:
    """Missing written as the column's own number, such as -1, where it has one; else null."""
    token = column.missing[0] if column.missing else ""
    if not token or target.kind not in ("number", "integer"):
        return cells
    read = parse(replace(target, missing=()), [token])
    if not read.present[0]:
        return cells
    absent = cells.state == MISSING
    return replace(cells, values=np.where(absent, read.values[0], cells.values),
                   state=np.where(absent, PRESENT, cells.state).astype(np.uint8))


def _plain(values: NDArray[Any], wanted: Any, cells: Cells) -> pa.Array:
    """The values as they are, null where the cell is not given. Numbers must have the width of the type.

    Their memory is taken over; ``pa.array`` would copy it, and load pandas first.
    """
    import pyarrow as pa

    present = cells.present
    if values.dtype == object:
        return pa.array(values, wanted, mask=~present)
    data = np.packbits(values, bitorder="little") if values.dtype == np.bool_ else np.ascontiguousarray(values)
    validity = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(wanted, len(values), [validity, pa.py_buffer(data)])


def _strings(texts: Sequence[str], wanted: Any) -> pa.Array:
    """An array of texts, without loading pandas as ``pa.array`` does."""
    import pyarrow as pa

    parts = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, parts)], dtype=np.int32)
    array = pa.Array.from_buffers(pa.string(), len(parts), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(parts))])
    return array if wanted == array.type else array.cast(wanted)


def _write(wanted: Any, cells: Cells, column: Column) -> pa.Array:
    import pyarrow as pa

    is_ = pa.types
    if is_text(wanted):
        return _plain(_texts(cells), wanted, cells)
    if column.kind == "id":  # uint64 beyond int64
        return _write_big(wanted, cells)
    if is_.is_integer(wanted):
        info = np.iinfo(wanted.to_pandas_dtype())
        low, high = max(int(info.min), -(2**63)), min(int(info.max), 2**63 - 1)
        whole = np.clip(cells.values, low, high) if info.bits < 64 or not info.min else cells.values
        return _plain(whole.astype(info.dtype), wanted, cells)
    if is_.is_floating(wanted):
        limit = float(np.finfo(wanted.to_pandas_dtype()).max)
        return _plain(np.clip(cells.values, -limit, limit).astype(wanted.to_pandas_dtype()), wanted, cells)
    if is_.is_boolean(wanted):
        return _plain(cells.values, wanted, cells)
    return _write_decimal(wanted, cells) if is_.is_decimal(wanted) else _write_clock(wanted, cells)


def _texts(cells: Cells) -> NDArray[np.object_]:
    if cells.values.dtype == object:
        return cells.values
    return np.asarray(objects(list(cells.levels) or [""])[cells.values], dtype=object)


def _write_big(wanted: Any, cells: Cells) -> pa.Array:
    import pyarrow as pa

    texts = _texts(cells).tolist()
    numbers = [int(text) if ok and text.isdigit() else None for text, ok in zip(texts, cells.present.tolist())]
    if any(ok and (n is None or n >= 2**64) for n, ok in zip(numbers, cells.present.tolist())):
        return pa.array(texts, pa.string(), mask=~cells.present)
    return pa.array(numbers, wanted)


def _write_decimal(wanted: Any, cells: Cells) -> pa.Array:
    from decimal import ROUND_HALF_EVEN, Context, Decimal

    import pyarrow as pa

    context = Context(prec=80, rounding=ROUND_HALF_EVEN)
    grid = Decimal(1).scaleb(-wanted.scale)
    limit = Decimal(10**wanted.precision - 1).scaleb(-wanted.scale, context)
    exact = [Decimal(repr(v)).quantize(grid, context=context) if ok else None
             for v, ok in zip(cells.values.tolist(), cells.present.tolist())]
    return pa.array([None if d is None else max(-limit, min(limit, d)) for d in exact], wanted)


def _write_clock(wanted: Any, cells: Cells) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_date(wanted):
        days = np.clip(cells.values, -(2**31), 2**31 - 1).astype(np.int32)
        return _plain(days, pa.int32(), cells).cast(pa.date32()).cast(wanted)
    if wanted.unit == "ns":
        edge = (2**63 - 1) // 1000
        ticks = np.clip(cells.values, -edge, edge) * 1000
    else:
        ticks = cells.values // PER_MICRO[wanted.unit]
    if pa.types.is_time32(wanted):
        return _plain(ticks.astype(np.int32), pa.int32(), cells).cast(wanted)
    return _plain(ticks, pa.int64(), cells).cast(wanted)


def _write_dictionary(wanted: Any, column: Column, cells: Cells) -> pa.Array:
    """Levels of the cells become the dictionary; a level that its type cannot hold makes it one of strings."""
    import pyarrow as pa

    category = recast(cells, column, replace(column, kind="category", levels=None, missing=(), format=None))
    levels = objects(list(category.levels))
    entries = Cells(levels, np.zeros(len(levels), np.uint8), (), LogicalType(storage=str(wanted.value_type)))
    values = to_array(Column(column.name, "text", missing=()), entries)
    index = pa.array(category.values.astype(np.int64), pa.int64(), mask=~category.present)
    small = wanted.index_type if len(levels) <= np.iinfo(wanted.index_type.to_pandas_dtype()).max else pa.int32()
    return pa.DictionaryArray.from_arrays(index.cast(small), values, ordered=wanted.ordered)


def _write_binary(wanted: Any, cells: Cells) -> pa.Array:
    import pyarrow as pa

    texts = zip(_texts(cells).tolist(), cells.present.tolist())
    data = [None if not ok else _bytes(text) for text, ok in texts]
    try:
        return pa.array(data, wanted)
    except pa.ArrowInvalid:  # a placeholder does not have the fixed size
        return pa.array(data, pa.binary())


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")
