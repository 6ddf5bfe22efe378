"""All layers of the audit, in order: the quick ones always, those that fit thousands of models when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tabsynth.core.errors import UsageError
from tabsynth.core.progress import Progress
from tabsynth.pipeline.audit import black_box, distinguish, replay, sampling
from tabsynth.pipeline.audit.report import Check
from tabsynth.privacy.budget import LARGEST_EPSILON

Step = Callable[[Progress], list[Check]]

FEWEST: Final = 100
"""Runs or fits in each world below which nothing can be proven."""


@dataclass(frozen=True)
class Plan:
    """What to do.

    Args:
        long: layers 3 and 4 too.
        epsilons: claims that layer 3 tests.
        runs: fits of layer 3 in each world, for each epsilon.
        fits: fits of layer 4 in each world.
        pairs: neighbours of every table in layer 1.
        jobs: processes of layers 3 and 4.
    """

    long: bool = False
    epsilons: Sequence[float] = distinguish.EPSILONS
    runs: int = distinguish.RUNS
    fits: int = black_box.FITS
    pairs: int = replay.PAIRS
    jobs: int = 1

    def __post_init__(self) -> None:
        if min(self.runs, self.fits) < FEWEST:
            raise UsageError(f"fewer than {FEWEST} fits in each world prove nothing, got {min(self.runs, self.fits)}.")
        if self.pairs < 1 or self.jobs < 1:
            raise UsageError("the audit needs at least one pair and one process.")
        for epsilon in self.epsilons:
            if not 0 < epsilon <= LARGEST_EPSILON:
                raise UsageError(f"the audit tests epsilons above 0 and up to {LARGEST_EPSILON}, got {epsilon:g}.")


def steps(plan: Plan) -> Iterator[Step]:
    """The layers in order, to be run one by one: each takes a progress and returns its checks."""
    yield lambda progress: [replay.audit(pairs=plan.pairs, progress=progress)]
    yield lambda progress: [sampling.audit(progress=progress)]
    if plan.long:
        for epsilon in plan.epsilons:
            yield lambda progress, e=epsilon: list(  # type: ignore[misc]
                distinguish.audit(e, plan.runs, jobs=plan.jobs, progress=progress))
        yield lambda progress: list(black_box.audit(plan.fits, jobs=plan.jobs, progress=progress))
