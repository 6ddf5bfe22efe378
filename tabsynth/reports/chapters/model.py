"""Chapter 4: what learned, under which guarantee, where the budget went, and how settings were chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tabsynth.reports import numbers, wording
from tabsynth.reports.blocks import Block, Bullets, Chapter, Drawing, Fold, Heading, Pair, Pairs, Table, Text
from tabsynth.reports.cells import cell, plural
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.guarantee import Guarantee


def chapter(reading: Reading) -> Chapter:
    """Model, guarantee and ledger."""
    return Chapter("model", "Model and privacy budget", tuple(_blocks(reading)), new_page=True)


def calibration(document: Mapping[str, Any]) -> tuple[Block, ...]:
    """How the settings were chosen: a sentence, and the candidates."""
    found = document["model"]["calibration"]
    if found is None:
        return ()
    sentence = f"Mode {found['mode']}: {found['reason']}"
    if not found["candidates"]:
        return Heading("Choice of settings"), Text(sentence)
    sentence += f" Candidates were fitted to {numbers.count(found['fitted_rows'])} training rows and compared with " \
                f"{numbers.count(found['held_back_rows'])} rows of {numbers.count(found['held_back_people'])} " \
                f"people held back from them; the model was then fitted to all. {wording.CALIBRATION}"
    looks = [look["columns"] for look in found["candidates"][0]["copies"]]
    head = ("Model", "Settings", "Detection", "DCR share", *(f"Copy ratio, {look}" for look in looks), "Given out",
            "Outcome")
    return Heading("Choice of settings"), Text(sentence), Table(
        head, tuple(map(_candidate, found["candidates"])), "Settings tried on people held back from the fit")


def ledger(document: Mapping[str, Any]) -> tuple[Pair, ...]:
    """Where the budget was booked and what is spent in all."""
    entry = document["privacy"]["ledger"]
    if entry is None:
        return ()
    return (("Population", entry["population"]), ("Entry", entry["entry"]),
            ("This release", f"epsilon {entry['epsilon']}, delta {entry['delta']}"),
            ("Total to date", f"epsilon {entry['total_epsilon']}, delta {entry['total_delta']} over "
             + plural(entry["releases"], "release")),
            ("Cap", f"epsilon {entry['cap_epsilon']}" if entry["cap_epsilon"] else "none set"))


def _blocks(reading: Reading) -> Iterator[Block]:
    document, model = reading.document, reading.document["model"]
    yield Pairs((
        ("Model", f"{model['name']}: {model['summary']}" if model["summary"] else model["name"]),
        ("Generation", "made from real records" if model["generation_depth"] == 1
         else f"{model['generation_depth']} generations from real records")))
    yield Text(document["privacy"]["notice"])
    if reading.guarantee is not None:
        yield from _guarantee(reading.guarantee, reading.person)
    if booked := ledger(document):
        yield Heading("Ledger")
        yield Pairs(booked)
    if model["settings"]:
        yield Fold("Model settings", (Pairs(tuple((k, cell(v)) for k, v in model["settings"].items())),))
    yield from calibration(document)
    yield from reading.pictures("model")


def _guarantee(shown: Guarantee, person: str) -> Iterator[Block]:
    yield Heading("Who is protected, and how far")
    yield from map(Text, shown.protected)
    yield Heading("What an attacker gains at most")
    yield Text(wording.GAINS.format(unit=person))
    yield Drawing(shown.gains, shown.gains_sentence)
    yield shown.budget
    yield Fold("Epsilon at other values of delta", (shown.curve,))
    yield Fold(f"What was taken as public about {len(shown.public.rows)} columns", (shown.public,))
    yield Heading("Not protected")
    yield Bullets(shown.not_protected)
    yield Fold("For a technical reviewer", (Pairs(shown.technical),))


def _candidate(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (one["model"], cell(one["settings"]), numbers.with_error(one["detection"], one["detection_error"]),
            numbers.with_error(one["dcr_share"], one["dcr_error"]),
            *("too few copies" if look["ratio"] is None else numbers.with_error(look["ratio"], look["error"])
              for look in one["copies"]), _given_out(one["given_out"]), one["outcome"])


def _given_out(found: Mapping[str, Any] | None) -> str:
    return "too few copies" if found is None else f"{100 * found['excess']:.2f} % (from {100 * found['low']:.2f} %)"
