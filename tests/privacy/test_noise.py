"""Both samplers are exact, unseeded, and refuse to run in another process. Each statistical test: alpha 1e-6."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import multiprocessing
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from math import exp, sqrt

import numpy as np
import pytest
from scipy import stats

from tabsynth.core.errors import PrivacyError
from tabsynth.privacy import noise, noise_opendp
from tabsynth.privacy.noise import ExactNoise, Noise
from tabsynth.privacy.noise_opendp import OpenDPNoise, default_source, is_real

ALPHA = 1e-6
HAS_OPENDP = importlib.util.find_spec("opendp") is not None
needs_opendp = pytest.mark.skipif(not HAS_OPENDP, reason="opendp is not installed")

Make = Callable[[], ExactNoise]


@pytest.fixture(params=[Noise, pytest.param(OpenDPNoise, marks=needs_opendp)], ids=["own", "opendp"])
def make(request: pytest.FixtureRequest) -> Make:
    return request.param  # type: ignore[no-any-return]


def pmf(sigma: int, reach: int) -> np.ndarray:
    x = np.arange(-reach, reach + 1)
    weights = np.exp(-(x.astype(float) ** 2) / (2 * sigma**2))
    return weights / weights.sum()


def histogram(draws: np.ndarray, reach: int) -> np.ndarray:
    return np.bincount(draws + reach, minlength=2 * reach + 1)


def chi_square(observed: np.ndarray, expected: np.ndarray) -> float:
    """p-value; cells with fewer than 10 expected are taken together."""
    often = expected >= 10
    o = np.append(observed[often], observed[~often].sum())
    e = np.append(expected[often], expected[~often].sum())
    return float(stats.chi2.sf(((o - e) ** 2 / e).sum(), len(e) - 1))


@pytest.mark.parametrize("sigma", [1, 2, 7])
def test_draws_follow_the_exact_distribution(make: Make, sigma: int) -> None:
    n = 60_000
    draws = make().discrete_gaussian(sigma, n)
    reach = 12 * sigma
    assert np.abs(draws).max() <= reach  # beyond 12 sigma: probability below 1e-27
    assert chi_square(histogram(draws, reach), n * pmf(sigma, reach)) > ALPHA


@pytest.mark.parametrize("wrong", ["sigma", "place", "zero"])
def test_the_chi_square_sees_a_slightly_wrong_sampler(wrong: str) -> None:
    """Sigma five per cent too small, a fifth moved by one, zero too often; each is missed with probability < 1e-6."""
    n, reach = 60_000, 24
    draws = Noise().discrete_gaussian(2, n)
    expected = n * pmf(2, reach)
    if wrong == "sigma":
        x = np.arange(-reach, reach + 1)
        expected = np.exp(-(x**2) / (2 * (1.05 * 2) ** 2))
        expected *= n / expected.sum()
    elif wrong == "place":
        draws[::5] += 1
    else:
        draws[: n // 10] = np.where(np.abs(draws[: n // 10]) == 1, 0, draws[: n // 10])
    assert chi_square(histogram(draws, reach), expected) < ALPHA


@pytest.mark.parametrize("sigma", [1 << 10, 20 << 20, 1 << 40])
def test_large_sigma_has_normal_moments_and_shape(make: Make, sigma: int) -> None:
    n = 20_000
    z = make().discrete_gaussian(sigma, n) / sigma
    assert abs(z.mean()) < 5 / sqrt(n)
    assert abs((z**2).mean() - 1) < 5 * sqrt(2 / n)
    assert abs((z**4).mean() - 3) < 6 * sqrt(96 / n)  # z^4 is skewed: five would be alpha 1.3e-6
    assert stats.kstest(z, "norm").pvalue > ALPHA


@pytest.mark.parametrize("sigma", [(20 << 20) + 1, 1 << 40])
def test_neighbouring_draws_and_low_bits_are_independent(make: Make, sigma: int) -> None:
    n = 20_000
    draws = make().discrete_gaussian(sigma, n)
    z = draws / sigma
    for lag in (1, 2, 3):
        assert abs((z[:-lag] * z[lag:]).mean()) < 5 / sqrt(n)
    for bits in (1, 2, 3):  # granularity: every residue, whatever the sign
        counts = np.bincount(draws & ((1 << bits) - 1), minlength=1 << bits)
        assert stats.chisquare(counts).pvalue > ALPHA
    assert stats.binomtest(int(((draws[1:] ^ draws[:-1]) & 1).sum()), n - 1).pvalue > ALPHA


@needs_opendp
@pytest.mark.parametrize("sigma", [3, 20 << 20, 1 << 40])
def test_the_two_samplers_draw_alike(sigma: int) -> None:
    n = 20_000
    ours, theirs = Noise().discrete_gaussian(sigma, n), OpenDPNoise().discrete_gaussian(sigma, n)
    if sigma < 100:
        table = np.stack([histogram(ours, 12 * sigma), histogram(theirs, 12 * sigma)])
        frequent = table.sum(axis=0) >= 20
        table = np.column_stack([table[:, frequent], table[:, ~frequent].sum(axis=1) + 1])
        assert stats.chi2_contingency(table).pvalue > ALPHA
    else:
        assert stats.ks_2samp(ours, theirs).pvalue > ALPHA
        assert stats.ks_2samp(np.abs(ours), np.abs(theirs)).pvalue > ALPHA
        assert stats.ks_2samp(ours % 1024, theirs % 1024).pvalue > ALPHA


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


def test_no_seed_repeats_noise(make: Make) -> None:
    def draws() -> tuple[int, ...]:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(1)
        return tuple(make().discrete_gaussian(1 << 40, 8))

    if importlib.util.find_spec("torch") is not None:
        importlib.import_module("torch")
    assert len({draws() for _ in range(5)}) == 5


def test_keys_are_fresh(make: Make) -> None:
    source = make()
    assert len({source.key() for _ in range(5)} | {make().key()}) == 6
    assert len(source.key()) == 32


def test_repeated_calls_share_no_state(make: Make) -> None:
    source = make()
    assert max(Counter(x for _ in range(20) for x in source.discrete_gaussian(1 << 40, 20)).values()) == 1


def test_threads_share_no_draw(make: Make) -> None:
    source = make()
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: source.discrete_gaussian(1 << 40, 500), range(16)))
    together = np.concatenate(drawn)
    # among 8,000 draws of scale 2^40 one pair is equal with probability 8e-6, two pairs with 1e-10
    assert len(np.unique(together)) >= len(together) - 1
    assert stats.kstest(together / (1 << 40), "norm").pvalue > ALPHA


def _draw(source: ExactNoise | None, make: Make, queue: multiprocessing.Queue) -> None:
    try:
        queue.put((make() if source is None else source).discrete_gaussian(1 << 40, 8).tolist())
    except PrivacyError as error:
        queue.put(str(error))


def in_fork(source: ExactNoise | None, make: Make) -> str | list[int]:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_draw, args=(source, make, queue))
    child.start()
    answer: str | list[int] = queue.get(timeout=30)
    child.join()
    return answer


def test_a_forked_process_gets_no_noise(make: Make) -> None:
    assert "forked process" in in_fork(make(), make)


def test_a_source_made_after_a_fork_repeats_nobody(make: Make) -> None:
    """The generator's state was copied by the fork; whoever draws next must not draw what another draws."""
    source = make()
    source.discrete_gaussian(1 << 40, 8)  # the generator is seeded before the fork
    first, second = in_fork(None, make), in_fork(None, make)
    own = source.discrete_gaussian(1 << 40, 8).tolist()
    assert len({*first, *second, *own}) == 24


def test_a_source_cannot_be_pickled(make: Make) -> None:
    import pickle

    with pytest.raises(PrivacyError):
        pickle.dumps(make())


def test_sizes_and_refusals(make: Make) -> None:
    assert make().discrete_gaussian(5, 0).shape == (0,)
    assert make().discrete_gaussian(5, 3).dtype == np.int64
    for sigma in (0, -1, (1 << 48) + 1):
        with pytest.raises(PrivacyError, match="sigma"):
            make().discrete_gaussian(sigma, 1)


def test_release_adds_in_integers_without_saturation(make: Make) -> None:
    values = np.array([[2**53 - 1, -(2**53)], [0, 2**62]])
    released = make().release(values, sigma=1 << 40)
    assert released.shape == values.shape
    assert released.dtype == np.int64
    assert np.abs((released - values).astype(float)).max() < 30 * 2.0**40
    assert len(set((released - values).ravel().tolist())) == 4


# --- which of the two --------------------------------------------------------------------------------------------


@needs_opendp
def test_opendp_is_used_where_it_is_installed() -> None:
    source = default_source()
    assert isinstance(source, OpenDPNoise)
    assert source.name == f"OpenDP {importlib.metadata.version('opendp')} exact discrete Gaussian"
    assert is_real(source.name)


@needs_opendp
def test_opendp_is_asked_for_the_scale_itself() -> None:
    """Its own account of the privacy loss: rho = 1 / (2 sigma^2), for odd and for large scales."""
    for sigma in (1, 3, (20 << 20) + 1, 1 << 40, (1 << 48) - 1):
        assert noise_opendp._gaussian(sigma).map(1) == pytest.approx(1 / (2 * sigma**2), rel=1e-15)


@needs_opendp
def test_long_vectors_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise_opendp, "_AT_ONCE", 7)
    draws = OpenDPNoise().discrete_gaussian(1 << 40, 45)
    assert len(set(draws.tolist())) == 45


def broken(*_: object) -> None:
    raise OSError("libopendp.so: undefined symbol")


@pytest.mark.parametrize("version", ["0.14.1", "0.15.0", "0.17.0", "0.16.0.dev1", "1.0"])
def test_other_versions_of_opendp_are_not_used(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: version)
    assert isinstance(default_source(), Noise)


def test_a_broken_opendp_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.16.0")
    monkeypatch.setattr(noise_opendp, "_gaussian", broken)
    assert isinstance(default_source(), Noise)


def test_an_opendp_that_means_another_scale_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def map(self, _: int) -> float:
            return 1 / (1 << 40)  # rho of the variance 2^39 instead of 2^40

    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.16.0")
    monkeypatch.setattr(noise_opendp, "_gaussian", lambda _: Other())
    assert isinstance(default_source(), Noise)


@needs_opendp
def test_a_failure_while_drawing_is_an_error_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    source = OpenDPNoise()
    monkeypatch.setattr(noise_opendp, "_gaussian", broken)
    with pytest.raises(PrivacyError, match="nothing was released"):
        source.release(np.array([987654321]), sigma=1 << 20)


def test_only_real_names_are_real() -> None:
    assert is_real(Noise.name)
    assert is_real("OpenDP 0.16.0 exact discrete Gaussian")
    for name in ("", "recorder", "OpenDP", "OpenDP 0.14.1 exact discrete Gaussian", Noise.name + " ",
                 "OpenDP 0.16.0 exact discrete Gaussian\n", "OpenDP 0.16.٠ exact discrete Gaussian",
                 "OpenDP 0.16.0.dev1 exact discrete Gaussian", "not OpenDP 0.16.0 exact discrete Gaussian"):
        assert not is_real(name)


def test_nothing_optional_is_loaded_before_a_curator_chooses_its_noise() -> None:
    script = ("import sys, tabsynth, tabsynth.cli.main, tabsynth.pipeline.fit, tabsynth.pipeline.verify\n"
              "from tabsynth.privacy import curator, statement\n"
              "loaded = {'opendp', 'dp_accounting'} & set(sys.modules)\n"
              "assert not loaded, loaded\n"
              "sys.modules['opendp'] = None\n"  # an environment without it
              "assert curator.default_source().name == 'tabsynth exact discrete Gaussian 1'\n")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
