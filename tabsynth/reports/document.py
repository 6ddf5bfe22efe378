"""Building, checking and reading back the one document that every rendering is made from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from pydantic import ValidationError

from tabsynth.core import registry
from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.finding import Finding, Judgement
from tabsynth.evaluation import wording as verdict_wording
from tabsynth.evaluation.gates import Gate
from tabsynth.evaluation.verdict import Verdict, limited_in
from tabsynth.reports import annexes, disclosure, guidance, wording
from tabsynth.reports.cells import person
from tabsynth.reports.context import ColumnFact, Counts, Decision, LedgerEntry, ReportContext, Selection
from tabsynth.reports.guarantee import ledger_entry
from tabsynth.reports.model import DOCUMENT_TYPE, Document, ReportClass


def build(findings: Iterable[Finding], verdict: Verdict, *, context: ReportContext,
          report_class: ReportClass) -> dict[str, Any]:
    """The document of one class, ready for `canonical_json` and every renderer.

    Args:
        report_class: "internal", "recipient", "public", or "statement" for the part of a release folder that
            stands under a privacy guarantee.

    Raises:
        UsageError: class "statement" without a privacy statement.
    """
    if report_class == "statement" and context.statement is None:
        raise UsageError("a report of class 'statement' needs a privacy statement, and this model has none.",
                         fix="Choose the class 'recipient'.")
    everything = tuple(_finite(f) for f in findings)
    pairs = [shown for f in everything if (shown := disclosure.show(f, report_class, context.counts)) is not None]
    visible = disclosure.show_context(context, report_class)
    packs = [guidance.pack(name) for name in visible.guidance]
    document = {
        "type": DOCUMENT_TYPE, "report_class": report_class, "created": visible.created,
        "outcome": visible.outcome, "notices": _notices(visible, report_class),
        "dataset": _dataset(visible),
        "model": {"name": visible.model, "summary": visible.model_summary, "settings": plain(visible.settings),
                  "calibration": plain(visible.calibration), "generation_depth": visible.generation_depth},
        "privacy": _privacy(visible),
        "verdict": _verdict(verdict, {f.id: f for f, _ in pairs}, visible, report_class),
        "findings": [_finding(f, band) for f, band in pairs],
        "not_assessed": [*_not_assessed([f for f, _ in pairs], report_class), *_not_asked_for(everything)],
        "determinations": [
            {"pack": pack.id, **asked.model_dump(), "name": None, "decision": None, "conditions": None, "date": None,
             "expires": None, "signature": None} for pack in packs for asked in pack.determinations],
        "guidance": [pack.part().model_dump() for pack in packs],
        "provenance": _provenance(visible),
    }
    document["annexes"] = annexes.build(document, packs)  # of what this class shows, and of nothing else
    validate(document)
    return document


def narrow(document: Mapping[str, Any], report_class: ReportClass, **changes: Any) -> dict[str, Any]:
    """The same report in another class, made from the internal one.

    Args:
        changes: fields of the context that a person states now: purpose, recipient, guidance, ...

    Raises:
        UsageError: the document is not of class "internal", so that what it leaves out cannot be known.
    """
    if document["report_class"] == report_class and not changes:
        return dict(document)
    if document["report_class"] != "internal":
        what = "be changed" if document["report_class"] == report_class else f"become {report_class!r}"
        raise UsageError(f"a report of class {document['report_class']!r} cannot {what}.",
                         fix="Start from the internal evaluation file.")
    return build(findings_from(document), verdict_from(document), report_class=report_class,
                 context=replace(context_from(document), **changes))


def validate(document: Mapping[str, Any]) -> None:
    """Check a document against its shape, and what no JSON schema can say.

    Raises:
        SourceError: names the first field that does not fit, never its value.
    """
    try:
        Document.model_validate(dict(document))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the document"
        raise SourceError(f"this is not a valid {DOCUMENT_TYPE} document: {place}: {first['msg']}.",
                          fix="Make it again with `tabsynth evaluate`.") from None
    _check_consistency(document)


def findings_from(document: Mapping[str, Any]) -> tuple[Finding, ...]:
    """The findings of a document; of an internal one they equal those it was built from."""
    return tuple(
        Finding(**{**{k: v for k, v in part.items() if k != "band"},
                   "interval": None if part["interval"] is None else tuple(part["interval"]),
                   "breakdown": tuple(part["breakdown"]), "points": tuple(part["points"])})
        for part in document["findings"])


def verdict_from(document: Mapping[str, Any]) -> Verdict:
    """The verdict of a document."""
    part = document["verdict"]
    return Verdict(part["policy"], part["outcome"], tuple(Judgement(**j) for j in part["judgements"]),
                   part["privacy"], part["utility"], tuple(part["because"]), part["refused"],
                   tuple(Gate(**g) for g in part["gates"]))


def context_from(document: Mapping[str, Any]) -> ReportContext:
    """The context of a document."""
    data, model, privacy, made = (document[k] for k in ("dataset", "model", "privacy", "provenance"))
    return ReportContext(
        dataset=data["name"], model=model["name"], created=document["created"], outcome=document["outcome"],
        unit=data["unit"], description=data["description"], population=data["population"],
        columns=tuple(ColumnFact(**c) for c in data["columns"]), rules=tuple(data["rules"]),
        counts=Counts(**data["counts"]),
        decisions=tuple(Decision(**{**d, "names": tuple(d["names"])}) for d in data["decisions"]),
        model_summary=model["summary"], settings=model["settings"], calibration=model["calibration"],
        generation_depth=model["generation_depth"], statement=privacy["statement"],
        ledger=None if privacy["ledger"] is None else LedgerEntry(**privacy["ledger"]),
        **{k: data[k] for k in ("purpose", "recipient", "legal_basis", "owner", "review_date")},
        data_sources=tuple(data["data_sources"]), guidance=tuple(p["id"] for p in document["guidance"]),
        versions=made["versions"], commands=tuple(made["commands"]), sampling_seed=made["sampling_seed"],
        evaluation_seed=made["evaluation_seed"], files=made["files"], signature=made["signature"],
        selection=None if made["selection"] is None else Selection(**made["selection"]))


def plain(value: Any) -> Any:
    """`value` as JSON values: tuples become lists, numpy scalars numbers, numbers that are not finite None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _finite(finding: Finding) -> Finding:
    """A measure that produced no finite number becomes a line that says so; the report goes on."""
    numbers = (finding.value, *(finding.interval or ()))
    if any(x is not None and not math.isfinite(x) for x in numbers):
        return Finding.not_run(finding.id, finding.title, finding.section,
                               "The measure returned a number that is not finite.", direction=finding.direction,
                               method=finding.method)
    return finding


def _finding(finding: Finding, band: str | None) -> dict[str, Any]:
    return {**plain(asdict(finding)), "band": band}


def _notices(context: ReportContext, report_class: ReportClass) -> list[str]:
    if context.statement is None:
        return [wording.NO_GUARANTEE, *([wording.INTERNAL] if report_class == "internal" else [])]
    return {"internal": [wording.INTERNAL_UNDER_GUARANTEE], "statement": [wording.OUTSIDE_THE_BUDGET]}.get(
        report_class, [wording.DISCLOSED])


def _dataset(context: ReportContext) -> dict[str, Any]:
    return {
        "name": context.dataset, "description": context.description, "unit": context.unit,
        "population": context.population, "purpose": context.purpose, "recipient": context.recipient,
        "legal_basis": context.legal_basis, "data_sources": list(context.data_sources), "owner": context.owner,
        "review_date": context.review_date,
        "columns": [asdict(c) for c in context.columns], "rules": list(context.rules),
        "counts": asdict(context.counts), "decisions": [plain(asdict(d)) for d in context.decisions],
    }


def _privacy(context: ReportContext) -> dict[str, Any]:
    guarantee = context.statement is not None
    ledger = context.ledger
    if ledger is None and context.statement is not None:
        ledger = ledger_entry(context.statement)
    return {
        "guarantee": guarantee,
        "notice": wording.GUARANTEE.format(unit=person(context.unit)) if guarantee else wording.NO_GUARANTEE,
        "statement": plain(context.statement),
        "ledger": None if ledger is None else asdict(ledger),
    }


def _verdict(verdict: Verdict, shown: Mapping[str, Finding], context: ReportContext,
             report_class: ReportClass) -> dict[str, Any]:
    """Inside the house the policy's own words; outside, sentences made from what the class shows."""
    covered = report_class == "statement"
    privacy, utility = verdict.privacy, verdict.utility
    if report_class in ("statement", "public"):
        sentence = wording.verdict_sentence(verdict.outcome, verdict.policy)
        privacy, utility = f"{sentence} {verdict_wording.LIMITS_OF_THE_TESTS}", ""
    elif report_class == "recipient":
        utility = verdict_wording.utility(shown, verdict.policy, limited_in(verdict.gates))
    judgements = [disclosure.show_judgement(j, shown.get(j.finding_id), report_class) for j in verdict.judgements]
    gates = [disclosure.show_gate(g, shown.get(g.name), context.counts, report_class) for g in verdict.gates]
    return {
        "policy": verdict.policy, "outcome": verdict.outcome, "refused": verdict.refused,
        "because": [] if covered else list(verdict.because), "privacy": privacy, "utility": utility,
        "formed_on_real_records": None if context.statement is None else wording.OUTSIDE_THE_BUDGET,
        "judgements": [plain(asdict(j)) for j in judgements if j is not None],
        "gates": [asdict(g) for g in gates if g is not None],
    }


def _not_assessed(findings: Sequence[Finding], report_class: ReportClass) -> list[dict[str, str]]:
    missing = [(f.title, f.reason or wording.STATE_REASONS["not_run"]) for f in findings if f.state == "not_run"]
    kept = [("Figures computed from real records", wording.KEPT_INTERNAL)] if report_class == "statement" else []
    return [{"what": what, "reason": reason} for what, reason in (*kept, *missing, *wording.NEVER_ASSESSED)]


def _not_asked_for(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Sections and attacks that this run left out: it was not asked for them."""
    ids, sections = {f.id for f in findings}, {f.section for f in findings}
    refits = {i for p in registry.plugins("measures").values() if p.facts.get("tier") == 2
              for i in p.facts.get("findings", ())}
    left_out = [(what, wording.NOT_PART) for section, what in wording.SECTIONS.items() if section not in sections]
    if not ids & refits:
        left_out.append((wording.REFITS, wording.REFITS_NOT_RUN))
    return [{"what": what, "reason": reason} for what, reason in left_out]


def _provenance(context: ReportContext) -> dict[str, Any]:
    return {
        "versions": dict(context.versions), "commands": list(context.commands),
        "sampling_seed": context.sampling_seed, "evaluation_seed": context.evaluation_seed,
        "seed_policy": wording.SEED_POLICY, "files": dict(context.files), "signature": context.signature,
        "selection": None if context.selection is None else asdict(context.selection),
    }


def _check_consistency(document: Mapping[str, Any]) -> None:
    ids = [f["id"] for f in document["findings"]]
    problem = None
    if len(ids) != len(set(ids)):
        problem = "two findings have the same id"
    for f in document["findings"]:
        if f["value"] is not None and f["interval"] is not None:
            low, high = f["interval"]
            if not low - 1e-9 <= f["value"] <= high + 1e-9:
                problem = f"the interval of {f['id']} does not contain its value"
    if unknown := {j["finding_id"] for j in document["verdict"]["judgements"]} - set(ids):
        problem = f"a judgement names the finding {sorted(unknown)[0]!r}, which is not there"
    if document["privacy"]["guarantee"] is (document["privacy"]["statement"] is None):
        problem = "a guarantee is claimed without a statement, or a statement stands without the claim"
    if problem is not None:
        raise SourceError(f"this {DOCUMENT_TYPE} document contradicts itself: {problem}.")
