"""``prov.json``: how the table came about, step by step (W3C PROV-DM in PROV-JSON).

Source: https://www.w3.org/submissions/prov-json/ (member submission, 24 April 2013). The source table is named; what
else identifies it is its keyed fingerprint, and only where no guarantee is claimed. Times of steps are left out, since
run times may depend on the data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tabsynth.reports.exports import phrases
from tabsynth.reports.exports.facts import STATEMENT, Facts, File, as_json

NAME: Final = "prov.json"
PREFIXES: Final = {"release": "urn:tabsynth:release:", "tabsynth": "urn:tabsynth:terms:",
                   "sdo": "http://schema.org/", "dcterms": "http://purl.org/dc/terms/"}
SOURCE, TRAIN, HOLDOUT, MODEL, TABLE, REPORT = (
    f"release:{name}" for name in ("source-table", "training-part", "holdout-part", "model", "synthetic-table",
                                   "evaluation-report"))
SPLIT, FIT, SAMPLE, EVALUATE = (f"release:{name}" for name in ("split", "fit", "sample", "evaluate"))
SOFTWARE, HOLDER = "release:tabsynth", "release:data-holder"

Pairs = Iterable[tuple[str, str]]


def render(facts: Facts) -> str:
    """The provenance graph. The person or body who answers for it is a blank."""
    statement = [_file(f) for f in facts.files if f.name == STATEMENT]
    return as_json({
        "prefix": PREFIXES,
        "entity": _entities(facts),
        "activity": {SPLIT: _label("Split by person"), FIT: _label("Fit a model"),
                     SAMPLE: _label("Draw synthetic rows"), EVALUATE: _label("Compare and attack")},
        "agent": {SOFTWARE: {**_label("tabsynth"), "prov:type": _name("prov:SoftwareAgent"),
                             "sdo:softwareVersion": facts.software},
                  HOLDER: {**_label(phrases.BLANK), "prov:type": _name("prov:Organization")}},
        "used": _relation("u", "activity", "entity", (
            (SPLIT, SOURCE), (FIT, TRAIN), (SAMPLE, MODEL), (EVALUATE, TABLE), (EVALUATE, TRAIN), (EVALUATE, HOLDOUT))),
        "wasGeneratedBy": _relation("g", "entity", "activity", (
            (TRAIN, SPLIT), (HOLDOUT, SPLIT), (MODEL, FIT), *((s, FIT) for s in statement), (TABLE, SAMPLE),
            (REPORT, EVALUATE))),
        "wasDerivedFrom": _relation("d", "generatedEntity", "usedEntity", (
            (TRAIN, SOURCE), (HOLDOUT, SOURCE), (MODEL, TRAIN), (TABLE, MODEL), (REPORT, TABLE))),
        "specializationOf": _relation("s", "specificEntity", "generalEntity", (
            *((_file(f), TABLE) for f in facts.tables), *((_file(f), REPORT) for f in facts.reports))),
        "wasAssociatedWith": _relation("a", "activity", "agent", (
            (step, SOFTWARE) for step in (SPLIT, FIT, SAMPLE, EVALUATE))),
        "wasAttributedTo": _relation("t", "entity", "agent", ((TABLE, SOFTWARE), (TABLE, HOLDER))),
        "actedOnBehalfOf": _relation("b", "delegate", "responsible", ((SOFTWARE, HOLDER),))})


def _entities(facts: Facts) -> dict[str, dict[str, Any]]:
    document = facts.document
    depth, name = document["model"]["generation_depth"], document["dataset"]["name"]
    keyed = {} if facts.training_fingerprint is None else {"tabsynth:keyedFingerprint": facts.training_fingerprint}
    return {
        SOURCE: {**_label(name), "tabsynth:generationDepth": depth - 1, **keyed},
        TRAIN: _label("Rows of people in training"), HOLDOUT: _label("Rows of people held back"),
        MODEL: _label(document["model"]["name"]),
        TABLE: {**_label(f"{name} (synthetic)"), "tabsynth:synthetic": True, "tabsynth:generationDepth": depth,
                "dcterms:created": {"$": document["created"], "type": "xsd:date"}},
        REPORT: _label("Evaluation report"),
        **{_file(f): _file_facts(f) for f in facts.files}}


def _file_facts(file: File) -> dict[str, Any]:
    known = {"sdo:sha256": file.sha256, "sdo:contentSize": file.bytes, "tabsynth:rows": file.rows,
             "tabsynth:columns": file.columns}
    return {**_label(file.kind), "dcterms:format": file.media_type,
            **{key: value for key, value in known.items() if value is not None}}


def _file(file: File) -> str:
    return f"release:{file.name}"


def _label(text: str) -> dict[str, Any]:
    return {"prov:label": text}


def _name(qualified: str) -> dict[str, str]:
    return {"$": qualified, "type": "xsd:QName"}


def _relation(letter: str, first: str, second: str, pairs: Pairs) -> dict[str, dict[str, str]]:
    """Relations without names of their own, numbered in the order given."""
    return {f"_:{letter}{i}": {f"prov:{first}": a, f"prov:{second}": b} for i, (a, b) in enumerate(pairs, start=1)}
