"""Cells of distinct texts: by Arrow where all are plain numbers, else one by one. The cells are the same either way."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tabsynth.core import text
from tabsynth.core.schema import Column, Dialect
from tabsynth.core.table import MISSING, PRESENT, Cells, LogicalType

PLAIN: Final[dict[str, tuple[str, Any]]] = {
    "integer": (r"^-?[0-9]{1,18}$", pa.int64()),
    "number": (r"^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$", pa.float64()),
}
"""What Arrow and `core.text` read alike."""


def parse(column: Column, texts: pa.Array, dialect: Dialect) -> Cells:
    """Cells of texts, as `core.text.parse` gives them; a null is missing."""
    cells = _plain_numbers(column, texts) if column.kind in PLAIN and dialect.decimal == "." else None
    return text.parse(column, texts.to_pylist(), dialect) if cells is None else cells


def _plain_numbers(column: Column, texts: pa.Array) -> Cells | None:
    """The cells, or None if a text is neither a plain number nor a missing token as it stands."""
    pattern, kind = PLAIN[column.kind]
    missing = pc.is_in(texts, value_set=pa.array([None, "", *column.missing], texts.type))
    fits = pc.fill_null(pc.match_substring_regex(texts, pattern), False)
    if not pc.all(pc.or_(missing, fits), min_count=0).as_py():
        return None
    values = np.array(pc.if_else(missing, "0", texts).cast(kind))
    if not np.isfinite(values).all():
        return None
    state = np.where(np.asarray(missing), MISSING, PRESENT).astype(np.uint8)
    return Cells(values, state, (), LogicalType.from_json(column.logical))
