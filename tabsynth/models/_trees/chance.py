"""What splits are judged by: sums that come out the same in every order, and the gain that chance alone gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def on_grid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values, none below 0, as multiples of a power of two near 2^-50 of the largest.

    Sums and differences of such numbers are exact up to eight times the largest. So a gain does not depend on the order
    in which an engine adds it up, and both engines grow the same tree.
    """
    _, exponent = np.frexp(values.max(initial=1.0))
    return np.asarray(np.ldexp(np.rint(np.ldexp(values, 50 - exponent)), exponent - 50))


def needed_gains(n_classes: int, evidence: float) -> NDArray[np.float64]:
    """Gain that a split of a node of 0 .. n_classes classes has to exceed, in nats, shape (n_classes + 1,).

    Twice the gain is about chi-squared with (classes - 1) degrees of freedom if there is nothing to split for (Wilks
    1938); this is half its quantile (Wilson and Hilferty 1931) at `evidence` standard deviations. A node of one class
    is never split.
    """
    df = np.arange(1, n_classes, dtype=np.float64)
    root = 1 - 2 / (9 * df) + evidence * np.sqrt(2 / (9 * df))
    return np.concatenate([[np.inf, np.inf], 0.5 * df * np.maximum(root, 0) ** 3])[:n_classes + 1]
