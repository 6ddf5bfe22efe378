"""Do the intervals of `tabsynth answer` hold the truth as often as they say? Fits with real noise to one small table.

    python scripts/coverage_of_answers.py --fits 1000 --people 4000 --epsilon 3

The table has planted relations between a ward, sex, age and death. Every fit draws fresh privacy noise and answers the
same conditions; a condition counts where its columns were measured together. Printed for each condition and for each
sort of condition: how often the interval of the count, of the share and, over fresh tables of the same chances
(--fresh), of the population holds the truth, with a 95 % Wilson interval. Nominal: 95 %; at least that where a
condition tells apart values that were counted together, and where the truth is 0, below which no interval reaches.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from math import sqrt

import numpy as np

from tabsynth.core import registry
from tabsynth.core.coding import Coding
from tabsynth.core.errors import UsageError
from tabsynth.core.rules.expression import Expression
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import Table
from tabsynth.models._marginal.model import TreeModel
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.ledger import Ledger

SCHEMA = Schema((
    Column("sex", "category", levels=("f", "m"), nullable=False),
    Column("age", "integer", bounds=(0, 99)),
    Column("ward", "category", levels=("icu", "er", "surgery", "rehab", "none")),
    Column("dead", "boolean", nullable=False),
    Column("cost", "number", bounds=(0, 1000), decimals=2, special=(0.0,)),
))
CONDITIONS = (
    "sex == 'f'", "age >= 60", "age < 30", "age == 40", "age is missing", "ward == 'icu'", "ward == 'rehab'",
    "ward in ['icu', 'er']", "dead == true", "cost == 0", "cost > 500", "cost >= 125 and cost < 251",
    "sex == 'f' and ward == 'icu'", "dead == true and ward == 'icu'", "dead == true or ward == 'none'",
    "dead == true and age >= 60", "dead == false and age < 33", "dead == true and cost == 0", "sex == 'm' and age > 70",
)


def people(n: int, seed: int) -> Table:
    """Nobody is in rehab."""
    rng = np.random.default_rng(seed)
    codecs = Coding.public(SCHEMA).codecs
    ward = rng.choice([0, 1, 2, 4], n, p=[0.3, 0.2, 0.3, 0.2])
    dead = (rng.random(n) < np.array([0.7, 0.3, 0.1, 0.0, 0.05])[ward]).astype(int)
    age = np.clip((rng.beta(2 + 3 * dead, 3, n) * 100).astype(int), 0, 99)
    cost = np.where(rng.random(n) < 0.5 - 0.4 * dead, 0, 1 + rng.integers(0, 20 * (1 + dead)))
    codes = {"sex": (rng.random(n) < np.array([0.2, 0.5, 0.8, 0.5, 0.5])[ward]).astype(int),
             "age": np.where(rng.random(n) < 0.1, codecs["age"].missing, age),
             "ward": np.where(rng.random(n) < 0.02, codecs["ward"].missing, ward), "dead": dead, "cost": cost}
    return Table(SCHEMA, {name: codecs[name].decode(c.astype(np.int32), rng) for name, c in codes.items()})


def fitted(table: Table, epsilon: str, model: str) -> TreeModel:
    budget = Budget.of(epsilon, unit="row")
    reservation = Ledger.scratch("coverage").reserve(budget, purpose="coverage of answers")
    generator: TreeModel = registry.load("models", model)()
    return generator.fit(Curator(table, SCHEMA, budget, reservation=reservation), rng=np.random.default_rng(0))


def wilson(hits: int, n: int) -> tuple[float, float]:
    z = 1.959964
    middle, half = (hits + z * z / 2) / (n + z * z), z * sqrt(hits * (n - hits) / n + z * z / 4) / (n + z * z)
    return middle - half, middle + half


def show(name: str, hits: list[bool]) -> None:
    low, high = wilson(sum(hits), len(hits))
    print(f"{name:<44} {len(hits):>7} {np.mean(hits):>8.3f}   {low:.3f} to {high:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fits", type=int, default=1_000)
    parser.add_argument("--people", type=int, default=4_000)
    parser.add_argument("--epsilon", default="3")
    parser.add_argument("--model", default="marginal", help="or mst, aim")
    parser.add_argument("--fresh", action="store_true",
                        help="a fresh table for every fit, and the population's interval")
    options = parser.parse_args()
    conditions = [Expression.parse(text, SCHEMA) for text in CONDITIONS]
    crowd = people(1_000_000, seed=1) if options.fresh else None
    chances = [] if crowd is None else [c.holds(crowd.columns).mean() for c in conditions]
    table = people(options.people, seed=0)
    by_condition: dict[str, list[bool]] = defaultdict(list)
    by_sort: dict[str, list[bool]] = defaultdict(list)
    for run in range(options.fits):
        table = people(options.people, seed=2 + run) if options.fresh else table
        model = fitted(table, options.epsilon, options.model)
        for i, condition in enumerate(conditions):
            try:
                found = model.answer(condition, population=options.fresh)
            except UsageError:
                continue
            truth = int(condition.holds(table.columns).sum())
            sort = f"{'exact' if found.exact else 'cut'}, {len(condition.columns)} column(s)" \
                   + (", nobody" if truth == 0 else "")
            count = found.count.low <= truth <= found.count.high
            by_condition[condition.text].append(count)
            by_sort[f"count: {sort}"].append(count)
            by_sort[f"share: {sort}"].append(found.share.low <= truth / len(table) <= found.share.high)
            if found.population is not None:
                by_sort[f"population: {sort}"].append(found.population.low <= chances[i] <= found.population.high)
    print(f"{options.model}, {options.fits} fits, {options.people} people, epsilon {options.epsilon}")
    print(f"{'condition (count)':<44} {'answers':>7} {'coverage':>8}   95 % interval")
    for name, hits in by_condition.items():
        show(name, hits)
    print()
    for name, hits in sorted(by_sort.items()):
        show(name, hits)


if __name__ == "__main__":
    main()
