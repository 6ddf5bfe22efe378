"""Boosted trees that tell real rows from drawn ones, as plain arrays.

scikit-learn grows them (HistGradientBoostingClassifier, after Ke et al. 2017); what is kept is, for every node, the set
of bytes that go left, so that splits of lines and of categories are one thing and a score needs no scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._trees.compiled import compiled

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

BYTES: Final = 256
LEAF: Final = -1
SETTINGS: Final = {"max_iter": 200, "learning_rate": 0.1, "max_leaf_nodes": 15, "min_samples_leaf": 50,
                   "l2_regularization": 1.0, "early_stopping": False}


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trees end to end.

    Args:
        root: int64, shape (trees,): a tree's first node.
        feature: int32, shape (nodes,): what a node reads, LEAF at leaves.
        goes_left: uint8, shape (nodes, 32): one bit for each byte, lowest first.
        left, right: int32, shape (nodes,): children.
        value: float64, shape (nodes,): what a leaf adds to the score.
        start: the score before the first tree.
    """

    root: NDArray[np.int64]
    feature: NDArray[np.int32]
    goes_left: Bytes
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: Floats
    start: float

    @classmethod
    def learn(cls, real: Bytes, drawn: Bytes, weights: Floats, categorical: NDArray[np.bool_],
              rng: np.random.Generator) -> Self:
        """Trees whose score is the log odds of `real` against `drawn`, both together weighing the same.

        Args:
            real, drawn: features, shape (n, features) and (m, features).
            weights: of the real rows, shape (n,).
            categorical: features without an order, shape (features,).
        """
        seen = np.concatenate([real, drawn])
        return cls.of(boosted(seen, len(real), weights, categorical, rng), seen, categorical)

    @classmethod
    def of(cls, model: Any, seen: Bytes, categorical: NDArray[np.bool_]) -> Self:
        """The trees of a fitted classifier. seen: the bytes that it was fitted to, shape (n, features)."""
        columns = np.concatenate([np.flatnonzero(categorical), np.flatnonzero(~categorical)])   # its own order
        known = {j: np.unique(seen[:, j]) for j in np.flatnonzero(categorical).tolist()}
        trees = [(one.nodes, one.raw_left_cat_bitsets) for (one,) in model._predictors]
        root = np.cumsum([0, *(len(nodes) for nodes, _ in trees)])
        nodes = np.concatenate([nodes for nodes, _ in trees])
        inner = nodes["is_leaf"] == 0
        feature = np.where(inner, columns[nodes["feature_idx"]], LEAF).astype(np.int32)
        left_sets = [_left_set(node, sets, known.get(columns[node["feature_idx"]]))
                     for tree, sets in trees for node in tree]
        shift = np.repeat(root[:-1], np.diff(root))
        left, right = (np.where(inner, nodes[side] + shift, 0).astype(np.int32) for side in ("left", "right"))
        return cls(root[:-1].astype(np.int64), feature, np.packbits(left_sets, axis=1, bitorder="little"), left, right,
                   np.where(inner, 0.0, nodes["value"]), float(model._baseline_prediction.ravel()[0]))

    def score(self, seen: Bytes) -> Floats:
        """Log odds that a row is real, shape (n,). seen: shape (n, features)."""
        return np.asarray(_score(seen, self.root, self.feature, self.goes_left, self.left, self.right, self.value)
                          + self.start)


def boosted(seen: Bytes, n_real: int, weights: Floats, categorical: NDArray[np.bool_],
            rng: np.random.Generator) -> Any:
    """scikit-learn's classifier, fitted; the first `n_real` rows are the real ones."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    is_real = np.arange(len(seen)) < n_real
    mass = np.concatenate([weights / weights.sum(), np.full(len(seen) - n_real, 1 / max(len(seen) - n_real, 1))])
    return HistGradientBoostingClassifier(
        categorical_features=categorical if categorical.any() else None,
        random_state=int(rng.integers(2**31)), **SETTINGS).fit(seen, is_real, sample_weight=mass * len(seen) / 2)


def _left_set(node: Any, sets: Any, known: Bytes | None) -> NDArray[np.bool_]:
    """Shape (256,): bytes that go left.

    known: of a category, the bytes that were there in the fit; scikit-learn numbers them in order.
    """
    if node["is_leaf"]:
        return np.zeros(BYTES, bool)
    if known is None or not node["is_categorical"]:
        return np.asarray(np.arange(BYTES) <= node["num_threshold"])
    bits = np.unpackbits(sets[node["bitset_idx"]].astype("<u4").view(np.uint8), bitorder="little")
    goes_left = np.full(BYTES, bool(node["missing_go_to_left"]))
    goes_left[known] = bits[:len(known)]
    return goes_left


@compiled
def _score(seen: Any, root: Any, feature: Any, goes_left: Any, left: Any, right: Any, value: Any) -> Any:
    n = len(seen)
    out = np.zeros(n, np.float64)
    for tree in range(len(root)):
        for i in range(n):
            node = root[tree]
            while feature[node] >= 0:
                byte = seen[i, feature[node]]
                node = left[node] if goes_left[node, byte >> 3] >> (byte & 7) & 1 else right[node]
            out[i] += value[node]
    return out
