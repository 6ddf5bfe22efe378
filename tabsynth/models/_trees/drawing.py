"""Walking a tree and drawing from a leaf or, by back-off, from a relative of it: the compiled loops.

Random numbers are counter-based (SplitMix64, Steele et al. 2014), so that compiled and plain loops draw the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tabsynth.models._trees.compiled import compiled


@compiled
def next_uniform(state: Any) -> Any:
    """Advance a stream's state; returns (new state, uniform of [0, 1))."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return state, (z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@compiled
def walk(parents: Any, rank: Any, feature: Any, threshold: Any, left: Any) -> Any:
    """Leaf of every row, int32, shape (n,). parents: uint8, shape (n, p); rank: uint8, shape (p, 256)."""
    n = len(parents)
    leaf = np.empty(n, np.int32)
    for i in range(n):
        node = 0
        while feature[node] >= 0:
            f = feature[node]
            node = left[node] + (rank[f, parents[i, f]] > threshold[node])
        leaf[i] = node
    return leaf


@compiled
def strata(leaf: Any, n_nodes: int, key: Any) -> Any:
    """Uniforms of [0, 1), shape (n,), spread evenly over the rows of each leaf.

    The m rows of a leaf get one uniform from each of m equal strata, in random order (stratified sampling): each
    row's uniform is uniform, and how often a leaf draws a code varies less than by chance.
    """
    n = len(leaf)
    offset = np.zeros(n_nodes + 1, np.int64)
    for i in range(n):
        offset[leaf[i] + 1] += 1
    for node in range(n_nodes):
        offset[node + 1] += offset[node]
    place, rows = offset[:n_nodes].copy(), np.empty(n, np.int64)
    for i in range(n):
        rows[place[leaf[i]]] = i
        place[leaf[i]] += 1
    out = np.empty(n, np.float64)
    state = key
    for node in range(n_nodes):
        first, m = offset[node], offset[node + 1] - offset[node]
        for j in range(m):
            state, u = next_uniform(state)
            k = min(j + int(u * (m - j)), m - 1)
            rows[first + j], rows[first + k] = rows[first + k], rows[first + j]
            state, u = next_uniform(state)
            out[rows[first + j]] = (j + u) / m
    return out


@compiled
def climb(leaf: Any, above: Any, stop: Any, uniform: Any) -> Any:
    """Where each row's draw stops climbing, int32, shape (n,).

    Args:
        leaf: int32, shape (n,): where each row's walk ended.
        above: int32, shape (nodes,): parent, -1 at the root.
        stop: float64, shape (nodes,): probability of not climbing from a node; 1 at the root.
        uniform: float64, shape (n,); what is left of it after a decision is uniform again, and may be rounded up to 1.
    """
    out = np.empty(len(leaf), np.int32)
    for i in range(len(leaf)):
        u, node = uniform[i], leaf[i]
        while stop[node] < 1.0 and u >= stop[node]:
            u = (u - stop[node]) / (1.0 - stop[node])
            node = above[node]
        out[i] = node
    return out


@compiled
def descend(node: Any, left: Any, go_left: Any, first: Any, codes: Any, upto: Any, uniform: Any) -> Any:
    """A code for every row, int32, shape (n,), from a leaf below its node.

    Args:
        node: int32, shape (n,).
        left: int32, shape (nodes,): left child; the right one is the next.
        go_left: float64, shape (nodes,): probability of the left child.
        first: int64, shape (nodes + 1,): the entries of a node's histogram; none at inner nodes.
        codes, upto: shape (entries,): code and running count within the leaf.
        uniform: float64, shape (n,); decides on every child and then on the code.
    """
    out = np.empty(len(node), np.int32)
    for i in range(len(node)):
        u, at = uniform[i], node[i]
        while first[at] == first[at + 1]:
            if u < go_left[at] or go_left[at] == 1.0:
                u = u / go_left[at]
                at = left[at]
            else:
                u = (u - go_left[at]) / (1.0 - go_left[at])
                at = left[at] + 1
        low, high = first[at], first[at + 1] - 1
        wanted = u * upto[high]
        while low < high:
            middle = (low + high) // 2
            if wanted < upto[middle]:
                high = middle
            else:
                low = middle + 1
        out[i] = codes[low]
    return out
