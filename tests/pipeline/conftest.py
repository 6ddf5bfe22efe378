"""A small table of visits, as a frame and as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabsynth.core.table import Table


@pytest.fixture(scope="session")
def visits() -> pd.DataFrame:
    """300 visits of 120 people; the second person's rows are equal to each other."""
    rng = np.random.default_rng(5)
    patient = np.r_[np.arange(120), rng.integers(2, 120, 179), 1]
    frame = pd.DataFrame({
        "patient": [f"P{p:03d}" for p in patient], "age": 20 + patient % 60, "sex": np.where(patient % 2, "f", "m"),
        "weight": np.round(rng.normal(75, 12, 300), 1), "ward": rng.choice(["icu", "surgery", "medicine"], 300)})
    frame.loc[299] = frame.loc[1]
    return frame


@pytest.fixture
def table(visits: pd.DataFrame) -> Table:
    """The visits under a schema that names the person."""
    plain = Table.from_pandas(visits)
    return Table(plain.schema.with_unit("patient"), plain.columns)


@pytest.fixture
def csv_file(visits: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "visits.csv"
    visits.to_csv(path, index=False)
    return path
