"""The plain twins of the loops in `growing` and `drawing`: numpy alone, many nodes or rows at once, the same results.

Arguments and results are those of the loops.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._trees.growing import TIE

LEVELS: Final = 256
NODES_AT_ONCE: Final = 4096
"""Nodes of which the counts of all ranks are held together."""

Floats = NDArray[np.float64]
Ints = NDArray[Any]


def grow(ranked: Any, widths: Any, classes: Any, n_classes: int, on_line: int, xlogx: Any, min_leaf: int,
         min_split: int, per_class: int, needed: Any) -> Any:
    """A level of the tree at a time; its nodes are numbered as the loops number them at the end."""
    n = len(classes)
    room = 2 * (n // min_leaf) + 3
    feature, threshold = np.full(room, -1, np.int32), np.zeros(room, np.uint8)
    left, gain = np.zeros(room, np.int32), np.zeros(room)
    rows, node = np.arange(n), np.zeros(n, np.int64)
    low, nodes = 0, 1
    while len(rows):
        for start in range(low, nodes, NODES_AT_ONCE):
            here = (node >= start) & (node < start + NODES_AT_ONCE)
            part = slice(start, min(start + NODES_AT_ONCE, nodes))
            feature[part], threshold[part], gain[part] = _best_splits(
                ranked[:, rows[here]], widths, node[here] - start, part.stop - start, classes[rows[here]], n_classes,
                on_line, xlogx, min_leaf, min_split, per_class, needed)
        inner = low + np.flatnonzero(feature[low:nodes] >= 0)
        left[inner] = nodes + 2 * np.arange(len(inner))
        moving = feature[node] >= 0
        rows, node = rows[moving], node[moving]
        node = left[node].astype(np.int64) + (ranked[feature[node], rows] > threshold[node])
        low, nodes = nodes, nodes + 2 * len(inner)
    order, left = _depth_first(feature[:nodes], left)
    return feature[order], threshold[order], left, gain[order]


def _depth_first(feature: Ints, left: Ints) -> tuple[Ints, Ints]:
    """Nodes in the order in which a stack hands out their numbers, and the left child of each, renumbered."""
    order, stack, moved = [0], [0], np.zeros(len(feature), np.int32)
    while stack:
        place = stack.pop()
        node = order[place]
        if feature[node] >= 0:
            moved[place] = len(order)
            stack += [len(order), len(order) + 1]
            order += [left[node], left[node] + 1]
    return np.array(order), moved


def _best_splits(ranked: Any, widths: Any, slot: Ints, k: int, classes: Any, n_classes: int, on_line: int, xlogx: Any,
                 min_leaf: int, min_split: int, per_class: int, needed: Any) -> tuple[Ints, Ints, Floats]:
    """Feature (-1 where there is no split), rank and gain of each of k nodes. slot: (n,), the node of each row."""
    m = np.bincount(slot, minlength=k)
    classes = np.where(classes < on_line, classes >> _shifts(m, on_line, per_class)[slot], classes)
    # pairs of node and class, the node's together
    key, pair, total = np.unique(slot * n_classes + classes, return_inverse=True, return_counts=True)
    owner, before = key // n_classes, np.cumsum(total) - total
    kinds = np.bincount(owner, minlength=k)
    best, best_feature, best_rank = np.full(k, -1.0), np.full(k, -1), np.zeros(k, np.int64)
    for f in range(len(ranked)):
        cell, held = np.unique(pair * LEVELS + ranked[f], return_counts=True)
        of, width = cell // LEVELS, int(widths[f])
        under = np.cumsum(held) - before[of]
        over = total[of] - under
        change = xlogx[under] - xlogx[under - held] + xlogx[over] - xlogx[over + held]
        change = np.bincount(owner[of] * width + cell % LEVELS, change, k * width).reshape(k, width)
        here = np.bincount(slot * width + ranked[f], minlength=k * width).reshape(k, width)
        done = np.cumsum(here, axis=1)
        rest = m[:, None] - done
        found = np.cumsum(change, axis=1) + xlogx[m][:, None] - xlogx[done] - xlogx[rest]
        found[(here == 0) | (done < min_leaf) | (rest < min_leaf)] = -np.inf
        rising = np.arange(k)
        while len(rising):      # from one best to the next, as the sweep meets them
            better = found[rising] > best[rising, None] + TIE
            rank, rising = better.argmax(axis=1), rising[better.any(axis=1)]
            rank = rank[better.any(axis=1)]
            best[rising], best_feature[rising], best_rank[rising] = found[rising, rank], f, rank
    split = (best > needed[kinds]) & (m >= min_split)
    return np.where(split, best_feature, -1), np.where(split, best_rank, 0), np.where(split, best, 0.0)


def _shifts(m: Ints, on_line: int, per_class: int) -> Ints:
    """How often the classes on a line are halved in nodes of m rows."""
    shift = np.zeros_like(m)
    while True:
        steps = on_line >> shift
        more = (steps > 4) & (steps * per_class > m)
        if not more.any():
            return shift
        shift += more


def distinct_classes(first: Any, classes: Any, n_classes: int, feature: Any, left: Any) -> Any:
    """Every entry climbs from its leaf to the root."""
    above = np.full(len(feature), -1)
    inner = np.flatnonzero(feature >= 0)
    above[left[inner]] = above[left[inner] + 1] = inner
    pairs = np.unique(np.repeat(np.arange(len(feature)), np.diff(first)) * n_classes + classes)
    met = [pairs]
    while len(pairs):
        node = above[pairs // n_classes]
        pairs = np.unique((node * n_classes + pairs % n_classes)[node >= 0])
        met.append(pairs)
    return np.bincount(np.unique(np.concatenate(met)) // n_classes, minlength=len(feature)).astype(np.int32)


def walk(parents: Any, rank: Any, feature: Any, threshold: Any, left: Any) -> Any:
    """All rows a step down, until every one is at a leaf."""
    node, rows = np.zeros(len(parents), np.int32), np.arange(len(parents))
    while len(rows := rows[feature[node[rows]] >= 0]):
        at = node[rows]
        f = feature[at]
        node[rows] = left[at] + (rank[f, parents[rows, f]] > threshold[at])
    return node


def strata(leaf: Any, n_nodes: int, key: Any) -> Any:
    """Only the swaps of the shuffle, of which one needs the other, are made one by one."""
    n, size = len(leaf), np.bincount(leaf, minlength=n_nodes)
    m, first = np.repeat(size, size), np.repeat(np.cumsum(size) - size, size)
    j = np.arange(n) - first
    u, v = _uniforms(key, 2 * n).reshape(n, 2).T
    rows = np.argsort(leaf, kind="stable").tolist()
    for here, there in enumerate((first + np.minimum(j + (u * (m - j)).astype(np.int64), m - 1)).tolist()):
        rows[here], rows[there] = rows[there], rows[here]
    out = np.empty(n)
    out[rows] = (j + v) / m
    return out


def _uniforms(key: Any, n: int) -> Floats:
    """The first n uniforms of the stream that starts with this state."""
    z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.asarray((z >> np.uint64(11)) * (1.0 / 9007199254740992.0))


def climb(leaf: Any, above: Any, stop: Any, uniform: Any) -> Any:
    """All rows a step up, until none goes on."""
    u, node, rows = uniform.copy(), leaf.copy(), np.arange(len(leaf))
    while len(rows := rows[(stop[node[rows]] < 1.0) & (u[rows] >= stop[node[rows]])]):
        s = stop[node[rows]]
        u[rows] = (u[rows] - s) / (1.0 - s)
        node[rows] = above[node[rows]]
    return node


def descend(node: Any, left: Any, go_left: Any, first: Any, codes: Any, upto: Any, uniform: Any) -> Any:
    """All rows a step down, until every one is at a leaf; then each its entry."""
    u, at, rows = uniform.copy(), node.copy(), np.arange(len(node))
    while len(rows := rows[first[at[rows]] == first[at[rows] + 1]]):
        here, g = at[rows], go_left[at[rows]]
        right = (u[rows] >= g) & (g < 1.0)
        u[rows] = np.where(right, u[rows] - g, u[rows]) / np.where(right, 1.0 - g, g)
        at[rows] = left[here] + right
    last = first[at + 1] - 1
    # running counts over all leaves; a count exceeds u * rows if it exceeds the whole number below
    held = np.where(np.diff(first) > 0, upto[np.maximum(first[1:] - 1, 0)], 0)
    before = np.cumsum(held) - held
    running = upto + np.repeat(before, np.diff(first))
    wanted = before[at] + (u * upto[last]).astype(np.int64)
    return codes[np.minimum(np.searchsorted(running, wanted, side="right"), last)]
