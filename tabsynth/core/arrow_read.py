"""From an Arrow array to canonical cells: what the type says, before any schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.errors import SchemaError
from tabsynth.core.recast import listed
from tabsynth.core.schema import Column, Kind
from tabsynth.core.table import INVALID, MISSING, PRESENT, Cells, LogicalType

if TYPE_CHECKING:
    import pyarrow as pa

PER_MICRO: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Microseconds in one tick of a unit."""


def arrow_type(text: str) -> pa.DataType:
    """The Arrow type that `str(type)` wrote.

    >>> str(arrow_type("timestamp[us, tz=Europe/Berlin]"))
    'timestamp[us, tz=Europe/Berlin]'
    """
    import pyarrow as pa

    if match := re.fullmatch(r"timestamp\[(\w+), tz=(.+)\]", text):
        return pa.timestamp(match[1], match[2])
    if match := re.fullmatch(r"decimal(\d+)\((\d+), (-?\d+)\)", text):
        return getattr(pa, f"decimal{match[1]}")(int(match[2]), int(match[3]))
    if match := re.fullmatch(r"dictionary<values=(.+), indices=(\w+), ordered=([01])>", text):
        return pa.dictionary(arrow_type(match[2]), arrow_type(match[1]), match[3] == "1")
    if match := re.fullmatch(r"fixed_size_binary\[(\d+)\]", text):
        return pa.binary(int(match[1]))
    try:
        return pa.type_for_alias(text)
    except ValueError as error:
        raise SchemaError(f"storage type {text!r} is not known.") from error


def natural(name: str, data: Any) -> tuple[Column, Cells]:
    """An Arrow array as the column and cells that its type says, before any schema. Strings are categories."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = data.combine_chunks() if isinstance(data, pa.ChunkedArray) else data
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    column, values, state, levels = read_array(name, array)
    logical = LogicalType(storage=str(array.type), ordered=pa.types.is_dictionary(array.type) and array.type.ordered)
    return column, Cells(values, state, levels, logical)


_Read = tuple[Column, NDArray[Any], NDArray[np.uint8], tuple[str, ...]]


def read_array(name: str, array: Any) -> _Read:
    """Column, canonical values, states and levels of one array."""
    import pyarrow as pa

    t, is_ = array.type, pa.types
    state = np.where(np.asarray(array.is_null()), MISSING, PRESENT).astype(np.uint8)
    for applies, read in (
        (is_.is_boolean, _read_boolean), (is_.is_integer, _read_integer), (is_.is_floating, _read_float),
        (is_.is_decimal, _read_decimal), (is_.is_temporal, _read_clock), (is_.is_dictionary, _read_dictionary),
        (is_text, _read_text), (is_binary, _read_binary), (is_.is_null, _read_null),
    ):
        if applies(t):
            return read(name, array, state)
    raise SchemaError(f"column {name!r} has the nested or unsupported type {t}.",
                      fix="Flatten it into plain columns, or leave it out.")


def is_text(t: Any) -> bool:
    """True for the three string types."""
    import pyarrow as pa

    return bool(pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t))


def is_binary(t: Any) -> bool:
    """True for bytes of free or fixed size."""
    import pyarrow as pa

    return bool(pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_fixed_size_binary(t))


def _numbers(array: Any, fill: Any) -> NDArray[Any]:
    import pyarrow.compute as pc

    return np.array(pc.fill_null(array, fill).to_numpy(zero_copy_only=False))


def _read_boolean(name: str, array: Any, state: NDArray[np.uint8]) -> _Read:
    return Column(name, "boolean"), _numbers(array, False).astype(bool), state, ()


def _read_integer(name: str, array: Any, state: NDArray[np.uint8]) -> _Read:
    """int64; of uint64 beyond int64 the digits, as an id."""
    values = _numbers(array, 0)
    if values.dtype == np.uint64 and len(values) and values.max() > np.uint64(2**63 - 1):
        texts = np.array([str(v) for v in values.tolist()], dtype=object)
        texts[state != PRESENT] = ""
        return Column(name, "id"), texts, state, ()
    return Column(name, "integer"), values.astype(np.int64), state, ()


def _read_float(name: str, array: Any, state: NDArray[np.uint8]) -> _Read:
    """float64; a shorter float by its shortest decimal text, so that 0.1f is 0.1 and not 0.10000000149."""
    values = _numbers(array, 0)
    if values.dtype != np.float64:
        values = values.astype("U32").astype(np.float64)
    state = np.where(np.isnan(values), MISSING, np.where(np.isinf(values), INVALID, state)).astype(np.uint8)
    return Column(name, "number"), np.where(state == PRESENT, values, 0.0), state, ()


def _read_decimal(name: str, array: Any, state: NDArray[np.uint8]) -> _Read:
    import pyarrow as pa

    if array.type.scale <= 0 and array.type.precision - array.type.scale <= 18:
        return Column(name, "integer"), _numbers(array.cast(pa.int64()), 0), state, ()
    column = Column(name, "number", decimals=min(max(array.type.scale, 0), 15))
    return column, _numbers(array.cast(pa.float64()), 0.0), state, ()


def _read_clock(name: str, array: Any, state: NDArray[np.uint8]) -> _Read:
    import pyarrow as pa

    t = array.type
    if pa.types.is_date(t):
        days = _numbers(array.cast(pa.date32()).cast(pa.int32()), 0)
        return Column(name, "date"), days.astype(np.int64), state, ()
    if pa.types.is_interval(t):
        raise SchemaError(f"column {name!r} has the unsupported type {t}.", fix="Convert it to a duration.")
    ticks = _numbers(array.cast(pa.int32() if pa.types.is_time32(t) else pa.int64()), 0).astype(np.int64)
    micros, fits = _to_micros(ticks, t.unit)
    state = np.where((state == PRESENT) & ~fits, INVALID, state).astype(np.uint8)
    kind: Kind = "datetime" if pa.types.is_timestamp(t) else "timedelta" if pa.types.is_duration(t) else "time"
    return Column(name, kind, timezone=getattr(t, "tz", None)), micros, state, ()


def _to_micros(ticks: NDArray[np.int64], unit: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if unit == "ns":
        return ticks // 1000, np.ones(len(ticks), bool)
    factor = PER_MICRO[unit]
    fits = np.abs(ticks) <= (2**63 - 1) // factor
    return np.where(fits, ticks, 0) * factor, fits


def _read_text(name: str, array: Any, state: NDArray[np.uint8]) -> _Read:
    coded = array.dictionary_encode()
    levels = tuple(coded.dictionary.to_pylist())
    return Column(name, "category"), _numbers(coded.indices, 0).astype(np.int32), state, levels


def _read_dictionary(name: str, array: Any, state: NDArray[np.uint8]) -> _Read:
    """A category whose levels are the dictionary's values as text, in their order."""
    column, inner = natural(name, array.dictionary)
    texts, position = listed(inner, column)
    by_entry = [texts[p] if ok else None for p, ok in zip(position.tolist(), inner.present.tolist())]
    levels = tuple(dict.fromkeys(text for text in by_entry if text is not None))
    index = {level: i for i, level in enumerate(levels)}
    of_entry = np.array([-1 if text is None else index[text] for text in by_entry] or [-1], np.int32)
    codes = of_entry[_numbers(array.indices, 0).astype(np.intp)]
    state = np.where((state == PRESENT) & (codes < 0), MISSING, state).astype(np.uint8)
    return Column(name, "category"), np.where(state == PRESENT, codes, 0).astype(np.int32), state, levels


def _read_binary(name: str, array: Any, state: NDArray[np.uint8]) -> _Read:
    """Bytes as text, one character a byte."""
    return Column(name, "text"), objects([(b or b"").decode("latin-1") for b in array.to_pylist()]), state, ()


def _read_null(name: str, array: Any, state: NDArray[np.uint8]) -> _Read:
    return Column(name, "category"), np.zeros(len(array), np.int32), state, ()


def objects(items: list[Any]) -> NDArray[np.object_]:
    """A one-dimensional object array of the items."""
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out
