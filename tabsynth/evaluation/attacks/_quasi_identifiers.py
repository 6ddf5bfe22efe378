"""Cells of the quasi-identifiers: which columns make them, and how many people hold each."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.schema import NUMERIC
from tabsynth.core.table import concat_cells
from tabsynth.evaluation.bins import learn_bins
from tabsynth.evaluation.identity import Ids, row_ids, value_ids
from tabsynth.evaluation.protocol import Samples

NO_QUASI_IDENTIFIER: Final = (
    "the schema declares no quasi-identifier that a model learns (evaluation.quasi_identifiers, or columns of that "
    "role)")


def quasi_identifiers(samples: Samples) -> tuple[str, ...]:
    """The declared quasi-identifiers that are compared, else the columns of that role; () where there are none."""
    schema = samples.schema
    declared = schema.evaluation.quasi_identifiers or tuple(
        column.name for column in schema.columns if column.role == "quasi-identifier")
    return tuple(name for name in dict.fromkeys(declared) if name in samples.columns)


def numbers_among(samples: Samples, names: tuple[str, ...]) -> bool:
    """True if one of the columns lies on a line, so that bins differ from values."""
    return any(samples.schema[name].kind in NUMERIC for name in names)


def column_ids(samples: Samples, name: str, *, binned: bool) -> list[Ids]:
    """One id per distinct value, or per bin of a number, of the whole train, holdout and synthetic table.

    Bins are learned from training and holdout rows together: which of the two a person is in must not matter.
    """
    parts = [table[name] for table in (samples.train, samples.holdout, samples.synth)]
    if not binned or samples.schema[name].kind not in NUMERIC:
        return value_ids(parts)
    bins = learn_bins(samples.schema[name], concat_cells(parts[:2]))
    return [bins.codes(cells).astype(np.int64) for cells in parts]


def cell_ids(samples: Samples, names: tuple[str, ...], *, binned: bool) -> list[Ids]:
    """One id 0, 1, 2, ... per cell that these columns span, of the whole train, holdout and synthetic table."""
    return row_ids([column_ids(samples, name, binned=binned) for name in names])


def people_per_cell(cells: Ids, units: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """How many people (not rows) hold each cell, shape (size,).

    >>> people_per_cell(np.array([0, 0, 0, 2]), np.array([5, 5, 6, 6]), 3).tolist()
    [2, 0, 1]
    """
    width = int(units.max(initial=0)) + 1
    return np.bincount(np.unique(cells * width + units) // width, minlength=size)
