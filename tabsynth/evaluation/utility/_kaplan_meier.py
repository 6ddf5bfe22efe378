"""The Kaplan-Meier curve and areas under it, vectorised. Curves stay in memory: a step of one event is one person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabsynth.evaluation.intervals import Floats


@dataclass(frozen=True, eq=False)
class Curve:
    """The share still without the event from each of the rising distinct times on.

    Args:
        times, survival, at_risk, events: shape (k,). Before times[0] the share is 1.
    """

    times: Floats
    survival: Floats
    at_risk: Floats
    events: Floats

    def at(self, times: Floats) -> Floats:
        """The share at any times (right-continuous); beyond the last time it stays."""
        place = np.searchsorted(self.times, times, side="right")
        return np.concatenate([[1.0], self.survival])[place]

    def error(self, times: Floats) -> Floats:
        """Standard error of the share at any times (Greenwood 1926); 0 once nobody is left without the event."""
        left = self.at_risk * (self.at_risk - self.events)
        terms = np.divide(self.events, left, out=np.zeros_like(left), where=left > 0)
        place = np.searchsorted(self.times, times, side="right")
        return np.asarray(self.at(times) * np.sqrt(np.concatenate([[0.0], np.cumsum(terms)])[place]), np.float64)

    def followed_to(self, people: int) -> float:
        """The last time at which this many are still at risk; 0 if never."""
        enough = self.times[self.at_risk >= people]
        return float(enough[-1]) if len(enough) else 0.0


def kaplan_meier(time: Floats, event: Floats) -> Curve:
    """The product-limit estimate (Kaplan and Meier 1958). time: shape (n,), 0 or more; event: 1 or 0 (censored)."""
    times, place = np.unique(time, return_inverse=True)
    leaving = np.bincount(place, minlength=len(times)).astype(np.float64)
    events = np.bincount(place, weights=event, minlength=len(times))
    at_risk = np.cumsum(leaving[::-1])[::-1]
    survival = np.asarray(np.cumprod(1 - events / at_risk), np.float64)
    return Curve(times, survival, at_risk, np.asarray(events, np.float64))


def area(curve: Curve, until: float) -> float:
    """Restricted mean survival time: the area under the curve from 0 to `until`, in units of time.

    >>> area(kaplan_meier(np.array([1.0, 2.0]), np.array([1.0, 1.0])), 3.0)
    1.5
    """
    starts, widths = _steps(until, curve)
    return float(curve.at(starts) @ widths)


def areas_between(a: Curve, b: Curve, until: float) -> tuple[float, float]:
    """Integral of a - b and of |a - b| from 0 to `until`, in units of time."""
    starts, widths = _steps(until, a, b)
    gap = a.at(starts) - b.at(starts)
    return float(gap @ widths), float(np.abs(gap) @ widths)


def _steps(until: float, *curves: Curve) -> tuple[Floats, Floats]:
    """Starts and widths of the pieces of [0, until] on which every curve is constant."""
    edges = np.unique(np.concatenate([[0.0, until], *(c.times[(c.times > 0) & (c.times < until)] for c in curves)]))
    return edges[:-1], np.diff(edges)
