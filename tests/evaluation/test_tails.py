"""The sparsest holdout rows: who they are, and who covers them."""

from __future__ import annotations

import numpy as np
import pytest

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.evaluation.fidelity.tails import sparsest
from tabsynth.evaluation.protocol import GROUPS, evaluate, prepare

from .people import cells

SCHEMA = Schema((Column("x", "number"), Column("y", "number"), Column("kind", "category")))


def points(n: int, seed: int, outliers: float = 0.05) -> Table:
    """A dense band and, scattered over the square, a share of rows unlike others."""
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    y = np.where(rng.random(n) < outliers, rng.random(n), x + rng.normal(0, 0.01, n))
    kind = cells("category", ["a", "b"] * (n // 2))
    return Table(SCHEMA, {"x": cells("number", x), "y": cells("number", y), "kind": kind})


def beta(synth: Table, train: Table, holdout: Table) -> Finding:
    found = {f.id: f for f in evaluate(prepare(synth, train, holdout, seed=1), only=["tails"])}
    assert set(found) == {"tails.categories", "tails.beta"}
    return found["tails.beta"]


def test_a_generator_without_outliers_covers_few_sparse_rows() -> None:
    """70 tail rows: a share of .9 has a standard error of .04, the gap below is six of them."""
    train, holdout = points(1400, 1), points(1400, 2)
    fresh, dense = beta(points(1400, 3), train, holdout), beta(points(1400, 3, outliers=0.0), train, holdout)
    assert fresh.n == dense.n == 70
    assert (fresh.state, dense.state) == ("uninformative", "ok")  # independent columns reach everywhere
    assert fresh.value == pytest.approx(fresh.ceiling, abs=0.15)
    assert (dense.value or 0) < (fresh.value or 0) - 0.25
    low, high = dense.interval or (1, 0)
    assert low <= (dense.value or 0) <= high < (dense.ceiling or 0)


def test_the_holdout_itself_covers_all_of_its_tail() -> None:
    holdout = points(1000, 2)
    assert beta(holdout, points(1000, 1), holdout).value == 1.0


def test_few_tail_rows_are_too_few() -> None:
    found = beta(points(400, 3), points(400, 1), points(400, 2))
    assert (found.n, found.state) == (20, "insufficient_power")


def test_where_rows_differ_little_there_is_no_tail() -> None:
    schema = Schema((Column("kind", "category"),))
    part = Table(schema, {"kind": cells("category", ["a", "b", "c", "d"] * 300)})
    found = beta(part, part, part)
    assert (found.state, found.value) == ("uninformative", 1.0)
    assert "tail" in (found.reason or "")


def test_each_replicate_has_a_tail_of_its_own() -> None:
    rng = np.random.default_rng(0)
    reach = rng.random((200, GROUPS + 1))
    groups = np.arange(200) % GROUPS
    kept = (groups[:, None] != np.arange(-1, GROUPS)).astype(float)
    tail = sparsest(reach, kept)
    for g in range(GROUPS + 1):
        left = np.flatnonzero(kept[:, g])
        slow = left[np.argsort(reach[left, g])[-int(np.ceil(0.05 * len(left))):]]
        assert sorted(np.flatnonzero(tail[:, g])) == sorted(slow)
