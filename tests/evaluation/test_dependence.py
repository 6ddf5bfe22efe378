"""Dependence: lost, invented and reversed associations are seen, and the coefficients match their definitions."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Cells, Table
from tabsynth.evaluation.fidelity.dependence import cramers_v, lost_and_invented, spearman
from tabsynth.evaluation.protocol import GROUPS, prepare

from .people import cells, people, resampled, run, with_units

NAME = "dependence"
FOUR = Schema((Column("x", "number"), Column("y", "number"), Column("u", "category"), Column("v", "category")))


def four(n: int, seed: int, *, xy: float = 0.0, uv: float = 0.0, xu: bool = False) -> Table:
    """x and y correlated by `xy`; v equal to u with probability `uv` beyond chance; u cut from x if `xu`."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = xy * x + math.sqrt(1 - xy * xy) * rng.normal(size=n)
    u = (x > 0).astype(int) * 2 + (np.abs(x) > 1) if xu else rng.integers(0, 4, n)
    v = np.where(rng.random(n) < uv, u, rng.integers(0, 4, n))
    names = np.array(list("abcd"))
    return Table(FOUR, {"x": cells("number", x), "y": cells("number", y), "u": cells("category", names[u]),
                        "v": cells("category", names[v])})


def bergsma(table: list[list[int]]) -> float:
    """The definition, cell by cell."""
    rows = [r for r in table if sum(r)]
    columns = [c for c in zip(*rows) if sum(c)]
    rows = [list(r) for r in zip(*columns)]
    n, r, c = sum(map(sum, rows)), len(rows), len(columns)
    if min(r, c) < 2:
        return 0.0
    chi2 = stats.chi2_contingency(np.array(rows), correction=False).statistic
    phi2 = max(0.0, chi2 / n - (r - 1) * (c - 1) / (n - 1))
    most = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return math.sqrt(min(1.0, phi2 / most)) if most > 0 else 0.0


@given(st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=2, max_size=5))
@settings(max_examples=60)
def test_cramers_v_matches_its_definition(table: list[list[int]]) -> None:
    if sum(map(sum, table)) < 2:
        return
    counts = np.array(table, np.float64)[:, :, None]
    assert cramers_v(counts)[0] == pytest.approx(bergsma(table), abs=1e-7)


def test_cramers_v_is_one_for_a_copy_and_near_zero_without_association() -> None:
    """Without correction V of independent columns would be near .2 here."""
    assert cramers_v(np.diag([5.0, 7.0, 9.0])[:, :, None])[0] == pytest.approx(1.0)
    rng = np.random.default_rng(0)
    values = []
    for _ in range(50):
        counts = np.zeros((10, 10, 1))
        np.add.at(counts, (rng.integers(0, 10, 250), rng.integers(0, 10, 250), 0), 1)
        values.append(cramers_v(counts)[0])
    assert np.mean(values) < 0.06


@pytest.mark.parametrize("group", [None, 0, 7])
def test_spearman_matches_scipy_also_without_a_group(group: int | None) -> None:
    part = people(400, 1)
    samples = prepare(part, part, people(400, 2), seed=0)
    names = ["age", "cost", "visit"]
    found = spearman([samples.T.table[name] for name in names], samples.T)[:, :, 0 if group is None else group + 1]
    keep = samples.T.groups != (-1 if group is None else group)
    for (i, a), (j, b) in itertools.combinations(enumerate(names), 2):
        slow = stats.spearmanr(samples.T.table[a].values[keep], samples.T.table[b].values[keep]).statistic
        assert found[i, j] == found[j, i] == pytest.approx(slow, abs=1e-9)
    assert found.diagonal() == pytest.approx([1.0] * 3)


def test_spearman_uses_rows_that_give_both_and_ignores_what_lies_in_missing_cells() -> None:
    rng = np.random.default_rng(3)
    gone = rng.random(500) < 0.4
    x, y = rng.normal(size=500), rng.normal(size=500)
    y = np.where(gone, y, y + 2 * x)
    part = Table(Schema((Column("x", "number"), Column("y", "number"))),
                 {"x": cells("number", x), "y": cells("number", np.where(gone, 1e9, y), missing=gone)})
    samples = prepare(part, part, part, seed=0)
    found = spearman([samples.T.table["x"], samples.T.table["y"]], samples.T)[0, 1, 0]
    assert found == pytest.approx(stats.spearmanr(x[~gone], y[~gone]).statistic, abs=0.01)


def test_a_column_that_is_constant_where_the_other_is_given_has_no_correlation() -> None:
    x = np.arange(300.0)
    gone = x >= 150
    constant = np.where(gone, x, 5.0)
    part = Table(Schema((Column("x", "number"), Column("y", "number"))),
                 {"x": cells("number", constant), "y": cells("number", x, missing=gone)})
    samples = prepare(part, part, part, seed=0)
    assert not spearman([samples.T.table["x"], samples.T.table["y"]], samples.T)[0, 1].any()


@given(st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=60)
def test_lost_and_invented_add_up_to_the_difference(real: float, synth: float) -> None:
    parts = lost_and_invented(np.array([[real]]), np.array([[synth]]))
    assert parts.lost[0, 0] >= 0 <= parts.invented[0, 0]
    assert parts.both[0, 0] == pytest.approx(abs(real - synth))
    swapped = lost_and_invented(np.array([[synth]]), np.array([[real]]))
    assert swapped.lost[0, 0] == parts.invented[0, 0]


def test_invented_dependence_is_found_where_real_columns_are_independent() -> None:
    """Measures that look at strongly associated real pairs only are blind here: there is none."""
    found = run(four(2000, 3, uv=0.8), four(2000, 1), four(2000, 2), NAME)[NAME]
    assert found.breakdown[0]["key"] == "u x v"
    assert found.breakdown[0]["invented"] == pytest.approx(0.8, abs=0.05)
    assert found.details["invented"] > 10 * found.details["lost"]
    assert found.interval is not None
    assert found.interval[0] > 3 * (found.ceiling or 1)
    assert (found.state, found.normalised) == ("ok", None)


def test_lost_dependence_counts_as_much_as_invented() -> None:
    strong, weak = (lambda seed: four(2000, seed, uv=0.8)), (lambda seed: four(2000, seed))
    lost = run(weak(3), strong(1), strong(2), NAME)[NAME]
    invented = run(strong(3), weak(1), weak(2), NAME)[NAME]
    assert lost.details["lost"] == pytest.approx(invented.details["invented"], abs=0.01)
    assert lost.value == pytest.approx(invented.value, abs=0.01)
    assert abs(lost.normalised or 1) < 0.1


def test_a_reversed_correlation_is_lost_and_invented() -> None:
    found = run(four(2000, 3, xy=-0.8), four(2000, 1, xy=0.8), four(2000, 2, xy=0.8), NAME)[NAME]
    worst = found.breakdown[0]
    assert worst["key"] == "x x y"
    assert worst["value"] == pytest.approx(0.78, abs=0.04)
    assert worst["lost"] == pytest.approx(worst["invented"], abs=0.03)


def test_a_dependence_that_is_not_monotone_is_seen() -> None:
    part = four(2000, 3)
    bent = replace(part, columns={**part.columns, "y": cells("number", part["x"].values ** 2)})
    assert run(bent, four(2000, 1), four(2000, 2), NAME)[NAME].breakdown[0]["key"] == "x x y"


def test_another_sample_lies_at_the_ceiling_and_independent_columns_at_the_floor() -> None:
    train, holdout = people(2000, 1), people(2000, 2)
    sample, independent = (run(s, train, holdout, NAME)[NAME] for s in (people(2000, 3), resampled(train, 1)))
    assert sample.normalised == pytest.approx(1, abs=0.1)
    assert independent.normalised == pytest.approx(0, abs=0.1)


def test_independent_real_columns_and_no_invention_are_uninformative() -> None:
    """Fixed seed; of 150 such triples of tables none was called `ok`."""
    found = run(four(1000, 3), four(1000, 1), four(1000, 2), NAME)[NAME]
    assert found.state == "uninformative"


def test_the_value_is_the_mean_over_all_pairs_by_hand() -> None:
    tables = four(600, 3, xy=0.5, xu=True), four(600, 1, uv=0.4), four(600, 2, uv=0.3, xy=0.2)
    samples = prepare(*tables, seed=1)
    differences = []
    for a, b in itertools.combinations(range(4), 2):
        both = []
        for side in (samples.S, samples.H):
            table = np.zeros((samples.sizes[a], samples.sizes[b]), int)
            for i, j in zip(side.codes[:, a], side.codes[:, b]):
                table[i, j] += 1
            rho = 0.0 if (a, b) != (0, 1) else stats.spearmanr(side.table["x"].values, side.table["y"].values).statistic
            both.append((bergsma(table.tolist()), rho / 2))
        differences.append(max(abs(s - h) for s, h in zip(*both)))
    assert run(*tables, NAME)[NAME].value == pytest.approx(np.mean(differences))


def test_replicates_are_what_the_rest_would_give() -> None:
    part = people(300, 1)
    side = prepare(part, part, part, seed=0).T
    kept = side.groups != 4
    names = ["age", "income"]
    without = spearman([side.table[name] for name in names], side)[0, 1, 5]
    rest = replace(side, table=side.table.take(kept), codes=side.codes[kept], units=side.units[kept],
                   groups=side.groups[kept])
    assert without == pytest.approx(spearman([rest.table[name] for name in names], rest)[0, 1, 0])
    assert spearman([], side).shape == (0, 0, GROUPS + 1)
    assert isinstance(side.table["age"], Cells)


def test_rows_of_a_person_go_together_in_the_interval() -> None:
    """Five equal rows a person: five times as wide a variance as five times as many people would have."""
    tables = [people(120, seed).take(np.repeat(np.arange(120), 5)) for seed in (3, 1, 2)]
    widths = []
    for parts in ([with_units(part, 5) for part in tables], tables):
        found = run(*parts, NAME)
        low, high = found["dependence"].interval or (0.0, 0.0)
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1] > 0
