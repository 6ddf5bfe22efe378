"""The sampler is exact, unseeded, and refuses to run in another process. Each statistical test: alpha 1e-6."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import exp

import numpy as np
import pytest

from tabsynth.core.errors import PrivacyError
from tabsynth.pipeline.audit import sampling
from tabsynth.privacy import noise
from tabsynth.privacy.noise import Noise


@pytest.mark.parametrize("sigma", [1, 2, 7])
def test_draws_follow_the_exact_distribution(sigma: int) -> None:
    assert not sampling.wrong_distribution(Noise().discrete_gaussian(sigma, 30_000), sigma)


@pytest.mark.parametrize("sigma", [1 << 10, 20 << 20, 1 << 40])
def test_large_sigma_has_normal_moments_shape_lags_and_low_bits(sigma: int) -> None:
    assert not sampling.wrong_moments(Noise().discrete_gaussian(sigma, 20_000), sigma)


def test_the_statistical_tests_can_fail() -> None:
    """Wrong in one way each, by 5 % or a rounding: probability of a pass below 1e-6."""
    rng = np.random.default_rng(0)
    rounded = np.rint(rng.normal(0, 1, 30_000)).astype(np.int64)  # variance 13/12 instead of the discrete Gaussian's 1
    assert "chi-square" in sampling.wrong_distribution(rounded, 1)
    big = rng.normal(0, 1, 20_000) * (1 << 30)
    for bad, what in ((1.06 * big, "variance"), (big + (1 << 26), "mean"), (np.repeat(big[::2], 2), "lag 1"),
                      (2 * np.rint(big / 2), "lowest bit"), (np.sign(big) * (1 << 30), "shape")):
        assert what in sampling.wrong_moments(bad.astype(np.int64), 1 << 30)


def test_the_audit_of_the_noise_passes() -> None:
    check = sampling.audit(draws=2_000)
    assert check.ok, check.says


def test_bernoulli_of_exponential_is_exact_by_enumeration() -> None:
    """Words cut to 3 bits, with all sequences weighted: the bounds close in on exp(-num / den) from both sides."""

    class Undecided(Exception):
        pass

    def sure(num: int, den: int, depth: int) -> tuple[Fraction, Fraction]:
        true = false = Fraction(0)
        stack: list[tuple[int, ...]] = [()]
        while stack:
            prefix = stack.pop()
            words = iter(prefix)

            def word(words: object = words) -> int:
                try:
                    return next(words) << 61 | ((1 << 60) + 12345)  # type: ignore[call-overload, no-any-return]
                except StopIteration:
                    raise Undecided from None

            try:
                if noise._bernoulli_exp(num, den, word):
                    true += Fraction(1, 8 ** len(prefix))
                else:
                    false += Fraction(1, 8 ** len(prefix))
            except Undecided:
                if len(prefix) < depth:
                    stack += [(*prefix, w) for w in range(8)]
        return true, 1 - false

    # thresholds on multiples of 1/8 are decided by the first three bits alone
    low, high = sure(1, 2, 5)
    assert low <= exp(-0.5) + 0.02
    assert high >= exp(-0.5) - 0.02
    assert high - low < 0.01


def test_bernoulli_compares_beyond_64_bits() -> None:
    # num / den = 2^-64 * (1 + 1/2): first word 0 is below, 1 is undecided, then the second word decides at 1/2
    num, den = 3, 1 << 65
    assert noise._bernoulli(num, den, iter([0]).__next__)
    assert noise._bernoulli(num, den, iter([1, (1 << 63) - 1]).__next__)
    assert not noise._bernoulli(num, den, iter([1, 1 << 63]).__next__)
    assert not noise._bernoulli(num, den, iter([2]).__next__)
    assert noise._bernoulli(1, 1, iter([(1 << 64) - 1]).__next__)
    assert not noise._bernoulli(0, 1, iter([0]).__next__)


@pytest.mark.parametrize("test", [sampling.seeds_reach_noise, sampling.keys_repeat, sampling.fork_draws])
def test_nothing_repeats_noise(test: Callable[[], str]) -> None:
    assert not test()


def test_threads_and_repeated_calls_share_no_state() -> None:
    assert not sampling.wrong_threads(500)
    source = Noise()
    assert not sampling.wrong_repetition([source.discrete_gaussian(1 << 40, 20) for _ in range(20)])


def test_a_source_cannot_be_pickled() -> None:
    import pickle

    with pytest.raises(PrivacyError):
        pickle.dumps(Noise())


def test_sizes_and_refusals() -> None:
    assert Noise().discrete_gaussian(5, 0).shape == (0,)
    assert Noise().discrete_gaussian(5, 3).dtype == np.int64
    for sigma in (0, -1, (1 << 48) + 1):
        with pytest.raises(PrivacyError, match="sigma"):
            Noise().discrete_gaussian(sigma, 1)
