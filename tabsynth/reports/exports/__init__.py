"""Companions of a release, each a pure function of the same facts, for machines, archives and people.

A companion says nothing that the report of the class that goes out does not say, beside what follows from the synthetic
files. Under a privacy guarantee that report holds nothing computed from real rows, and so neither does a companion.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tabsynth.reports.context import UNSIGNED
from tabsynth.reports.exports import croissant, datasheet, model_card, prov, ro_crate
from tabsynth.reports.exports.facts import Facts, File, gather
from tabsynth.reports.provenance import MANIFEST_NAME, FileFact

ABOUT: Final[dict[str, str]] = {
    croissant.NAME: "description for machine learning (Croissant 1.1)",
    ro_crate.NAME: "description for archives (RO-Crate 1.2)",
    prov.NAME: "provenance (W3C PROV-JSON)",
    datasheet.NAME: "datasheet",
    model_card.NAME: "model card",
    MANIFEST_NAME: "manifest: hashes of all files",
}
"""Files made from the facts, and the manifest, which is made last."""


def write(folder: Path, *, tables: Mapping[str, FileFact], training_fingerprint: str | None) -> None:
    """Write every companion into `folder`, which holds the report, the tables and what else goes out.

    Args:
        tables: name of each file that holds the synthetic table -> what is known of it.
        training_fingerprint: keyed, or None.
    """
    facts = gather(folder, tables=tables, training_fingerprint=training_fingerprint, companions=frozenset(ABOUT))
    for name, content in render(facts).items():
        (folder / name).write_text(content, "utf-8")


def render(facts: Facts) -> dict[str, str]:
    """File name -> content."""
    signed = facts.document["provenance"]["signature"] != UNSIGNED
    about = {**ABOUT, MANIFEST_NAME.replace(".json", ".sig"): "signature of the manifest"} if signed else ABOUT
    beside = tuple(File(name, what) for name, what in about.items() if name != ro_crate.NAME)
    return {croissant.NAME: croissant.render(facts), ro_crate.NAME: ro_crate.render(facts, beside),
            prov.NAME: prov.render(facts), datasheet.NAME: datasheet.render(facts),
            model_card.NAME: model_card.render(facts)}
