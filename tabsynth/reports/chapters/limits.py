"""Chapter 14: what these figures cannot show, words and names, and the sources on law and guidance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tabsynth.core import registry
from tabsynth.reports import numbers, wording
from tabsynth.reports.blocks import Block, Bullets, Chapter, Fold, Heading, Pairs, Table, Text
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.charts.attacks import NAMES


def chapter(reading: Reading) -> Chapter:
    """Limits of the methods, a glossary, and the packs of guidance that were used."""
    return Chapter("limits", "Limits and sources", (
        Bullets(wording.LIMITS), Heading("Words"), Pairs(wording.WORDS), *_names(reading.document),
        *(block for pack in reading.document["guidance"] for block in _pack(pack))))


def _names(document: Mapping[str, Any]) -> Iterator[Block]:
    """What P1a and the like stand for, and whence the policy's limits come: in the classes that show a judgement."""
    judged = {j["finding_id"]: j for j in document["verdict"]["judgements"]}
    asked = {i for pack in document["guidance"] for one in pack["criteria"] for i in one["findings"]}
    titles = _titles() | {f["id"]: f["title"] for f in document["findings"]}
    head: tuple[str, ...] = ("Identifier", "Measure", "In charts")
    rows: list[tuple[str, ...]] = [
        (i, titles[i], NAMES.get(i, "\N{EN DASH}")) for i in sorted(asked | judged.keys()) if i in titles]
    if judged:
        head = (*head, "Limit", "Source of the limit")
        rows = [(*row, *_limit(judged.get(row[0]))) for row in rows]
    if rows:
        yield Heading("Names of the measures")
        yield Table(head, tuple(rows), "Measures that the policy or a question of law rests on")


def _titles() -> dict[str, str]:
    """Every finding that a measure of this version may make -> its title."""
    return {i: title for plugin in registry.plugins("measures").values()
            for i, title in plugin.facts.get("findings", {}).items()}


def _limit(judgement: Mapping[str, Any] | None) -> tuple[str, str]:
    if judgement is None or judgement["limit"] is None:
        return "\N{EN DASH}", ""
    return numbers.short(judgement["limit"]), judgement["limit_source"]


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
