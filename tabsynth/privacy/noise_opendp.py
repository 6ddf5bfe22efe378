"""The same noise from OpenDP's sampler, and the choice between the two.

`make_gaussian` on vectors of i64 draws the exact discrete Gaussian of integer scale (Canonne, Kamath and Steinke 2020)
in rational arithmetic, with bits from OpenSSL's generator, which the operating system seeds. It is asked for noise on
zeros: no private value enters the library, and its saturating cast has nothing to cut. Choices are our own.
"""

from __future__ import annotations

import importlib.metadata
import re
from typing import Any, Final, final

import numpy as np

from tabsynth.core.errors import PrivacyError
from tabsynth.privacy.noise import ExactNoise, IntArray, Noise, NoiseSource

_REAL: Final = re.compile(r"OpenDP 0\.16\.[0-9]{1,3} exact discrete Gaussian")
"""The series whose draws `tests/privacy/test_noise.py` compares with the exact distribution."""

_AT_ONCE: Final = 1 << 16
"""Draws per call, which bounds the lists of Python integers that go in and out."""


def is_real(name: str) -> bool:
    """True for the names of the sources that a release may draw from."""
    return name == Noise.name or _REAL.fullmatch(name) is not None


def default_source() -> NoiseSource:
    """OpenDP's sampler where a checked version of it works, else our own: equally exact, and named in the statement."""
    try:
        return OpenDPNoise()
    except Exception:  # an absent, other or broken installation may raise anything, and nothing is booked yet
        return Noise()


@final
class OpenDPNoise(ExactNoise):
    """OpenDP's discrete Gaussian. Switches on OpenDP's feature flag "contrib", without which it has no constructor.

    Raises:
        PrivacyError: the installed version is not one that was checked, or understands a scale differently.
        Exception: OpenDP is not installed or does not load.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = f"OpenDP {importlib.metadata.version('opendp')} exact discrete Gaussian"
        # its own privacy map says what it takes the scale for: rho = 1 / (2 sigma^2) at sensitivity 1
        if not is_real(self.name) or _gaussian(1 << 20).map(1) != 2.0**-41:
            raise PrivacyError(f"this version of OpenDP was not checked: {self.name}.", fix="Install opendp 0.16.")

    def _draw(self, sigma: int, size: int) -> IntArray:
        draws = np.empty(size, dtype=np.int64)
        try:
            gaussian = _gaussian(sigma)
            for start in range(0, size, _AT_ONCE):
                block = draws[start:start + _AT_ONCE]
                block[:] = gaussian([0] * len(block))
        except Exception as error:
            raise PrivacyError("OpenDP's sampler failed, so nothing was released.",
                               fix="Repair the package opendp, or remove it: tabsynth has its own.") from error
        return draws


def _gaussian(sigma: int) -> Any:
    """OpenDP's measurement on vectors of i64. Its scale is a float64, which holds integers up to 2^53 exactly."""
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_gaussian
    from opendp.metrics import l2_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    return make_gaussian(vector_domain(atom_domain(T="i64")), l2_distance(T="i64"), float(sigma))
