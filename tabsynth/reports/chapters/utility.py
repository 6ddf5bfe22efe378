"""Chapter 10: would work done on the synthetic table come out as on the real one?"""

from __future__ import annotations

from tabsynth.reports import wording
from tabsynth.reports.blocks import Chapter, Text
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.measures import Measure


def chapter(reading: Reading) -> Chapter:
    """Predictions, declared analyses, survival."""
    return Chapter("utility", "Utility", (
        Text(wording.UTILITY), *reading.pictures("utility"), *reading.findings(_belongs)))


def _belongs(measure: Measure) -> bool:
    return measure.section == "utility" and "subgroup" not in measure.id
