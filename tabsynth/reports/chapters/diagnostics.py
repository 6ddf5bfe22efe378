"""Chapter 8: numbers that others report as evidence, and that are none."""

from __future__ import annotations

from tabsynth.reports import wording
from tabsynth.reports.blocks import Chapter, Text
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.measures import Measure


def chapter(reading: Reading) -> Chapter:
    """Distances and the like, with the caution that they need."""
    return Chapter("diagnostics", "Diagnostics", (
        Text(wording.DIAGNOSTICS_ARE_NOT_EVIDENCE), *reading.findings(_belongs)))


def _belongs(measure: Measure) -> bool:
    return measure.section == "diagnostic" and not measure.id.startswith("P0")
