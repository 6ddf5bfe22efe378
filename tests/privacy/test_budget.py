"""Defaults, exact numbers, and refusals that say what to do."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tabsynth.core.errors import PrivacyError
from tabsynth.privacy.budget import Budget


def test_numbers_are_exact() -> None:
    budget = Budget.of(0.1, "1e-6", unit="patient")
    assert (budget.epsilon, budget.delta) == (Fraction(1, 10), Fraction(1, 10**6))
    assert Budget.of("1/3", unit="row").epsilon == Fraction(1, 3)
    assert Budget.from_json(budget.to_json()) == budget


@pytest.mark.parametrize(("declared", "delta"), [(None, Fraction(1, 10**6)), (5_912, Fraction(1, 10**6)),
                                                 (10**9, Fraction(1, 10**10))])
def test_default_delta(declared: int | None, delta: Fraction) -> None:
    assert Budget.of(1, unit="row", declared_units=declared).delta == delta


@pytest.mark.parametrize(("arguments", "message"), [
    ({"epsilon": 0}, "epsilon must be positive"),
    ({"epsilon": -1}, "epsilon must be positive"),
    ({"epsilon": float("nan")}, "finite"),
    ({"epsilon": float("inf")}, "finite"),
    ({"epsilon": "many"}, "'many'"),
    ({"epsilon": "1e-999999999"}, "a finite number"),
    ({"epsilon": 1, "delta": "1e-999999999"}, "a finite number"),
    ({"epsilon": "1_0"}, "a finite number"),
    ({"epsilon": "1/0"}, "a finite number"),
    ({"epsilon": "0.00001"}, "too small a budget"),
    ({"epsilon": 1, "delta": "1e-80"}, "too small a budget"),
    ({"epsilon": 101, "allow_large_epsilon": True}, "no privacy is left"),
    ({"epsilon": 1, "max_rows_per_unit": 2**20 + 1}, "max_rows_per_unit"),
    ({"epsilon": 10.5}, "above 10"),
    ({"epsilon": 1, "delta": 0}, "between 0 and 1"),
    ({"epsilon": 1, "delta": 1}, "between 0 and 1"),
    ({"epsilon": 1, "delta": "0.01", "declared_units": 100}, "published whole"),
    ({"epsilon": 1, "declared_units": 1}, "two declared units"),
    ({"epsilon": 1, "max_rows_per_unit": 0}, "max_rows_per_unit"),
    ({"epsilon": 1, "unit": ""}, "unit"),
])
def test_refusals(arguments: dict, message: str) -> None:
    with pytest.raises(PrivacyError, match=message) as caught:
        Budget.of(**{"unit": "patient", **arguments})
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(("part", "value"), [("adjacency", "replace-one"), ("epsilon", "1e9"), ("epsilon", "-1"),
                                             ("delta", 0.5), ("max_rows_per_unit", 0)])
def test_a_stored_budget_is_what_this_program_writes(part: str, value: object) -> None:
    stored = Budget.of(1, unit="row").to_json()
    with pytest.raises((PrivacyError, ValueError)):
        Budget.from_json({**stored, part: value})


def test_large_epsilon_needs_its_flag() -> None:
    assert Budget.of(20, unit="row", allow_large_epsilon=True).epsilon == 20
    assert Budget.of(10, unit="row").epsilon == 10
