"""The loops that do the work, each compiled once it is worth it; until then its plain numpy twin gives the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tabsynth.models._trees import drawing, growing, plain
from tabsynth.models._trees.chance import needed_gains, on_grid
from tabsynth.models._trees.compiled import AVAILABLE


@dataclass
class Loop:
    """One function in two forms.

    Args:
        plain, compiled: the forms, with the same results; the first call of the compiled one costs a second or two.
        patience: elements of the first argument, in all calls together, that the plain form may take before that; set
            to what it does in a tenth of a second or less. So a small table never waits for the compiler.
    """

    plain: Callable[..., Any]
    compiled: Callable[..., Any]
    patience: int

    def __call__(self, *args: Any) -> Any:
        self.patience -= args[0].size
        return (self.compiled if AVAILABLE and self.patience < 0 else self.plain)(*args)


def grow(ranked: Any, widths: Any, classes: Any, n_classes: int, on_line: int, xlogx: Any, min_leaf: int,
         min_split: int, per_class: int, evidence: float) -> Any:
    """Nodes of one tree; see `growing.grow`. evidence: how far beyond chance a split must be (`needed_gains`)."""
    return _grow(ranked, widths, classes, n_classes, on_line, on_grid(xlogx), min_leaf, min_split, per_class,
                 needed_gains(n_classes, evidence))


_grow = Loop(plain.grow, growing.grow, 150_000)
distinct_classes = Loop(plain.distinct_classes, growing.distinct_classes, 10_000)
walk = Loop(plain.walk, drawing.walk, 1_000_000)
strata = Loop(plain.strata, drawing.strata, 200_000)
climb = Loop(plain.climb, drawing.climb, 200_000)
descend = Loop(plain.descend, drawing.descend, 200_000)
