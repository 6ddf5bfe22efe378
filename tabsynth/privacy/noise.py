"""Privacy noise: an exact discrete Gaussian on the integers, from the operating system's entropy.

Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential Privacy" (NeurIPS 2020, arXiv 2004.00010),
algorithms 1-3, in integers throughout: no floating point decides anything. There is no seed, no state that outlives
a call, and no draw outside the process that made the object, so a forked worker can neither repeat nor copy noise.
"""

from __future__ import annotations

import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol, final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.errors import PrivacyError

IntArray = NDArray[np.int64]
_WORDS_AT_ONCE: Final = 4096


class NoiseSource(Protocol):
    """Where noisy values and choices come from. `ExactNoise` is real; the replay audit puts a recorder in its place."""

    name: str
    private: bool

    def key(self) -> bytes:
        """A fresh secret key for contribution bounding, 32 bytes."""

    def release(self, values: IntArray, *, sigma: int, keys: Sequence[str] | None = None) -> IntArray:
        """`values` plus independent noise of standard deviation `sigma` steps.

        `keys` names the entries when which entries exist is itself private (discovery); noise ignores it.
        """

    def choose(self, scores: Sequence[int], *, num: int, den: int) -> int:
        """An index i with probability proportional to exp(scores[i] num / den): the exponential mechanism."""


class ExactNoise(ABC):
    """What real sources share: fresh keys, sums and choices in integers, one process. Takes no seed.

    Attributes:
        name: sampler and version, as the privacy statement prints it.
    """

    name: str
    private: bool = True

    def __init__(self) -> None:
        self._process = os.getpid()

    def key(self) -> bytes:
        self._refuse_other_process()
        return secrets.token_bytes(32)

    def release(self, values: IntArray, *, sigma: int, keys: Sequence[str] | None = None) -> IntArray:
        return values + self.discrete_gaussian(sigma, values.size).reshape(values.shape)

    def discrete_gaussian(self, sigma: int, size: int) -> IntArray:
        """`size` independent draws with P(x) proportional to exp(-x^2 / (2 sigma^2)); sigma a positive integer.

        Raises:
            PrivacyError: in a process other than the one that made this object.
        """
        self._refuse_other_process()
        if not 1 <= sigma <= 1 << 48:
            raise PrivacyError(f"sigma must be an integer from 1 to 2^48 grid steps, got {sigma}.")
        return self._draw(sigma, size)

    def choose(self, scores: Sequence[int], *, num: int, den: int) -> int:
        self._refuse_other_process()
        return _exponential(scores, num, den, _words().__next__)

    @abstractmethod
    def _draw(self, sigma: int, size: int) -> IntArray:
        """`discrete_gaussian` after its checks."""

    def _refuse_other_process(self) -> None:
        if os.getpid() != self._process:
            raise PrivacyError("privacy noise was asked for in a forked process.",
                               fix="Measure in the process that made the curator.")

    def __reduce__(self) -> str | tuple[object, ...]:
        raise PrivacyError("a noise source cannot be copied to another process.")


@final
class Noise(ExactNoise):
    """The sampler of this file, which needs no other package."""

    name: str = "tabsynth exact discrete Gaussian 1"

    def _draw(self, sigma: int, size: int) -> IntArray:
        return np.fromiter(_discrete_gaussians(sigma, size, _words().__next__), dtype=np.int64, count=size)


def _words() -> Iterator[int]:
    """Uniform 64-bit words, each used once; read from the operating system in blocks."""
    while True:
        yield from memoryview(secrets.token_bytes(8 * _WORDS_AT_ONCE)).cast("Q")


def _discrete_gaussians(sigma: int, size: int, word: Callable[[], int]) -> Iterator[int]:
    """Rejection from a discrete Laplace of scale t = sigma + 1 (algorithm 3); about 1.3 candidates a draw."""
    t = sigma + 1
    variance = sigma * sigma
    scaled_variance = 2 * variance * t * t
    limit = ((1 << 64) // t) * t
    for _ in range(size):
        while True:
            u = word()
            if u >= limit:
                continue
            u %= t
            # a discrete Laplace's absolute value: u + t * (geometric), and its sign
            if not _bernoulli_exp(u, t, word):
                continue
            v = 0
            while _bernoulli_exp(1, 1, word):
                v += 1
            y = u + t * v
            negative = word() & 1
            if negative and y == 0:
                continue
            if _bernoulli_exp((y * t - variance) ** 2, scaled_variance, word):
                yield -y if negative else y
                break


def _exponential(scores: Sequence[int], num: int, den: int, word: Callable[[], int]) -> int:
    """Index i with probability proportional to exp(scores[i] num / den) exactly; num >= 0, den > 0.

    A uniform candidate is accepted with probability exp(-(best - score) num / den); the best one always is, so that
    len(scores) candidates or fewer are tried on average.
    """
    best, limit = max(scores), ((1 << 64) // len(scores)) * len(scores)
    while True:
        u = word()
        if u >= limit:
            continue
        candidate = u % len(scores)
        if _bernoulli_exp((best - scores[candidate]) * num, den, word):
            return candidate


def _bernoulli_exp(num: int, den: int, word: Callable[[], int]) -> bool:
    """True with probability exp(-num / den) exactly (algorithm 1). num >= 0, den > 0."""
    while num > den:
        if not _bernoulli_exp(1, 1, word):
            return False
        num -= den
    k = 1
    below = den
    while _bernoulli(num, below, word):
        k += 1
        below += den
    return k & 1 == 1


def _bernoulli(num: int, den: int, word: Callable[[], int]) -> bool:
    """True with probability num / den exactly: a uniform real is compared with num / den, 64 bits at a time."""
    while True:
        num = (num << 64) - word() * den
        if num <= 0:
            return False
        if num >= den:
            return True
