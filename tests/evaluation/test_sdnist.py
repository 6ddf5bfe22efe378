"""SDNist's k-marginal score against a slow count by hand."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tabsynth.core.table import Table
from tabsynth.evaluation.protocol import Side, prepare

from .people import SCHEMA, cells, people, resampled, run

NAME, ID = "sdnist", "sdnist.kmarginal"


@pytest.fixture(scope="module")
def train() -> Table:
    return people(1000, 1)


@pytest.fixture(scope="module")
def holdout() -> Table:
    return people(1000, 2)


def by_hand(side: Side, target: Side) -> float:
    sums = []
    for a, b in itertools.combinations(range(target.codes.shape[1]), 2):
        counts = [Counter(zip(s.codes[:, a].tolist(), s.codes[:, b].tolist())) for s in (side, target)]
        cells = set(counts[0]) | set(counts[1])
        sums.append(sum(abs(counts[0][c] / len(side) - counts[1][c] / len(target)) for c in cells))
    return (2 - sum(sums) / len(sums)) * 500


def test_score_floor_ceiling_and_holdout_score_match_counting_by_hand(train: Table, holdout: Table) -> None:
    synth = people(700, 3)
    found = run(synth, train, holdout, NAME)[ID]
    samples = prepare(synth, train, holdout, seed=1)
    assert found.value == pytest.approx(by_hand(samples.S, samples.T))
    assert found.floor == pytest.approx(by_hand(samples.F, samples.H))
    assert found.ceiling == pytest.approx(by_hand(samples.H, samples.T))
    assert found.details["against_holdout"] == pytest.approx(by_hand(samples.S, samples.H))


def test_a_copy_of_the_training_rows_scores_a_thousand_and_not_against_the_holdout(
        train: Table, holdout: Table) -> None:
    found = run(train, train, holdout, NAME)[ID]
    assert found.value == 1000
    assert found.details["against_holdout"] == pytest.approx(found.ceiling)
    assert (found.normalised or 0) > 1


def test_independent_columns_score_less_than_another_sample(train: Table, holdout: Table) -> None:
    others = people(1000, 4)
    independent, sample = (run(synth, train, holdout, NAME)[ID] for synth in (resampled(others, 5), people(1000, 3)))
    assert abs(independent.normalised or 1) < 0.25
    assert sample.normalised == pytest.approx(1, abs=0.25)


def test_rows_that_share_no_cell_score_zero(train: Table, holdout: Table) -> None:
    n = len(train)
    gone = np.ones(n, bool)
    far = Table(SCHEMA, {"age": cells("integer", [0] * n, missing=gone),
                         "cost": cells("number", [0.0] * n, missing=gone),
                         "income": cells("number", np.zeros(n), missing=[2] * n),
                         "group": cells("category", ["elsewhere"] * n),
                         "smoker": cells("boolean", [False] * n, missing=gone),
                         "visit": cells("date", [0] * n, missing=gone)})
    assert run(far, train, holdout, NAME)[ID].value == 0


def test_perturbed_training_rows_pass_the_ceiling_against_training_rows_only(data_folder: Path) -> None:
    """30 % perturbed microdata of a public census extract: why the holdout is the reference of all other measures."""
    import pandas as pd

    frames = [pd.read_csv(data_folder / "oracles" / f"census2k-{part}.csv.gz") for part in ("syn_flip30", "trn", "hol")]
    schema = Table.from_pandas(frames[1]).schema
    found = run(*(Table.from_pandas(frame, schema=schema) for frame in frames), NAME)[ID]
    assert (found.value or 0) > (found.ceiling or 1000) > found.details["against_holdout"] + 10
