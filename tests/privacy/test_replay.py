"""The replay audit on programs and tables of the tests' own, and what it must catch.

Any difference of transcript is a decision taken on un-noised data; any excess of (change / sigma)^2 is a wrong
sensitivity or a missing charge. Both show without statistics.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.pipeline.audit import replay as audit
from tabsynth.pipeline.audit.transcript import Divergence
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tests.privacy.kit import CLOSED, OPEN, SCHEMA, Replayer, Row, build, random_rows, without
from tests.privacy.test_sensitivity import others, victims

BUDGET = Budget.of(3, "1e-6", unit="patient", max_rows_per_unit=5)


def adaptive(curator: Curator) -> Any:
    """One-way counts, noisy scores, then coarse measurements of what scored worst with what is left."""
    names = curator.coding.names
    ones = {n: curator.measure((n,), sigma=(0.2 * curator.total / len(names)) ** -0.5) for n in names}
    n = max(1.0, float(np.mean([x.sum() for x in ones.values()])))
    coarse = {name: np.minimum(np.arange(len(x)) // max(1, len(x) // (2 + int(abs(x[0])) % 5)), 9)
              for name, x in ones.items()}
    small = {k: np.bincount(coarse[k], weights=np.maximum(x, 0)) for k, x in ones.items()}
    models = {(a, b): np.outer(small[a], small[b]) / n for a, b in combinations(names, 2)}
    scores = curator.errors(models, sigma=(len(models) / (0.2 * curator.total)) ** 0.5, coarse=coarse)
    worst = sorted(scores, key=lambda m: -scores[m])[:4]
    spend = curator.remaining / len(worst)
    return worst, {m: curator.measure(m, sigma=spend**-0.5, coarse=coarse).tolist() for m in worst}


def unusual(kind: str) -> tuple[list[Row], str]:
    rows = random_rows(11)
    extra: dict[str, list[Row]] = {
        "outlier": [("v", "female", "flu", 110, 299.9)],
        "five hundred rows": [("v", "male", "gout", i % 90, float(i)) for i in range(500)],
        "all missing": [("v", None, None, None, None)],
        "unseen category": [("v", "unicorn", "NOBODY ELSE HAS THIS", 5, 5.0)],
        "invalid": [("v", "male", "flu", -1, -1.0)],
        "only patient": [("v", "male", "flu", 1, 1.0)],
        "heavy value": [("v", "male", f"mine {i}", 1, 1.0) for i in range(5)],
    }
    return ([] if kind == "only patient" else rows) + extra[kind], "v"


CASES = [(f"random {seed}", random_rows(seed, 12), f"p{seed % 12}") for seed in range(8)] + [
    (kind, *unusual(kind)) for kind in ("outlier", "five hundred rows", "all missing", "unseen category", "invalid",
                                        "only patient", "heavy value")] + [("crowd", random_rows(5, 300), "p7")]


def replay(fit: Callable[[Curator], Any], rows: list[Row], who: str, schema: Any) -> Replayer:
    """Record on the table, replay on the table without `who`, and the other way round; the fit runs in full."""
    table, less = build(rows, schema), without(build(rows, schema), who)
    audit.replay(audit.record(fit, less, BUDGET), table, refit=True)
    return audit.replay(audit.record(fit, table, BUDGET), less, refit=True)


@pytest.mark.parametrize(("name", "rows", "who"), CASES, ids=[c[0] for c in CASES])
@pytest.mark.parametrize("schema", [CLOSED, SCHEMA, OPEN], ids=["closed", "open levels", "open levels and bounds"])
def test_same_transcript_and_no_overspending(name: str, rows: list[Row], who: str, schema: Any) -> None:
    replayer = replay(adaptive, rows, who, schema)
    held_by_others = {r[2] for r in rows if r[0] != who}
    assert not replayer.vanished & held_by_others


@given(others=others, victim=victims, k=st.integers(1, 8))
@settings(max_examples=25, deadline=None)
def test_tables_that_nobody_thought_of(others: Any, victim: Any, k: int) -> None:
    rows = [*others, *(("v", cells) for cells in victim)]
    table = build([(who, sex, sex, age, weight) for who, (sex, _, age, weight) in rows])
    run = audit.record(adaptive, table, Budget.of(3, unit="patient", max_rows_per_unit=k))
    audit.replay(run, without(table, "v"), refit=True)


def test_the_audit_of_every_private_model_passes() -> None:
    check = audit.audit(pairs=40, seed=1)
    assert check.ok, check.says
    assert check.figures["pairs"] == 9 * 40
    assert 0.99 * check.figures["budget"] < check.figures["max_spent"] <= check.figures["budget"]
    assert check.figures["refits"] >= 9 * len(audit.private_models())


def test_a_single_row_patient_uses_what_was_booked() -> None:
    """The audit can see: a patient in one cell moves every count by exactly what its event says."""
    rows = [*random_rows(2), ("v", "male", "flu", 40, 50.0)]
    replayer = replay(lambda c: c.measure(("sex", "age"), sigma=4.0).tolist(), rows, "v", CLOSED)
    assert float(replayer.spent) == pytest.approx(1 / 16)


def test_the_audit_catches_a_decision_on_true_values() -> None:
    rows = [*random_rows(2), ("v", "male", "flu", 40, 50.0)]

    def leaky(curator: Curator) -> None:
        weights = curator._Curator__weights  # type: ignore[attr-defined]
        curator.measure(("sex",), sigma=4.0 + len(weights) / 100)

    with pytest.raises(Divergence, match="other noise"):
        replay(leaky, rows, "v", CLOSED)


def test_the_audit_catches_a_result_that_holds_true_values() -> None:
    rows = [*random_rows(2), ("v", "male", "flu", 40, 50.0)]
    with pytest.raises(Divergence, match="model is another one"):
        replay(lambda c: c._Curator__weights.sum(), rows, "v", CLOSED)  # type: ignore[attr-defined]
