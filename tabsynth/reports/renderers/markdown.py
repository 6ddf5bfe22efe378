"""The report as Markdown (CommonMark with pipe tables), for wikis and pull requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabsynth.reports import guarantee, view, wording

FACTS = {"name": "md", "entry": "render", "suffix": ".md", "summary": "Markdown for wikis and reviews"}


def render(document: Mapping[str, Any]) -> str:
    """The document's decision, findings, data and provenance."""
    return "\n".join(_lines(document)).rstrip() + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    sentence, rest = view.headline(document)
    yield f"# {_text(document['dataset']['name'])}"
    yield ""
    yield f"{view.CLASS_LABELS[document['report_class']]}, {document['created']}."
    yield ""
    yield f"**{_text(sentence)}**"
    for paragraph in (rest, document["verdict"]["utility"], *document["notices"]):
        yield from (["", _text(paragraph)] if paragraph else [])
    if document["privacy"]["statement"] is not None:
        yield from _guarantee(document)
    yield from _measures(view.measures(document))
    yield from ["", "## What was not assessed, or is kept back", ""]
    yield from (f"- **{_text(item['what'])}**: {_text(item['reason'])}" for item in document["not_assessed"])
    yield from ["", "## Data and preparation", ""]
    yield from _table(view.columns(document))
    if (decisions := view.decisions(document)) is not None:
        yield from ["", *_table(decisions)]
    yield from ["", "## Provenance", ""]
    yield from (f"- {_text(name)}: {_text(value)}" for name, value in view.made(document))
    if (calibration := view.calibration(document)) is not None:
        yield from ["", "## Choice of settings", "", _text(calibration[0])]
        yield from (["", *_table(calibration[1])] if calibration[1] else [])
    yield from ["", "## Limits", "", *(f"- {limit}" for limit in wording.LIMITS)]


def _guarantee(document: Mapping[str, Any]) -> Iterator[str]:
    shown = guarantee.read(document["privacy"]["statement"], unit=document["dataset"]["unit"])
    yield from ["", "## Privacy guarantee", ""]
    yield from (f"- **{_text(stamp)}**" for stamp in shown.stamps)
    yield from (f"- {_text(label)}: **{_text(value)}**" for value, label in shown.big)
    for sentence in (*shown.protected, shown.gains_sentence):
        yield from ["", _text(sentence)]
    yield from ["", *_table(shown.budget)]


def _measures(measures: Sequence[view.Measure]) -> Iterator[str]:
    for sections, title in ((("privacy",), "Privacy"), (("validity", "fidelity"), "Fidelity and validity"),
                            (("utility",), "Utility"), (("diagnostic",), "Diagnostics")):
        chosen = view.in_section(measures, *sections)
        if not chosen:
            continue
        yield from ["", f"## {title}", ""]
        if title == "Diagnostics":
            yield from [wording.DIAGNOSTICS_ARE_NOT_EVIDENCE, ""]
        yield from _table(view.Table(
            ("Measure", "Value", "95 % interval", "References", "n", "Judgement"),
            tuple((m.title, m.value if m.state != "not_run" else f"not run: {m.note}", m.interval,
                   ", ".join(f"{k.lower()} {v}" for k, v in m.references), m.n, m.label) for m in chosen)))


def _table(table: view.Table) -> Iterator[str]:
    yield "| " + " | ".join(map(_text, table.head)) + " |"
    yield "|" + " --- |" * len(table.head)
    for row in table.rows:
        yield "| " + " | ".join(map(_text, row)) + " |"


def _text(value: str) -> str:
    """Text with what Markdown or HTML would read as markup escaped, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(value.split()))
