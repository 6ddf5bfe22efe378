"""Chapter 14: what these figures cannot show, and the sources on law and guidance."""

from __future__ import annotations

from tabsynth.reports import wording
from tabsynth.reports.blocks import Bullets, Chapter, Heading, Pairs, Text
from tabsynth.reports.chapters.reading import Reading


def chapter(reading: Reading) -> Chapter:
    """Limits of the methods, and the pack of guidance that was used."""
    pack = reading.document["guidance"]
    draft = ": not reviewed by counsel" if pack["status"] == "draft" else ""
    return Chapter("limits", "Limits and sources", (
        Bullets(wording.LIMITS), Heading("Sources on law and guidance"),
        Text(f"Pack {pack['id']}, {pack['date']}, status {pack['status']}{draft}.", small=True),
        Pairs(tuple((source["reference"], source["says"]) for source in pack["sources"]))))
