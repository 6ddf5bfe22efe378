"""Chapter 1: verdict, the numbers behind it, and what was not assessed. Two minutes' reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tabsynth.evaluation.wording import LIMITS_OF_THE_TESTS
from tabsynth.reports import numbers, wording
from tabsynth.reports.blocks import (
    Block,
    Chapter,
    Figures,
    Heading,
    Measures,
    Notice,
    Pair,
    Pairs,
    Table,
    Text,
    Verdict,
)
from tabsynth.reports.chapters.reading import Reading

OUTCOMES: Final[dict[bool | None, str]] = {True: "met", False: "not met", None: "to be checked by a person"}
_RANK: Final[dict[bool | None, int]] = {False: 0, None: 1, True: 2}


def chapter(reading: Reading) -> Chapter:
    """The decision page."""
    return Chapter("decision", "Decision", tuple(_blocks(reading)))


def headline(document: Mapping[str, Any]) -> tuple[str, str]:
    """The verdict in one sentence, and what the policy adds to it."""
    verdict = document["verdict"]
    sentence = wording.verdict_sentence(verdict["outcome"], verdict["policy"])
    stem = sentence.rstrip(".")
    if not verdict["privacy"].startswith(stem):
        return sentence, verdict["privacy"]
    if document["report_class"] == "statement" and verdict["outcome"] != "no_finding":
        return sentence, f"{wording.REASONS_ARE_INTERNAL} {LIMITS_OF_THE_TESTS}"
    rest = verdict["privacy"][len(stem):].lstrip(" .:")
    return sentence, f"Because of: {rest}" if verdict["privacy"][len(stem):].startswith(":") else rest


def not_assessed(document: Mapping[str, Any]) -> tuple[Pair, ...]:
    """What was not assessed, with its reason; then each reason that several share, with all that lacks the same."""
    shared: dict[str, list[str]] = {}
    for item in document["not_assessed"]:
        shared.setdefault(item["reason"], []).append(item["what"])
    return (*((what[0], reason) for reason, what in shared.items() if len(what) == 1),
            *((reason[:1].upper() + reason[1:].rstrip("."), "; ".join(what)) for reason, what in shared.items()
              if len(what) > 1))


def gates(asked: Sequence[Mapping[str, Any]]) -> Table:
    """What the policy asks beside its limits on attacks; what is not met stands first."""
    return Table(("What", "Value", "Asked", "Outcome", "Source", "Why"), tuple(
        (gate["what"], numbers.figure(gate["value"]), _asked(gate), OUTCOMES[gate["met"]], gate["source"],
         gate["reason"]) for gate in sorted(asked, key=lambda gate: _RANK[gate["met"]])),
        "What the policy asks of the release", numeric=(1,))


def _asked(gate: Mapping[str, Any]) -> str:
    return str(gate["asked"]) if gate["limit"] is None else f"{gate['asked']} {numbers.short(gate['limit'])}"


def _blocks(reading: Reading) -> Iterator[Block]:
    document = reading.document
    sentence, rest = headline(document)
    verdict = document["verdict"]
    yield Verdict(verdict["outcome"], sentence, tuple(x for x in (rest, verdict["utility"]) if x),
                  verdict["formed_on_real_records"] or "")
    if reading.guarantee is not None:
        yield from (Notice(stamp, grave=True) for stamp in reading.guarantee.stamps)
    yield from (Notice(n) for n in document["notices"] if n != verdict["formed_on_real_records"])
    if reading.guarantee is not None:
        yield Figures(reading.guarantee.big)
    if verdict["gates"]:
        yield gates(verdict["gates"])
    if reading.key:
        yield Heading("Key numbers")
        yield Measures(reading.key, full=False)
        if any(m.drawing for m in reading.key):
            yield Text(wording.SCALES, small=True)
    yield from reading.pictures("decision")
    yield Heading("What was not assessed, or is kept back")
    yield Pairs(not_assessed(document), strong=True)
    yield Text(f"{wording.FOR_PERSONS} {wording.WORDS_ARE_EXPLAINED}", small=True)
