"""What should come out right: every pair of the table's columns, and pairs with the evaluation target above all.

A column from which mapped rules compute others stands for these too, since each pair with one of them comes out as
well as the pair with their source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from tabsynth.core.coding import Coding
from tabsynth.models._marginal.factor import Clique

TARGET_WEIGHT = 3.0
"""How much more a pair with the schema's evaluation target counts in the choice of pairs."""


def column_weights(coding: Coding) -> dict[str, float]:
    """Weight of every column that does not count for 1."""
    copies = Counter(rule.sources[0] for rule in coding.rules.maps if len(rule.sources) == 1)
    weights = {name: 1.0 + count for name, count in copies.items()}
    target = coding.schema.evaluation.target
    if target is not None:
        weights[target] = TARGET_WEIGHT * weights.get(target, 1.0)
    return weights


def pair_weights(names: Sequence[str], columns: Mapping[str, float]) -> dict[Clique, float]:
    """Weight of every pair of attributes, by number: the product of its columns' weights."""
    return {(a, b): columns.get(names[a], 1.0) * columns.get(names[b], 1.0)
            for a, b in combinations(range(len(names)), 2)}
