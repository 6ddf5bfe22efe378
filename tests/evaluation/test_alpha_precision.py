"""Alpha-precision, beta-recall and authenticity against slow loops and planted truths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.table import Table
from tabsynth.evaluation.fidelity._neighbours import Cloud, balls
from tabsynth.evaluation.fidelity.alpha_precision import authenticity, precision, recall
from tabsynth.evaluation.protocol import evaluate, prepare

from .people import people, resampled
from .test_prdc import all_pairs, cloud, without


def curve_precision(fake: Cloud, real: Cloud, steps: int = 2000) -> float:
    """Alaa et al. 2022: 1 - 2 * integral of |P_alpha - alpha| over a grid of alphas."""
    centre = real.points.astype(float).mean(axis=0)
    of_real, of_fake = (np.sqrt(np.square(c.points - centre).sum(axis=1)) for c in (real, fake))
    alphas = (np.arange(steps) + 0.5) / steps
    radii = np.quantile(of_real, alphas, method="hazen")
    return 1 - 2 * float(np.mean([abs(np.mean(of_fake <= r) - a) for r, a in zip(radii, alphas)]))


def curve_recall(fake: Cloud, real: Cloud, steps: int = 2000) -> float:
    """The same with real rows whose nearest synthetic row is in their ball and in the beta-support."""
    centre = fake.points.astype(float).mean(axis=0)
    of_fake = np.sqrt(np.square(fake.points - centre).sum(axis=1))
    between = all_pairs(real, fake)
    covered = between.min(axis=1) < np.sort(all_pairs(real, real), axis=1)[:, 5]
    near = of_fake[between.argmin(axis=1)]
    betas = (np.arange(steps) + 0.5) / steps
    radii = np.quantile(of_fake, betas, method="hazen")
    return 1 - 2 * float(np.mean([abs(np.mean(covered & (near <= r)) - b) for r, b in zip(radii, betas)]))


def loop_authenticity(fake: Cloud, train: Cloud, *, index_of_fake: bool = False) -> float:
    """Row by row. index_of_fake: the slip of the authors' first code, which looks T's distance up by the row of S."""
    authentic = []
    for j, row in enumerate(fake.points.astype(float)):
        away = np.sqrt(np.square(train.points - row).sum(axis=1))
        i = int(away.argmin())
        other = np.sqrt(np.square(train.points.astype(float) - train.points[j if index_of_fake else i]).sum(axis=1))
        authentic.append(away[i] > np.sort(other)[1])
    return float(np.mean(authentic))


@pytest.mark.parametrize("shift, scale", [(0.0, 1.0), (0.5, 1.0), (0.0, 0.5), (0.0, 2.0)])
def test_both_numbers_are_the_area_between_curve_and_diagonal(shift: float, scale: float) -> None:
    rng = np.random.default_rng(5)
    real, fake = cloud(rng.normal(size=(200, 4))), cloud(rng.normal(size=(200, 4)) * scale + shift)
    assert precision(fake, real)[0] == pytest.approx(curve_precision(fake, real), abs=0.01)
    assert recall(fake, real, balls(real))[0] == pytest.approx(curve_recall(fake, real), abs=0.01)


def test_authenticity_compares_with_the_nearest_training_row_not_with_the_same_row_number() -> None:
    rng = np.random.default_rng(0)
    scale = rng.choice([1.0, 10.0], (400, 1))  # training rows are sparse far out, and all synthetic rows lie there
    train, fake = cloud(rng.normal(size=(400, 3)) * scale), cloud(rng.normal(size=(400, 3)) * 10)
    right, wrong = loop_authenticity(fake, train), loop_authenticity(fake, train, index_of_fake=True)
    assert wrong > right + 0.1
    assert authenticity(fake, train)[0] == pytest.approx(right, abs=1e-12)


@given(st.integers(0, 10**6), st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_authenticity_matches_the_loop(seed: int, dims: int) -> None:
    rng = np.random.default_rng(seed)
    train, fake = cloud(rng.random((45, dims)), 1), cloud(rng.random((35, dims)), 2)
    assert authenticity(fake, train)[0] == pytest.approx(loop_authenticity(fake, train), abs=1e-12)


def test_a_replicate_is_the_statistic_of_what_is_left() -> None:
    rng = np.random.default_rng(2)
    real, fake = cloud(rng.random((140, 3)), 1), cloud(rng.random((140, 3)), 2)
    fast = precision(fake, real), recall(fake, real, balls(real)), authenticity(fake, real)
    for g in (0, 9):
        a, b = without(real, g), without(fake, g)
        slow = precision(b, a)[0], recall(b, a, balls(a))[0], authenticity(b, a)[0]
        assert [float(x[g + 1]) for x in fast] == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("tied", [False, True])
def test_identical_clouds_give_one(tied: bool) -> None:
    rng = np.random.default_rng(3)
    part = cloud(rng.integers(0, 2, (80, 3)) / 2 if tied else rng.random((80, 3)))
    assert precision(part, part)[0] == pytest.approx(1, abs=1e-9)
    assert recall(part, part, balls(part))[0] == pytest.approx(1, abs=1e-9)


def test_rows_at_the_centre_and_rows_far_away_are_untypical() -> None:
    rng = np.random.default_rng(4)
    real = cloud(rng.normal(size=(300, 4)))
    middle, far = cloud(rng.normal(size=(300, 4)) / 1000), cloud(rng.normal(size=(300, 4)) + 100)
    assert precision(middle, real)[0] == pytest.approx(0, abs=0.02)
    assert precision(far, real)[0] == pytest.approx(0, abs=0.02)
    assert recall(far, real, balls(real))[0] == pytest.approx(0, abs=0.02)


def found(synth: Table, train: Table, holdout: Table) -> dict[str, float]:
    return {f.id: f.value or 0.0 for f in evaluate(prepare(synth, train, holdout, seed=1), only=["alpha_precision"])}


def test_copies_of_training_rows_are_not_authentic_and_look_faithful() -> None:
    train, holdout = people(500, 1), people(500, 2)
    copied, fresh, mixed = (found(s, train, holdout) for s in (train, people(500, 3), resampled(train, 1)))
    assert copied["authenticity"] < 0.01 < 0.35 < fresh["authenticity"] < mixed["authenticity"]
    assert copied["alpha_precision"] > 0.9
    assert copied["beta_recall"] > mixed["beta_recall"] + 0.03


def test_authenticity_is_a_diagnostic_with_the_holdout_as_control() -> None:
    findings = evaluate(prepare(people(400, 3), people(400, 1), people(400, 2), seed=1), only=["alpha_precision"])
    authentic = findings[2]
    assert (authentic.id, authentic.section, authentic.direction) == ("authenticity", "diagnostic", "none")
    assert "not evidence" in authentic.method
    assert authentic.value == pytest.approx(authentic.control, abs=0.12)
