"""The sampler is exact, unseeded, and refuses to run in another process. Each statistical test: alpha 1e-6."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from fractions import Fraction
from math import exp, sqrt

import numpy as np
import pytest
from scipy import stats

from tabsynth.core.errors import PrivacyError
from tabsynth.privacy import noise
from tabsynth.privacy.noise import Noise

ALPHA = 1e-6


def pmf(sigma: int, reach: int) -> np.ndarray:
    x = np.arange(-reach, reach + 1)
    weights = np.exp(-(x.astype(float) ** 2) / (2 * sigma**2))
    return weights / weights.sum()


@pytest.mark.parametrize("sigma", [1, 2, 7])
def test_draws_follow_the_exact_distribution(sigma: int) -> None:
    n = 30_000
    draws = Noise().discrete_gaussian(sigma, n)
    reach = 12 * sigma
    assert np.abs(draws).max() <= reach  # beyond 12 sigma: probability below 1e-27
    observed = np.bincount(draws + reach, minlength=2 * reach + 1)
    expected = n * pmf(sigma, reach)
    often = expected >= 10
    o = np.append(observed[often], observed[~often].sum())
    e = np.append(expected[often], expected[~often].sum())
    assert stats.chi2.sf(((o - e) ** 2 / e).sum(), len(e) - 1) > ALPHA


@pytest.mark.parametrize("sigma", [1 << 10, 20 << 20, 1 << 40])
def test_large_sigma_has_normal_moments_and_shape(sigma: int) -> None:
    n = 20_000
    z = Noise().discrete_gaussian(sigma, n) / sigma
    assert abs(z.mean()) < 5 / sqrt(n)
    assert abs((z**2).mean() - 1) < 5 * sqrt(2 / n)
    assert stats.kstest(z, "norm").pvalue > ALPHA


def test_neighbouring_draws_and_low_bits_are_independent() -> None:
    n = 20_000
    draws = Noise().discrete_gaussian(20 << 20, n)
    z = draws / (20 << 20)
    for lag in (1, 2, 3):
        assert abs((z[:-lag] * z[lag:]).mean()) < 5 / sqrt(n)
    assert stats.binomtest(int((draws & 1).sum()), n).pvalue > ALPHA


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


def test_no_seed_repeats_noise() -> None:
    def draws() -> tuple[int, ...]:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        return tuple(Noise().discrete_gaussian(1 << 40, 8))

    assert len({draws() for _ in range(5)}) == 5


def test_keys_are_fresh() -> None:
    source = Noise()
    assert len({source.key() for _ in range(5)} | {Noise().key()}) == 6


def test_repeated_calls_share_no_state() -> None:
    source = Noise()
    assert max(Counter(x for _ in range(20) for x in source.discrete_gaussian(1 << 40, 20)).values()) == 1


def _draw(source: Noise, queue: multiprocessing.Queue) -> None:
    try:
        queue.put(source.discrete_gaussian(1, 1).tolist())
    except PrivacyError as error:
        queue.put(str(error))


def test_a_forked_process_gets_no_noise() -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_draw, args=(Noise(), queue))
    child.start()
    answer = queue.get(timeout=30)
    child.join()
    assert "forked process" in answer


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
