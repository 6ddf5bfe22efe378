"""Chapter 6: can it be shown that somebody was in the table?"""

from __future__ import annotations

from tabsynth.reports import wording
from tabsynth.reports.blocks import Chapter, Text
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.measures import Measure


def chapter(reading: Reading) -> Chapter:
    """Attacks P2 and P3."""
    return Chapter("membership", "Privacy: membership", (
        Text(wording.MEMBERSHIP), *reading.pictures("membership"), *reading.findings(_belongs)))


def _belongs(measure: Measure) -> bool:
    return measure.section == "privacy" and measure.id.startswith(("P2", "P3"))
