"""What part of a column's splits is real, against counting by hand and against planted truths."""

import numpy as np
import pytest

from tabsynth.models._trees.fitting import Fitter, Growth
from tabsynth.models._trees.honesty import least_split
from tabsynth.models._trees.rows import Rows
from tabsynth.models._trees.screening import Screen
from tabsynth.models._trees.splits import Splits


def rng(seed):
    return np.random.default_rng(seed)


def table(columns):
    """Rows of codes that are their own bytes."""
    codes = np.stack(columns).astype(np.int32)
    return Rows.of(codes, [np.arange(int(column.max()) + 1, dtype=np.uint8) for column in codes])


def fitted(columns, **growth):
    """The tree of the last column given the others."""
    rows = table(columns)
    sizes = tuple(int(column.max()) + 1 for column in rows.codes)
    settings = Growth(**{"leaf": 5, "evidence": 0.0, "honesty": 0.0, "backoff": 1.0, "parents": 20, "classes": 32,
                         **growth})
    fitter = Fitter(rows, sizes, [0] * len(sizes), np.arange(len(rows)), settings, np.arange(len(rows)))
    return fitter.tree(len(sizes) - 1, np.arange(len(sizes) - 1, dtype=np.int32))


def share_by_hand(splits, grown, others, below):
    """Sum of d.c over sum of d.d over splits of nodes with fewer rows than `below`."""
    def members(seen, node, rows):
        if node == 0:
            return rows
        above = int(splits.above[node])
        went = splits.rank[splits.feature[above], seen[splits.parents[splits.feature[above]]]]
        side = (went > splits.threshold[above]) == (node == splits.left[above] + 1)
        return members(seen, above, rows) & side

    def shares(seen, classes, node):
        inside = members(seen, node, np.ones(len(classes), bool))
        return np.bincount(classes[inside], minlength=64) / max(inside.sum(), 1), int(inside.sum())

    real = apparent = 0.0
    for node in np.flatnonzero(splits.feature >= 0):
        a, b = int(splits.left[node]), int(splits.left[node]) + 1
        (pa, na), (pb, nb) = shares(*grown, a), shares(*grown, b)
        (qa, ma), (qb, mb) = shares(*others, a), shares(*others, b)
        if na + nb < below and ma and mb:
            weight = ma * mb / (ma + mb)
            real += weight * (pa - pb) @ (qa - qb)
            apparent += weight * (pa - pb) @ (pa - pb)
    return real / apparent


def test_the_share_is_that_of_counting_by_hand():
    x, z = rng(1).integers(0, 6, 900), rng(2).integers(0, 9, 900)
    y = np.where(rng(3).random(900) < 0.4, x, rng(4).integers(0, 6, 900))
    splits = fitted([x, z, y]).splits
    seen, classes = np.stack([x, z, y]).astype(np.uint8), y.astype(np.int32)
    half = np.arange(900) % 2 == 0
    grown, others = (seen[:, half], classes[half]), (seen[:, ~half], classes[~half])
    for below in (16, 64, 256):
        share = share_by_hand(splits, grown, others, below)
        assert least_split(splits, grown, others, share + 1e-9) >= below
        assert least_split(splits, grown, others, share - 1e-9) != below


def test_a_column_without_any_dependence_is_not_split_in_small_nodes():
    x, z, y = (rng(seed).integers(0, 40, 6000) for seed in (1, 2, 3))
    without, checked = fitted([x, z, y]), fitted([x, z, y], honesty=0.1)
    assert len(without.splits) > 200
    assert len(checked.splits) < len(without.splits) / 4


def test_a_real_dependence_is_split_to_the_smallest_node():
    x, z = rng(1).integers(0, 30, 6000), rng(2).integers(0, 30, 6000)
    y = (x * 7 + z * 11) % 5     # every cell of x and z tells something else
    assert len(fitted([x, z, y], honesty=0.1).splits) == len(fitted([x, z, y]).splits)


def test_few_splits_are_left_alone():
    assert least_split(Splits.none(), (np.zeros((1, 5), np.uint8), np.zeros(5, np.int32)),
                       (np.zeros((1, 5), np.uint8), np.zeros(5, np.int32)), 0.5) == 0


@pytest.mark.parametrize("on_line", [0, 200])
def test_the_screen_finds_the_columns_that_tell(on_line):
    noise = [rng(seed).integers(0, 200, 5000) for seed in range(30)]
    y = rng(99).integers(0, 200, 5000)
    for j, keep in ((3, 0.6), (17, 0.3), (28, 0.9)):
        noise[j] = np.where(rng(100 + j).random(5000) < keep, y, noise[j])
    rows = table([*noise, y])
    screen = Screen(rows, [on_line] * 31)
    earlier = np.arange(30, dtype=np.int32)
    assert screen.best(30, earlier, 3).tolist() == [3, 17, 28]
    assert screen.best(30, earlier[:2], 3).tolist() == [0, 1]


def test_leaves_and_evidence_count_people():
    """Four equal rows of each person: as many rows as four times the people, and no more evidence than one has."""
    x, z, y = (rng(seed).integers(0, 12, 1500) for seed in (1, 2, 3))
    once = [np.repeat(column, 4) for column in (x, z, y)]
    rows = table(once)
    sizes = tuple(int(column.max()) + 1 for column in rows.codes)
    growth = Growth(leaf=5, evidence=0.5, honesty=0.0, backoff=1.0, parents=20, classes=32)
    trees = {}
    for name, units in (("people", np.repeat(np.arange(1500), 4)), ("rows", np.arange(6000))):
        fitter = Fitter(rows, sizes, [0] * 3, np.arange(6000), growth, units)
        trees[name] = fitter.tree(2, np.array([0, 1], np.int32))
    alone = fitted([x, z, y], leaf=5, evidence=0.5)
    assert len(trees["people"].splits) == len(alone.splits) < len(trees["rows"].splits)
    leaves = trees["people"].splits.feature < 0
    assert trees["people"].rows[leaves].min() >= 20
    assert trees["people"].backoff == 4 * alone.backoff
    assert np.allclose(trees["people"].stop, alone.stop)
