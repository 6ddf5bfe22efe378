"""Layer 3: the best possible test for whether one person is in the table, on the worst pair of tables there is.

Three people who are alike, and one more who shares no value with them. A model is fitted many times with and without
that person, with fresh noise, and an attacker who knows everybody else must say which. Two scores:

- *transcript*: the log-likelihood ratio of everything that the curator answered. Noise is Gaussian with a known sigma,
  so the ratio is a sum over answers, each given those before, of ((y - q)^2 - (y - q')^2) / 2 sigma^2 with q and q' the
  true values in the two worlds (q' comes from asking the other table the same questions). No test is better (Neyman
  and Pearson), and all that is released is computed from these answers. Its threshold is 0, fixed beforehand, so that
  every run counts.
- *rows*: what can be had from synthetic rows alone, with a threshold from the first half of the runs.

The audit fails if either proves more than the claimed epsilon, and also if the transcript proves far less than a tight
mechanism should: then the audit has gone blind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import registry
from tabsynth.core.errors import UsageError
from tabsynth.core.progress import Progress, silent
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import PRESENT, Cells, Table
from tabsynth.pipeline.audit import chunks
from tabsynth.pipeline.audit.evidence import (
    GATE,
    REPORTED,
    Evidence,
    at_threshold,
    can_go_blind,
    expected_epsilon,
    held_out,
)
from tabsynth.pipeline.audit.replay import curate
from tabsynth.pipeline.audit.report import Check, Layer
from tabsynth.pipeline.audit.transcript import Chosen, Divergence, Listener, Recorder, Replayer, ask_again
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator

Floats = NDArray[np.float64]
DELTA: Final = "1e-5"
EPSILONS: Final = (1.0, 4.0, 10.0)
RUNS: Final = 50_000
"""Runs in each world."""
SIGHT: Final = 0.6
"""Share of the expected epsilon below which the audit counts as blind."""
SIGHT_ALPHA: Final = 1e-6
"""Chance with which a tight mechanism may look blind; where it would be larger, sight is not tested."""
ONE_ROUND: Final = {"rounds": 1}
ROWS: Final = 100
"""Synthetic rows of a run."""
ALIKE: Final = 3
LEVELS: Final = ("a", "b", "c", "d")

SCHEMA: Final = Schema(tuple(Column(f"column {i}", "category", levels=LEVELS, nullable=False, source="the audit")
                             for i in range(3))).with_unit("row")


@dataclass(frozen=True, slots=True)
class Task:
    """Some runs in both worlds, for one process: noise is drawn where its source was made."""

    epsilon: float
    runs: int
    model: str
    settings: dict[str, Any]
    rows: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of runs without the person and with, shape (runs,) each; rows empty if no rows were drawn."""

    transcript: tuple[Floats, Floats]
    rows: tuple[Floats, Floats]

    @classmethod
    def join(cls, parts: Sequence[Scores]) -> Scores:
        def joined(pairs: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
            return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])

        return cls(joined([p.transcript for p in parts]), joined([p.rows for p in parts]))


def worlds() -> tuple[Table, Table]:
    """The table without the person, and with."""
    return _table([0] * ALIKE), _table([0] * ALIKE + [len(LEVELS) - 1])


def _table(levels: list[int]) -> Table:
    cells = Cells(np.array(levels, dtype=np.int32), np.full(len(levels), PRESENT, dtype=np.uint8), LEVELS)
    return Table(SCHEMA, dict.fromkeys(SCHEMA.names, cells))


def run(task: Task) -> Scores:
    """Fit the model `task.runs` times in each world."""
    budget = Budget.of(task.epsilon, DELTA, unit="row", max_rows_per_unit=1)
    tables = worlds()
    person = tables[1].take(np.array([ALIKE]))
    transcript, rows = np.zeros((2, task.runs)), np.zeros((2, task.runs if task.rows else 0))
    for world in (0, 1):
        for index in range(task.runs):
            recorder = Recorder()
            listener = Listener(curate(tables[world], budget, recorder))
            model = registry.load("models", task.model)(**task.settings)
            model.fit(cast(Curator, listener), rng=np.random.default_rng(index))
            replayer = Replayer(recorder.asked)
            ask_again(curate(tables[1 - world], budget, replayer), listener.queries)
            transcript[world, index] = log_likelihood_ratio(recorder, replayer, (1.0, -1.0)[world])
            if task.rows:
                rows[world, index] = persons_share(model, person, np.random.default_rng(index))
    return Scores((transcript[0], transcript[1]), (rows[0], rows[1]))


def log_likelihood_ratio(recorder: Recorder, replayer: Replayer, direction: float) -> float:
    """Log of P(answers | replayed table) / P(answers | recorded table), times `direction` (+1 or -1).

    Raises:
        UsageError: not all answers are Gaussian.
    """
    ratio = 0.0
    for asked, change in zip(recorder.asked, replayer.changes, strict=True):
        if isinstance(asked, Chosen):
            raise UsageError("layer 3 knows the odds of Gaussian answers only, and this model also makes choices.",
                             fix="Distinguish with marginal; mst and aim are replayed in layer 1.")
        moved = change.astype(np.float64)
        noise = (asked.answer - asked.true).astype(np.float64)
        ratio += float((moved * (2 * noise - moved)).sum()) / (2.0 * asked.sigma**2)
    return direction * ratio


def persons_share(model: Any, person: Table, rng: np.random.Generator) -> float:
    """How often the values that only the person has occur in synthetic rows, times their estimated number."""
    drawn = model.draw(ROWS, rng=rng)
    codecs = model.coding_.codecs
    own = [drawn[name] == codecs[name].encode(person[name])[0] for name in SCHEMA.names]
    return float(np.mean(own) * model.total_)


def score(epsilon: float, runs: int, *, model: str = "marginal", settings: Mapping[str, Any] = ONE_ROUND,
          rows: bool = True, jobs: int = 1, progress: Progress = silent) -> Scores:
    """`runs` runs in each world, in chunks, on `jobs` processes."""
    tasks = [Task(epsilon, size, model, dict(settings), rows) for size in chunks.sizes(runs, jobs)]
    return Scores.join(list(chunks.done(run, tasks, jobs=jobs, stage=f"distinguish, epsilon {epsilon:g}",
                                        progress=progress)))


def audit(epsilon: float, runs: int = RUNS, *, gate: float = GATE, jobs: int = 1,
          progress: Progress = silent) -> Iterator[Check]:
    """One check for the transcript and one for synthetic rows; a single one if the two worlds' questions differ."""
    try:
        scores = score(epsilon, runs, jobs=jobs, progress=progress)
    except Divergence as error:
        yield Check("distinguish", f"transcript, epsilon {epsilon:g}", False, error.message, {"epsilon": epsilon})
        return
    mu = Budget.of(epsilon, DELTA, unit="row", max_rows_per_unit=1).allowance.mu
    yield judge("transcript", epsilon, at_threshold(*scores.transcript, 0.0), gate, expected_mu=mu)
    yield judge("rows", epsilon, held_out(*scores.rows, float(DELTA)), gate)


def judge(name: str, epsilon: float, found: Evidence, gate: float, *, expected_mu: float | None = None,
          layer: Layer = "distinguish") -> Check:
    """Compare what was proven with what is claimed and, for the best test, with what it should have proven."""
    delta = float(DELTA)
    proven, direct = found.epsilon(REPORTED, delta), found.direct_epsilon(REPORTED, delta)
    over = max(found.epsilon(gate, delta), found.direct_epsilon(gate, delta)) > epsilon
    fpr, fnr = found.limits(REPORTED)
    says = (f"{name} at epsilon {epsilon:g}, delta {delta:g}, N = {found.n} a world: FPR <= {fpr:.4f}, FNR <= "
            f"{fnr:.4f}, epsilon >= {proven:.3f} ({direct:.3f} without assuming mu-GDP) at 95 % confidence")
    expected = None if expected_mu is None else expected_epsilon(expected_mu, found.n, delta)
    blind = False
    if expected is not None and expected_mu is not None:
        tested = can_go_blind(expected_mu, found.n, delta, SIGHT, SIGHT_ALPHA)
        blind = tested and proven < SIGHT * expected
        says += f", expected {expected:.3f}" + ("" if tested else " (N too small to test sight)")
    if over:
        says += f"; more than is claimed, at confidence 1 - {gate:g}"
    if blind:
        says += "; the audit has gone blind"
    return Check(layer, f"{name}, epsilon {epsilon:g}", not over and not blind, says, {
        "epsilon": epsilon, "delta": delta, "n": found.n, "false_alarms": found.false_alarms, "misses": found.misses,
        "confidence": 1 - REPORTED, "fpr_limit": fpr, "fnr_limit": fnr, "epsilon_lower_bound": proven,
        "direct_lower_bound": direct, "expected_lower_bound": expected, "gate": gate, "blind": blind})
