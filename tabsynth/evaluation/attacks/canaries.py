"""P3c, canaries: made-up people, put into the training rows of one refit by the toss of a coin, and guessed at.

How many guesses are right bounds the privacy of the recipe from below in a single run (Steinke, Nasr and Jagielski
2023, "Privacy auditing with one (1) training run"). The canaries are new rows of known values in combinations that
nobody has: what a model lets out about the rarest people, it lets out about them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tabsynth.core.finding import Finding
from tabsynth.core.rules import Rules
from tabsynth.core.table import PRESENT, Cells, Table, empty_cells
from tabsynth.evaluation.attacks._refitted import NO_REFIT, closeness, people_of
from tabsynth.evaluation.features import Embedding, Points, nearest
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import Samples, n_people, title_of
from tabsynth.evaluation.variants import attack_finding, counted

FACTS = {
    "name": "canaries",
    "entry": "canaries",
    "tier": 2,
    "section": "privacy",
    "summary": "made-up people in one refit: how surely it can be told who was put in, and the epsilon that follows",
    "findings": {"P3c": "Telling which made-up people one refit has learned from (canaries)"},
}

METHOD: Final = (
    "Made-up people far from everybody, each put among the training rows of one refit or left out by the toss of a "
    "coin; guessed to be in where synthetic rows come closer than real ones (Steinke, Nasr and Jagielski 2023). This "
    "tests a twin of the released model, refitted with canaries, not the released rows. Counts: made-up people guessed "
    "in, among those that were and those that were not. Interval: Newcombe. ")

MOST_CANARIES: Final = 1_000
FEWEST_CANARIES: Final = 500
"""Made-up people: one to five real ones, within these bounds."""
ROWS: Final = 10_000
"""Most real rows among which they are put."""
CANDIDATES: Final = 8
"""So many times more rows are made up than are used: those that keep the rules and lie furthest from real ones."""
DELTA: Final = 1e-6
"""Delta at which epsilon is bounded: the largest that a fit takes by default."""
LEVEL: Final = 0.05
GUESSES: Final = ((0.05, 0.0), (0.125, 0.125), (0.5, 0.5))
"""Shares of the canaries that are guessed in and guessed out; chosen beforehand, and corrected for being several."""
EPSILONS: Final = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
ENOUGH: Final = 500
"""Fewest real people for the attack to say anything."""
FEWEST: Final = 20
"""Fewest real people to refit on at all."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Audit:
    """Canaries in the order of suspicion, most suspected first. included: whether the coin put them in, shape (m,)."""

    included: Mask

    def guessed(self, shares: tuple[float, float]) -> tuple[int, int]:
        """Guesses and right guesses when these shares are guessed in and out."""
        m = len(self.included)
        most, least = (int(share * m) for share in shares)
        return most + least, int(self.included[:most].sum() + (~self.included[m - least :]).sum())

    def p(self, epsilon: float) -> float:
        """p of "the recipe is (epsilon, DELTA)-private", the smallest over `GUESSES`, corrected for their number."""
        m = len(self.included)
        return min(1.0, len(GUESSES) * min(p_value(m, *self.guessed(shares), epsilon) for shares in GUESSES))

    def epsilon(self) -> float:
        """Lower bound of epsilon at the 95 % level; 0 where nothing is shown."""
        return largest_rejected(self.p)


def canaries(samples: Samples) -> tuple[Finding, ...]:
    """Share of included canaries guessed in, minus that of the others; details: what epsilon it refutes."""
    title = title_of(FACTS, "P3c")
    base = None if samples.refit is None else people_of([samples.train], ROWS, samples, "among canaries")
    if base is None or n_people(base) < FEWEST:
        reason = NO_REFIT if base is None else f"fewer than {FEWEST} people to put canaries among"
        return (Finding.not_run("P3c", title, "privacy", reason, direction="lower is safer", method=METHOD),)
    m = max(FEWEST_CANARIES, min(MOST_CANARIES, n_people(base) // 5))
    embedding = Embedding.of(samples.columns, [base])
    made = made_up(base, m, embedding, samples.streams.stream(0, "canaries"))
    audit = run(samples, base, made, embedding)
    best = Audit(np.arange(m) < m // 2)
    return (attack_finding(
        "P3c", title, list(_rows(audit)), method=METHOD, unit_of_n="made-up people",
        few=f"fewer than {ENOUGH} people to put canaries among" if n_people(base) < ENOUGH else None,
        details={"canaries": m, "real_rows_beside_them": len(base), "epsilon_lower_bound": audit.epsilon(),
                 "epsilon_if_every_guess_were_right": best.epsilon(), "delta": DELTA,
                 "p_of_claimed_epsilon": {f"{epsilon:g}": audit.p(epsilon) for epsilon in EPSILONS}}),)


def run(samples: Samples, base: Table, made: Table, embedding: Embedding) -> Audit:
    """Toss the coins, refit once, and put the canaries in the order of suspicion.

    Suspicion is how much nearer the nearest synthetic row is than the nearest real one: some canaries lie nearer to
    everybody than others. Equal suspicion is ordered at random.
    """
    assert samples.refit is not None
    stream = samples.streams.stream
    included = stream(0, "coins").random(len(made)) < 0.5
    rows = Table.concat([base, made.take(included)])
    samples.progress("attack: canaries", 0, 1)
    drawn = samples.refit(rows, stream(0, "canary refit"))(len(rows), stream(0, "canary rows"))
    points = embedding.points(made)
    suspicion = _near(points, embedding.points(drawn)) - _near(points, embedding.points(base))
    samples.progress("attack: canaries", 1, 1)
    return Audit(included[np.lexsort((stream(0, "equal suspicion").random(len(made)), -suspicion.round(6)))])


def made_up(base: Table, m: int, embedding: Embedding, rng: np.random.Generator) -> Table:
    """`m` rows of one new person each: values of `base`, rare ones as often as frequent ones, combined at random.

    Of several times as many, those that break the fewest rules and, among them, lie furthest from all rows of `base`.
    """
    n = CANDIDATES * m
    columns = {column.name: _any_value(base[column.name], n, rng) if column.modelled else
               _new_people(base[column.name], n) if column.role == "unit" else
               empty_cells(column, n, base[column.name].logical) for column in base.schema.columns}
    rules = Rules.compile(base.schema, learn_from=base)
    table = Table(base.schema, rules.derive(columns))
    broken = np.zeros(n, np.int64)
    for rule in rules.all:
        broken += rule.broken(table.columns)
    far = -_near(embedding.points(table), embedding.points(base))
    return table.take(np.sort(np.lexsort((-far, broken))[:m]))


def p_value(m: int, guesses: int, right: int, epsilon: float, delta: float = DELTA) -> float:
    """Chance of at least `right` right guesses if the recipe is (epsilon, delta)-private.

    Steinke, Nasr and Jagielski (2023), corollary 5.4: the tail of a binomial with success e^eps / (1 + e^eps), plus
    2 m delta times the largest mean of the i probabilities just below `right`.

    Args:
        m: coins that were tossed. guesses: of them guessed at.

    >>> round(p_value(100, 100, 100, 3.4928, delta=0.0), 4)
    0.05
    """
    success = 1 / (1 + np.exp(-epsilon))
    tail = float(stats.binom.sf(right - 1, guesses, success))
    if right == 0 or delta == 0:
        return min(1.0, tail)
    below = np.cumsum(stats.binom.pmf(np.arange(right - 1, -1, -1), guesses, success))
    return min(1.0, tail + 2 * m * delta * float((below / np.arange(1, right + 1)).max()))


def largest_rejected(p: Callable[[float], float], level: float = LEVEL, most: float = 50.0) -> float:
    """The largest epsilon whose p is below `level`, rounded down to 1e-4; 0 where none is."""
    low, high = 0.0, most
    if p(low) >= level:
        return 0.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (middle, high) if p(middle) < level else (low, middle)
    return float(np.floor(low * 1e4) / 1e4)


def _rows(audit: Audit) -> Iterator[dict[str, Any]]:
    """Guessing half of the canaries in, and guessing the most suspected twentieth in."""
    inside = int(audit.included.sum())
    for key, share in (("half guessed in", 2), ("most suspected twentieth", 20)):
        guessed = audit.included[: len(audit.included) // share]
        yield counted(key, (int(guessed.sum()), inside), (int((~guessed).sum()), len(audit.included) - inside))


def _near(points: Points, others: Points) -> Floats:
    return closeness(nearest(points, others, 1)[:, 0])


def _any_value(cells: Cells, n: int, rng: np.random.Generator) -> Cells:
    """`n` values of a column, each distinct one equally likely; missing where the column holds none."""
    values = np.unique(cells.values[cells.present])
    if not len(values):
        return cells.take(np.zeros(n, np.intp))
    return replace(cells, values=values[rng.integers(0, len(values), n)], state=np.full(n, PRESENT, np.uint8))


def _new_people(cells: Cells, n: int) -> Cells:
    """Values of the unit column that nobody has."""
    state = np.full(n, PRESENT, np.uint8)
    if cells.levels or cells.values.dtype == object:
        known = set(cells.levels) | (set(cells.values.tolist()) if cells.values.dtype == object else set())
        names = _unused(known, n)
        if cells.levels:
            return replace(cells, values=np.arange(n, dtype=np.int32), state=state, levels=names)
        return replace(cells, values=np.array(names, dtype=object), state=state)
    last = cells.values.max(initial=0)
    return replace(cells, values=(last + 1 + np.arange(n)).astype(cells.values.dtype), state=state)


def _unused(known: set[str], n: int) -> tuple[str, ...]:
    prefix = "made up "
    while any(name.startswith(prefix) for name in known):
        prefix += "again "
    return tuple(f"{prefix}{i}" for i in range(n))
