"""``MODEL_CARD.md``: the model that drew the rows, in the sections of a model card.

Source: Mitchell et al., "Model Cards for Model Reporting", FAT* 2019. Figures are those of the report that goes out, no
others; the model file itself stays in the house.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tabsynth.reports import numbers, wording
from tabsynth.reports.commonmark import Lines, answer, items, page, section, table
from tabsynth.reports.exports import phrases
from tabsynth.reports.exports.facts import Facts

NAME: Final = "MODEL_CARD.md"


def render(facts: Facts) -> str:
    """The model card as Markdown."""
    document = facts.document
    return page(f"Model card: {document['model']['name']}, fitted to {document['dataset']['name']}", (
        *_details(facts), *_use(document), *_factors(document), *_data(document), *_figures(document),
        *_ethics(document), *_caveats(document)))


def _details(facts: Facts) -> Lines:
    document = facts.document
    model = document["model"]
    yield from section("Model details")
    yield from items((
        f"Model: {model['name']}. {model['summary']}".rstrip(),
        f"Software: tabsynth {facts.software}, licence Apache-2.0",
        f"Date: {document['created']}",
        "Settings: " + (", ".join(f"{k} = {v}" for k, v in model["settings"].items()) or "those of the model itself"),
        f"Generation depth: {model['generation_depth']} (1: fitted to real records)",
        f"Who fitted it, and whom to ask: {phrases.BLANK}"))


def _use(document: Mapping[str, Any]) -> Lines:
    yield from section("Intended use")
    yield from answer("Primary use", "Drawing the synthetic rows of this release. Purpose of the release:",
                      phrases.purpose(document))
    yield from answer("Out of scope", "Predictions or decisions about single people.")


def _factors(document: Mapping[str, Any]) -> Lines:
    yield from section("Factors")
    yield from answer("Groups of people", phrases.BIASES)
    yield from items(phrases.sensitive(document))


def _data(document: Mapping[str, Any]) -> Lines:
    data, counts = document["dataset"], document["dataset"]["counts"]
    known = [(label, counts[key]) for label, key in (
        ("training rows", "train_rows"), ("training people", "train_units"), ("held-back rows", "holdout_rows"),
        ("held-back people", "holdout_units")) if counts[key] is not None]
    yield from section("Training and evaluation data")
    yield from answer("Source table", data["name"], data["description"] or phrases.BLANK)
    yield from answer("Parts", "Split by person: the model saw one part, the evaluation also the other."
                      + "".join(f" {label.capitalize()}: {n}." for label, n in known))


def _figures(document: Mapping[str, Any]) -> Lines:
    """Findings with a number or band that the report's class shows; diagnostics are left to the report."""
    yield from section("Metrics and figures")
    yield from answer("Verdict", document["verdict"]["privacy"])
    for name, title in wording.SECTIONS.items():
        rows = [_row(f) for f in document["findings"] if f["section"] == name and f["state"] != "not_run"]
        if rows:
            yield from answer(title)
            yield from table(("Measure", "Value", "95 % interval", "Floor", "Ceiling", "n"), rows)
    yield from answer("How to read them", "Floor: columns drawn independently. Ceiling: real rows against other real "
                      "rows. Methods, judgements and what is kept back are in report.html.")


def _row(finding: Mapping[str, Any]) -> tuple[str, ...]:
    """A finding; floor and ceiling with the digits of the value."""
    interval = None if finding["interval"] is None else tuple(finding["interval"])
    value = numbers.measured(finding["value"], interval, finding["details"])
    floor, ceiling = (numbers.figure(finding[key], interval) for key in ("floor", "ceiling"))
    return finding["title"], finding["band"] or value, numbers.span(interval), floor, ceiling, str(finding["n"])


def _ethics(document: Mapping[str, Any]) -> Lines:
    yield from section("Ethical considerations")
    yield from answer("People in the source table", *phrases.protection(document))
    yield from answer("Open to a named person")
    yield from items(f"{d['role']}: {d['question']}" for d in document["determinations"])


def _caveats(document: Mapping[str, Any]) -> Lines:
    yield from section("Caveats and recommendations")
    yield from answer("As the evaluation report says")
    yield from items(phrases.limitations(document))
