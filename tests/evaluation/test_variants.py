"""Evidence of an attack: rows of a breakdown, read back as what the verdict engine corrects and judges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.evaluation.intervals import newcombe, residual_interval, residual_risk
from tabsynth.evaluation.variants import Variant, attack_finding, counted, ranked, variants_of


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int, int, int]:
    n, m = draw(st.integers(1, 3000)), draw(st.integers(1, 3000))
    return draw(st.integers(0, n)), n, draw(st.integers(0, m)), m


@given(counts(), st.floats(0.1, 5.0))
def test_a_residual_risk_lies_in_its_interval(four: tuple[int, int, int, int], z: float) -> None:
    low, high = residual_interval(*four, z)
    assert -1 <= low <= residual_risk(*four) <= high <= 1


@given(counts())
def test_residual_risk_and_difference_agree_on_the_evidence(four: tuple[int, int, int, int]) -> None:
    low, difference = residual_interval(*four)[0], newcombe(*four)[0]
    if abs(difference) > 1e-9 and four[2] < four[3]:
        assert (low > 0) == (difference > 0)


def test_the_residual_interval_covers_the_truth() -> None:
    """2,000 samples at a true R of .2; coverage 93 to 97 % (false alarm about 1e-4)."""
    rng = np.random.default_rng(3)
    c, n = 0.4, 500
    a = c + 0.2 * (1 - c)
    pairs = zip(rng.binomial(n, a, 2000), rng.binomial(n, c, 2000), strict=True)
    covered = np.mean([low <= 0.2 <= high for low, high in
                       (residual_interval(int(x), n, int(y), n) for x, y in pairs)])
    assert 0.93 < covered < 0.97


def test_a_row_comes_back_as_the_variant_it_was() -> None:
    rows = [counted("all", (30, 400), (10, 500)), counted("k = 5", (30, 400), (10, 500), statistic="residual",
                                                          supplementary=True), ranked("distance", 0.61, 0.02, 300, 200)]
    finding = attack_finding("P1c", "Links", rows, method="Method.")
    back = {v.key: v for v in variants_of(finding)}
    assert back["all"] == Variant("P1c", "all", "difference", (30, 400, 10, 500))
    assert back["k = 5"] == Variant("P1c", "k = 5", "residual", (30, 400, 10, 500), supplementary=True)
    assert back["distance"] == Variant("P1c", "distance", "auc", (0, 300, 0, 200), 0.61, 0.02)
    assert back["all"].value == pytest.approx(30 / 400 - 10 / 500)
    assert back["k = 5"].value == pytest.approx((0.075 - 0.02) / 0.98)


def test_the_headline_is_the_strongest_evidence_among_what_counts() -> None:
    rows = [counted("noisy", (3, 10), (1, 10)), counted("sure", (200, 1000), (50, 1000)),
            counted("aside", (900, 1000), (0, 1000), supplementary=True)]
    finding = attack_finding("P1a", "Singling out", rows, method="Method.")
    assert finding.details["variant"] == "sure"
    assert finding.value == pytest.approx(0.15)
    assert finding.control == 0.05
    assert [row["key"] for row in finding.breakdown] == ["sure", "noisy", "aside"]


@settings(max_examples=50)
@given(st.floats(0.0, 1.0), st.floats(1e-4, 0.2), st.floats(1e-6, 0.4))
def test_limits_and_p_of_an_area_say_the_same(auc: float, error: float, alpha: float) -> None:
    variant = Variant("P2a", "score", "auc", (0, 10, 0, 10), auc, error)
    if not math.isclose(variant.p, alpha, rel_tol=1e-6):
        assert (variant.lower(alpha) > 0.5) == (variant.p < alpha)


def test_an_unknown_statistic_is_refused() -> None:
    finding = attack_finding("P1a", "Singling out", [{**counted("x", (1, 10), (1, 10)), "statistic": "odds"}],
                             method="Method.")
    with pytest.raises(ValueError, match="odds"):
        variants_of(finding)
