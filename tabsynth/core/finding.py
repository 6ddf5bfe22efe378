"""What a measure reports (`Finding`) and what a policy makes of it (`Judgement`).

No score stands alone: a finding carries its floor (independent columns), its ceiling (real against real), an
interval, the number of records behind it, and whether the measurement stands at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

State = Literal["ok", "uninformative", "insufficient_power", "not_run"]
Direction = Literal["higher is better", "lower is better", "closer to 0.5 is better", "closer to 1 is better",
                    "closer to 0 is better", "lower is safer", "none"]
Section = Literal["validity", "fidelity", "utility", "privacy", "diagnostic"]


FAILED: Final = "failed"
"""Detail of a finding whose measure stopped with an error that nobody foresaw: a policy may not pass over it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured number and everything needed to read it.

    Args:
        id: stable identifier such as "kway.2"; never reused for another definition.
        title: what a reader who writes no code understands.
        section: where the report puts it.
        value: the measurement, or None when state is "not_run".
        interval: 95 % interval that contains `value`, or None where the statistic has none.
        n: records behind the number (rows or units, `unit_of_n` says which).
        floor: the same number for independently resampled training columns.
        ceiling: the same number for real training rows against the holdout.
        normalised: (value - floor) / (ceiling - floor), never clipped; None where ceiling - floor is noise.
        baseline: what an attacker reaches without the data; control: the same attack on people who were not used.
        state: whether the measurement stands. `reason` says why not.
        breakdown: rows of a table for drill-down; internal reports only unless `shareable`.
        points: what a chart of the measurement draws, one mapping a point; "n" (and "..._n") says on how many people
            it rests, and no step between neighbours rests on 1 to 10.
        shareable: False when the number follows from real rows (always the case under DP outside the statement).
        method: one sentence with the source (paper, section).
        details: further named numbers, JSON values only.
    """

    id: str
    title: str
    section: Section
    value: float | None
    direction: Direction
    n: int = 0
    unit_of_n: str = "rows"
    interval: tuple[float, float] | None = None
    floor: float | None = None
    ceiling: float | None = None
    normalised: float | None = None
    baseline: float | None = None
    control: float | None = None
    state: State = "ok"
    reason: str | None = None
    method: str = ""
    version: int = 1
    breakdown: tuple[Mapping[str, Any], ...] = ()
    points: tuple[Mapping[str, Any], ...] = ()
    shareable: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def not_run(cls, id: str, title: str, section: Section, reason: str, *, direction: Direction = "none",
                method: str = "") -> Finding:
        """A measure that could not be computed is a line in the report, not a missing line."""
        return cls(id=id, title=title, section=section, value=None, direction=direction, state="not_run",
                   reason=reason, method=method)


Verdict = Literal["finding", "review", "no_finding", "insufficient_power", "not_run"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the policy says about one finding: the limit, where it comes from, and the outcome."""

    finding_id: str
    verdict: Verdict
    because: str
    limit: float | None = None
    limit_source: str = ""


class Measure(Protocol):
    """One file in ``tabsynth/evaluation/``: a function from the protocol's samples to findings."""

    def __call__(self, samples: Any) -> tuple[Finding, ...]: ...
