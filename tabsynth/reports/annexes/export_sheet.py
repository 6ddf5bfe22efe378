"""Export sheet for whoever checks what leaves a secure processing environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tabsynth.reports import numbers, wording
from tabsynth.reports.annexes._evidence import Answer, Evidence, blank
from tabsynth.reports.context import UNKNOWN_MODEL

FACTS = {"name": "export_sheet", "entry": "export_sheet", "summary": "export sheet for a secure processing environment"}

MODEL_SUFFIX: Final = ".tabsynth"
NO_FILES: Final = "The report names no file: for a person."


def export_sheet(evidence: Evidence) -> Mapping[str, Answer]:
    """Files and their size, then what an output checker looks for."""
    return {
        "files": _files(evidence),
        "size": _size(evidence),
        "small_cells": _small_cells(evidence),
        "exact_copies": evidence.judged("P0a"),
        "rare": evidence.judged("P0b", "P0e"),
        "identifiers": _identifiers(evidence),
        "free_text": _free_text(evidence),
        "real_rows": _real_rows(evidence),
        "model": _model(evidence),
        "request": blank("the requester"),
    }


def _files(evidence: Evidence) -> Answer:
    files = evidence.document["provenance"]["files"]
    if not files:
        return Answer(NO_FILES, "for a person")
    return Answer("; ".join(f"{name}, SHA-256 {sha256}" for name, sha256 in sorted(files.items()))
                  + f". {wording.OTHER_FILES}")


def _size(evidence: Evidence) -> Answer:
    counts, columns = evidence.data["counts"], len(evidence.data["columns"])
    if counts["synthetic_rows"] is None:
        return Answer(f"{columns} columns; rows were not counted.", "for a person")
    return Answer(f"{numbers.count(counts['synthetic_rows'])} rows, {columns} columns.")


def _small_cells(evidence: Evidence) -> Answer:
    """The cells of a sample: rows that were left out of it can only make a cell larger."""
    found, rows = evidence.findings.get("P0c.k"), evidence.data["counts"]["synthetic_rows"]
    part = found is not None and rows is not None and 0 < found["n"] < rows
    return evidence.judged("P0c.k", then=f"{wording.CELLS_OF_A_SAMPLE if part else ''} {evidence.tables}".strip())


def _identifiers(evidence: Evidence) -> Answer:
    """P0d is judged; the list of 45 CFR 164.514(b)(2) is a line to read wherever the table goes."""
    judged = evidence.judged("P0d", then=wording.NUMBERED if "P0d" in evidence.findings else "")
    hits = [row for row in evidence.findings.get("safe_harbor", {}).get("breakdown", ()) if row["hits"]]
    if not hits:
        return judged
    seen = "; ".join(f"{row['key']} in {row['columns']}" for row in hits)
    return Answer(f"Columns look like: {seen}. {judged.text}", "hit", ("safe_harbor", *judged.findings))


def _free_text(evidence: Evidence) -> Answer:
    texts = [c for c in evidence.data["columns"] if c["kind"] == "text"]
    if not texts:
        return Answer("No column of free text.", "no hit")
    return evidence.judged("P0d.text", then="Columns of free text: " + ", ".join(
        f"{c['name']} ({c['treatment']})" for c in texts) + ".")


def _real_rows(evidence: Evidence) -> Answer:
    made = evidence.document["model"]["name"]
    if made == UNKNOWN_MODEL:
        return Answer("It was not stated how the rows were made: for a person.", "for a person")
    return Answer(f"The rows are stated to be drawn from the model {made}. A drawn row can equal a real one all the "
                  "same: see the copies.")


def _model(evidence: Evidence) -> Answer:
    files = evidence.document["provenance"]["files"]
    if any(name.endswith(MODEL_SUFFIX) for name in files):
        return Answer("A model file is among the files. It allows further draws, and attacks that this report did not "
                      "try.", "hit")
    return Answer("No model file is among the files." if files else NO_FILES, "no hit" if files else "for a person")
