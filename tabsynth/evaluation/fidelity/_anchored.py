"""A number between its floor and its ceiling, each known with every jackknife group of people left out in turn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tabsynth.core.finding import Direction, Finding
from tabsynth.evaluation.agreement import Agreement, position
from tabsynth.evaluation.intervals import Floats, jackknife
from tabsynth.evaluation.protocol import LOW_POWER, Samples, power, title_of


def anchored(samples: Samples, facts: Mapping[str, Any], finding_id: str, numbers: Sequence[Floats],
             direction: Direction, *, n: int, method: str, falling: bool = False, high: float = 1.0,
             doubt: tuple[str, str] | None = None, **fields: Any) -> Finding:
    """A finding with interval, floor, ceiling and normalised value.

    Where floor and ceiling cannot be told apart it is uninformative, unless the value is clearly worse than the
    ceiling: that real people reach a number which the synthetic rows do not tells something whatever the floor is.

    Args:
        numbers: value, floor and ceiling, shape (GROUPS + 1,) each: with all people, then without each group. NaN
            where nobody is left.
        falling: True where the floor lies above the ceiling, as of distances and errors.
        high: upper end of the statistic's range; the lower one is 0.
        doubt: state and reason that the measure itself has, after too few rows and before lack of contrast.
    """
    value, floor, ceiling = numbers
    sign = -1.0 if falling else 1.0
    place = position(*(Agreement(sign * x[:1], sign * x[None, 1:]) for x in numbers))
    interval = jackknife(float(value[0]), value[1:], low=0.0, high=high)
    tells = place.normalised is not None or _worse(sign, value, ceiling)
    standing = power(samples.n, None if tells else place.reason)
    first = ("insufficient_power", "too few people to say how sure the number is") if interval is None else doubt
    if first is not None and samples.n >= LOW_POWER:
        standing = dict(zip(("state", "reason"), first))
    return Finding(finding_id, title_of(facts, finding_id), "fidelity", float(value[0]), direction, n=n,
                   interval=interval, floor=float(floor[0]), ceiling=float(ceiling[0]), normalised=place.normalised,
                   method=method, **standing, **fields)


def _worse(sign: float, value: Floats, ceiling: Floats) -> bool:
    """Does the interval of value minus ceiling lie wholly on the bad side?"""
    gap = sign * (ceiling - value)
    interval = jackknife(float(gap[0]), gap[1:])
    return interval is not None and interval[0] > 0


def share(hits: Floats, kept: Floats) -> Floats:
    """Mean of each column of `hits` over the rows marked in the same column of `kept`; NaN where none is.

    Args:
        hits, kept: shape (n, GROUPS + 1).

    >>> share(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 0.0]]))
    array([0.5, 1. ])
    """
    rows = kept.sum(axis=0)
    empty: Floats = np.full(rows.shape, math.nan)
    return np.asarray(np.divide((hits * kept).sum(axis=0), rows, out=empty, where=rows > 0), np.float64)
