"""pandas in and out: the same dtypes, categories and missing values; through Arrow, with the dtype remembered.

The index is not data: it is ignored on the way in, and the way out has 0, 1, 2, ... Objects that are not one of
text, bytes, bool, int, float, Decimal, date, time, datetime or timedelta come back as their text; a sparse column
comes back dense.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tabsynth.core import arrow
from tabsynth.core.arrow_read import natural
from tabsynth.core.arrow_write import to_array
from tabsynth.core.errors import ColumnNotFoundError, SchemaError
from tabsynth.core.recast import recast
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Cells, Table

if TYPE_CHECKING:
    import pandas as pd


def from_pandas(frame: pd.DataFrame, schema: Schema | None = None) -> Table:
    """A Table of a data frame.

    Args:
        schema: which columns, and as what kind (see `core.arrow.from_arrow`). Without it kinds follow from dtypes.

    Raises:
        ColumnNotFoundError: the schema names a column that is not there. SchemaError: two columns of one name.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"column {twice!r} is in the data frame twice.", fix="Rename one.")
    found = []
    for column in schema.columns if schema is not None else [Column(name, "text") for name in names]:
        if column.name not in names:
            raise ColumnNotFoundError(column.name, source="the data frame", columns=names)
        natural_column, cells = _natural(column.name, frame.iloc[:, names.index(column.name)])
        if schema is None:
            target = replace(natural_column, kind=arrow.kind_of(natural_column, cells),
                             logical=cells.logical.to_json())
            found.append((target, recast(cells, natural_column, target)))
        else:
            found.append(arrow.fitted(column, natural_column, cells, schema.dialect))
    columns = tuple(c for c, _ in found)
    whole = Schema(columns) if schema is None else schema.with_columns(columns)
    return Table(whole, {c.name: cells for c, cells in found})


def to_pandas(table: Table) -> pd.DataFrame:
    """A data frame with the dtypes that the columns came with; of files, the usual dtype of each type.

    A dtype that cannot hold a missing value (int64, bool) gives way to its nullable twin where there is one.
    """
    import pandas as pd

    series = {c.name: _series(c, table[c.name]) for c in table.schema.columns}
    return pd.DataFrame(series, index=pd.RangeIndex(len(table)))


# --- in ------------------------------------------------------------------------------------------------------


def _natural(name: str, series: pd.Series[Any]) -> tuple[Column, Cells]:
    array = _arrow_array(name, series)
    column, cells = natural(name, array)
    return column, replace(cells, logical=replace(cells.logical, pandas=_dtype_text(series)))


def _arrow_array(name: str, series: pd.Series[Any]) -> Any:
    import pandas as pd
    import pyarrow as pa

    dtype = series.dtype
    if isinstance(dtype, pd.SparseDtype):
        series = pd.Series(np.asarray(series), name=series.name)
    if isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        return pa.array([None if pd.isna(v) else str(v) for v in series], pa.string())
    if isinstance(dtype, pd.CategoricalDtype):
        return _dictionary(series)
    if getattr(dtype, "kind", "O") == "c":
        raise SchemaError(f"column {name!r} holds complex numbers, which no kind describes.",
                          fix="Split it into two columns.")
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return _as_strings(series)
    return array if not pa.types.is_nested(array.type) else _as_strings(series)


def _dictionary(series: pd.Series[Any]) -> Any:
    import pandas as pd
    import pyarrow as pa

    values = pd.Categorical(series)
    categories = _arrow_array("", pd.Series(values.categories))
    codes = pa.array(values.codes.astype(np.int32), mask=values.codes < 0)
    return pa.DictionaryArray.from_arrays(codes, categories, ordered=bool(values.ordered))


def _as_strings(series: pd.Series[Any]) -> Any:
    import pandas as pd
    import pyarrow as pa

    missing = np.asarray(pd.isna(series))
    return pa.array([None if gone else _text(value) for value, gone in zip(series, missing)], pa.string())


def _text(value: Any) -> str:
    """How an object prints, as text that can be stored. Total: an error would depend on what a cell holds."""
    try:
        text = str(value)
    except Exception:  # an integer of too many digits, or a class that does not print
        text = f"unprintable {type(value).__name__}"
    return text.encode("utf-8", "replace").decode("utf-8")


def _dtype_text(series: pd.Series[Any]) -> str:
    """The dtype as text that `_series` understands."""
    import pandas as pd

    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return f"category[{_dtype_text(pd.Series(dtype.categories))}]"
    if isinstance(dtype, pd.StringDtype):
        return f"{'str' if dtype.na_value is np.nan else 'string'}[{dtype.storage}]"
    if isinstance(dtype, pd.SparseDtype):
        return str(dtype.subtype)
    if isinstance(dtype, pd.ArrowDtype):
        return "arrow"
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        gone = series[series.isna()]
        return f"object[{gone.iloc[0] if len(gone) else None}]"
    return str(dtype)


# --- out -----------------------------------------------------------------------------------------------------


def _series(column: Column, cells: Cells) -> Any:
    import pandas as pd
    import pyarrow as pa

    array = to_array(column, cells)
    text = cells.logical.pandas
    if text is None:
        return _default(array)
    if text.startswith("category[") and pa.types.is_dictionary(array.type):
        return pd.Series(_categorical(array, text))
    if text.startswith(("period[", "interval[")) and column.kind in ("id", "text"):
        return _objects(array, "None")  # made up texts are no periods
    if text.startswith("object["):
        return _objects(array, text[len("object[") : -1])
    if text.startswith("str") and text.endswith("]"):
        return pd.Series(pd.array(array.to_pylist(), dtype=_string_dtype(text)))
    if text == "arrow":
        return pd.Series(pd.array(array, dtype=pd.ArrowDtype(array.type)))
    return _typed(array, text)


def _default(array: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    nullable = {**{t: t.capitalize() for t in ("int8", "int16", "int32", "int64")}, "bool": "boolean",
                **{t: "UI" + t[2:] for t in ("uint8", "uint16", "uint32", "uint64")}}
    if array.null_count and str(array.type) in nullable:
        return pd.Series(pd.array(array.to_pylist(), dtype=nullable[str(array.type)]))
    if pa.types.is_null(array.type):
        return pd.Series([None] * len(array), dtype=object)
    return array.to_pandas()


def _categorical(array: Any, text: str) -> Any:
    import pandas as pd

    inner = text[len("category[") : -1]
    if inner.startswith("object["):
        categories = pd.Index(_objects(array.dictionary, "None"), dtype=object)
    elif inner.startswith("str"):
        categories = pd.Index(pd.array(array.dictionary.to_pylist(), dtype=_string_dtype(inner)))
    else:
        categories = pd.Index(_typed(array.dictionary, inner))
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return pd.Categorical.from_codes(codes, categories=categories, ordered=array.type.ordered)


def _objects(array: Any, missing: str) -> Any:
    import pandas as pd

    mark = {"None": None, "nan": np.nan, "NaT": pd.NaT, "<NA>": pd.NA}.get(missing)
    values = np.empty(len(array), dtype=object)
    values[:] = [mark if value is None else value for value in array.to_pylist()]
    return pd.Series(values, dtype=object)


def _string_dtype(text: str) -> Any:
    import pandas as pd

    storage = text[text.index("[") + 1 : -1]
    return pd.StringDtype(storage) if text.startswith("string") else pd.StringDtype(storage, na_value=np.nan)


def _typed(array: Any, text: str) -> Any:
    """numpy and nullable dtypes, datetimes and durations with their unit and zone, periods."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_string(array.type):
        values = array.to_pylist()
        if text.startswith("period"):
            return pd.Series(pd.PeriodIndex(values, dtype=text))
        return pd.Series(values, dtype=object)
    dtype = pd.api.types.pandas_dtype(text)
    if pa.types.is_timestamp(array.type) or pa.types.is_duration(array.type):
        return array.to_pandas().astype(dtype)
    if array.null_count and isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return _default(array)
    if isinstance(dtype, np.dtype):
        return pd.Series(array.to_numpy(zero_copy_only=False).astype(dtype))
    values = array.fill_null(False if pa.types.is_boolean(array.type) else 0).to_numpy(zero_copy_only=False)
    out = pd.Series(pd.array(values, dtype=dtype))
    if array.null_count:
        out[np.asarray(array.is_null())] = pd.NA
    return out
