"""P1c, linkability: does the synthetic table tell which two halves of a record belong to one person?

The attacker holds two lists of people that share no column, and takes two entries for one person when they have one of
their k nearest synthetic rows in common (Giomi et al. 2023, section 3.2). What links training people more often than
people who were not used is knowledge about the people, not about the population.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.evaluation.attacks._gower import Coordinates, Points, nearest, tie_breaks
from tabsynth.evaluation.attacks._quasi_identifiers import quasi_identifiers
from tabsynth.evaluation.protocol import Samples, title_of
from tabsynth.evaluation.variants import attack_finding, counted

FACTS = {
    "name": "linkability",
    "entry": "linkability",
    "tier": 1,
    "section": "privacy",
    "summary": "linking the two halves of a record through the nearest synthetic rows, beyond chance",
    "findings": {"P1c": "Linking two parts of a person's record"},
}

METHOD: Final = (
    "Two parts of a person's columns are linked when their 1, 5 or 10 nearest synthetic rows share a row (Giomi et al. "
    "2023): residual risk (r_T - r_H) / (1 - r_H) of training people against as many holdout people, for five random "
    "halvings of the columns and, where declared, quasi-identifiers against the rest. Distance: Gower 1971 with "
    "numbers in units of the range of 98 % of the synthetic values. Interval: MOVER-R on Wilson limits.")
NEIGHBOURS: Final = (1, 5, 10)
HALVINGS: Final = 5
DRAWS: Final = 50
"""Draws after which a table of few columns is taken to have no further halving."""
ENOUGH: Final = 1_000
"""Fewest people on each side for the attack to say anything."""

Columns = tuple[int, ...]
Partition = tuple[Columns, Columns]


def linkability(samples: Samples) -> tuple[Finding, ...]:
    """Residual risk of the partition and k with the strongest evidence. control: links of holdout people.

    baseline: the chance that 2 k random synthetic rows, k for each part, have one in common.
    """
    title, known = title_of(FACTS, "P1c"), samples.released.table
    members, controls = samples.members, samples.controls
    parts = partitions(samples)
    if not parts:
        return (Finding("P1c", title, "privacy", 0.0, "lower is safer", n=len(members), unit_of_n="people",
                        method=METHOD, state="uninformative",
                        reason="one column is compared, and a link needs two that differ"),)
    coordinates = Coordinates.learn(known, samples.columns)
    targets = np.concatenate([coordinates.points(side.table) for side in (members, controls)])
    order = tie_breaks(len(known), samples.streams.stream(0, "linkability ties"))
    linked = links(targets, coordinates.points(known), list(parts.values()), NEIGHBOURS, order)
    m = len(members)
    rows = [
        counted(f"{name}, k = {k}", (hits[:m].sum(), m), (hits[m:].sum(), len(controls)), statistic="residual",
                baseline=random_links(len(known), k))
        for name, by_k in zip(parts, linked) for k, hits in zip(NEIGHBOURS, by_k)]
    few = f"fewer than {ENOUGH} people on each side" if m < ENOUGH else samples.unsearched
    return (attack_finding("P1c", title, rows, method=METHOD, unit_of_n="people", few=few,
                           details={"synthetic_rows": len(known), "partitions": len(parts)}),)


def links(targets: Points, pool: Points, parts: Sequence[Partition], neighbours: Sequence[int],
          order: Points) -> NDArray[np.bool_]:
    """Which targets are linked, shape (partitions, neighbours, targets).

    Args:
        targets, pool: coordinates of people and of synthetic rows, see `_gower`; shapes (m, d) and (n, d).
        parts: two sets of columns each.
        neighbours: the k's.
        order: breaks ties between synthetic rows, shape (n,), see `tie_breaks`.

    >>> people, synthetic = np.array([[0, 0], [0, 1], [4, 9], [0, 4]]), np.array([[0, 0], [1, 1], [4, 4], [9, 9]])
    >>> links(people / 9, synthetic / 9, [((0,), (1,))], (1, 2), np.zeros(4)).mean(axis=2).tolist()
    [[0.25, 1.0]]
    """
    sides = [side for part in parts for side in part]
    found = nearest(targets, pool, sides, np.repeat(order[None], len(sides), axis=0), max(neighbours))
    shared = found[0::2, :, :, None] == found[1::2, :, None, :]
    return np.stack([shared[:, :, :k, :k].any(axis=(2, 3)) for k in neighbours], axis=1)


def random_links(n: int, k: int) -> float:
    """Chance that two random sets of k out of n rows have a row in common (hypergeometric).

    >>> [round(random_links(4, k), 4) for k in (1, 2, 3, 4)]
    [0.25, 0.8333, 1.0, 1.0]
    """
    k = min(k, n)
    return 1 - math.comb(n - k, k) / math.comb(n, k)


def partitions(samples: Samples) -> dict[str, Partition]:
    """Name -> two sets of column numbers: random halves, no two alike, and the quasi-identifiers against the rest."""
    d = len(samples.columns)
    rng = samples.streams.stream(0, "linkability partitions")
    halvings: dict[frozenset[Columns], Partition] = {}
    for _ in range(DRAWS if d > 1 else 0):
        order = [int(j) for j in rng.permutation(d)]
        one, other = tuple(sorted(order[: d // 2])), tuple(sorted(order[d // 2 :]))
        halvings.setdefault(frozenset((one, other)), (one, other))
    found = {f"random halves {i + 1}": parts for i, parts in enumerate(list(halvings.values())[:HALVINGS])}
    known = tuple(sorted(samples.columns.index(name) for name in quasi_identifiers(samples)))
    rest = tuple(j for j in range(d) if j not in known)
    if known and rest and (known, rest) not in found.values() and (rest, known) not in found.values():
        found["quasi-identifiers and the rest"] = known, rest
    return found
