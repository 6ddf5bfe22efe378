"""Chapter 7: rows, values and rare combinations of real people that come out again."""

from __future__ import annotations

from tabsynth.reports import wording
from tabsynth.reports.blocks import Chapter, Text
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.measures import Measure


def chapter(reading: Reading) -> Chapter:
    """Checks P0, and whatever else looks at the rows themselves."""
    return Chapter("copies", "Privacy: rare and copied", (
        Text(wording.COPIES), *reading.pictures("copies"), *reading.findings(_belongs)))


def _belongs(measure: Measure) -> bool:
    return measure.id.startswith("P0") or (
        measure.section == "privacy" and not measure.id.startswith(("P1", "P2", "P3")))
