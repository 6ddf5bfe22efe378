"""``croissant.json``: the table as a data set for machine learning (Croissant 1.1, with the vocabulary RAI 1.0).

Sources: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html (29 January 2026; the context is its
appendix 1) and https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html (6 March 2024; every ``rai:`` property
here is one of its table). Provenance is PROV-O, as section "Provenance Representation" recommends.

schema.org is written with https, other than in the appendix: the reference reader, mlcroissant 1.1, takes nothing else.
Fields read the Parquet file, since Croissant cannot state the delimiter or decimal mark of a CSV file.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tabsynth.reports.exports import phrases
from tabsynth.reports.exports.facts import Facts, File, as_json

NAME: Final = "croissant.json"
CONFORMS_TO: Final = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
TERMS: Final = (
    "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes", "extract", "field",
    "fileProperty", "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
    "parentField", "recordSet", "references", "regex", "readLines", "sdVersion", "separator", "source", "subField",
    "transform", "unArchive", "value")
CONTEXT: Final[dict[str, Any]] = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/", "prov": "http://www.w3.org/ns/prov#", "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"}, **{term: f"cr:{term}" for term in TERMS}}

DATA_TYPES: Final[dict[str, str]] = {
    "number": "sc:Float", "integer": "sc:Integer", "boolean": "sc:Boolean", "date": "sc:Date",
    "datetime": "sc:DateTime", "time": "sc:Time"}
"""Atomic types of Croissant by kind of column; categories, ids and text are sc:Text, and so, for want of a type, are
durations."""

PARQUET: Final = "application/x-parquet"
"""What Croissant's reference reader calls Parquet; it does not read the registered application/vnd.apache.parquet."""
RECORDS: Final = "synthetic"


def render(facts: Facts) -> str:
    """The description as JSON-LD. Licence, creator and maintenance are the data holder's to fill in."""
    document = facts.document
    return as_json({
        "@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": list(CONFORMS_TO),
        "name": f"{document['dataset']['name']} (synthetic)", "description": phrases.summary(document),
        "url": "report.html", "license": {"@type": "sc:CreativeWork", "name": phrases.BLANK},
        "creator": {"@type": "sc:Organization", "name": phrases.BLANK},
        "dateCreated": document["created"], "datePublished": document["created"],
        "keywords": ["synthetic data", *(["differential privacy"] if document["privacy"]["guarantee"] else [])],
        "distribution": [_file_object(f) for f in facts.tables], "recordSet": [_record_set(facts)],
        **_responsible(facts), **_provenance(facts)})


def _file_object(file: File) -> dict[str, Any]:
    parquet = file.name.endswith(".parquet")
    return {"@type": "cr:FileObject", "@id": file.name, "name": file.name, "contentUrl": file.name,
            "contentSize": f"{file.bytes} B", "encodingFormat": PARQUET if parquet else file.media_type,
            "sha256": file.sha256}


def _record_set(facts: Facts) -> dict[str, Any]:
    source = next(f for f in facts.tables if f.name.endswith(".parquet"))
    return {"@type": "cr:RecordSet", "@id": RECORDS, "name": RECORDS,
            "description": f"{source.rows} synthetic rows in {source.columns} columns.",
            "field": [_field(column, source) for column in facts.document["dataset"]["columns"]]}


def _field(column: dict[str, Any], source: File) -> dict[str, Any]:
    """A column. Its identifier is escaped, since identifiers are IRIs; its name is as in the file."""
    about = {} if column["description"] is None else {"description": column["description"]}
    return {"@type": "cr:Field", "@id": f"{RECORDS}/{_escaped(column['name'])}", "name": column["name"], **about,
            "dataType": DATA_TYPES.get(column["kind"], "sc:Text"),
            "source": {"fileObject": {"@id": source.name}, "extract": {"column": column["name"]}}}


def _responsible(facts: Facts) -> dict[str, Any]:
    document = facts.document
    return {
        "rai:dataCollection": f"{phrases.COLLECTION} {phrases.BLANK}",
        "rai:dataCollectionType": ["Others"],
        "rai:dataCollectionMissingData": phrases.MISSING,
        "rai:dataCollectionRawData": f"The table {document['dataset']['name']}, which is not part of this release.",
        "rai:dataPreprocessingProtocol": phrases.treatments(document),
        "rai:personalSensitiveInformation": [phrases.NOT_COPIED_IS_NOT_SHOWN, *phrases.protection(document),
                                             *phrases.sensitive(document)],
        "rai:dataBiases": [phrases.BIASES, f"Biases of the source table: {phrases.BLANK}"],
        "rai:dataLimitations": phrases.limitations(document),
        "rai:dataUseCases": [phrases.purpose(document)],
        "rai:dataReleaseMaintenancePlan": [phrases.BLANK]}


def _provenance(facts: Facts) -> dict[str, Any]:
    document = facts.document
    return {
        "prov:wasDerivedFrom": {"@type": "prov:Entity", "prov:label": document["dataset"]["name"]},
        "prov:wasGeneratedBy": {"@type": "prov:Activity",
                                "prov:label": f"Sampling from the model {document['model']['name']}"},
        "prov:wasAttributedTo": {"@type": "prov:SoftwareAgent", "prov:label": f"tabsynth {facts.software}"}}


def _escaped(name: str) -> str:
    """`name` as a part of an IRI.

    >>> _escaped("a b/ü")
    'a%20b%2F%C3%BC'
    """
    return re.sub(r"[^\w.~-]", lambda m: "".join(f"%{byte:02X}" for byte in m.group().encode()), name, flags=re.ASCII)
