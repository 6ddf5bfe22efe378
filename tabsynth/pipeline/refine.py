"""Critic refinement: thin a model's rows by a critic that was trained on people held back, if that passes the gate.

People are split in three. The model is fitted to the first part; the critic learns to tell the second part from the
model's rows; on the third part, that neither has seen, thinned rows are compared with the model's own. The critic is
kept only if its rows are harder to tell from real ones and copy no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import Codes, Coding
from tabsynth.core.progress import Progress, silent
from tabsynth.core.synthesizer import Generative, Synthesizer
from tabsynth.models._critic.critic import Critic, margins
from tabsynth.models.refined import Refined
from tabsynth.pipeline.calibration import COPIES, COPY_ERRORS, DCR, DCR_ERRORS
from tabsynth.pipeline.held_back import Sides
from tabsynth.pipeline.scoring import ALL, Copies, score

PARTS: Final = (0.65, 0.85)
"""Where the people of the model, of the critic and of the gate end."""
LEAST_PEOPLE: Final = 1_000
"""Fewer leave a critic and a gate with nothing to learn from."""
MOST_HELD: Final = 15_000
"""Rows that a critic learns from; more take time and change little."""
POOL_ROWS: Final = 100_000
"""Rows by which margins are brought back."""
MOST_JUDGED: Final = 5_000
"""Rows of a side that the gate compares."""
LOOKS: Final = 3
"""Draws that the gate looks at, of the plain and of the refined model."""
ROUNDS: Final = 2
STEPS: Final = 3

Mask = NDArray[np.bool_]
Build = Callable[[], Synthesizer]


@dataclass(frozen=True)
class Looks:
    """What was measured of a model's rows, on average over LOOKS draws; copies on the first of them.

    Args:
        detection: AUC of telling them from held-back rows, with its standard error; 0.5 = cannot be told apart.
        dcr_share: share of them nearer to a row that was learned from, with its error; 0.5 without copying.
        copies: None where they are too few.
    """

    detection: float
    detection_error: float
    dcr_share: float
    dcr_error: float
    copies: Copies | None

    @classmethod
    def at(cls, model: Generative, sides: Sides, rng: np.random.Generator) -> Looks:
        found = [score(sides.draw(model, rng), sides.draw_table(model, rng), sides, rng) for _ in range(LOOKS)]
        auc, error, share = np.mean([(one.detection, one.detection_error, one.dcr) for one in found], axis=0).tolist()
        return cls(auc, error, share, found[0].dcr_error, found[0].copies[ALL])

    def to_json(self) -> dict[str, Any]:
        ratio = None if self.copies is None else {"value": round(self.copies.ratio, 4),
                                                  "error": round(self.copies.error, 4)}
        return {"detection": {"value": round(self.detection, 4), "error": round(self.detection_error, 4)},
                "dcr_share": {"value": round(self.dcr_share, 4), "error": round(self.dcr_error, 4)},
                "copy_ratio": ratio}


def objection(before: Looks, after: Looks) -> str | None:
    """Why the critic is not kept, in one sentence; None if it is.

    Copies may pass the limits of a calibration that is balanced, each within its error, or those of the plain model.
    """
    if after.dcr_share - DCR_ERRORS * after.dcr_error > max(DCR["balanced"], before.dcr_share):
        return "its rows copy more: the share nearer to training rows goes " \
               f"{_change(before.dcr_share, after.dcr_share)}."
    limit = max(COPIES, before.copies.ratio if before.copies is not None else COPIES)
    if after.copies is not None and after.copies.exceeds(limit, COPY_ERRORS):
        return f"its rows copy more: their copy ratio is {after.copies.ratio:.2f} +- {after.copies.error:.2f}, over " \
               f"{limit:.2f}."
    error = (before.detection_error**2 + after.detection_error**2)**0.5
    if before.detection - after.detection <= error:
        return "its rows are no harder to tell from real ones: detection AUC goes " \
               f"{_change(before.detection, after.detection)}, with an error of {error:.3f}."
    return None


def refined(plain: Generative, codes: Codes, build: Build, rng: np.random.Generator,
            progress: Progress = silent) -> tuple[Generative, dict[str, Any]]:
    """The model with a critic, or the plain model where the gate refuses that, and what is known of the refinement.

    The model that is refined is fitted to the people of the first and third part and not to everybody: its critic has
    to come from people whom it has not seen.

    Args:
        plain: the model, fitted to the whole table.
        codes: that table, coded by the model's coding.
        build: gives the same model before its fit.
        rng: model randomness.
    """
    units = codes.unit_of
    n_people = int(units.max(initial=-1)) + 1
    if n_people < LEAST_PEOPLE:
        return plain, _facts(f"a critic needs {LEAST_PEOPLE:,} people, the table has {n_people:,}.")
    part = np.searchsorted(PARTS, rng.random(n_people), side="right")[units]

    def with_critic(own: Mask) -> Refined:
        inner = build().fit_coded(codes.take(own), plain.coding_, rng=rng)
        return criticised(inner, codes, own, part == 1, rng)

    progress("refine", 0, STEPS)
    trial = with_critic(part == 0)
    progress("refine", 1, STEPS)
    sides = _sides(codes, plain.coding_, part == 2, rng)
    before, after = Looks.at(trial.inner, sides, rng), Looks.at(trial, sides, rng)
    progress("refine", 2, STEPS)
    reason = objection(before, after)
    final = plain if reason is not None else with_critic(part != 1)
    progress("refine", STEPS, STEPS)
    measured = {"before": before.to_json(), "after": after.to_json()}
    share = final.critic.share if isinstance(final, Refined) else None
    return final, {**_facts(reason, share), "people_judged": len(np.unique(sides.units)), **measured}


def criticised(inner: Synthesizer, codes: Codes, own: Mask, held: Mask, rng: np.random.Generator) -> Refined:
    """A model and a critic that learned from rows held back from it; margins are those of both.

    Args:
        inner: fitted to the rows `own`.
        own, held: rows of `codes`, shape (n,).
    """
    def draw(n: int) -> dict[str, NDArray[np.int32]]:
        return inner.draw(n, rng=rng)

    some = _some(held, MOST_HELD, rng)
    critic = Critic.learn(codes.take(some), inner.coding_, draw, rounds=ROUNDS, rng=rng)
    return Refined(inner, critic.raked(draw(POOL_ROWS), margins(codes.take(own | held))))


def _sides(codes: Codes, coding: Coding, held: Mask, rng: np.random.Generator) -> Sides:
    """People whom neither model nor critic has seen, and the others."""
    rows = _some(held, MOST_JUDGED, rng)
    return Sides(coding, codes.take(~held), codes.values[rows], codes.unit_of[rows],
                 codes.values[_some(~held, len(rows), rng)])


def _some(rows: Mask, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of at most so many of the rows."""
    places = np.flatnonzero(rows)
    return np.sort(rng.choice(places, min(len(places), most), replace=False))


def _facts(objection: str | None, share: float | None = None) -> dict[str, Any]:
    """What is known of every refinement."""
    return {"kept": objection is None, "reason": objection or "its rows are harder to tell from real ones and copy no "
            "more.", "rounds": ROUNDS, "share_kept": share}


def _change(before: float, after: float) -> str:
    return f"from {before:.3f} to {after:.3f}"
