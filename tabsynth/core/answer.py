"""An answer with its error: what a private model knows about a count, and how well."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from tabsynth.core.rules.expression import Expression


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval. sigma: standard deviation of `value` before it was kept in range."""

    value: float
    low: float
    high: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Answer:
    """How many units of the training table satisfy a condition, as far as the noisy measurements tell.

    Args:
        where: the condition.
        count: units, between 0 and all; a unit with r rows counts 1/r for each that satisfies it.
        share: count over all units, in [0, 1].
        population: the same share among the people whom the training table was drawn from; None if not asked for.
        n: units of the training table, which is known by noisy counts only.
        sources: the measurements that were combined, the one that separates the condition's cases first.
        exact: False if values were counted together of which only some satisfy the condition. The intervals then
            reach from the lower end without these values to the upper end with them.
        cut: what was counted together then, one text a column.
    """

    where: str
    count: Estimate
    share: Estimate
    population: Estimate | None
    n: Estimate
    sources: tuple[str, ...]
    exact: bool
    cut: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@runtime_checkable
class Answers(Protocol):
    """A fitted model that kept noisy measurements and their variances."""

    def answer(self, where: Expression, *, population: bool = False) -> Answer:
        """Count and share of the units for which `where` holds.

        Args:
            population: add an interval that also holds what sampling the training table from a population adds.

        Raises:
            UsageError: no measurement holds the condition's columns together; names those that there are.
        """
