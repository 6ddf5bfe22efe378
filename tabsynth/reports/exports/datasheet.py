"""``DATASHEET.md``: the questions of a datasheet, answered where the software knows the answer.

Source: Gebru et al., "Datasheets for Datasets", Communications of the ACM 64 (12), 2021. The questions are shortened;
those about labelling and about contact with people do not apply to drawn rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tabsynth.reports.commonmark import Lines, answer, items, page, section, table
from tabsynth.reports.context import stated_population
from tabsynth.reports.exports import phrases
from tabsynth.reports.exports.facts import Facts

NAME: Final = "DATASHEET.md"


def render(facts: Facts) -> str:
    """The datasheet as Markdown."""
    document = facts.document
    return page(f"Datasheet: {document['dataset']['name']} (synthetic)", (
        *_motivation(document), *_composition(facts), *_collection(document), *_preparation(document),
        *_uses(document), *_distribution(facts), *_maintenance()))


def _motivation(document: Mapping[str, Any]) -> Lines:
    yield from section("Motivation")
    yield from answer("For what purpose was the data set made?", phrases.purpose(document))
    yield from answer("Who made it, on whose behalf, and who paid for it?", phrases.BLANK)


def _composition(facts: Facts) -> Lines:
    data = facts.document["dataset"]
    people = data["counts"]["synthetic_units"]
    size = f"{facts.tables[0].rows} rows" + ("" if people is None else f" of {people} synthetic people")
    yield from section("Composition")
    yield from answer("What does a row stand for?", phrases.summary(facts.document),
                      "Every row is another synthetic person." if data["unit"] == "row"
                      else f"A row belongs to one synthetic {data['unit']}.")
    yield from answer("How many are there?", f"{size}.")
    yield from answer("What does a row consist of?", "Columns as the schema describes them:")
    yield from table(("Column", "Kind", "Role", "How it came about", "Description", "Source"), (
        (c["name"], c["kind"], c["role"], c["treatment"], c["description"] or "", c["source"] or "")
        for c in data["columns"]))
    if data["rules"]:
        yield from answer("Are there relations between columns?", "Declared rules:")
        yield from items(data["rules"])
    yield from answer("Is anything missing?", phrases.MISSING)
    yield from answer("Are there errors, noise or redundancies?", phrases.BIASES)
    yield from answer("Does it hold what is confidential or identifies people?", phrases.NOT_COPIED_IS_NOT_SHOWN,
                      *phrases.protection(facts.document))
    yield from items(phrases.sensitive(facts.document))


def _collection(document: Mapping[str, Any]) -> Lines:
    yield from section("Collection")
    yield from answer("How were the data acquired?", phrases.COLLECTION, phrases.BLANK)
    yield from answer("From whom, over what time, with what consent or ethical review?", phrases.BLANK)
    yield from answer("Whom does the source table describe?", stated_population(document["dataset"]) or phrases.BLANK)


def _preparation(document: Mapping[str, Any]) -> Lines:
    yield from section("Preparation")
    yield from answer("What was done to the data?")
    yield from items(phrases.treatments(document))
    yield from answer("Is the software available?", "tabsynth, licence Apache-2.0; versions are in the report.")


def _uses(document: Mapping[str, Any]) -> Lines:
    yield from section("Uses")
    yield from answer("What is it meant for?", phrases.purpose(document))
    yield from answer("What should a user know before relying on it?", "As the evaluation report says:")
    yield from items(phrases.limitations(document))
    yield from answer("What should it not be used for?", "Decisions about single people. Further:", phrases.BLANK)


def _distribution(facts: Facts) -> Lines:
    document = facts.document
    yield from section("Distribution")
    yield from answer("To whom is it given?", document["dataset"]["recipient"] or phrases.BLANK)
    yield from answer("Under what licence and terms?", phrases.BLANK)
    yield from answer("When was it made?", document["created"])
    yield from answer("What is in the folder?", "Hashes of all files are in manifest.json.")
    yield from table(("File", "What", "SHA-256"), (
        (f.name, f.kind, f.sha256 or "see manifest.json") for f in facts.files))


def _maintenance() -> Lines:
    yield from section("Maintenance")
    yield from answer("Who maintains it, who answers questions, when is it updated or withdrawn?", phrases.BLANK)
