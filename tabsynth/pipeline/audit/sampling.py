"""Layer 2: the noise has the booked distribution, its draws are independent, and nothing can repeat them.

Tested are the samplers that a curator of the running program may draw from: tabsynth's own, and OpenDP's where it is
installed. A right program fails any one statistical test with a probability of at most ``ALPHA``; about forty are made
of each.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import sqrt
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.errors import PrivacyError
from tabsynth.core.progress import Progress, silent
from tabsynth.pipeline.audit.replay import curate
from tabsynth.pipeline.audit.report import Check
from tabsynth.pipeline.audit.tables import people
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.noise import ExactNoise, Noise
from tabsynth.privacy.noise_opendp import OpenDPNoise, default_source

ALPHA: Final = 1e-6
SMALL, LARGE = (1, 2, 7), (1 << 10, 20 << 20, 1 << 40)
DRAWS: Final = 15_000
"""Per sigma; with the smaller tests about 10^5 of each sampler."""
HUGE: Final = (1 << 56) + 1
"""A value that float64 cannot hold."""
WIDE: Final = 1 << 40
"""Sigma at which two draws are equal with a chance of 3e-13."""

Ints = NDArray[np.int64]
Make = Callable[[], ExactNoise]
"""Makes a source of one kind."""


def samplers() -> list[Make]:
    """Our own, and OpenDP's where a curator would choose it."""
    return [Noise, OpenDPNoise] if isinstance(default_source(), OpenDPNoise) else [Noise]


def audit(*, draws: int = DRAWS, progress: Progress = silent) -> Check:
    """All tests of every sampler; `draws` per sigma."""
    failed, made, total = [], 0, 0
    made_by = [(make().name, make) for make in samplers()]
    tests = [(f"{name}: {what}", size, test) for name, make in made_by for what, size, test in _tests(make, draws)]
    for name, size, test in tests:
        progress("noise", made, len(tests))
        wrong = test()
        made, total = made + 1, total + size
        if wrong:
            failed.append(f"{name}: {wrong}")
    progress("noise", len(tests), len(tests))
    says = (f"{made} tests on {total} draws of {' and '.join(name for name, _ in made_by)} at alpha {ALPHA:g} each, "
            f"failed {len(failed)}")
    if failed:
        says += f"; {'; '.join(failed)}"
    return Check("noise", "sampler", not failed, says, {
        "samplers": [name for name, _ in made_by], "tests": made, "draws": total, "alpha": ALPHA, "failed": failed})


def _tests(make: Make, draws: int) -> Iterator[tuple[str, int, Callable[[], str]]]:
    """Name, number of draws, and the test, which returns what is wrong or nothing."""
    for sigma in SMALL:
        yield (f"distribution at sigma {sigma}", draws,
               lambda s=sigma: wrong_distribution(make().discrete_gaussian(s, draws), s))  # type: ignore[misc]
    for sigma in LARGE:
        yield (f"moments at sigma {sigma}", draws,
               lambda s=sigma: wrong_moments(make().discrete_gaussian(s, draws), s))  # type: ignore[misc]
    yield "addition", draws // 5, lambda: wrong_addition(make, draws // 5)
    yield "answers of a curator", draws // 5, lambda: wrong_answers(make, draws // 5)
    yield "threads", 4 * draws // 20, lambda: wrong_threads(make, draws // 20)
    yield "repeated calls", 400, lambda: wrong_calls(make)
    yield "seeds", 80, lambda: seeds_reach_noise(make)
    yield "keys", 0, lambda: keys_repeat(make)
    yield "fork", 40, lambda: fork_draws(make)


def wrong_distribution(draws: Ints, sigma: int) -> str:
    """Chi-square against the exact probabilities of the discrete Gaussian; sigma small."""
    from scipy import stats

    reach = 12 * sigma
    if np.abs(draws).max(initial=0) > reach:      # probability below 1e-27
        return f"a draw lies beyond {reach}"
    x = np.arange(-reach, reach + 1)
    weights = np.exp(-(x.astype(np.float64) ** 2) / (2 * sigma**2))
    expected = len(draws) * weights / weights.sum()
    observed = np.bincount(draws + reach, minlength=2 * reach + 1)
    often = expected >= 10
    o, e = (np.append(a[often], a[~often].sum()) for a in (observed, expected))
    p = float(stats.chi2.sf(((o - e) ** 2 / e).sum(), len(e) - 1))
    return "" if p > ALPHA else f"chi-square p = {p:.1g}"


def wrong_moments(draws: Ints, sigma: int) -> str:
    """Mean, variance, shape, correlation of neighbours, and the low bits, alone and from draw to draw; sigma large."""
    from scipy import stats

    z, n = draws / sigma, len(draws)
    if abs(z.mean()) >= 5 / sqrt(n):
        return f"mean {z.mean():.4f}"
    if abs((z**2).mean() - 1) >= 5 * sqrt(2 / n):
        return f"variance {(z**2).mean():.4f}"
    if (p := float(stats.kstest(z, "norm").pvalue)) <= ALPHA:
        return f"shape, p = {p:.1g}"
    for lag in (1, 2, 3):
        if abs((z[:-lag] * z[lag:]).mean()) >= 5 / sqrt(n - lag):
            return f"correlation at lag {lag}"
    for bits in (1, 2, 3):
        residues = np.bincount(draws & ((1 << bits) - 1), minlength=1 << bits)
        if (p := float(stats.chisquare(residues).pvalue)) <= ALPHA:
            return f"lowest bits, p = {p:.1g}"
    if (p := float(stats.binomtest(int(((draws[1:] ^ draws[:-1]) & 1).sum()), n - 1).pvalue)) <= ALPHA:
        return f"lowest bits of neighbours, p = {p:.1g}"
    return ""


def wrong_addition(make: Make, n: int) -> str:
    """Values and noise are added as integers: on a value that a float cannot hold, the noise comes out whole."""
    released = make().release(np.full(n, HUGE, dtype=np.int64), sigma=2)
    if released.dtype != np.int64:
        return f"an answer is stored as {released.dtype}"
    return wrong_distribution(released - HUGE, 2)


def wrong_answers(make: Make, n: int) -> str:
    """Answers of a curator, whose true values are known here, are as far from the truth as they say."""
    from scipy import stats

    rows = people(50, np.random.default_rng(0)).select(("income",))
    budget = Budget.of(1, "1e-6", unit="row", max_rows_per_unit=1)
    curator = curate(rows, budget, make())
    true = np.zeros(curator.coding.sizes[0])
    for code in curator.coding.encode(rows).column("income"):
        true[code] += 1
    calls = -(-n // len(true))
    sigma = sqrt(2 * calls / curator.total)      # for half of the budget
    z = np.concatenate([curator.measure(("income",), sigma=sigma) - true for _ in range(calls)]) / sigma
    z = np.append(z, [d / sigma for d in _distances(curator, true, sigma, calls)])
    low, high = float(stats.chi2.ppf(ALPHA / 2, len(z))), float(stats.chi2.isf(ALPHA / 2, len(z)))
    square = float((z**2).sum())
    return "" if low <= square <= high else f"the standard deviation is {sqrt(square / len(z)):.3f} of what is said"


def _distances(curator: Any, true: NDArray[np.float64], sigma: float, calls: int) -> Iterator[float]:
    """Noise of the errors of a table that is one unit off."""
    off = true.copy()
    off[0] += 1
    for _ in range(calls // 2):
        yield curator.errors({("income",): off}, sigma=sigma)["income",] - 1.0


def wrong_threads(make: Make, n: int) -> str:
    """Threads that share a source get noise of their own."""
    source = make()
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda _: source.discrete_gaussian(WIDE, n), range(4)))
    return wrong_repetition(parts) or wrong_moments(np.concatenate(parts), WIDE)


def wrong_calls(make: Make) -> str:
    """Calls of one source, and of sources made one after another, get noise of their own."""
    source = make()
    return wrong_repetition([*(source.discrete_gaussian(WIDE, 20) for _ in range(10)),
                             *(make().discrete_gaussian(WIDE, 20) for _ in range(10))])


def wrong_repetition(parts: list[Ints]) -> str:
    """A value that comes twice where none should."""
    most = max(Counter(x for part in parts for x in part.tolist()).values())
    return "" if most == 1 else f"the same noise came {most} times"


def seeds_reach_noise(make: Make) -> str:
    """Whoever seeds every other generator of the process gets different noise all the same."""

    def draws() -> Ints:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(1)
        return make().discrete_gaussian(WIDE, 16)

    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        return wrong_repetition([draws() for _ in range(5)])
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


def keys_repeat(make: Make) -> str:
    """Bounding keys are fresh."""
    source = make()
    keys = {source.key() for _ in range(5)} | {make().key()}
    return "" if len(keys) == 6 and min(map(len, keys)) >= 16 else "a key came twice"


def fork_draws(make: Make) -> str:
    """A forked process gets no noise from its parent's source, and its own source repeats nothing."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return ""
    source = make()
    source.discrete_gaussian(WIDE, 1)
    forked = [_in_child(source, make) for _ in range(2)]
    if any(inherited for inherited, _ in forked):
        return "a forked process draws from its parent's source"
    return wrong_repetition([*(np.array(own, dtype=np.int64) for _, own in forked), source.discrete_gaussian(WIDE, 8)])


def _in_child(source: ExactNoise, make: Make) -> tuple[list[int], list[int]]:
    context = multiprocessing.get_context("fork")
    near, far = context.Pipe(duplex=False)
    child = context.Process(target=_draw, args=(source, make, far), daemon=True)
    child.start()
    found: tuple[list[int], list[int]] = near.recv() if near.poll(60) else ([], [])
    child.join(60)
    return found


def _draw(source: ExactNoise, make: Make, out: Connection) -> None:
    """What a forked process gets from the source that it inherited, and from one of its own."""
    try:
        inherited = source.discrete_gaussian(WIDE, 8).tolist()
    except PrivacyError:
        inherited = []
    out.send((inherited, make().discrete_gaussian(WIDE, 8).tolist()))
