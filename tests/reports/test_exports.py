"""Companions of a release: what their formats ask for, what they may say, and that nobody's column name breaks them.

The lists of terms below are copied from the specifications that the modules name. The same files were held against the
formats' own tools (mlcroissant 1.1.1, roc-validator 0.13.0, prov 3.2.3), which are too heavy to be part of the tests.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabsynth.core.errors import UsageError
from tabsynth.core.schema import KINDS
from tabsynth.reports import commonmark, document, exports, provenance, wording
from tabsynth.reports.context import ColumnFact, Counts
from tabsynth.reports.exports import croissant, datasheet, model_card, phrases, prov, ro_crate
from tabsynth.reports.exports.facts import Facts, gather
from tabsynth.reports.provenance import FileFact
from tests.reports.test_provenance import FACTS

FINGERPRINT = "ab" * 32
TABLES = {name: FileFact(500, 4, "0" * 64) for name in ("synthetic.csv", "synthetic.parquet")}
REQUIRED = {"@context", "@type", "conformsTo", "description", "license", "name", "url", "creator", "datePublished",
            "distribution"}
RESPONSIBLE = {
    "dataCollection", "dataCollectionType", "dataCollectionMissingData", "dataCollectionRawData",
    "dataCollectionTimeframe", "dataImputationProtocol", "dataManipulationProtocol", "dataPreprocessingProtocol",
    "dataAnnotationProtocol", "dataAnnotationPlatform", "dataAnnotationAnalysis", "dataReleaseMaintenancePlan",
    "personalSensitiveInformation", "dataSocialImpact", "dataBiases", "dataLimitations", "dataUseCases",
    "annotationsPerItem", "annotatorDemographics", "machineAnnotationTools"}
ONE_TEXT = {"dataCollection", "dataCollectionMissingData", "dataCollectionRawData", "dataSocialImpact"}
ATOMIC = {f"sc:{name}" for name in ("Boolean", "Date", "Time", "DateTime", "Float", "Integer", "Text")}
RELATIONS = {
    "used": ("activity", "entity"), "wasGeneratedBy": ("entity", "activity"),
    "wasDerivedFrom": ("generatedEntity", "usedEntity"), "specializationOf": ("specificEntity", "generalEntity"),
    "wasAssociatedWith": ("activity", "agent"), "wasAttributedTo": ("entity", "agent"),
    "actedOnBehalfOf": ("delegate", "responsible")}


def folder_of(path: Path, made: dict[str, Any]) -> Path:
    """A folder as `release` leaves it before the companions are made."""
    path.mkdir(exist_ok=True)
    (path / "report.json").write_text(json.dumps(made), "utf-8")
    (path / "report.html").write_text("<p>report</p>", "utf-8")
    (path / "synthetic.csv").write_bytes(b"patient\n1\n")
    (path / "synthetic.parquet").write_bytes(b"PAR1")
    if made["privacy"]["guarantee"]:
        (path / "statement.json").write_text("{}", "utf-8")
    return path


def facts_of(path: Path, made: dict[str, Any], fingerprint: str | None = None) -> Facts:
    return gather(folder_of(path, made), tables=TABLES, training_fingerprint=fingerprint,
                  companions=frozenset(exports.ABOUT))


@pytest.fixture
def open_facts(findings, verdict, context, tmp_path):
    made = document.build(findings, verdict, context=context, report_class="recipient")
    return facts_of(tmp_path / "open", made, FINGERPRINT)


@pytest.fixture
def private_facts(findings, verdict, private_context, tmp_path):
    made = document.build(findings, verdict, context=private_context, report_class="statement")
    return facts_of(tmp_path / "private", made)


@pytest.fixture(params=["open_facts", "private_facts"])
def facts(request):
    return request.getfixturevalue(request.param)


def with_columns(facts: Facts, columns: list[ColumnFact]) -> Facts:
    data = {**facts.document["dataset"], "columns": [asdict(c) for c in columns]}
    return replace(facts, document={**facts.document, "dataset": data})


def references(value: Any) -> Iterator[str]:
    """Every {"@id": ...} that only refers."""
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_croissant_has_what_its_specification_requires(facts):
    made = json.loads(croissant.render(facts))
    assert made.keys() >= REQUIRED
    assert made["conformsTo"] == ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
    responsible = {key.removeprefix("rai:"): value for key, value in made.items() if key.startswith("rai:")}
    assert responsible.keys() <= RESPONSIBLE, "a property that the specification does not have"
    assert {key for key, value in responsible.items() if isinstance(value, str)} <= ONE_TEXT
    assert phrases.BLANK in (made["license"]["name"], made["creator"]["name"])


def test_croissant_describes_every_column_of_the_table(facts):
    made = json.loads(croissant.render(facts))
    fields = made["recordSet"][0]["field"]
    names = [c["name"] for c in facts.document["dataset"]["columns"]]
    assert [f["name"] for f in fields] == [f["source"]["extract"]["column"] for f in fields] == names
    ids = [f["@id"] for f in fields] + [f["@id"] for f in made["distribution"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w./%~-]+", i, re.ASCII) for i in ids), "an identifier is not an IRI"
    assert {f["source"]["fileObject"]["@id"] for f in fields} <= {f["@id"] for f in made["distribution"]}


def test_croissant_knows_a_type_for_every_kind(open_facts):
    every = with_columns(open_facts, [ColumnFact(kind, kind, "feature", "learned") for kind in KINDS])
    made = json.loads(croissant.render(every))
    types = {f["name"]: f["dataType"] for f in made["recordSet"][0]["field"]}
    assert set(types.values()) == ATOMIC
    assert (types["integer"], types["datetime"], types["id"]) == ("sc:Integer", "sc:DateTime", "sc:Text")


def test_the_crate_holds_together(facts):
    rendered = exports.render(facts)
    made = json.loads(rendered[ro_crate.NAME])
    assert made["@context"] == "https://w3id.org/ro/crate/1.2/context"
    entities = {e["@id"]: e for e in made["@graph"]}
    assert len(entities) == len(made["@graph"])
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert (descriptor["about"], descriptor["conformsTo"]) == ({"@id": "./"}, {"@id": "https://w3id.org/ro/crate/1.2"})
    assert root.keys() >= {"name", "description", "datePublished", "license"}
    outside = {i for e in made["@graph"] for i in references([v for k, v in e.items() if k != "conformsTo"])}
    assert outside <= entities.keys(), "a reference leads nowhere"
    assert {part["@id"] for part in root["hasPart"]} == (
        {f.name for f in facts.files} | rendered.keys() | {"manifest.json"}) - {ro_crate.NAME}
    assert [e["@id"] for e in made["@graph"] if e["@type"] == "CreateAction"] == ["#fit", "#sample", "#evaluate"]


def test_provenance_names_only_what_it_declares(facts):
    made = json.loads(prov.render(facts))
    assert made.keys() == {"prefix", "entity", "activity", "agent", *RELATIONS}
    declared = {**made["entity"], **made["activity"], **made["agent"]}
    for relation, ends in RELATIONS.items():
        for name, pair in made[relation].items():
            assert name.startswith("_:")
            assert pair.keys() == {f"prov:{end}" for end in ends}
            assert set(pair.values()) <= declared.keys()
    for name, attributes in declared.items():
        assert all(key.partition(":")[0] in {*made["prefix"], "prov"} for key in (name, *attributes))
    assert made["entity"]["release:synthetic-table"]["tabsynth:generationDepth"] == 1
    assert made["entity"]["release:source-table"]["tabsynth:generationDepth"] == 0


def test_hashes_are_those_of_the_files(facts, tmp_path):
    folder = tmp_path / ("private" if facts.document["privacy"]["guarantee"] else "open")
    crate = {e["@id"]: e for e in json.loads(ro_crate.render(facts, ()))["@graph"]}
    ml = {f["@id"]: f for f in json.loads(croissant.render(facts))["distribution"]}
    graph = json.loads(prov.render(facts))["entity"]
    for name in TABLES:
        content = (folder / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        assert crate[name]["sha256"] == ml[name]["sha256"] == graph[f"release:{name}"]["sdo:sha256"] == digest
        assert ml[name]["contentSize"] == f"{len(content)} B"
        assert digest in datasheet.render(facts)


def test_a_keyed_fingerprint_stands_without_a_guarantee_only(open_facts, private_facts):
    shown = json.loads(prov.render(open_facts))["entity"]["release:source-table"]
    assert shown["tabsynth:keyedFingerprint"] == FINGERPRINT
    assert "keyedFingerprint" not in prov.render(private_facts)
    with pytest.raises(UsageError, match="cannot stand beside a privacy guarantee"):
        replace(private_facts, training_fingerprint=FINGERPRINT)


def test_no_column_name_becomes_markup(open_facts):
    names = ["<script>alert(1)</script>", "a|b", "# title", "[x](http://evil.example)", "`code`", "two\nlines", "&lt;",
             "@id", "cr:column", "\\"]
    hostile = with_columns(open_facts, [ColumnFact(n, "number", "sensitive", "learned", n, n) for n in names])
    for name, content in exports.render(hostile).items():
        if name.endswith(".json"):
            assert json.loads(content)
            continue
        bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", content)  # without what a backslash takes the meaning of
        assert not re.search(r"[<>`\[\]]|://", bare)
        tables = [line for line in bare.splitlines() if line.startswith("|")]
        assert tables
        assert {line.count("|") for line in tables} <= {7, 4}, "a cell broke its row"
    fields = json.loads(croissant.render(hostile))["recordSet"][0]["field"]
    assert [f["name"] for f in fields] == names


def test_every_question_has_an_answer_or_a_blank(facts):
    for module in (datasheet, model_card):
        lines = [line for line in module.render(facts).splitlines() if line]
        for here, after in zip(lines, [*lines[1:], "## "], strict=True):
            if here.startswith("**"):
                assert not after.startswith(("**", "#")), here
    assert datasheet.render(facts).count(commonmark.text(phrases.BLANK)) >= 5


def test_figures_of_the_card_are_those_of_the_report(open_facts):
    card = model_card.render(open_facts)
    assert "| Two columns together | 0.9253 | 0.9212 to 0.9294 | 0.8971 | 0.9441 | 620 |" in card
    assert f"| Copies | {wording.SMALL_CELL} |" in card, "two control people"
    assert "Distances" not in card, "diagnostics are no evidence"
    assert "zebra-level" not in "".join(exports.render(open_facts).values())


def test_the_card_gives_the_verdict_and_nothing_else_depends_on_it(private_facts):
    before = exports.render(private_facts)
    verdict = {**private_facts.document["verdict"], "outcome": "finding", "privacy": "Do not release."}
    changed = replace(private_facts, document={**private_facts.document, "outcome": "REFUSED", "verdict": verdict})
    after = exports.render(changed)
    assert {name for name in before if before[name] != after[name]} == {model_card.NAME}
    assert "Do not release." in after[model_card.NAME]


@pytest.mark.parametrize("report_class", ["internal", "recipient", "public", "statement"])
def test_no_companion_reassures(findings, verdict, private_context, tmp_path, report_class):
    made = document.build(findings, verdict, context=private_context, report_class=report_class)
    for name, content in exports.render(facts_of(tmp_path / "f", made)).items():
        assert wording.offending(content) is None, name


def test_equal_facts_are_equal_bytes_without_network(facts, monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a companion asked the network")

    monkeypatch.setattr(socket, "socket", refuse)
    again = Facts(json.loads(json.dumps(facts.document)), facts.files, facts.training_fingerprint)
    assert exports.render(facts) == exports.render(again)


def test_the_manifest_lists_what_is_written(findings, verdict, context, tmp_path):
    made = document.build(findings, verdict, context=context, report_class="recipient")
    folder = folder_of(tmp_path / "f", made)
    exports.write(folder, tables=TABLES, training_fingerprint=None)
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    exports.write(folder, tables=TABLES, training_fingerprint=None)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == first, "a companion became a fact"
    origin = provenance.Origin(**{**FACTS, "report": "report.json"})
    listed = provenance.manifest(folder, origin, facts=TABLES)["files"]
    assert listed.keys() >= exports.ABOUT.keys() - {"manifest.json"}


NUMBER = re.compile(r"(?<![\w.%#])\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)


def numbers(text: str) -> set[str]:
    return {m.group().rstrip(",").replace(",", "") for m in NUMBER.finditer(re.sub(r"\b[0-9a-f]{64}\b", "", text))}


def own_numbers() -> set[str]:
    """Numbers of sentences that the program itself writes: versions of formats, years, paragraphs."""
    sources = [*Path(exports.__file__).parent.glob("*.py"), Path(wording.__file__)]
    texts = [node.value for source in sources for node in ast.walk(ast.parse(source.read_text("utf-8")))
             if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return set().union(*(numbers(text.replace("\\", "")) for text in texts))


def known(number: str, allowed: set[str]) -> bool:
    """True if `number` is one of `allowed`, or one of them rounded to the digits that it has."""
    step = 0.5 * 10.0 ** -len(number.lower().partition("e")[0].partition(".")[2])
    return number in allowed or any(abs(float(number) - float(a)) <= step * (1 + 1e-9) for a in allowed if "." in a)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(real=st.lists(st.integers(10**9, 10**12), min_size=4, max_size=4, unique=True),
       figure=st.floats(2e5, 9e5), synthetic=st.integers(11, 10**5))
def test_under_a_guarantee_no_number_is_new(findings, verdict, private_context, tmp_path, real, figure, synthetic):
    """Real counts and figures are planted where the report could hold them; no companion gives one out."""
    context = replace(private_context, counts=Counts(*real, synthetic, None), evaluation_seed=real[0],
                      columns=(*private_context.columns, ColumnFact("x", "number", "sensitive", "learned")))
    everything = [replace(f, floor=figure, ceiling=figure, control=figure) if f.value is not None else f
                  for f in findings]
    made = document.build(everything, verdict, context=context, report_class="statement")
    facts = facts_of(tmp_path / "f", made)
    files = {str(n) for f in facts.files for n in (f.bytes, f.rows, f.columns) if n is not None}
    depth = {str(made["model"]["generation_depth"] - 1)}
    allowed = numbers(json.dumps(made, ensure_ascii=False)) | files | depth | own_numbers()
    for name, content in exports.render(facts).items():
        shown = numbers(content.replace("\\", ""))
        assert {n for n in shown if not known(n, allowed)} == set(), name
        assert not shown & {str(n) for n in real}
        assert f"{figure:.0f}" not in {n.partition(".")[0] for n in shown}
