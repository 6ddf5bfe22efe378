"""A second opinion on epsilon: dp-accounting's privacy loss distribution (PLD), where that package is installed.

A ledger of answers under Gaussian DP composes to mu = sqrt(sum of mu_i^2), whatever the answers were, so the PLD of
one Gaussian mechanism with the total mu is that of the whole release. What is compared is how a curve
delta(epsilon) is computed: here by a formula, there by a distribution on a grid.
"""

from __future__ import annotations

import importlib.metadata
import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from tabsynth.core.errors import VerificationError
from tabsynth.privacy.accountant import Cost, epsilon_of

NAME: Final = "dp-accounting PLD"

INTERVAL: Final = 1e-4
"""Step of the privacy loss, times max(1, epsilon): about 10^5 numbers whatever the budget."""

AGREEMENT: Final = 1e-4
"""Largest difference in epsilon between the two, and between two versions of dp-accounting."""


def second_opinion(total: Cost, delta: Fraction) -> dict[str, Any] | None:
    """Epsilon of `total` at `delta` by the other accountant, and how much more that is than `epsilon_of` says.

    None where dp-accounting is not installed or does not work, or where there is no finite epsilon above 0.
    """
    own = epsilon_of(total, delta)
    if not 0 < own < math.inf:
        return None
    rest = float(delta - total.delta_keys / (1 - total.delta_keys))
    try:
        theirs = _pld_epsilon(total.mu, rest, INTERVAL * max(1.0, own))
        version = importlib.metadata.version("dp-accounting")
    except Exception:  # whatever an absent or broken installation raises: the claim does not rest on it
        return None
    return {"name": NAME, "version": version, "epsilon": theirs, "difference": theirs - own}


def check_second_opinion(stated: Any, total: Cost, delta: Fraction) -> None:
    """Raises VerificationError if a statement's entry does not fit its total; without the package, as far as it can."""
    if stated is None:
        return
    epsilon, difference = stated["epsilon"], stated["difference"]
    computed = second_opinion(total, delta)
    if set(stated) != {"name", "version", "epsilon", "difference"} or stated["name"] != NAME \
            or not re.fullmatch(r"[0-9][0-9a-z.+]{0,30}", stated["version"]) \
            or not math.isclose(epsilon - difference, epsilon_of(total, delta), rel_tol=1e-6) \
            or not abs(difference) <= AGREEMENT \
            or (computed is not None and not abs(computed["epsilon"] - epsilon) <= AGREEMENT):
        raise VerificationError("the privacy statement's second accountant does not confirm its total.")


@lru_cache(maxsize=64)
def _pld_epsilon(mu: float, delta: float, interval: float) -> float:
    """Pessimistic epsilon of the Gaussian mechanism with sensitivity / sigma = mu, adding or removing one unit."""
    from dp_accounting.pld import privacy_loss_distribution as pld

    cut = min(-50.0, math.log(delta) - 20)  # mass that may be left out: far below delta
    loss = pld.from_gaussian_mechanism(1 / mu, value_discretization_interval=interval, log_mass_truncation_bound=cut)
    return float(loss.get_epsilon_for_delta(delta))
