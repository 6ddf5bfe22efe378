"""Which model, at which settings, and why: the choice that ``model="auto"`` makes, the check that a chosen model fits
the wish, and the calibration of models that can be calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tabsynth.core import registry
from tabsynth.core.coding import Codes, Coding
from tabsynth.core.complexity import Settings
from tabsynth.core.errors import UsageError
from tabsynth.core.progress import Progress, silent
from tabsynth.core.rng import Streams
from tabsynth.pipeline.calibration import Calibration, Candidate, Mode, calibrate, candidates
from tabsynth.pipeline.held_back import ENOUGH, hold_back

FEW_PEOPLE: Final = 200
"""Trees learn little from fewer."""
BASELINES: Final = ("copula", "independent")
"""What any table's model is compared with."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A model's registry name and the reason for it, in one sentence for the report."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class Selected:
    """A choice, its settings, and how both were come by; None where the model has nothing to calibrate."""

    choice: Choice
    settings: Settings
    calibration: Mapping[str, Any] | None


def choose(model: str, *, private: bool, refine: bool = False, people: int | None = None) -> Choice:
    """Resolve ``auto`` and refuse a model that cannot keep, or does not need, a guarantee, and a critic beside one.

    Args:
        people: in the table; None = not known yet.

    >>> choose("auto", private=True).model
    'marginal'
    """
    if private and refine:
        raise UsageError("refinement looks at real rows outside the budget, so that it does not go with epsilon.",
                         fix="Leave out --refine (in Python: refine=True), or fit without epsilon.")
    if model == "auto":
        if private:
            return Choice("marginal", "epsilon is set: noisy marginals on a junction tree are the most accurate "
                                      "known approach for tables under differential privacy.")
        if people is not None and people < FEW_PEOPLE:
            return Choice("copula", f"no epsilon is set, and {people} people are too few for a model of trees.")
        return Choice("seqforest", "no epsilon is set: a sequence of trees is the most faithful, from "
                                   f"{FEW_PEOPLE} people on.")
    facts = registry.find("models", model).facts
    if bool(facts.get("private")) != private:
        kind = [n for n, p in registry.plugins("models").items() if bool(p.facts.get("private")) == private]
        raise UsageError(
            f"model {model!r} {'cannot be fitted with --epsilon' if private else 'needs --epsilon'}.",
            fix=f"Models {'with' if private else 'without'} differential privacy: {', '.join(sorted(kind))}.")
    return Choice(model, "chosen by name.")


def select(choice: Choice, coding: Coding, codes: Codes, *, settings: Settings, mode: Mode,
           contested: bool, rng: np.random.Generator, progress: Progress = silent) -> Selected:
    """Settings for a model without a guarantee, and where `contested` whether a baseline does as well.

    Args:
        coding, codes: of the whole table.
        settings: the caller's own, which stay as they are.
        contested: the model was not asked for by name.
    """
    if not registry.find("models", choice.model).facts.get("calibrated"):
        return Selected(choice, settings, None)
    streams = Streams.from_rng(rng)
    enough = mode != "off" and int(codes.unit_of.max()) + 1 >= ENOUGH
    sides = hold_back(coding, codes, streams.stream(0, "held back")) if enough else None
    found = calibrate(choice.model, settings, mode, sides, streams, progress=progress)
    if sides is None or found.winner is None or not contested:
        return Selected(choice, found.settings, found.evidence(winner=found.winner))
    baselines = candidates([(name, {}) for name in BASELINES], sides, streams, progress=progress)
    winner = found.winner if settings else better(found.winner, baselines)
    return Selected(Choice(winner.model, compared(winner, [found.winner, *baselines], found)), winner.settings,
                    found.evidence(winner=winner, baselines=baselines))


def better(candidate: Candidate, baselines: Sequence[Candidate]) -> Candidate:
    """A baseline that cannot be detected more easily, within one standard error, and copies less; else `candidate`."""
    within = candidate.detection + candidate.score.detection_error
    equals = [one for one in baselines if one.detection <= within and one.score.dcr < candidate.score.dcr]
    return min(equals, key=lambda one: one.score.dcr, default=candidate)


def compared(winner: Candidate, found: Sequence[Candidate], calibration: Calibration) -> str:
    """The comparison in one sentence."""
    others = " and ".join(f"{one.score.detection:.3f} for {one.model}" for one in found if one is not winner)
    people = 0 if calibration.sides is None else calibration.sides.people
    return f"detection {winner.score.detection:.3f} against {others} on {people:,} held-back people; " \
           f"DCR share {winner.score.dcr:.3f}."
