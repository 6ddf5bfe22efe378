"""Scoring a synthetic table against the two real ones, and the document that says what came out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tabsynth.core import registry
from tabsynth.core.finding import Finding
from tabsynth.core.progress import Progress, silent
from tabsynth.core.schema import Schema
from tabsynth.core.table import Table
from tabsynth.evaluation import protocol
from tabsynth.evaluation.gates import Bound, Facts
from tabsynth.evaluation.policy import Limit, Policy, load_policy
from tabsynth.evaluation.verdict import Verdict, judge
from tabsynth.pipeline.fit import Fitted
from tabsynth.pipeline.split import units_of
from tabsynth.reports import document as documents
from tabsynth.reports import provenance
from tabsynth.reports.context import (
    UNKNOWN_MODEL,
    UNSIGNED,
    Counts,
    Decision,
    Outcome,
    ReportContext,
    Selection,
    column_facts,
)


@dataclass(frozen=True)
class Evaluation:
    """Findings, and what the policy makes of them.

    selection: how often the training table was evaluated so far; None = not recorded.
    """

    findings: tuple[Finding, ...]
    verdict: Verdict
    policy: Policy
    selection: Selection | None = None

    @property
    def outcome(self) -> Outcome:
        """What follows for a release: a finding refuses, so does a review where the policy says so."""
        if self.verdict.refused:
            return "REFUSED"
        return "REVIEW" if self.verdict.outcome == "review" else "RELEASED"

    def rows(self) -> list[dict[str, Any]]:
        """The findings as plain mappings, one a row of a table: value, interval, floor, ceiling, verdict."""
        judged = {j.finding_id: j.verdict for j in self.verdict.judgements}
        return [{
            "id": f.id, "title": f.title, "section": f.section, "value": f.value,
            "low": None if f.interval is None else f.interval[0], "high": None if f.interval is None else f.interval[1],
            "floor": f.floor, "ceiling": f.ceiling, "n": f.n, "state": f.state, "verdict": judged.get(f.id)}
            for f in self.findings]


def evaluate(synth: Table, train: Table, holdout: Table, *, seed: int = 0, policy: str | Policy = "controlled",
             tier: int = 1, sections: Collection[str] | None = None, facts: Facts | None = None,
             own: Sequence[Bound] = (), draw: protocol.Draw | None = None,
             refit: protocol.Refit | None = None, progress: Progress = silent) -> Evaluation:
    """Run the measures and judge their findings.

    Args:
        synth, train, holdout: tables of one schema; nothing in `holdout` may have been seen by the model.
        seed: of the evaluation's own randomness (subsamples, folds).
        policy: a policy, or its profile's name or path.
        tier, sections: which measures, see `scope`.
        facts: of the release, for the policy's requirements; people are counted here.
        own: bounds of this run beside the policy's; they stay, whatever is measured.
        draw: further draws from the fitted model, for the spread between draws.
        refit: the model's recipe, for the attacks of tier 2; without it they are not run.
    """
    names, profile = scope(policy if isinstance(policy, Policy) else load_policy(policy), tier=tier, sections=sections)
    samples = protocol.prepare(synth, train, holdout, seed=seed, draw=draw, refit=refit, progress=progress)
    findings = protocol.evaluate(samples, only=names, progress=progress)
    facts = replace(facts or Facts(), train_people=units_of(train), holdout_people=units_of(holdout))
    return Evaluation(findings, judge(findings, profile, facts, own), profile)


def scope(policy: Policy, *, tier: int = 1, sections: Collection[str] | None = None) -> tuple[list[str], Policy]:
    """The measures to run, and the policy without limits on what was not asked for.

    Args:
        tier: 0 counts, 1 attacks and scores, 2 audits that refit.
        sections: of the report; None = all. With "privacy" comes what tells whether the holdout is a control for it.

    Limits and bounds on privacy always stay: what was not attacked is missing, and the verdict asks for a review or
    refuses. Of the others those of sections that were not asked for are dropped.
    """
    names = protocol.measures(tier=tier, sections=sections)
    if sections is None:
        return names, policy
    makers = {finding: plugin for plugin in registry.plugins("measures").values()
              for finding in plugin.facts.get("findings", (plugin.name,))}
    controls = {limit.finding for limit in policy.limits if limit.rule == "control"}
    kept = {"privacy", *sections}

    def asked_for(limit: Limit | Bound) -> bool:
        return makers[limit.finding].facts.get("section") in kept

    wanted = {*names, *(makers[finding].name for finding in controls if "privacy" in sections)}
    return sorted(wanted), policy.model_copy(update={
        "limits": tuple(limit for limit in policy.limits if limit.finding in controls or asked_for(limit)),
        "bounds": tuple(filter(asked_for, policy.bounds))})


def report_context(schema: Schema, evaluation: Evaluation, *, dataset: str, synth: Table, train: Table, holdout: Table,
                   fitted: Fitted | None = None, commands: tuple[str, ...] = (),
                   sampling_seed: int | None = None, evaluation_seed: int | None = None,
                   signature: str = UNSIGNED) -> ReportContext:
    """Everything a report says beside findings; what a reader may see of it is the report class's business."""
    return ReportContext(
        dataset=dataset, model=fitted.choice.model if fitted else UNKNOWN_MODEL,
        created=datetime.now(UTC).date().isoformat(), outcome=evaluation.outcome, unit=schema.unit or "row",
        description=schema.description, population=schema.population.name if schema.population else None,
        columns=column_facts(schema), rules=tuple(describe_rule(r) for r in schema.rules),
        counts=counts(synth, train, holdout), decisions=decisions(fitted),
        model_summary=_summary(fitted), settings=fitted.info.get("settings", {}) if fitted else {},
        calibration=fitted.info.get("calibration") if fitted else None,
        statement=fitted.statement.to_json() if fitted and fitted.statement else None,
        versions=provenance.environment(), commands=commands, sampling_seed=sampling_seed,
        evaluation_seed=evaluation_seed, selection=evaluation.selection, signature=signature,
        generation_depth=fitted.parentage.generation_depth if fitted else 1)


def document(evaluation: Evaluation, context: ReportContext, report_class: str) -> dict[str, Any]:
    """The report document of one class; see ``reports.document.build``."""
    return documents.build(evaluation.findings, evaluation.verdict, context=context,
                           report_class=report_class)  # type: ignore[arg-type]


def counts(synth: Table, train: Table, holdout: Table) -> Counts:
    """Rows and people of the three tables."""
    return Counts(len(train), units_of(train), len(holdout), units_of(holdout), len(synth), units_of(synth))


def decisions(fitted: Fitted | None) -> tuple[Decision, ...]:
    """What was pooled before fitting, column by column."""
    if fitted is None:
        return ()
    return tuple(
        Decision(column, "levels held by too few people pooled", int(pooled["levels"]), pooled["share"],
                 source="real rows" if fitted.personal_data else "noisy release")
        for column, pooled in fitted.generator.coding_.suppressed().items() if pooled["levels"])


def describe_rule(rule: Mapping[str, Any]) -> str:
    """A rule as one line.

    >>> describe_rule({"compare": "a <= b"})
    'a <= b'
    """
    if "mapped" in rule:
        mapped = rule["mapped"]
        return f"{', '.join(mapped['from'])} -> {mapped['to']}"
    if "implies" in rule:
        return f"if {rule['implies']['if']} then {rule['implies']['then']}"
    return f"never {rule['forbid']}" if "forbid" in rule else str(rule["compare"])


def _summary(fitted: Fitted | None) -> str:
    if fitted is None:
        return ""
    return str(registry.find("models", fitted.choice.model).facts.get("summary", ""))
