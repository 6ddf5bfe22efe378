"""Growing one entropy tree on bytes: the compiled loops.

Every node owns a contiguous range of the row index; a split partitions its range in place. A split is searched by
counting or sorting a node's classes by feature value and one sweep with a table of x log x, so that its cost does not
depend on how many classes the target has.

A split is made if its gain in log-likelihood (Breiman et al. 1984, section 4.3, with entropy, in nats) is more than
chance would give.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabsynth.models._trees.compiled import compiled

CELLS = 65536
"""Counts of (feature value, class) that are kept at once; with more, a node's rows are sorted instead."""
TIE = 1e-9
"""Gains within this, in nats, are equal: the first wins."""


@compiled
def grow(ranked: Any, widths: Any, classes: Any, n_classes: int, on_line: int, xlogx: Any, min_leaf: int,
         min_split: int, per_class: int, needed: Any) -> Any:
    """Nodes of one tree.

    Args:
        ranked: uint8, shape (features, n): features as ranks; a split sends ranks up to a threshold to the left.
        widths: int64, shape (features,): ranks of each feature.
        classes: int32, shape (n,): the target's classes, below n_classes.
        on_line: how many of the first classes lie on a line. In small nodes neighbours among them are put together
            until there are `per_class` rows for each: many classes and few rows show nothing but chance.
        xlogx: float64, shape (n + 1,): x log x, on a grid (`chance.on_grid`).
        min_leaf: rows that every leaf has at least.
        min_split: rows that a node has at least to be split.
        needed: float64, shape (n_classes + 1,): gain that a split of so many classes has to exceed.

    Returns:
        feature (-1 at leaves), threshold, left (the right child is the next) and gain, shape (nodes,) each. A child
        comes after its parent.
    """
    n, n_features = len(classes), len(ranked)
    room = 2 * (n // min_leaf) + 3
    feature, threshold = np.full(room, -1, np.int32), np.zeros(room, np.uint8)
    left, gain = np.zeros(room, np.int32), np.zeros(room, np.float64)
    start, end, stack = np.zeros(room, np.int32), np.zeros(room, np.int32), np.zeros(room, np.int32)
    end[0] = n
    nodes, waiting = 1, 1
    index = np.arange(n).astype(np.int32)
    label, present = np.full(n_classes, -1, np.int32), np.zeros(n_classes, np.int32)
    total, below = np.zeros(n_classes, np.int64), np.zeros(n_classes, np.int64)
    own, values, ordered = np.empty(n, np.int32), np.empty(n, np.uint8), np.empty(n, np.int32)
    right_rows, offset, cells = np.empty(n, np.int32), np.zeros(257, np.int64), np.zeros(CELLS, np.int32)
    while waiting > 0:
        waiting -= 1
        node = stack[waiting]
        first, last = start[node], end[node]
        m = last - first
        if m < 2 * min_leaf or m < min_split:
            continue

        # the node's classes, numbered 0 .. kinds - 1
        shift = 0
        while (on_line >> shift) > 4 and (on_line >> shift) * per_class > m:
            shift += 1
        kinds = 0
        for i in range(m):
            c = classes[index[first + i]]
            if c < on_line:
                c = c >> shift
            if label[c] < 0:
                label[c] = kinds
                present[kinds] = c
                total[kinds] = 0
                kinds += 1
            own[i] = label[c]
            total[label[c]] += 1
        for k in range(kinds):
            label[present[k]] = -1
        if kinds < 2:
            continue

        # the best split
        best, best_feature, best_rank = -1.0, -1, 0
        for f in range(n_features):
            column, width = ranked[f], widths[f]
            for b in range(width + 1):
                offset[b] = 0
            for i in range(m):
                x = column[index[first + i]]
                values[i] = x
                offset[x + 1] += 1
            filled = 0
            for b in range(width):
                filled += offset[b + 1] > 0
                offset[b + 1] += offset[b]
            if filled < 2:
                continue
            counted = width * kinds <= m and width * kinds <= CELLS
            if counted:
                for j in range(width * kinds):
                    cells[j] = 0
                for i in range(m):
                    cells[values[i] * kinds + own[i]] += 1
            else:
                for i in range(m):
                    x = values[i]
                    ordered[offset[x]] = own[i]
                    offset[x] += 1      # now the end of rank x
            for k in range(kinds):
                below[k] = 0
            change, done = 0.0, 0   # of the sum of x log x over both sides' counts
            for b in range(width - 1):
                stop = offset[b + 1] if counted else offset[b]
                if stop == done:
                    continue
                if counted:
                    for k in range(kinds):
                        h = cells[b * kinds + k]
                        if h > 0:
                            under, over = below[k], total[k] - below[k]
                            change += xlogx[under + h] - xlogx[under] + xlogx[over - h] - xlogx[over]
                            below[k] = under + h
                else:
                    for i in range(done, stop):
                        k = ordered[i]
                        under, over = below[k], total[k] - below[k]
                        change += xlogx[under + 1] - xlogx[under] + xlogx[over - 1] - xlogx[over]
                        below[k] = under + 1
                done = stop
                if done < min_leaf:
                    continue
                if m - done < min_leaf:
                    break
                found = change + xlogx[m] - xlogx[done] - xlogx[m - done]
                if found > best + TIE:
                    best, best_feature, best_rank = found, f, b
        if best_feature < 0 or best <= needed[kinds]:
            continue

        # split the range
        column, kept, moved = ranked[best_feature], first, 0
        for i in range(first, last):
            row = index[i]
            if column[row] <= best_rank:
                index[kept] = row
                kept += 1
            else:
                right_rows[moved] = row
                moved += 1
        for i in range(moved):
            index[kept + i] = right_rows[i]
        feature[node], threshold[node], left[node], gain[node] = best_feature, best_rank, nodes, best
        start[nodes], end[nodes], start[nodes + 1], end[nodes + 1] = first, kept, kept, last
        stack[waiting], stack[waiting + 1] = nodes, nodes + 1
        waiting += 2
        nodes += 2
    return feature[:nodes].copy(), threshold[:nodes].copy(), left[:nodes].copy(), gain[:nodes].copy()


@compiled
def distinct_classes(first: Any, classes: Any, n_classes: int, feature: Any, left: Any) -> Any:
    """Distinct classes of every node, int32, shape (nodes,), from what its leaves hold.

    Args:
        first: int64, shape (nodes + 1,): entries of each leaf; an inner node has none.
        classes: int32, shape (entries,): class of each entry; one may come several times.
    """
    n = len(feature)
    distinct = np.zeros(n, np.int32)
    # leaves in the order in which a walk through the tree meets them, so that a node owns a range of them
    leaves, order = np.empty(n, np.int32), np.empty(n, np.int32)
    low, high = np.zeros(n, np.int32), np.zeros(n, np.int32)
    stack, waiting, met, seen = np.zeros(n + 1, np.int32), 1, 0, 0
    while waiting > 0:
        waiting -= 1
        node = stack[waiting]
        order[seen] = node
        seen += 1
        low[node] = met
        if feature[node] < 0:
            leaves[met] = node
            met += 1
        else:
            stack[waiting], stack[waiting + 1] = left[node] + 1, left[node]
            waiting += 2
    stamp = np.full(n_classes, -1, np.int32)
    for i in range(n - 1, -1, -1):
        node = order[i]
        high[node] = low[node] + 1 if feature[node] < 0 else high[left[node] + 1]
        kinds = 0
        for j in range(low[node], high[node]):
            for e in range(first[leaves[j]], first[leaves[j] + 1]):
                if stamp[classes[e]] != node:
                    stamp[classes[e]] = node
                    kinds += 1
        distinct[node] = kinds
    return distinct
