"""The public files with known results of Anonymeter 1.0.0, as coordinates scaled the way that tool scales them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CENSUS_PARTS = (("workclass", "education", "hours_per_week", "capital_loss", "capital_gain"),
                ("race", "sex", "fnlwgt", "age", "native_country"))


def adults(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """100 original and 100 synthetic rows."""
    one, other = (pd.read_csv(folder / "oracles" / f"anonymeter_adults_{part}.csv", keep_default_na=False)
                  for part in ("ori", "syn"))
    return one, other


def census(folder: Path, part: str) -> pd.DataFrame:
    """2,000 rows: trn, hol, syn_mostly or syn_flip30."""
    return pd.read_csv(folder / "oracles" / f"census2k-{part}.csv.gz", keep_default_na=False)


def coordinates(real: pd.DataFrame, synth: pd.DataFrame) -> tuple[Floats, Floats]:
    """Numbers in units of their range over both tables, categories as whole numbers."""
    out = np.empty(real.shape), np.empty(synth.shape)
    for j, name in enumerate(real.columns):
        both = pd.concat([real[name], synth[name]], ignore_index=True)
        values = (both / ((both.max() - both.min()) or 1) if pd.api.types.is_numeric_dtype(both)
                  else pd.Series(pd.factorize(both)[0])).to_numpy(np.float64)
        out[0][:, j], out[1][:, j] = values[: len(real)], values[len(real):]
    return out
