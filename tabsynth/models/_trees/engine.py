"""The loops that do the work: compiled where numba is there, else their plain numpy twins, with the same results."""

from __future__ import annotations

from tabsynth.models._trees import drawing, growing

grow = growing.grow
distinct_classes = growing.distinct_classes
walk, strata, climb, descend = drawing.walk, drawing.strata, drawing.climb, drawing.descend
