"""Replay audit: the same code on a neighbour, answered as before, must ask the same and move by no more than booked.

Any difference of transcript is a decision taken on un-noised data; any excess of (change / sigma)^2 is a wrong
sensitivity or a missing charge. Both show without statistics.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from tabsynth.core import registry
from tabsynth.privacy.accountant import cost_of
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.curator import Curator
from tests.privacy.kit import CLOSED, OPEN, SCHEMA, Recorder, Replayer, Row, build, curate, random_rows, without

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


def replay(fit: Callable[[Curator], Any], rows: list[Row], who: str, schema: Any) -> tuple[Any, Any, Replayer]:
    table, recorder = build(rows, schema), Recorder()
    first = curate(table, BUDGET, recorder)
    learned = fit(first)
    replayer = Replayer(recorder.asked)
    second = curate(without(table, who), BUDGET, replayer)
    again = fit(second)
    assert first.coding.state() == second.coding.state()
    assert first.events == second.events
    assert replayer.step == len(recorder.asked)
    booked = sum(cost_of(e, BUDGET.max_rows_per_unit).mu_squared for e in first.events)
    assert replayer.spent <= booked
    assert booked <= first._filter.total.mu_squared
    return learned, again, replayer


@pytest.mark.parametrize(("name", "rows", "who"), CASES, ids=[c[0] for c in CASES])
@pytest.mark.parametrize("schema", [CLOSED, SCHEMA, OPEN], ids=["closed", "open levels", "open levels and bounds"])
def test_same_transcript_and_no_overspending(name: str, rows: list[Row], who: str, schema: Any) -> None:
    learned, again, replayer = replay(adaptive, rows, who, schema)
    assert learned == again
    held_by_others = {r[2] for r in rows if r[0] != who}
    assert not replayer.vanished & held_by_others


def test_a_single_row_patient_uses_what_was_booked() -> None:
    """The audit can see: a patient in one cell moves every count by exactly what its event says."""
    rows = [*random_rows(2), ("v", "male", "flu", 40, 50.0)]
    _, _, replayer = replay(lambda c: c.measure(("sex", "age"), sigma=4.0).tolist(), rows, "v", CLOSED)
    assert float(replayer.spent) == pytest.approx(1 / 16)


class Doubled(Recorder):
    """A curator bug in disguise: every weight counts twice."""

    def release(self, values, *, sigma, keys=None):  # type: ignore[no-untyped-def]
        return super().release(2 * values, sigma=sigma, keys=keys)


def test_the_audit_catches_a_doubled_sensitivity() -> None:
    rows = [*random_rows(2), ("v", "male", "flu", 40, 50.0)]
    table, recorder = build(rows, CLOSED), Doubled()
    curate(table, BUDGET, recorder).measure(("sex",), sigma=4.0)

    class DoubledReplayer(Replayer):
        def release(self, values, *, sigma, keys=None):  # type: ignore[no-untyped-def]
            return super().release(2 * values, sigma=sigma, keys=keys)

    replayer = DoubledReplayer(recorder.asked)
    second = curate(without(table, "v"), BUDGET, replayer)
    second.measure(("sex",), sigma=4.0)
    assert replayer.spent > sum(cost_of(e, 5).mu_squared for e in second.events)


def test_the_audit_catches_a_decision_on_true_values() -> None:
    rows = [*random_rows(2), ("v", "male", "flu", 40, 50.0)]

    def leaky(curator: Curator) -> None:
        weights = curator._Curator__weights  # type: ignore[attr-defined]
        curator.measure(("sex",), sigma=4.0 + len(weights) / 100)

    with pytest.raises(AssertionError):
        replay(leaky, rows, "v", CLOSED)


PRIVATE_MODELS = [n for n in registry.names("models") if registry.find("models", n).facts.get("private")]


@pytest.mark.parametrize("model", PRIVATE_MODELS)
@pytest.mark.parametrize(("name", "rows", "who"), CASES[6:], ids=[c[0] for c in CASES[6:]])
def test_a_private_model_is_a_function_of_the_transcript(model: str, name: str, rows: list[Row], who: str) -> None:
    def fit(curator: Curator) -> Any:
        fitted = registry.load("models", model)().fit(curator, rng=np.random.default_rng(1))
        state = fitted.state()
        return state.values, {k: (v.dtype.str, v.tolist()) for k, v in state.arrays.items()}

    learned, again, _ = replay(fit, rows, who, SCHEMA)
    assert learned == again
