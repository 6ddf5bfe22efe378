"""Less noise in a measured pair, from what the model knew before: post-processing, costs no budget.

A noisy table less what the model expected is a matrix of what is new, plus independent noise of one known size. What
is new about two columns is mostly of low rank (one trend, two groups), noise is of full rank: singular values are
shrunk as is optimal for the squared error (Gavish & Donoho 2017, "Optimal shrinkage of singular values", section
III.A, Frobenius loss). The margins are left as they were measured; only the interaction is shrunk.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from tabsynth.models._marginal.factor import Array


def denoised(counts: Array, expected: Array, sigma: float) -> Array:
    """Noisy counts of a pair, drawn towards `expected` where they look like noise.

    Args:
        counts: shape (a, b), each with independent noise of standard deviation `sigma`.
        expected: the model's counts of the same table.
    """
    news = counts - expected
    margins = news.mean(axis=0) + news.mean(axis=1, keepdims=True) - news.mean()
    return np.asarray(expected + margins + shrunk(news - margins, sigma))


def shrunk(matrix: Array, sigma: float) -> Array:
    """The low-rank part of a matrix with independent noise of standard deviation `sigma` in every entry."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    narrow, wide = sorted(matrix.shape)
    ratio, unit = narrow / wide, sigma * sqrt(wide)
    scaled = values / unit
    inner = np.maximum((scaled**2 - ratio - 1) ** 2 - 4 * ratio, 0.0)
    kept = np.divide(np.sqrt(inner), scaled, out=np.zeros_like(scaled), where=scaled > 1 + sqrt(ratio))
    return np.asarray((left * (kept * unit)) @ right)
