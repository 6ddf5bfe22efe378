"""``ro-crate-metadata.json``: the folder as a research object (RO-Crate 1.2).

Source: https://www.researchobject.org/ro-crate/specification/1.2/. Version 1.3 (June 2026) differs only in terms of
workflows, which are not used here. The context is named, never fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from tabsynth.reports.exports import phrases
from tabsynth.reports.exports.facts import Facts, File, as_json

NAME: Final = "ro-crate-metadata.json"
VERSION: Final = "https://w3id.org/ro/crate/1.2"
SOFTWARE: Final = "#tabsynth"
HOLDER: Final = "#data-holder"
LICENCE: Final = "#licence"
SOURCE: Final = "#source-table"
MODEL: Final = "#model"


def render(facts: Facts, others: Iterable[File]) -> str:
    """The crate as JSON-LD. others: files that lie in the folder but are no facts, such as the manifest."""
    parts = [_part(f) for f in (*facts.files, *others)]
    return as_json({"@context": f"{VERSION}/context",
                    "@graph": [_descriptor(), _root(facts, parts), *parts, *_context(facts), *_actions(facts)]})


def _descriptor() -> dict[str, Any]:
    return {"@id": NAME, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": VERSION}}


def _root(facts: Facts, parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    document = facts.document
    return {"@id": "./", "@type": "Dataset", "name": f"{document['dataset']['name']} (synthetic)",
            "description": phrases.summary(document), "datePublished": document["created"],
            "license": {"@id": LICENCE}, "author": {"@id": HOLDER}, "publisher": {"@id": HOLDER},
            "hasPart": [{"@id": part["@id"]} for part in parts],
            "mentions": [{"@id": action["@id"]} for action in _actions(facts)]}


def _part(file: File) -> dict[str, Any]:
    size = {} if file.bytes is None else {"contentSize": str(file.bytes), "sha256": file.sha256}
    about = file.kind if file.rows is None else f"{file.kind}: {file.rows} rows, {file.columns} columns"
    return {"@id": file.name, "@type": "File", "name": file.name, "description": about,
            "encodingFormat": file.media_type, **size}


def _context(facts: Facts) -> list[dict[str, Any]]:
    document = facts.document
    return [
        {"@id": LICENCE, "@type": "CreativeWork", "name": phrases.BLANK, "description": phrases.BLANK},
        {"@id": HOLDER, "@type": "Organization", "name": phrases.BLANK},
        {"@id": SOFTWARE, "@type": "SoftwareApplication", "name": "tabsynth", "version": facts.software,
         "url": f"pkg:pypi/tabsynth-dp@{facts.software}", "description": "Synthetic tables with an evidence file."},
        {"@id": SOURCE, "@type": "CreativeWork", "name": document["dataset"]["name"],
         "description": "The table that the model was fitted to; not part of this crate."},
        {"@id": MODEL, "@type": "CreativeWork", "name": document["model"]["name"],
         "description": "The fitted model; not part of this crate."}]


def _actions(facts: Facts) -> list[dict[str, Any]]:
    tables, reports = [f.name for f in facts.tables], [f.name for f in facts.reports]
    steps = (("fit", "Fit a model to the source table", [SOURCE], [MODEL]),
             ("sample", "Draw synthetic rows from the model", [MODEL], tables),
             ("evaluate", "Compare and attack the synthetic rows", [SOURCE, *tables], reports))
    return [{"@id": f"#{step}", "@type": "CreateAction", "name": name, "endTime": facts.document["created"],
             "agent": {"@id": HOLDER}, "instrument": {"@id": SOFTWARE},
             "object": _references(used), "result": _references(made)} for step, name, used, made in steps]


def _references(ids: Sequence[str]) -> Any:
    """Several entities, or one: RO-Crate writes a single value without a list."""
    references = [{"@id": i} for i in ids]
    return references[0] if len(references) == 1 else references
