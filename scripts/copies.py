"""How many synthetic rows are rows of real people, beside how many nature repeats.

Chance alone makes some synthetic rows equal to real ones, so a count of copies means nothing by itself. It is compared
with the same count against people the model has never seen: the ratio is 1 where training rows are met no more often
than others. Training rows are sampled down to the size of the holdout; the share is the expected one over all such
samples (hypergeometric), so that it does not depend on which sample was drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import hypergeom


def copies(synth: pd.DataFrame, train: pd.DataFrame, holdout: pd.DataFrame,
           looks: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Copy rates on several choices of columns, all tables as text. Keys are those of `looks`; see ``copy_rates``."""
    everything = pd.concat([synth[train.columns], train, holdout], ignore_index=True)
    for name in train:
        if is_number(train[name]):
            everything[name] = spelled(everything[name])
    ends = [len(synth), len(synth) + len(train)]
    return {look: copy_rates(*np.split(row_numbers(everything, columns), ends)) for look, columns in looks.items()}


def is_number(cells: pd.Series) -> bool:
    """Whether all cells but the empty ones are numbers. A list of codes is text if one code is: 250 is not 250.00."""
    return bool(pd.to_numeric(cells[cells != ""], errors="coerce").notna().all())


def spelled(cells: pd.Series) -> pd.Series:
    """Numbers to six significant digits, as text: 1, 1.0 and 1.0000001 are one value. What is no number stays."""
    number = pd.to_numeric(cells, errors="coerce")
    return cells.where(number.isna(), number.map("{:.6g}".format))


def row_numbers(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """One whole number per row, the same for rows that are equal in the columns. Shape (rows,)."""
    return table.groupby(list(columns), sort=False, dropna=False).ngroup().to_numpy()


def copy_rates(synth: np.ndarray, train: np.ndarray, holdout: np.ndarray) -> dict[str, Any]:
    """Shares of rows, in [0, 1], and their ratio.

    train: synthetic rows that equal a row of a training sample as large as the holdout. holdout: those that equal a row
    of the holdout. ratio: the first over the second, None where the second is 0. nature: training rows that equal a
    row of the holdout.
    """
    size = min(len(holdout), len(train))
    values, counts = np.unique(train, return_counts=True)
    times = dict(zip(values.tolist(), counts.tolist(), strict=True))
    found = np.array([times.get(row, 0) for row in synth.tolist()])
    from_train = float(1 - hypergeom.pmf(0, len(train), found, size).mean())
    from_holdout = float(np.isin(synth, holdout).mean())
    return {"train": from_train, "holdout": from_holdout,
            "ratio": from_train / from_holdout if from_holdout else None,
            "nature": float(np.isin(train, holdout).mean())}
