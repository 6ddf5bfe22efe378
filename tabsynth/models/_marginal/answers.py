"""Counts with honest intervals, from the noisy measurements that a fitted model keeps.

Every measurement is the true count plus noise of a public standard deviation, so what the privacy noise may have done
to an answer is known exactly, which synthetic rows do not show. All measurements that bear on a condition are combined
by least squares: of one column its codes, its blocks, and the sums of every measured pair it is in; of two columns
the pair's table and both columns' counts; and always the total, which every measurement knows.

Why choosing does not spoil the intervals: pairs are chosen by scores whose noise is independent of the noise of the
measuring, so given the choice a table is as noisy as ever. That is exact for a pair that is measured once, and for
codes and conditions fixed beforehand. Two choices do look at noise that is used again: blocks and levels follow the
noisy counts of the codes, and a pair may be measured again because the model missed it (`marginal`, `aim`). There the
nominal 95 % are approximate; simulation finds them kept (card: models/marginal.md).

What is estimated is the count in the training table, each unit counting once (1/r for each of its r rows), of values
that the schema allows. Values that it does not allow are expected not to occur: of one column they satisfy nothing, in
a table of two they count with the level they were put with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.answer import Answer, Estimate
from tabsynth.core.coding import Coding
from tabsynth.core.errors import UsageError
from tabsynth.core.rules.expression import Expression
from tabsynth.core.rules.on_codes import Mask, OnCodes
from tabsynth.models._marginal import intervals
from tabsynth.models._marginal.estimation import Fitted
from tabsynth.models._marginal.factor import Array
from tabsynth.models._marginal.least_squares import Sums, combined, precise
from tabsynth.models._marginal.one_way import OneWay, OneWays
from tabsynth.models._marginal.view import View

CUT_SHARE = 0.5
"""Share of a code that an estimate counts when a condition holds for some of its values only."""
SHOWN = 3
"""How many names a text lists before it says how many more there are."""


@dataclass(frozen=True)
class Measured:
    """What a fitted model knows. pairs: names of two columns, rising in the view's order -> (counts, variance)."""

    coding: Coding
    one_ways: OneWays
    view: View
    pairs: Mapping[tuple[str, str], tuple[Array, Array]]

    @classmethod
    def of(cls, coding: Coding, one_ways: OneWays, view: View, fitted: Fitted | None) -> Measured:
        measurements = () if fitted is None else fitted.measurements.values()
        return cls(coding, one_ways, view, {
            (view.names[m.clique[0]], view.names[m.clique[1]]): (m.values, m.variance)
            for m in measurements if len(m.clique) == 2})

    def answer(self, where: Expression, *, population: bool = False) -> Answer:
        """See ``core.answer.Answers``."""
        question = self._one(where) if len(where.columns) == 1 else self._two(where)
        return question.answer(where.text, population=population)

    def _one(self, where: Expression) -> _Question:
        """A condition on one column, by its codes."""
        name, = where.columns
        self._refuse_unmodelled(where.columns)
        fine = self.one_ways[name].fine
        on = OnCodes.of(where, self.coding.codecs)
        maps = [np.arange(fine.size)]
        every, some = on.over(maps)
        sums = [*self._of_codes(name, self._with(name)), self._total(where.columns, fine.size)]
        return _Question(
            fine.counts, fine.sigmas**2, sums, whole=np.ones(fine.size),
            likely=np.where(every, 1.0, CUT_SHARE * some), lows=[every.astype(float)], highs=[some.astype(float)],
            sources=self._sources(where.columns), exact=bool((every == some).all()),
            cut=self._cut(on, maps, some & ~every))

    def _two(self, where: Expression) -> _Question:
        """A condition on two columns, by the table of the pair, which is tied to the codes of both columns.

        A cell of which only some values satisfy the condition holds at most as many that do, and that do not, as
        either column has such values in all.
        """
        pair = self._pair(where)
        values, variance = self.pairs[pair]
        ones = [self.one_ways[name].fine for name in pair]
        maps = [self.view.groups[name] for name in pair]
        on = OnCodes.of(where, self.coding.codecs).turned(pair)
        every, some = on.over(maps)
        begins = np.cumsum([0, values.size, *(one.size for one in ones)])

        def placed(part: int, of: Array | Mask) -> Array:
            """Weights of one part of the unknowns (the pair's cells, codes of either column) among all of them."""
            spread: Array = np.zeros((*of.shape[:-1], begins[-1]))
            spread[..., begins[part]:begins[part + 1]] = of
            return spread

        sums = [self._total(pair, int(begins[-1]), values.size)]
        inner, outer = (placed(0, mask.reshape(-1)) for mask in (every, some))
        lows, highs, exact = [inner], [outer], bool((every == some).all())
        for axis, (name, group) in enumerate(zip(pair, maps, strict=True)):
            others = [other for other in self._with(name) if other != pair]
            sums += [replace(s, of=placed(1 + axis, s.of)) for s in self._of_codes(name, others)]
            levels = np.indices(values.shape)[axis].reshape(-1)
            same = placed(1 + axis, _indicator(group)) - placed(0, _indicator(levels))
            sums.append(Sums(same, np.zeros(len(same)), np.zeros(len(same))))
            if not exact:
                able, unable = on.told_apart(axis, maps)
                lows.append(outer - placed(1 + axis, unable))
                highs.append(inner + placed(1 + axis, able))
        return _Question(
            np.concatenate([values.reshape(-1), *(one.counts for one in ones)]),
            np.concatenate([variance.reshape(-1), *(one.sigmas**2 for one in ones)]), sums,
            whole=placed(0, np.ones(values.size)), likely=placed(0, self._likely(on, pair, every, some).reshape(-1)),
            lows=lows, highs=highs, sources=self._sources(pair), exact=exact, cut=self._cut(on, maps, some & ~every))

    def _likely(self, on: OnCodes, pair: Sequence[str], every: Mask, some: Mask) -> Array:
        """The part of every cell that satisfies the condition, as synthetic rows would have it inside a cell."""
        codes = on.over([np.arange(len(self.view.groups[name])) for name in pair])
        a, b = (self.view.chances[name] for name in pair)
        return np.where(every, 1.0, some * (a @ np.where(codes[0], 1.0, CUT_SHARE * codes[1]) @ b.T))

    def _of_codes(self, name: str, pairs: Sequence[tuple[str, str]]) -> list[Sums]:
        """Measured sums of a column's codes: its blocks, and its levels as tables of pairs see them."""
        groups = _indicator(self.view.groups[name])
        return [_blocks(self.one_ways[name]), *(Sums(groups, *self._margin(pair, name)) for pair in pairs)]

    def _sources(self, names: Sequence[str]) -> tuple[str, ...]:
        """What is combined, finest first; the total, which everything knows, is not listed."""
        own = [pair for pair in self.pairs if set(pair) == set(names)]
        near = [pair for pair in self.pairs if set(pair) & set(names) and pair not in own]
        told = [_told(" x ".join(pair), *self.pairs[pair]) for pair in own]
        for name in names:
            one, blocks = self.one_ways[name].fine, _blocks(self.one_ways[name])
            told.append(_told(f"codes of {name}", one.counts, one.sigmas**2))
            told += [_told(f"blocks of {name}", blocks.values, blocks.variance)] if len(blocks.values) else []
        return (*told, *(_told(" x ".join(pair), *self.pairs[pair]) for pair in near))

    def _with(self, name: str) -> list[tuple[str, str]]:
        return [pair for pair in self.pairs if name in pair]

    def _margin(self, pair: tuple[str, str], name: str) -> tuple[Array, Array]:
        """A column's counts by level as a pair's table sees them, and their variances."""
        values, variance = self.pairs[pair]
        away = 1 - pair.index(name)
        return values.sum(axis=away), variance.sum(axis=away)

    def _total(self, names: Sequence[str], unknowns: int, cells: int | None = None) -> Sums:
        """The number of units as those measurements see it that do not touch the columns `names`.

        It is the sum of the first `cells` of the unknowns (None = of all).
        """
        of = (np.arange(unknowns) < (unknowns if cells is None else cells))[None].astype(np.float64)
        seen = [one.coarse.total for name, one in self.one_ways.items() if name not in names]
        seen += [(float(values.sum()), float(variance.sum())) for pair, (values, variance) in self.pairs.items()
                 if not set(pair) & set(names)]
        if not seen:
            return Sums(of[:0], np.zeros(0), np.zeros(0))
        return Sums(of, *precise([(np.array([value]), np.array([variance])) for value, variance in seen]))

    def _pair(self, where: Expression) -> tuple[str, str]:
        """The measured pair that holds the condition's columns.

        Raises:
            UsageError: there is none.
        """
        names = where.columns
        self._refuse_unmodelled(names)
        found = [pair for pair in self.pairs if set(pair) == set(names)]
        if found:
            return found[0]
        partners = {name: [b if a == name else a for a, b in self._with(name)] for name in names}
        told = "; ".join(f"{name} with {_few(others) if others else 'none'}" for name, others in partners.items())
        reason = "tables of more than two columns are not measured" if len(names) > 2 else "this pair was not measured"
        raise UsageError(f"no measurement holds {' and '.join(names)} together: {reason}.",
                         fix=f"Measured together: {told}. Each column alone can be asked for.")

    def _refuse_unmodelled(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self.coding.codecs:
                raise UsageError(f"column {name!r} is not measured: it is an identifier, free text, or computed from "
                                 "other columns by a rule.", fix=f"Measured: {_few(list(self.coding.names))}.")

    def _cut(self, on: OnCodes, maps: Sequence[NDArray[np.integer]], mixed: Mask) -> tuple[str, ...]:
        """For each column the values that were counted together although the condition tells them apart."""
        told = []
        for axis, (name, held, group) in enumerate(zip(on.columns, on.grouped(maps), maps, strict=True)):
            codec = self.coding.codecs[name]
            labels = np.array(codec.labels()[:codec.invalid], dtype=object)
            split = mixed.any(axis=tuple(i for i in range(mixed.ndim) if i != axis)) & (held.sum(axis=1) > 1)
            told += [f"{name}: {_few(labels[group[:codec.invalid] == one].tolist())}" for one in np.flatnonzero(split)]
        return tuple(told)


@dataclass(frozen=True)
class _Question:
    """Unknown counts with all their measurements, and the sums of them that are asked for; shape (unknowns,) each.

    whole: all units; likely: the condition's, as well as can be told; lows, highs: sums that are not above and not
    below the condition's count, as many of the one as of the other.
    """

    values: Array
    variance: Array
    sums: Sequence[Sums]
    whole: Array
    likely: Array
    lows: Sequence[Array]
    highs: Sequence[Array]
    sources: tuple[str, ...]
    exact: bool
    cut: tuple[str, ...]

    def answer(self, where: str, *, population: bool) -> Answer:
        asked = np.stack([self.whole, self.likely, *self.lows, *self.highs]).astype(np.float64)
        values, covariance = combined(self.values, self.variance, self.sums, asked)
        z = intervals.z(tried=len(self.lows))

        def share(i: int, sampled: bool) -> Estimate:
            both = [i, 0]
            return intervals.share(values[both], covariance[np.ix_(both, both)], z, sampled=sampled)

        def count(i: int) -> Estimate:
            return intervals.count(float(values[i]), float(covariance[i, i]), z)

        def spanned(ends: Callable[[int], Estimate]) -> Estimate:
            split = 2 + len(self.lows)
            return _spanned(ends(1), [ends(i) for i in range(2, split)], [ends(i) for i in range(split, len(values))])

        everybody = intervals.count(float(values[0]), float(covariance[0, 0]), intervals.z())
        return Answer(where, spanned(count), spanned(lambda i: share(i, False)),
                      spanned(lambda i: share(i, True)) if population else None, everybody, self.sources, self.exact,
                      self.cut)


def _spanned(likely: Estimate, lows: Sequence[Estimate], highs: Sequence[Estimate]) -> Estimate:
    """From the best lower end to the best upper end, around the likely value."""
    low, high = sorted((max(one.low for one in lows), min(one.high for one in highs)))
    return Estimate(min(max(likely.value, low), high), low, high, likely.sigma)


def _blocks(one: OneWay) -> Sums:
    """The counts of blocks without the counts of codes that were averaged into them; none where that is all."""
    codes = one.fine.grouped(one.blocks, ordered=0)
    own = one.coarse.sigmas**-2 - codes.sigmas**-2
    counted = own > 1e-9 * one.coarse.sigmas**-2
    values = one.coarse.counts * one.coarse.sigmas**-2 - codes.counts * codes.sigmas**-2
    return Sums(_indicator(one.blocks)[counted], values[counted] / own[counted], 1 / own[counted])


def _indicator(groups: NDArray[np.integer]) -> Array:
    """Shape (groups, cells): 1 where a cell belongs to a group."""
    return np.asarray(np.arange(int(groups.max()) + 1)[:, None] == groups[None, :], dtype=np.float64)


def _told(what: str, counts: Array, variance: Array) -> str:
    sigma = float(np.sqrt(variance.mean()))
    return f"{what} ({' x '.join(map(str, counts.shape))} counts, sigma {sigma:.3g})"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
