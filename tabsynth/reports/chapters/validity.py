"""Chapter 11: broken rules, fair shares, and variety."""

from __future__ import annotations

from tabsynth.reports import wording
from tabsynth.reports.blocks import Chapter, Text
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.measures import Measure


def chapter(reading: Reading) -> Chapter:
    """Rules, declared subgroups, and signs of collapse."""
    return Chapter("validity", "Validity, fairness, diversity", (
        Text(wording.VALIDITY), *reading.pictures("validity"), *reading.findings(_belongs)))


def _belongs(measure: Measure) -> bool:
    return measure.section == "validity" or "subgroup" in measure.id or measure.id.startswith("diversity")
