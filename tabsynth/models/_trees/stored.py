"""A chain as JSON values and arrays, and back."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.synthesizer import State
from tabsynth.models._trees.chain import Chain, Step
from tabsynth.models._trees.lookup import Lookup
from tabsynth.models._trees.splits import Splits
from tabsynth.models._trees.tree import Tree

NARROW: Final = (np.uint8, np.uint16, np.uint32)
TYPES: Final = {"parents": np.int32, "rank": np.uint8, "feature": np.int32, "threshold": np.uint8, "left": np.int32,
                "first": np.int64, "codes": np.int32, "count": np.int32, "distinct": np.int32}
"""Types of a tree's arrays in memory; in the file each has the narrowest that holds it."""
IN_SPLITS: Final = ("parents", "rank", "feature", "threshold", "left")


def state(chain: Chain) -> State:
    """All trees' arrays end to end, with their lengths."""
    trees = {j: step for j, step in chain.steps.items() if isinstance(step, Tree)}
    lookups = {j: step for j, step in chain.steps.items() if isinstance(step, Lookup)}
    arrays: dict[str, NDArray[Any]] = {}
    for name in TYPES:
        parts = [_shifted(name, getattr(tree.splits if name in IN_SPLITS else tree, name)) for tree in trees.values()]
        arrays[name] = narrow(np.concatenate([part.ravel() for part in parts]) if parts else np.zeros(0, np.int64))
        arrays[f"{name}.length"] = np.array([len(part) for part in parts], np.int64)
    arrays["bytes"] = np.concatenate(chain.bytes_of) if chain.bytes_of else np.zeros(0, np.uint8)
    arrays["lookup"] = np.concatenate([step.table for step in lookups.values()] or [np.zeros(0, np.int32)])
    values = {"order": list(chain.order), "trees": list(trees), "backoff": [tree.backoff for tree in trees.values()],
              "codes": [len(table) for table in chain.bytes_of],
              "lookups": [{"column": j, "parent": one.parent, "codes": len(one.table)} for j, one in lookups.items()]}
    return State(values, arrays)


def chain(stored: State) -> Chain:
    """The inverse of `state`."""
    arrays, values = stored.arrays, stored.values
    steps: dict[int, Step] = {}
    parts = {name: _split(name, arrays) for name in TYPES}
    for i, (j, backoff) in enumerate(zip(values["trees"], values["backoff"], strict=True)):
        own = {name: parts[name][i] for name in TYPES}
        splits = Splits(**{name: own.pop(name) for name in IN_SPLITS})
        steps[j] = Tree(splits, **own, backoff=backoff)
    tables = np.split(arrays["lookup"], np.cumsum([one["codes"] for one in values["lookups"]])[:-1])
    for one, table in zip(values["lookups"], tables):
        steps[one["column"]] = Lookup(one["parent"], table.astype(np.int32))
    bytes_of = np.split(arrays["bytes"], np.cumsum(values["codes"])[:-1])
    return Chain(steps, values["order"], bytes_of)


def _split(name: str, arrays: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    lengths = arrays[f"{name}.length"]
    whole = arrays[name].reshape(-1, 256) if name == "rank" else arrays[name]
    parts = np.split(whole, np.cumsum(lengths)[:-1])
    if name == "feature":
        return [part.astype(np.int32) - 1 for part in parts]
    if name == "first":
        return [np.cumsum(part, dtype=np.int64) for part in parts]
    return [part.astype(TYPES[name]) for part in parts]


def _shifted(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Leaves as 0 instead of -1; starts as the entries of each node. Both then fit a narrow type."""
    if name == "feature":
        return array + 1
    return np.diff(array, prepend=0) if name == "first" else array


def narrow(array: NDArray[Any]) -> NDArray[Any]:
    """The same whole numbers, none below 0, in the narrowest unsigned type."""
    most = int(array.max(initial=0))
    return array.astype(next(kind for kind in NARROW if most <= np.iinfo(kind).max))
