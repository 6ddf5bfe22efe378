"""Chapter 14: what these figures cannot show, and the sources on law and guidance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tabsynth.reports import wording
from tabsynth.reports.blocks import Block, Bullets, Chapter, Fold, Heading, Pairs, Table, Text
from tabsynth.reports.chapters.reading import Reading


def chapter(reading: Reading) -> Chapter:
    """Limits of the methods, and the packs of guidance that were used."""
    return Chapter("limits", "Limits and sources", (
        Bullets(wording.LIMITS), *(block for pack in reading.document["guidance"] for block in _pack(pack))))


def _pack(pack: Mapping[str, Any]) -> Iterator[Block]:
    draft = ": not reviewed by counsel" if pack["status"] == "draft" else ""
    yield Heading(f"Law and guidance: {pack['jurisdiction']}")
    yield Text(f"Pack {pack['id']}, {pack['date']}, status {pack['status']}{draft}.", small=True)
    yield Table(("Question", "Bears on it", "Who decides"), tuple(
        (one["question"], ", ".join(one["findings"]) or "no measure of this report", one["decides"])
        for one in pack["criteria"]), "Criteria")
    yield Bullets(tuple(pack["wording"]))
    yield Fold(f"{len(pack['sources'])} sources", (Pairs(tuple(
        (f"{source['reference']} ({source['date']})", source["says"]) for source in pack["sources"])),))
