"""Packs: every one loads, is dated, cites what exists, and says nothing that software may not say."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tabsynth.core import registry
from tabsynth.core.errors import SourceError, UsageError
from tabsynth.reports import document, guidance, wording
from tabsynth.reports.guidance import Pack
from tabsynth.reports.stated import stated

FINDINGS = {finding for plugin in registry.plugins("measures").values() for finding in plugin.facts["findings"]}


@pytest.fixture(params=guidance.packs())
def pack(request: pytest.FixtureRequest) -> Pack:
    return guidance.pack(request.param)


def sentences(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in sentences(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in sentences(inner)]
    return [str(value)]


def test_there_are_packs_for_three_jurisdictions() -> None:
    assert guidance.packs() == ("eu-2026-11", "uk-2026-11", "us-hipaa-2026-11")
    assert set(guidance.DEFAULT) <= set(guidance.packs())


def test_a_pack_is_named_by_its_date_and_no_younger_than_it(pack: Pack) -> None:
    assert pack.date.startswith(pack.id[-7:])
    assert pack.status == "draft"
    assert all(source.date <= pack.date for source in pack.sources)
    for source in pack.sources:
        date.fromisoformat(f"{source.date}-01-01"[:10] if len(source.date) == 4 else f"{source.date}-01"[:10])


def test_ids_are_unique_and_every_source_is_used_or_says_where_a_limit_comes_from(pack: Pack) -> None:
    for ids in ([s.id for s in pack.sources], [c.id for c in pack.criteria], [a.id for a in pack.annexes]):
        assert len(ids) == len(set(ids))
    used = {c.source for c in pack.criteria} | {row.source for annex in pack.annexes for row in annex.rows}
    assert {s.id for s in pack.sources} - used <= {"gdpr-recital-26", "ema-0070", "health-canada"}


def test_every_cited_finding_exists_and_every_annex_is_a_file(pack: Pack) -> None:
    assert {finding for criterion in pack.criteria for finding in criterion.findings} <= FINDINGS
    assert {annex.id for annex in pack.annexes} <= set(registry.names("annexes"))


def test_no_sentence_of_a_pack_reassures(pack: Pack) -> None:
    assert [text for text in sentences(pack.model_dump()) if wording.offending(text)] == []


def test_a_pack_whose_source_is_missing_is_refused() -> None:
    odd = guidance.pack("uk-2026-11").model_dump()
    odd["criteria"][0]["source"] = "nobody"
    with pytest.raises(ValidationError, match="nobody"):
        Pack.model_validate(odd)


@pytest.mark.parametrize("names", [["eu-2025-01"], ["../../x"], [""], []])
def test_an_unknown_pack_is_refused_and_the_others_are_listed(names: list[str]) -> None:
    with pytest.raises(UsageError, match="uk-2026-11"):
        guidance.chosen(names)


def test_the_report_holds_the_packs_and_their_blanks(findings, verdict, context) -> None:
    made = document.build(findings, verdict, context=context, report_class="recipient")
    assert [part["id"] for part in made["guidance"]] == list(guidance.DEFAULT)
    roles = [(d["pack"], d["role"]) for d in made["determinations"]]
    assert ("eu-2026-11", "Data protection officer") in roles
    assert ("us-hipaa-2026-11", "Expert under 45 CFR 164.514(b)(1)") in roles
    assert all(d[field] is None for d in made["determinations"] for field in ("name", "decision", "date", "signature"))


# --- what a person states ------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    path = folder / "context.yaml"
    path.write_text(text, "utf-8")
    return path


def test_what_a_person_states_stands_in_every_class(tmp_path, findings, verdict, private_context) -> None:
    told = stated(written(tmp_path, "purpose: teaching\nrecipient: one course\ndata_sources: [a, b]\n"
                                    "review_date: 2027-06-01\n"), "uk-2026-11")
    internal = document.build(findings, verdict, context=private_context, report_class="internal")
    for report_class in ("internal", "recipient", "public", "statement"):
        made = document.narrow(internal, report_class, **told)
        data = made["dataset"]
        assert (data["purpose"], data["recipient"], data["data_sources"]) == ("teaching", "one course", ["a", "b"])
        assert (data["review_date"], data["legal_basis"], data["owner"]) == ("2027-06-01", None, None)
        assert [part["id"] for part in made["guidance"]] == ["uk-2026-11"]
        assert {part["pack"] for part in (*made["annexes"], *made["determinations"])} == {"uk-2026-11"}


def test_only_the_internal_report_can_be_told_more(findings, verdict, context) -> None:
    public = document.build(findings, verdict, context=context, report_class="public")
    with pytest.raises(UsageError, match="cannot be changed"):
        document.narrow(public, "public", purpose="teaching")


@pytest.mark.parametrize("text, words", [
    ("purpos: x", "purpos"), ("purpose: 3", "purpose"), ("purpose: ''", "purpose"), ("data_sources: x", "data_sources"),
    ("review_date: next year", "review_date"), ("- x", "the file")])
def test_a_context_file_is_checked_and_its_fields_are_listed(tmp_path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        stated(written(tmp_path, text), None)
    assert "legal_basis" in str(caught.value.fix)


def test_an_empty_context_file_says_nothing_and_a_missing_one_is_named(tmp_path) -> None:
    assert stated(written(tmp_path, "# nothing yet\n"), None) == {}
    assert stated(None, None) == {}
    with pytest.raises(SourceError, match=r"other\.yaml"):
        stated(tmp_path / "other.yaml", None)
