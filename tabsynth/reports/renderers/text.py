"""A summary for the terminal: plain text, 80 columns, worst first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tabsynth.reports import guarantee
from tabsynth.reports.cells import person
from tabsynth.reports.chapters.decision import headline
from tabsynth.reports.measures import PAGE_ONE, Measure, in_section, measures
from tabsynth.reports.outline import CLASS_LABELS

FACTS = {"name": "text", "entry": "render", "suffix": ".txt", "summary": "summary for the terminal, 80 columns"}

WIDTH: Final = 80
SECTIONS: Final = (("privacy", "Privacy"), ("validity", "Validity"), ("fidelity", "Fidelity"),
                   ("utility", "Utility"), ("diagnostic", "Diagnostics"))


def render(document: Mapping[str, Any]) -> str:
    """Every finding of a valid document; no line is longer than 80 characters."""
    return "\n".join(_lines(document, brief=False)) + "\n"


def summarise(document: Mapping[str, Any]) -> str:
    """For a terminal: what the policy objects to, the first numbers of each section, and what else there is."""
    return "\n".join(_lines(document, brief=True)) + "\n"


def _lines(document: Mapping[str, Any], *, brief: bool) -> Iterator[str]:
    sentence, rest = headline(document)
    yield from _wrap(f"{document['dataset']['name']}: {CLASS_LABELS[document['report_class']].lower()}, "
                     f"model {document['model']['name']}, {document['created']}")
    yield ""
    yield from _wrap(sentence.upper() if document["verdict"]["outcome"] == "finding" else sentence)
    for paragraph in (rest, *document["notices"]):
        yield from _wrap(paragraph, indent=2)
    if document["privacy"]["statement"] is not None:
        shown = guarantee.read(document["privacy"]["statement"], unit=person(document["dataset"]["unit"]))
        yield from _wrap("; ".join((*shown.stamps, *(f"{label}: {value}" for value, label in shown.big))), indent=2)
    found = measures(document)
    for section, title in SECTIONS:
        chosen = in_section(found, section)
        told = tuple(m for m in chosen if _comes_first(m)) if brief else chosen
        named = list(_rest([m for m in chosen if m not in told]))
        if told or named:
            yield ""
            yield title
            for measure in told:
                yield from _measure(measure)
            yield from named
    yield ""
    yield "Not assessed, or kept back"
    if brief:
        yield from _wrap("; ".join(item["what"] for item in document["not_assessed"]) + ".", indent=2)
        return
    for item in document["not_assessed"]:
        yield from _wrap(f"{item['what']}: {item['reason']}", indent=2)


def _comes_first(measure: Measure) -> bool:
    """True for what the policy objects to, and for the first numbers of a section."""
    objects = measure.verdict in ("finding", "review", "insufficient_power")
    return objects or (measure.state != "not_run" and measure.id in PAGE_ONE)


def _rest(left: Sequence[Measure]) -> Iterator[str]:
    """One line for the measures that are only named: attacks without a finding, and further numbers."""
    clean = [m.id for m in left if m.verdict == "no_finding"]
    further = [m.id for m in left if m.verdict != "no_finding" and m.state != "not_run"]
    if clean:
        yield from _wrap(f"No finding: {', '.join(clean)}.", indent=2)
    if further:
        yield from _wrap(f"Further numbers: {', '.join(further)}.", indent=2)


def _measure(measure: Measure) -> Iterator[str]:
    """Name and value on one line, references below."""
    value = "not run" if measure.state == "not_run" else measure.value
    label = f"[{measure.label}]" if measure.label and measure.state != "not_run" else ""
    if len(value) > 12:
        yield from _wrap(f"{measure.title}: {value} {label}".rstrip(), indent=2)
    else:
        *above, title = textwrap.wrap(measure.title, 42)
        yield from (f"  {line}" for line in above)
        yield f"  {title:<43}{value:>10}  {label}".rstrip()
    parts = [f"95 % interval {measure.interval}" if measure.interval else "",
             *(f"{name.lower()} {number}" for name, number in measure.references), measure.n]
    if any(parts) and measure.state != "not_run":
        yield from _wrap(", ".join(p for p in parts if p), indent=4)
    if measure.note:
        yield from _wrap(measure.note, indent=4)


def _wrap(text: str, indent: int = 0) -> list[str]:
    space = " " * indent
    return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=space, subsequent_indent=space)
