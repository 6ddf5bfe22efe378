"""Chapter 9: how closely the synthetic table follows the real one."""

from __future__ import annotations

from tabsynth.reports import wording
from tabsynth.reports.blocks import Chapter, Text
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.measures import Measure


def chapter(reading: Reading) -> Chapter:
    """Marginals, dependence, detection, tails."""
    return Chapter("fidelity", "Fidelity", (
        Text(wording.FIDELITY), *reading.pictures("fidelity"), *reading.findings(_belongs)), new_page=True)


def _belongs(measure: Measure) -> bool:
    return measure.section == "fidelity" and not measure.id.startswith("diversity")
