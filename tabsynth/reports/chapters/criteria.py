"""Chapter 5: singling out, linking and inferring, the three criteria of the Article 29 Working Party (WP216)."""

from __future__ import annotations

from tabsynth.reports import wording
from tabsynth.reports.blocks import Chapter, Text
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.measures import Measure


def chapter(reading: Reading) -> Chapter:
    """Attacks P1a to P1e."""
    return Chapter("criteria", "Privacy: singling out, linking, inferring", (
        Text(wording.CRITERIA), *reading.pictures("criteria"), *reading.findings(_belongs)))


def _belongs(measure: Measure) -> bool:
    return measure.section == "privacy" and measure.id.startswith("P1")
