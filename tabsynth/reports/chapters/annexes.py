"""The annexes: questions of law and guidance beside what this report can say to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabsynth.reports.blocks import Chapter, Table, Text
from tabsynth.reports.chapters.reading import Reading


def chapters(reading: Reading) -> tuple[Chapter, ...]:
    """One a pack's annex, in the order of the packs."""
    return tuple(_annex(annex) for annex in reading.document["annexes"])


def _annex(annex: Mapping[str, Any]) -> Chapter:
    rows = tuple((row["question"], row["answer"], row["state"],
                  "; ".join(x for x in (", ".join(row["findings"]), row["source"]) if x)) for row in annex["rows"])
    return Chapter(f"annex-{annex['pack']}-{annex['id']}".replace("_", "-"), annex["title"], (
        Text(annex["intro"]), Text(f"Asked by guidance pack {annex['pack']}.", small=True),
        Table(("Question", "What this report says", "State", "Rests on"), rows)))
