"""Tables over few attributes: a clique names the axes, an array holds one number per cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from string import ascii_letters

import numpy as np
from numpy.typing import NDArray

Clique = tuple[int, ...]
"""Attributes in rising order; the axes of a table over them, in this order."""

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

Possible = Mapping[Clique, Mask]
"""Per clique, shape of the clique: cells that can have any weight; cliques of possible cells only are absent."""


def shape(sizes: Sequence[int], clique: Clique) -> tuple[int, ...]:
    """Sizes of the clique's attributes."""
    return tuple(sizes[a] for a in clique)


def cells(sizes: Sequence[int], clique: Clique) -> int:
    """Number of cells of the clique's table; 1 for the empty clique."""
    return prod(shape(sizes, clique))


def spread(table: Array, inner: Clique, outer: Clique) -> Array:
    """View of a table over `inner` that broadcasts against tables over `outer`, a superset.

    >>> spread(np.ones((2, 3)), (0, 4), (0, 1, 4)).shape
    (2, 1, 3)
    """
    extent = dict(zip(inner, table.shape, strict=True))
    return table.reshape([extent.get(a, 1) for a in outer])


def project(table: Array, outer: Clique, inner: Clique) -> Array:
    """Sum a table over `outer` down to `inner`, a subset.

    >>> project(np.ones((2, 3)), (0, 4), (4,))
    array([2., 2., 2.])
    """
    if len(inner) == len(outer):
        return table
    # einsum reduces several axes in one pass; ndarray.sum needs two to four times as long
    return np.asarray(np.einsum(_subscripts(len(outer), tuple(outer.index(a) for a in inner)), table))


@cache
def _subscripts(axes: int, kept: tuple[int, ...]) -> str:
    """How einsum spells the sum over all but the kept axes."""
    return f"{ascii_letters[:axes]}->{''.join(ascii_letters[k] for k in kept)}"


def ratio(above: Array, below: Array) -> Array:
    """above / below, and 0 where `below` is 0 (there `above` is 0 too)."""
    return np.divide(above, below, out=np.zeros(np.broadcast_shapes(above.shape, below.shape)), where=below > 0)


def onto_simplex(values: Array, total: float) -> Array:
    """The nearest point, in squared distance, with no negative entry and the given sum (Duchi et al. 2008).

    >>> onto_simplex(np.array([3.0, 1.0, -2.0]), 3.0)
    array([2.5, 0.5, 0. ])
    """
    falling = np.sort(values)[::-1]
    excess = (np.cumsum(falling) - total) / np.arange(1, len(values) + 1)
    last = int(np.flatnonzero(falling > excess)[-1])
    nearest: Array = np.maximum(values - excess[last], 0.0)
    return nearest
