"""Who catches what: planted leaks against the whole set of attacks, at a size where their power allows it.

The cases and the simulated truth are those of ``scripts/audit_evaluation.py``, which runs them at more sizes and seeds.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "audit_evaluation.py"
UNITS = 2500
"""Patients in the real table; the split leaves 500 of them as controls."""

MEMBERS = {"P1c", "P1d", "P2a", "P2b"}
"""Linkage, inference and membership attacks."""


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit_evaluation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def found(audit: ModuleType, case: str, seed: int = 0) -> tuple[set[str], dict[str, float]]:
    """Ids that profile "controlled" calls a finding, and all measured values."""
    result = audit.run((case, UNITS, seed, 0.2, False))
    judged = result["verdicts"]["controlled"]
    return {id for id, verdict in judged.items() if verdict == "finding" and id != "outcome"}, result["values"]


@pytest.mark.slow
def test_the_training_table_is_caught_by_every_kind_of_attack(audit: ModuleType) -> None:
    caught, values = found(audit, "training table (S = T)")
    assert caught >= {"P0a", "P0b", "P0e", "P1a", "P1b"} | MEMBERS
    assert values["P0a"] == 1.0


@pytest.mark.slow
def test_a_bootstrap_is_caught(audit: ModuleType) -> None:
    assert found(audit, "bootstrap")[0] >= {"P0a", "P0e", "P1a", "P1b"} | MEMBERS


@pytest.mark.slow
def test_rows_with_three_cells_in_ten_changed_are_caught(audit: ModuleType) -> None:
    assert found(audit, "30 % perturbed")[0] >= {"P0e", "P1a"} | MEMBERS


@pytest.mark.slow
def test_resampled_columns_are_caught_by_their_values_and_by_nothing_that_needs_associations(audit: ModuleType) -> None:
    caught, _ = found(audit, "resampled columns")
    assert caught >= {"P0e", "P1a"}
    assert not caught & (MEMBERS | {"P0a", "P1e"})


@pytest.mark.slow
@pytest.mark.parametrize("case", ["smoothed marginals", "independent draw"])
def test_whoever_took_nothing_is_accused_of_nothing(audit: ModuleType, case: str) -> None:
    """A false alarm in any attack of a run has a chance of at most 2.5 %; seeds are fixed."""
    assert found(audit, case)[0] == set()


@pytest.mark.slow
def test_near_copies_of_outliers_are_caught_where_averages_see_nothing(audit: ModuleType) -> None:
    caught, values = found(audit, "20 outliers, near copies")
    assert "P2b" in caught
    assert "P2a" not in caught
    assert values["P2b"] > 0.8
    assert values["P2a"] < 0.55
    assert abs(values["D1.dcr"] - 0.5) < 0.05
