"""Layer 1: a model's run on a table is replayed on a neighbour with the same noisy answers.

Then everything must be the same but the true values behind the answers, and these may differ by no more than was
booked. A different question, noise, charge or model is a decision taken on rows; too large a difference is a wrong
sensitivity, an uncharged answer or an overspent budget. It shows without statistics, and it shows bugs that no test on
outputs would find. It is blind to the distribution of the noise (layer 2).

What a model asks follows from the answers, so a neighbour is asked what the recorded model asked; in one pair of fifty
the model is fitted again in full, and must come out byte for byte the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from statistics import NormalDist
from typing import Any, Final, cast

import numpy as np

from tabsynth.core import registry
from tabsynth.core.artifact import canonical_json
from tabsynth.core.coding import Coding
from tabsynth.core.progress import Progress, silent
from tabsynth.core.table import Table
from tabsynth.pipeline.audit.report import Check
from tabsynth.pipeline.audit.tables import MAX_ROWS, Case, cases
from tabsynth.pipeline.audit.transcript import Asked, Chosen, Divergence, Listener, Query, Recorder, Replayer, ask_again
from tabsynth.privacy.accountant import Cost, cost_of
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tabsynth.privacy.events import Event
from tabsynth.privacy.ledger import Ledger
from tabsynth.privacy.noise import NoiseSource

PAIRS: Final = 200
"""Neighbours of every table."""
REFIT_EVERY: Final = 50
EPSILON: Final = 10
"""Large, so that models find something to look at in small tables."""

Fit = Callable[[Curator], Any]
"""What learns from a curator; returns something that compares equal where it is the same."""


@dataclass(frozen=True)
class Recorded:
    """One run on one table: its questions and answers, and what came of it."""

    fit: Fit
    budget: Budget
    table: Table
    asked: Sequence[Asked | Chosen]
    queries: Sequence[Query]
    coding: Coding
    events: tuple[Event, ...]
    learned: Any

    @cached_property
    def booked(self) -> Cost:
        return sum((cost_of(e, self.budget.max_rows_per_unit) for e in self.events), Cost())


@dataclass
class Tally:
    """What many pairs add up to."""

    pairs: int = 0
    refits: int = 0
    spent: Fraction = Fraction(0)
    allowed: Fraction = Fraction(0)
    broken: list[str] = field(default_factory=list)

    def count(self, name: str, pair: Callable[[], Replayer]) -> None:
        """Run one pair; a divergence is written down."""
        self.pairs += 1
        try:
            self.spent = max(self.spent, pair().spent)
        except Divergence as error:
            self.broken.append(f"{name}: {error.message}")


def curate(table: Table, budget: Budget, noise: NoiseSource | None = None) -> Curator:
    """A curator whose budget comes from a ledger in memory."""
    reservation = Ledger.scratch("audit").reserve(budget, purpose="audit")
    return Curator(table, table.schema, budget, reservation=reservation, _noise=noise)


def record(fit: Fit, table: Table, budget: Budget, *, noisy: bool = True) -> Recorded:
    """Run `fit` on a table and keep what was asked and answered.

    Raises:
        Divergence: more was booked than the budget allows, or something was answered that was not booked.
    """
    recorder = Recorder(noisy)
    curator = curate(table, budget, recorder)
    listener = Listener(curator)
    learned = fit(cast(Curator, listener))
    run = Recorded(fit, budget, table, recorder.asked, listener.queries, curator.coding, curator.events,
                   learned)
    if len(run.events) != len(run.asked):
        raise Divergence(f"{len(run.asked)} answers were given and {len(run.events)} were booked.")
    if not run.booked.within(budget.allowance):
        raise Divergence("more was booked than the budget allows.")
    return run


def replay(run: Recorded, neighbour: Table, *, refit: bool = False) -> Replayer:
    """The same run on a neighbour, answered alike.

    Raises:
        Divergence: names the first thing that is not the same, or the excess.
    """
    replayer = Replayer(run.asked, tail=refused_tail(run))
    curator = curate(neighbour, run.budget, replayer)
    if curator.coding.state() != run.coding.state():
        raise Divergence("a neighbour's columns are coded differently, or discovery shows what one unit alone has.")
    if refit:
        if run.fit(curator) != run.learned:
            raise Divergence("a neighbour's model is another one, although its answers were the same.")
    else:
        ask_again(curator, run.queries)
    if curator.events != run.events or replayer.step != len(run.asked):
        raise Divergence("a neighbour is charged or asked something else.")
    if replayer.spent > run.booked.mu_squared:
        raise Divergence(f"one unit changes the answers by {float(replayer.spent):.6g}, in units of mu^2, and only "
                         f"{float(run.booked.mu_squared):.6g} was booked.")
    _check_reach(run, replayer)
    _check_discovery(run, neighbour, replayer)
    return replayer


def refused_tail(run: Recorded) -> float | None:
    """Standard deviations of noise that may show a value which one unit alone has, with delta_key / k at most."""
    keys = [e.delta_key for e in run.events if e.mechanism == "discovery"]
    if not keys:
        return None
    return -NormalDist().inv_cdf(float(max(keys)) / run.budget.max_rows_per_unit)


def _check_reach(run: Recorded, replayer: Replayer) -> None:
    """One unit with at most k rows is in at most k cells of a marginal; the bound on the rounding needs it."""
    for event, change in zip(run.events, replayer.changes, strict=True):
        if event.mechanism in ("counts", "bounds") and np.count_nonzero(change) > run.budget.max_rows_per_unit:
            raise Divergence("one unit is in more cells of a marginal than it may have rows.")


def _check_discovery(run: Recorded, neighbour: Table, replayer: Replayer) -> None:
    """Values that discovery sees in one table alone must be the dropped unit's own, and no more than it has rows."""
    opened = [c.name for c in neighbour.schema.columns if c.open and c.kind == "category"]
    for names, table in ((replayer.vanished, neighbour), (replayer.appeared, run.table)):
        kept = whole_units(table, run.budget.max_rows_per_unit)
        held = {level for name in opened for level in held_levels(kept, name)}
        if names & held:
            raise Divergence("discovery loses a value that others hold.")
    if max(len(replayer.vanished), len(replayer.appeared)) > run.budget.max_rows_per_unit * len(opened):
        raise Divergence("one unit has more values of its own than it may have rows.")


def whole_units(table: Table, k: int) -> Table:
    """Rows of the units that have at most k, which are all used."""
    units = table.unit_codes()
    rows = np.flatnonzero(units >= 0)
    return table.take(rows[np.bincount(units[rows])[units[rows]] <= k])


def held_levels(table: Table, column: str) -> set[str]:
    """Values that occur in a category column."""
    cells = table[column]
    return {cells.levels[v] for v in np.unique(cells.values[cells.present])}


def private_models() -> list[str]:
    """Names of the models that learn through the curator."""
    return [name for name in registry.names("models") if registry.find("models", name).facts.get("private")]


def content_of(model: str) -> Fit:
    """A fit of a private model whose result is the bytes of all that it holds and of rows drawn from it."""

    def fit(curator: Curator) -> bytes:
        fitted = registry.load("models", model)().fit(curator, rng=np.random.default_rng(1))
        state = fitted.state()
        found = hashlib.sha256(canonical_json([state.values, fitted.coding_.state(), repr(fitted.total_)]))
        drawn = fitted.draw(20, rng=np.random.default_rng(2))
        for name, array in sorted({**state.arrays, **{f"drawn {k}": v for k, v in drawn.items()}}.items()):
            found.update(canonical_json([name, array.dtype.str, list(array.shape)]) + array.tobytes())
        return found.digest()

    return fit


def audit(*, pairs: int = PAIRS, seed: int = 0, models: Sequence[str] | None = None,
          progress: Progress = silent) -> Check:
    """Replay `pairs` neighbours of every table, the private models taking turns.

    Args:
        pairs: neighbours of each table.
        seed: of the tables and neighbours; the recorded runs have fresh noise each time.
        models: registry names; None = every private one.
    """
    names = private_models() if models is None else list(models)
    rng = np.random.default_rng(seed)
    tally = Tally()
    found = list(cases(rng))
    for done, case in enumerate(found):
        for index in _replayed(case, names, pairs, rng, tally):
            progress("replay", done * pairs + index, len(found) * pairs)
    progress("replay", len(found) * pairs, len(found) * pairs)
    return report(tally, names)


def _replayed(case: Case, names: Sequence[str], pairs: int, rng: np.random.Generator, tally: Tally) -> Iterator[int]:
    """Replay neighbours of one table, cut down to the training side of a fixed split; yields how many are done."""
    budget = Budget.of(EPSILON, unit=case.table.schema.unit or "row", max_rows_per_unit=MAX_ROWS)
    tally.allowed = max(tally.allowed, budget.allowance.mu_squared)
    runs: dict[str, Recorded] = {}

    def pair(model: str, neighbour: Table, refit: bool) -> Replayer:
        if model not in runs:
            runs[model] = record(content_of(model), case.train(case.table), budget)
        return replay(runs[model], case.train(neighbour), refit=refit)

    for index in range(pairs):
        model, turn = names[index % len(names)], index // len(names)
        refit = turn % REFIT_EVERY == 0
        tally.refits += refit
        tally.count(f"{case.name}, {model}", partial(pair, model, case.neighbour(rng), refit))
        yield index + 1


def report(tally: Tally, names: Sequence[str]) -> Check:
    """The line of layer 1."""
    says = (f"{tally.pairs} pairs of {', '.join(names)}, max spent {float(tally.spent):.5f} of "
            f"{float(tally.allowed):.5f}, divergent transcripts {len(tally.broken)}")
    if tally.broken:
        says += f"; the first: {tally.broken[0]}"
    return Check("replay", "transcripts", not tally.broken, says, {
        "pairs": tally.pairs, "refits": tally.refits, "max_spent": float(tally.spent),
        "budget": float(tally.allowed), "divergent": len(tally.broken), "first": tally.broken[:3]})
