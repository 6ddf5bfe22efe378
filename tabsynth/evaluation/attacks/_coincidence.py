"""Can chance alone have made the values that two tables share? Whoever draws ids anew may meet an old one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

MARGIN: Final = 10.0
"""Chance is taken to meet so many times as often as the signs of the values say: signs depend on each other."""
LEVEL: Final = 1e-3
"""Shared values are no chance where it makes so many with less than this probability, over all lengths of a column."""
SAMPLE: Final = 20_000
"""Values of a table that are looked at for how often they meet."""
ENOUGH_PAIRS: Final = 1_000
"""Pairs with equal first (or last) signs from which the share of them that meets altogether is computed."""
DIGITS: Final = 10
LETTERS: Final = 36


def beyond_chance(shared: Collection[str], train: Collection[str], synth: Collection[str], by_control: float,
                  rng: np.random.Generator, *, drawn_evenly: bool = False) -> int:
    """How many of the shared values are of a length of which chance makes so many with probability below `LEVEL`.

    A Poisson law whose mean is `MARGIN` times `expected`, plus what the holdout's values say.

    Args:
        shared: distinct training values that stand in the synthetic table.
        train, synth: the distinct values of both.
        by_control: shared values to be expected by the rate at which values of holdout people come out.
        drawn_evenly: by a pattern that steps through its space evenly: such values meet in bunches, so that no more
            than the mean bounds the probability.
    """
    lengths = {len(value) for value in shared}
    return sum(_beyond(length, shared, train, synth, by_control, rng, LEVEL / len(lengths), drawn_evenly)
               for length in sorted(lengths))


def _beyond(length: int, shared: Collection[str], train: Collection[str], synth: Collection[str], by_control: float,
            rng: np.random.Generator, level: float, drawn_evenly: bool) -> int:
    met, mine, theirs = ([value for value in part if len(value) == length] for part in (shared, train, synth))
    mean = by_control + MARGIN * expected(mine, theirs, rng)
    tail = mean if drawn_evenly else float(stats.poisson.sf(len(met) - 1, mean))
    return len(met) if tail < level else 0


def expected(train: Sequence[str], synth: Sequence[str], rng: np.random.Generator) -> float:
    """Expected number of equal pairs of texts of one length, if equal ones come about as nearly equal ones do.

    Pairs that are equal are left out of all that is counted: they are what is in question. Of the others, those are
    counted that share their first k signs, k as large as `ENOUGH_PAIRS` allow; the signs that follow are taken to
    agree independently, as often as they do over all pairs. The same from the end; the largest of these counts.
    """
    parts = [_sampled(part, rng) for part in (train, synth)]
    scale = len(train) * len(synth) / max(1, len(parts[0]) * len(parts[1]))
    equal = len(set(parts[0]) & set(parts[1]))
    pairs = len(parts[0]) * len(parts[1]) - equal
    mine, theirs = map(_signs, parts)
    rates = np.array([_agreement(mine[:, i], theirs[:, i], pairs, equal) for i in range(mine.shape[1])])
    found = [_odds(float(pairs), rates)]
    for step in (1, -1):
        found += _by_first_signs(mine[:, ::step], theirs[:, ::step], rates[::step], equal)
    return scale * max(found)


def _by_first_signs(mine: NDArray[np.int64], theirs: NDArray[np.int64], rates: NDArray[np.float64],
                    equal: int) -> Iterator[float]:
    """Expected equal pairs, from the pairs that share their first 1, 2, ... signs."""
    both = np.concatenate([mine, theirs])
    ids = np.zeros(len(both), np.int64)
    for k in range(1, both.shape[1]):
        _, ids = np.unique(ids * (both[:, k - 1].max() + 1) + both[:, k - 1], return_inverse=True)
        sharing = _equal_pairs(ids[: len(mine)], ids[len(mine) :]) - equal
        if sharing < ENOUGH_PAIRS:
            return
        yield _odds(sharing, rates[k:])


def _odds(pairs: float, rates: NDArray[np.float64]) -> float:
    """Expected number of equal pairs beside `pairs` that are not: each agrees with these rates in what is left."""
    agree = float(np.prod(rates))
    return pairs * agree / (1.0 - agree)


def _agreement(mine: NDArray[np.int64], theirs: NDArray[np.int64], pairs: int, equal: int) -> float:
    """Share of the pairs whose sign in one place agrees; a pair more, of evenly drawn signs, keeps it inside (0, 1)."""
    digits = all(((signs >= ord("0")) & (signs <= ord("9"))).all() for signs in (mine, theirs))
    _, ids = np.unique(np.concatenate([mine, theirs]), return_inverse=True)
    agreeing = _equal_pairs(ids[: len(mine)], ids[len(mine) :]) - equal
    return (agreeing + 1.0 / (DIGITS if digits else LETTERS)) / (pairs + 1.0)


def _equal_pairs(mine: NDArray[Any], theirs: NDArray[Any]) -> float:
    width = int(max(mine.max(initial=0), theirs.max(initial=0))) + 1
    return float(np.bincount(mine, minlength=width) @ np.bincount(theirs, minlength=width).astype(np.float64))


def _sampled(values: Sequence[str], rng: np.random.Generator) -> list[str]:
    if len(values) <= SAMPLE:
        return list(values)
    return [values[i] for i in rng.choice(len(values), SAMPLE, replace=False)]


def _signs(values: Sequence[str]) -> NDArray[np.int64]:
    """Code points, shape (values, length)."""
    points = np.frombuffer("".join(values).encode("utf-32-le", "surrogatepass"), np.uint32)
    return points.reshape(len(values), -1).astype(np.int64)
