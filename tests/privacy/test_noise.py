"""Both samplers are exact, unseeded, and refuse to run in another process. Each statistical test: alpha 1e-6."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from math import exp
from multiprocessing.connection import Connection

import numpy as np
import pytest
from scipy import stats

from tabsynth.core.errors import PrivacyError
from tabsynth.pipeline.audit import sampling
from tabsynth.privacy import noise, noise_opendp
from tabsynth.privacy.noise import ExactNoise, Noise
from tabsynth.privacy.noise_opendp import OpenDPNoise, default_source, is_real

ALPHA = sampling.ALPHA
HAS_OPENDP = importlib.util.find_spec("opendp") is not None
needs_opendp = pytest.mark.skipif(not HAS_OPENDP, reason="opendp is not installed")

Make = Callable[[], ExactNoise]


@pytest.fixture(params=[Noise, pytest.param(OpenDPNoise, marks=needs_opendp)], ids=["own", "opendp"])
def make(request: pytest.FixtureRequest) -> Make:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("sigma", sampling.SMALL)
def test_draws_follow_the_exact_distribution(make: Make, sigma: int) -> None:
    assert not sampling.wrong_distribution(make().discrete_gaussian(sigma, 60_000), sigma)


@pytest.mark.parametrize("sigma", [1 << 10, 20 << 20, (20 << 20) + 1, 1 << 40])
def test_large_sigma_has_normal_moments_shape_lags_and_low_bits(make: Make, sigma: int) -> None:
    assert not sampling.wrong_moments(make().discrete_gaussian(sigma, 20_000), sigma)


@pytest.mark.parametrize("wrong", ["rounded", "sigma", "place", "zero"])
def test_the_test_of_the_distribution_sees_a_slightly_wrong_sampler(wrong: str) -> None:
    """A rounded Gaussian, sigma 5 % too large, a fifth moved by one, zero too often: a pass has probability < 1e-6."""
    n, sigma = 60_000, 2
    draws = Noise().discrete_gaussian(sigma, n)
    if wrong == "rounded":  # variance 13/12 instead of 1
        sigma = 1
        draws = np.rint(np.random.default_rng(0).normal(0, sigma, n)).astype(np.int64)
    elif wrong == "sigma":
        weights = np.exp(-(np.arange(-20, 21) ** 2) / (2 * (1.05 * sigma) ** 2))
        draws = np.random.default_rng(0).choice(np.arange(-20, 21), n, p=weights / weights.sum())
    elif wrong == "place":
        draws[::5] += 1
    else:
        draws[: n // 10] = np.where(np.abs(draws[: n // 10]) == 1, 0, draws[: n // 10])
    assert "chi-square" in sampling.wrong_distribution(draws, sigma)


def test_the_tests_of_large_draws_can_fail() -> None:
    """Wrong in one way each: probability of a pass below 1e-6."""
    big = np.random.default_rng(0).normal(0, 1, 20_000) * (1 << 30)
    for bad, what in ((1.06 * big, "variance"), (big + (1 << 26), "mean"), (np.repeat(big[::2], 2), "lag 1"),
                      (2 * np.rint(big / 2), "lowest bits"), (4 * np.rint(big / 4) + (np.arange(20_000) & 1),
                      "lowest bits"), (np.sign(big) * (1 << 30), "shape")):
        assert what in sampling.wrong_moments(bad.astype(np.int64), 1 << 30)


def test_low_bits_that_depend_on_the_draw_before_are_seen() -> None:
    big = (np.random.default_rng(0).normal(0, 1, 20_000) * (1 << 30)).astype(np.int64)
    alternating = (big & ~1) | (np.arange(20_000) & 1)
    assert "neighbours" in sampling.wrong_moments(alternating, 1 << 30)


@needs_opendp
@pytest.mark.parametrize("sigma", [3, 20 << 20, 1 << 40])
def test_the_two_samplers_draw_alike(sigma: int) -> None:
    n = 20_000
    ours, theirs = Noise().discrete_gaussian(sigma, n), OpenDPNoise().discrete_gaussian(sigma, n)
    if sigma < 100:
        reach = 12 * sigma
        table = np.stack([np.bincount(draws + reach, minlength=2 * reach + 1) for draws in (ours, theirs)])
        frequent = table.sum(axis=0) >= 20
        table = np.column_stack([table[:, frequent], table[:, ~frequent].sum(axis=1) + 1])
        assert stats.chi2_contingency(table).pvalue > ALPHA
    else:
        assert stats.ks_2samp(ours, theirs).pvalue > ALPHA
        assert stats.ks_2samp(np.abs(ours), np.abs(theirs)).pvalue > ALPHA
        assert stats.ks_2samp(ours % 1024, theirs % 1024).pvalue > ALPHA


def test_the_audit_tests_every_sampler_that_may_be_drawn_from() -> None:
    check = sampling.audit(draws=2_000)
    assert check.ok, check.says
    assert check.figures["samplers"] == [Noise.name, *([OpenDPNoise().name] if HAS_OPENDP else [])]


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


@pytest.mark.parametrize("test", [sampling.seeds_reach_noise, sampling.keys_repeat, sampling.wrong_calls,
                                  sampling.fork_draws])
def test_nothing_repeats_noise(make: Make, test: Callable[[Make], str]) -> None:
    if importlib.util.find_spec("torch") is not None:
        importlib.import_module("torch")
    assert not test(make)


def test_threads_share_no_draw(make: Make) -> None:
    assert not sampling.wrong_threads(make, 500)


def _draw(source: ExactNoise, out: Connection) -> None:
    try:
        out.send(str(source.discrete_gaussian(1 << 40, 8)))
    except PrivacyError as error:
        out.send(error.message)


def test_a_forked_process_is_told_what_to_do(make: Make) -> None:
    context = multiprocessing.get_context("fork")
    near, far = context.Pipe(duplex=False)
    child = context.Process(target=_draw, args=(make(), far))
    child.start()
    assert near.poll(30)
    assert "forked process" in near.recv()
    child.join()


def test_every_source_chooses(make: Make) -> None:
    source = make()
    assert {source.choose([0, 10**12, 0], num=1, den=1) for _ in range(20)} == {1}
    assert {source.choose([0, 10**12, 0], num=0, den=1) for _ in range(200)} == {0, 1, 2}  # one missing: below 1e-34
    source._process += 1
    with pytest.raises(PrivacyError, match="forked"):
        source.choose([1, 2], num=1, den=1)


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
