"""Tables in and out of Python: whatever kind of frame came in goes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from tabsynth.core.errors import UsageError
from tabsynth.core.schema import Schema
from tabsynth.core.schema_file import load_schema
from tabsynth.core.table import Table

FrameKind = Literal["pandas", "polars", "arrow", "table"]
_ACCEPTED: Final = "a pandas or polars data frame, an Arrow table or a tabsynth Table"


def kind_of(data: Any) -> FrameKind:
    """Which kind of frame this is, found by its class's home so that nothing is imported."""
    home = type(data).__module__.partition(".")[0]
    if isinstance(data, Table):
        return "table"
    if home == "pandas":
        return "pandas"
    if home == "polars":
        return "polars"
    if hasattr(data, "__arrow_c_stream__"):
        return "arrow"
    raise UsageError(f"a table is expected, got {type(data).__name__}.", fix=f"Pass {_ACCEPTED}.")


def to_table(data: Any, schema: Schema | str | Path | None, *, unit: str | None = None) -> tuple[Table, FrameKind]:
    """The table of a frame under a schema or its file (None = kinds follow from the dtypes).

    unit: column that names the person, or "row"; None = as the schema says.
    """
    kind = kind_of(data)
    known = load_schema(Path(schema)) if isinstance(schema, str | Path) else schema
    if kind == "table":
        table = data if known is None else Table(known, data.columns)
    elif kind == "pandas":
        table = Table.from_pandas(data, known)
    else:
        table = Table.from_arrow(data, known)
    return (table if unit is None else Table(table.schema.with_unit(unit), table.columns)), kind


def to_given(data: Any, schema: Schema) -> Table:
    """Given cells: a frame that holds some of the schema's columns, read as the schema says."""
    if isinstance(data, Table):
        return data
    names = [str(name) for name in getattr(data, "column_names", None) or data.columns]
    partial = schema.with_columns(schema[name] for name in names)
    return to_table(data, partial)[0]


def to_known(data: Any, schema: Schema) -> Table:
    """Those columns of a frame that the schema names, read as it says."""
    if isinstance(data, Table):
        return data
    names = [str(name) for name in getattr(data, "column_names", None) or data.columns]
    return to_table(data, schema.with_columns(schema[name] for name in names if name in schema.by_name))[0]


def completed(data: Any, table: Table, names: Sequence[str]) -> Any:
    """The frame with these columns taken from the table; the others, and the index, are its own."""
    kind = kind_of(data)
    if kind == "table":
        return Table(data.schema, {**data.columns, **{name: table[name] for name in names}})
    new = from_table(table.select(names), kind)
    if kind == "polars":
        return data.with_columns(new)
    if kind == "arrow":
        for name in names:
            data = data.set_column(data.schema.get_field_index(name), new.schema.field(name), new.column(name))
        return data
    new.index, out = data.index, data.copy()
    for label in data.columns:
        if str(label) in names:
            out[label] = new[str(label)]
    return out


def from_table(table: Table, kind: FrameKind) -> Any:
    """The frame of a table; polars is imported only when polars came in."""
    if kind == "table":
        return table
    if kind == "pandas":
        return table.to_pandas()
    arrow = table.to_arrow()
    if kind == "arrow":
        return arrow
    import polars

    return polars.DataFrame(arrow)
