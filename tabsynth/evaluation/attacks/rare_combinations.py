"""P0b, rare combinations: do quasi-identifiers that few training people share come out again?

What is counted. A *fact* is a cell of the quasi-identifiers, or such a cell together with one secret's value. It is
rare if 1 to 10 people among training and holdout rows together hold the cell, and it belongs to the side (training or
holdout) whose people alone hold it. The rate is facts of a side that occur in the synthetic table over facts of that
side; training minus holdout.

Why facts and not synthetic rows: many synthetic rows in one rare cell are one fact, and a test that takes them for
independent trials raises false alarms. Why of one side alone: a cell that people of both sides hold says nothing about
who was used. Why the rates agree if nothing leaked: a person might as well have been on the other side, and every step
treats both sides alike (people of both sides make a cell rare, as many people are drawn from each, one random fact a
person at most).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.core.table import Table
from tabsynth.evaluation.attacks._quasi_identifiers import (
    NO_QUASI_IDENTIFIER,
    cell_ids,
    column_ids,
    numbers_among,
    people_per_cell,
    quasi_identifiers,
)
from tabsynth.evaluation.attacks._secrets import secrets
from tabsynth.evaluation.disclosure import MIN_CELL
from tabsynth.evaluation.identity import Ids, occurs, row_ids
from tabsynth.evaluation.protocol import Samples, title_of, units_of
from tabsynth.evaluation.variants import attack_finding, counted

FACTS = {
    "name": "rare_combinations",
    "entry": "rare_combinations",
    "tier": 0,
    "section": "privacy",
    "summary": "quasi-identifiers that few training people share and that stand in the synthetic table, beyond chance",
    "findings": {"P0b": "Rare combinations of quasi-identifiers that come out again"},
}

RARE: Final = MIN_CELL - 1
"""Most people who hold a rare cell: below the smallest cell that may be shown."""
ENOUGH: Final = 500
"""Fewest people on each side for the attack to say anything."""
FEWEST: Final = MIN_CELL
"""Fewest facts on each side: a comparison of a handful only costs the others evidence."""
TELLING: Final = 100
"""Facts on each side from which a comparison can exclude an excess; a smaller one can only prove one."""
EXACT: Final = "exact values"
METHOD: Final = (
    f"Cells of the quasi-identifiers, alone or with a secret's value, held by 1 to {RARE} people among training and "
    "holdout rows together, and by people of one side alone: share of the training side's that occur in the synthetic "
    "table, minus the same share of the holdout side's. As many people on both sides, one cell a person at most, "
    "synthetic rows in one cell counted once. Exact values (a secret number in ten bins); supplementary: all numbers "
    f"in ten bins, cells that one person alone holds, of all people, and comparisons of fewer than {TELLING} cells. "
    "Interval: Newcombe.")


@dataclass(frozen=True, eq=False)
class People:
    """Who holds which row: people 0, 1, ... of the training side, then those of the holdout side.

    Args:
        owners: the person of each row, training rows first, shape (n,).
        first_control: the first person of the holdout side.
        matched: people drawn so that both sides have equally many, shape (people,).
    """

    owners: NDArray[np.int64]
    first_control: int
    matched: NDArray[np.bool_]

    @classmethod
    def draw(cls, train: Table, holdout: Table, rng: np.random.Generator) -> People:
        used, others = units_of(train), units_of(holdout)
        sizes = [int(units.max(initial=-1)) + 1 for units in (used, others)]
        chosen = [rng.permutation(size) < min(sizes) for size in sizes]
        return cls(np.concatenate([used, others + sizes[0]]), sizes[0], np.concatenate(chosen))

    @property
    def fewest(self) -> int:
        """People on the smaller side."""
        return int(self.matched.sum()) // 2


def rare_combinations(samples: Samples) -> tuple[Finding, ...]:
    """Excess of reproduced rare facts, of the comparison with the strongest evidence. control: the holdout's rate.

    details: synthetic rows whose exact cell 1 to 10 of as many training people hold, and of holdout people.
    """
    title, names = title_of(FACTS, "P0b"), quasi_identifiers(samples)
    if not names:
        return (Finding.not_run("P0b", title, "privacy", NO_QUASI_IDENTIFIER, direction="lower is safer",
                                method=METHOD),)
    rng = samples.streams.stream(0, "rare combinations")
    people = People.draw(samples.train, samples.holdout, rng)
    exact = cell_ids(samples, names, binned=False)
    spans = {EXACT: exact}
    if numbers_among(samples, names):
        spans["numbers in bins"] = cell_ids(samples, names, binned=True)
    rows = [row for span, cells in spans.items() for row in _variants(samples, span, cells, people, rng)]
    if not rows:
        return (Finding("P0b", title, "privacy", 0.0, "lower is safer", n=people.fewest, unit_of_n="people",
                        method=METHOD, state="uninformative",
                        reason=f"fewer than {FEWEST} rare cells of the quasi-identifiers are held by one side alone"),)
    return (attack_finding("P0b", title, rows, method=METHOD, unit_of_n="rare cells", few=_few(rows, people),
                           details=_synthetic_rows(exact, people)),)


def _few(rows: list[dict[str, Any]], people: People) -> str | None:
    """Why there is too little to tell, or None."""
    if people.fewest < ENOUGH:
        return f"fewer than {ENOUGH} training or holdout people"
    if all(row.get("supplementary") for row in rows):
        return f"fewer than {TELLING} rare cells on a side"
    return None


def _variants(samples: Samples, span: str, cells: list[Ids], people: People,
              rng: np.random.Generator) -> list[dict[str, Any]]:
    """The comparisons on one kind of cell: the cell itself, and with each secret; rare, and of one person alone."""
    facts = {span: cells} | {f"{span}, with {name}": row_ids([cells, column_ids(samples, name, binned=True)])
                             for name in secrets(samples)}
    rows = []
    for key, ids in facts.items():
        for most in (RARE, 1) if span == EXACT else (RARE,):
            train, control = reproduced(cells, ids, people, most, rng)
            fewest = min(train[1], control[1])
            if fewest >= FEWEST:
                rows.append(counted(key if most == RARE else f"{key}, of one person", train, control,
                                    supplementary=most == 1 or span != EXACT or fewest < TELLING))
    return rows


def reproduced(cells: list[Ids], facts: list[Ids], people: People, most: int,
               rng: np.random.Generator) -> tuple[tuple[int, int], tuple[int, int]]:
    """(facts that occur in the synthetic table, facts) of the training side and of the holdout side.

    Args:
        cells, facts: ids of train, holdout and synth; a fact lies in one cell.
        most: people who hold a rare cell at most. 1 uses everybody: a person alone in a cell is as likely to be on a
            side as the side is large, whatever the cell. With more, sides of different sizes would own different cells.
    """
    real = np.concatenate(cells[:2])
    holders = people_per_cell(real, people.owners, int(real.max(initial=-1)) + 1)
    rows = np.flatnonzero(holders[real] <= most)
    if most > 1:
        rows = rows[people.matched[people.owners[rows]]]
    fact, owner = np.concatenate(facts[:2])[rows], people.owners[rows]
    used = owner < people.first_control
    shared = np.intersect1d(fact[used], fact[~used])
    alone = ~np.isin(fact, shared)
    sides = [_one_fact_each(fact[mask], owner[mask], rng) for mask in (used & alone, ~used & alone)]
    train, control = ((int(occurs(side, facts[2]).sum()), len(side)) for side in sides)
    return train, control


def _one_fact_each(facts: Ids, owners: NDArray[np.int64], rng: np.random.Generator) -> Ids:
    """Distinct facts, at most one a person: a person's rows resemble each other and are no independent trials."""
    order = rng.permutation(len(facts))
    _, first = np.unique(owners[order], return_index=True)
    return np.unique(facts[order[first]])


def _synthetic_rows(cells: list[Ids], people: People) -> dict[str, int]:
    """How many synthetic rows stand in a cell that 1 to 10 people of a side hold, sides of equally many people."""
    size = max(int(ids.max(initial=-1)) for ids in cells) + 1
    real, used = np.concatenate(cells[:2]), people.owners < people.first_control
    counts = {}
    for name, side in (("train", used), ("holdout", ~used)):
        rows = side & people.matched[people.owners]
        holders = people_per_cell(real[rows], people.owners[rows], size)[cells[2]]
        counts[f"synthetic_in_rare_{name}"] = int(((holders >= 1) & (holders <= RARE)).sum())
    return counts
