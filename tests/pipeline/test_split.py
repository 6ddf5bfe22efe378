"""The split by person: nobody on both sides, nobody's side depends on anybody else, the key decides."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.table import Table
from tabsynth.pipeline.split import identities, key_from_seed, require_units, split, units_of, write_split

KEY = key_from_seed(1)


def people(table: Table) -> set[str]:
    return set(table.to_pandas()["patient"])


def test_each_person_is_on_one_side_and_no_row_is_lost(table: Table) -> None:
    parts = split(table, key=KEY)
    assert not people(parts.train) & people(parts.holdout)
    assert len(parts.train) + len(parts.holdout) == len(table)
    assert units_of(parts.train) + units_of(parts.holdout) == 120


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), gone=st.integers(0, 119))
def test_a_side_depends_on_the_own_id_alone(visits: pd.DataFrame, seed: int, gone: int) -> None:
    """Taking one person out, reordering the rest and changing all other cells moves nobody."""
    def sides(frame: pd.DataFrame) -> dict[str, bool]:
        plain = Table.from_pandas(frame)
        parts = split(Table(plain.schema.with_unit("patient"), plain.columns), key=key_from_seed(seed))
        return {**dict.fromkeys(people(parts.train), False), **dict.fromkeys(people(parts.holdout), True)}

    before = sides(visits)
    missing = f"P{gone:03d}"
    changed = visits[visits.patient != missing].sample(frac=1, random_state=seed % 1000).assign(age=1, ward="x")
    assert sides(changed) == {name: side for name, side in before.items() if name != missing}


def test_the_key_decides_and_a_fresh_one_is_drawn(table: Table) -> None:
    assert people(split(table, key=KEY).holdout) == people(split(table, key=KEY).holdout)
    assert people(split(table, key=KEY).holdout) != people(split(table, key=key_from_seed(2)).holdout)
    fresh = {split(table).key for _ in range(5)}
    assert len(fresh) == 5
    assert all(len(key) >= 16 for key in fresh)


def test_the_share_is_about_what_was_asked() -> None:
    """20,000 people at 0.3: six standard deviations are 0.0195, so a false alarm has a chance below 1e-8."""
    frame = pd.DataFrame({"patient": np.arange(20_000)})
    plain = Table.from_pandas(frame)
    parts = split(Table(plain.schema.with_unit("patient"), plain.columns), holdout=0.3, key=KEY)
    assert abs(len(parts.holdout) / 20_000 - 0.3) < 0.0195


def test_rows_without_a_unit_go_to_neither_side(visits: pd.DataFrame) -> None:
    plain = Table.from_pandas(visits.assign(patient=visits.patient.where(visits.index != 7)))
    gappy = Table(plain.schema.with_unit("patient"), plain.columns)
    parts = split(gappy, key=KEY)
    assert len(parts.train) + len(parts.holdout) == 299
    with pytest.raises(SourceError, match="empty or unreadable in 1 of 300"):
        require_units(gappy)


def test_without_a_unit_equal_rows_are_told_apart_by_their_ordinal(visits: pd.DataFrame) -> None:
    plain = Table.from_pandas(visits)
    names = identities(plain)
    assert len(set(names)) == 300
    shuffled = Table.from_pandas(visits.sample(frac=1, random_state=3))
    assert set(identities(shuffled)) == set(names)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_outside_zero_and_one_is_refused(table: Table, share: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        split(table, holdout=share)


def test_too_few_people(table: Table) -> None:
    with pytest.raises(SourceError, match="29 units in column 'patient'; at least 30"):
        require_units(table.take(slice(0, 29)))


def test_files_and_what_they_say(table: Table, tmp_path: Path) -> None:
    parts = split(table, key=KEY)
    files = write_split(parts, tmp_path / "parts", name="visits")
    assert [f.name for f in files] == ["train.parquet", "holdout.parquet", "split.json"]
    facts = json.loads(files[-1].read_text("utf-8"))
    assert facts["train"] == {"rows": len(parts.train), "units": units_of(parts.train)}
    assert bytes.fromhex(facts["key"]) == KEY
    with pytest.raises(SourceError, match="exists already"):
        write_split(parts, tmp_path / "parts", name="visits")
