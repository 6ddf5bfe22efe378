"""What a person allows: epsilon and delta for one unit, within declared limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal, Self

from tabsynth.core.errors import PrivacyError
from tabsynth.privacy.accountant import Cost, allowance
from tabsynth.privacy.events import GRID, rational

ADJACENCY: Final = "add-remove-unit"
LARGEST_EPSILON: Final = 10
SENSELESS_EPSILON: Final = 100
SMALLEST_MU: Final = 1e-4
"""Below it the noise on every count is over 10,000 people, and soon beyond what the sampler covers."""
LARGEST_DEFAULT_DELTA: Final = Fraction(1, 10**6)

Number = int | float | str | Fraction


@dataclass(frozen=True, slots=True)
class Budget:
    """(epsilon, delta) against adding or removing all rows of one unit.

    Args:
        epsilon, delta: exact rationals.
        unit: column that says whose row it is, or "row" when every row is another person.
        max_rows_per_unit: further rows of a unit are left out, chosen by a secret key.
        adjacency: the only one there is.
    """

    epsilon: Fraction
    delta: Fraction
    unit: str
    max_rows_per_unit: int = 100
    adjacency: Literal["add-remove-unit"] = "add-remove-unit"

    def __post_init__(self) -> None:
        if self.epsilon <= 0:
            raise PrivacyError(f"epsilon must be positive, got {float(self.epsilon):g}.", fix="1 is a good start.")
        if not 0 < self.delta < 1:
            raise PrivacyError(f"delta must lie between 0 and 1, got {float(self.delta):g}.",
                               fix="Leave it out for min(1e-6, 1 / (10 declared units)).")
        if not 1 <= self.max_rows_per_unit <= GRID:
            raise PrivacyError(f"max_rows_per_unit must be at least 1 and at most {GRID}, got "
                               f"{self.max_rows_per_unit}.")
        if self.adjacency != ADJACENCY:
            raise PrivacyError(f"the only adjacency there is is {ADJACENCY!r}.")
        if not self.unit:
            raise PrivacyError("a privacy guarantee needs a unit: the column that says whose row it is.",
                               fix="Name it, or say 'row' if every row is another person.")

    @classmethod
    def of(cls, epsilon: Number, delta: Number | None = None, *, unit: str, declared_units: int | None = None,
           max_rows_per_unit: int = 100, allow_large_epsilon: bool = False) -> Self:
        """A budget with the defaults and refusals that keep the number meaningful.

        Args:
            epsilon: decimal text, float (read as its shortest decimal) or rational.
            delta: default min(1e-6, 1 / (10 declared_units)).
            unit: unit column, or "row".
            declared_units: publicly declared size of the population, never counted from the table.
            max_rows_per_unit: bound on contributions.
            allow_large_epsilon: accept epsilon above 10.

        Raises:
            PrivacyError: a number that would look like a guarantee and protect nobody.

        >>> Budget.of(1, unit="row", declared_units=5912).delta
        Fraction(1, 1000000)
        """
        exact_epsilon = _exact(epsilon, "epsilon")
        if exact_epsilon > LARGEST_EPSILON and not allow_large_epsilon:
            raise PrivacyError(
                f"epsilon {float(exact_epsilon):g} is above {LARGEST_EPSILON} and protects hardly anyone.",
                fix="Choose a smaller one (1 is a good start), or pass --allow-large-epsilon.")
        if exact_epsilon > SENSELESS_EPSILON:
            raise PrivacyError(f"epsilon {float(exact_epsilon):g} is above {SENSELESS_EPSILON}: no privacy is left.",
                               fix="Choose a smaller one, or do without differential privacy and say so.")
        if declared_units is not None and declared_units < 2:
            raise PrivacyError("one unit alone cannot be hidden: at least two declared units are needed.")
        exact_delta = default_delta(declared_units) if delta is None else _exact(delta, "delta")
        refuse_large_delta(exact_delta, declared_units)
        budget = cls(exact_epsilon, exact_delta, unit, max_rows_per_unit)
        if budget.allowance.mu < SMALLEST_MU:
            raise PrivacyError(
                f"epsilon {float(exact_epsilon):g} at delta {float(exact_delta):g} is too small a budget: every count "
                f"would get noise of more than {1 / SMALLEST_MU:,.0f} people.", fix="Choose a larger epsilon or delta.")
        return budget

    @property
    def allowance(self) -> Cost:
        """What may be spent, discovery of open columns included."""
        return allowance(self.epsilon, self.delta, self.max_rows_per_unit)

    def to_json(self) -> dict[str, Any]:
        return {"epsilon": str(self.epsilon), "delta": str(self.delta), "unit": self.unit,
                "max_rows_per_unit": self.max_rows_per_unit, "adjacency": self.adjacency}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(rational(data["epsilon"]), rational(data["delta"]), str(data["unit"]),
                   int(data["max_rows_per_unit"]), data["adjacency"])


def default_delta(declared_units: int | None) -> Fraction:
    """min(1e-6, 1 / (10 declared_units))."""
    if declared_units is None:
        return LARGEST_DEFAULT_DELTA
    return min(LARGEST_DEFAULT_DELTA, Fraction(1, 10 * declared_units))


def refuse_large_delta(delta: Fraction, declared_units: int | None) -> None:
    """Refuse a delta at which publishing one whole person at random would count as private."""
    if declared_units is not None and delta >= Fraction(1, declared_units):
        raise PrivacyError(f"delta {float(delta):g} is not below 1 / {declared_units} declared units: it would allow "
                           "one person to be published whole.",
                           fix=f"Use at most {float(default_delta(declared_units)):g}.")


def _exact(value: Number, name: str) -> Fraction:
    if isinstance(value, int | Fraction):
        return Fraction(value)
    text = str(value).strip()
    if _NUMBER.fullmatch(text) is None:
        raise PrivacyError(f"{name} must be a finite number such as 1 or 0.5, got {text[:40]!r}.")
    return Fraction(text)


_NUMBER: Final = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,2})?|\d{1,40}/[1-9]\d{0,40}",
                            re.ASCII)
"""At most two digits of exponent: the exact power of ten of a long one takes for ever."""
