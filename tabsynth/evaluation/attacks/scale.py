"""P2c, membership when sampling stays open: the attacks of P2a with ten times as many synthetic rows.

Attacks grow stronger with the number of rows that an attacker may draw, so that what was found on the released table
does not speak for a released model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from tabsynth.core.finding import Finding
from tabsynth.core.table import Table
from tabsynth.evaluation.attacks._membership_scores import (
    PROMINENT_BY,
    Rows,
    kernel_width,
    look,
    prominence,
    searched_rows,
    swapped,
)
from tabsynth.evaluation.attacks._pooled_auc import detectable_auc, pooled_auc
from tabsynth.evaluation.features import Embedding, Points
from tabsynth.evaluation.intervals import Floats
from tabsynth.evaluation.protocol import LOW_POWER, Draw, Samples, title_of
from tabsynth.evaluation.variants import EVIDENCE, attack_finding, ranked

FACTS = {
    "name": "scale",
    "entry": "scale",
    "tier": 1,
    "section": "privacy",
    "summary": "membership attacks with ten times as many synthetic rows, where the model is at hand",
    "findings": {"P2c": "Can it be shown that a person was in the data, with many more synthetic rows?"},
}

METHOD: Final = (
    "The attacks of P2a that need distances alone (nearest, calibrated, density), with further synthetic rows drawn "
    "from the released model: ten times as many as released, at most 100,000. Interval: DeLong, by person.")
TIMES: Final = 10
MAX_DRAWN: Final = 100_000
CHUNK: Final = 10_000
"""Synthetic rows held at a time."""
MAX_PEOPLE: Final = 1_000
"""Most members, and most non-members, under attack."""
MAX_TARGET_ROWS: Final = 2_000


def scale(samples: Samples) -> tuple[Finding, ...]:
    """AUC of each score with many more synthetic rows; not run without a model to draw from."""
    title = title_of(FACTS, "P2c")
    if samples.draw is None:
        return (Finding.not_run("P2c", title, "privacy", "no fitted model at hand", direction="lower is safer",
                                method=METHOD),)
    released = [samples.synth.take(slice(start, start + CHUNK)) for start in range(0, len(samples.synth), CHUNK)]
    chunks = [*released, *drawn(samples, samples.draw)]
    basis = searched_rows(samples)
    both = swapped(samples, lambda reference: attacker(chunks, basis, reference, samples.columns),
                   max_people=MAX_PEOPLE, max_rows=MAX_TARGET_ROWS)
    n_members, n_controls = len(both[0].members), sum(len(fold.controls) for fold in both)
    rows = [ranked(name, *pooled_auc([fold.ranking(name) for fold in both]), n_members, n_controls)
            for name in both[0].members.scores]
    few = f"fewer than {LOW_POWER} people on one side" if min(n_members, n_controls) < LOW_POWER else None
    return (attack_finding("P2c", title, rows, method=METHOD, unit_of_n="people", few=few, details={
        "synthetic_rows": sum(len(chunk) for chunk in chunks), "released_rows": len(samples.synth),
        "detectable_auc": detectable_auc(n_members, n_controls // 2, alpha=EVIDENCE / len(rows))}),)


def drawn(samples: Samples, draw: Draw) -> list[Table]:
    """Further rows of the released model, in chunks: nine times as many as released, or up to `MAX_DRAWN` in all."""
    wanted = max(0, min(TIMES * len(samples.synth), MAX_DRAWN) - len(samples.synth))
    sizes = [min(CHUNK, wanted - start) for start in range(0, wanted, CHUNK)]
    return [draw(size, samples.streams.stream(i, "more rows")) for i, size in enumerate(sizes)]


@dataclass(frozen=True, eq=False)
class Passing:
    """Distance to the nearest of the rows seen so far, and the log of their kernels' sum; shape (n,) each."""

    nearest: Floats
    mass: Floats

    def then(self, points: Points, others: Points, width: float) -> Passing:
        """The same after some more rows."""
        seen = look(points, others, width, 1)
        return Passing(np.minimum(self.nearest, seen.distances[:, 0]), np.logaddexp(self.mass, seen.mass))


def attacker(chunks: list[Table], basis: Table, reference: Table,
             columns: tuple[str, ...]) -> Callable[[Table], Rows]:
    """Somebody who holds R and draws synthetic rows chunk by chunk; distances as in P2a, learned from `basis` and R."""
    embedding = Embedding.of(columns, [basis, reference])
    r = embedding.points(reference)
    width = kernel_width(r)

    def rows(table: Table) -> Rows:
        points = embedding.points(table)
        of_s = Passing(np.full(len(points), np.inf), np.full(len(points), -np.inf))
        for chunk in chunks:
            of_s = of_s.then(points, embedding.points(chunk), width)
        of_r = look(points, r, width, PROMINENT_BY)
        return Rows({"nearest": -of_s.nearest, "calibrated": of_r.distances[:, 0] - of_s.nearest,
                     "density": of_s.mass - of_r.mass}, prominence(of_r))

    return rows
