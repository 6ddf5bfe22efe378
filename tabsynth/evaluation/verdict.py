"""What a policy makes of the findings: one judgement per limit, one outcome, two sentences.

A finding of the policy needs an effect over the limit *and* evidence that survives Holm's correction over every
variant that was tried in the run. Too little evidence is a status of its own. There is no overall score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from tabsynth.core.finding import FAILED, Finding, Judgement
from tabsynth.evaluation import wording
from tabsynth.evaluation.gates import Bound, Facts, Gate, hold, require
from tabsynth.evaluation.intervals import holm, newcombe
from tabsynth.evaluation.policy import Limit, Policy, Rule
from tabsynth.evaluation.variants import EVIDENCE, Variant, variants_of

NO_LEAK: Final = ("what stands in the synthetic table again is no more than what numbers drawn independently have in "
                  "common by chance")

Outcome = Literal["finding", "review", "no_finding"]
STATISTICS: Final[Mapping[str, str]] = {"excess": "difference", "leak": "difference", "residual": "residual",
                                        "auc": "auc"}
"""Rule of a limit -> statistic of the variants that it looks at."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The policy's conclusion.

    Args:
        policy: the profile's name.
        outcome: "finding" = do not release without change, "review" = a person must look, else "no_finding".
        judgements: one per limit whose finding was made.
        privacy: the outcome in words; utility: fidelity and utility in words, never offset against privacy.
        because: ids of the findings that made the outcome, missing mandatory ones included.
        refused: True if the profile lets this outcome stop a release.
        gates: the policy's requirements and bounds, and those of the command line; one that is not met is a finding.
    """

    policy: str
    outcome: Outcome
    judgements: tuple[Judgement, ...]
    privacy: str
    utility: str
    because: tuple[str, ...] = ()
    refused: bool = False
    gates: tuple[Gate, ...] = ()

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that are not met."""
        return tuple(g for g in self.gates if g.met is False)


def judge(findings: Iterable[Finding], policy: Policy, facts: Facts | None = None,
          own: Sequence[Bound] = ()) -> Verdict:
    """Hold findings and facts against a policy. The first that applies: finding (a gate that is not met included),
    review (too little power and mandatory measures that were not run included), no finding.

    Args:
        facts: None = nothing is known beside the findings.
        own: bounds of this run beside the policy's.
    """
    made = {f.id: f for f in findings}
    doubt = _control_doubt(made, policy)
    evidence = tried(made.values(), policy)
    judgements = tuple(_judge(made[limit.finding], limit, evidence, doubt)
                       for limit in policy.limits if limit.finding in made)
    gates = (*require(policy.requirements, facts or Facts()), *hold((*policy.bounds, *own), made))
    missing = tuple(x.finding for x in policy.limits if x.mandatory and x.finding not in made)
    hard = (*(j.finding_id for j in judgements if j.verdict == "finding"), *(g.name for g in gates if g.met is False))
    needed = {x.finding for x in policy.limits if x.mandatory} | {f.id for f in made.values() if f.details.get(FAILED)}
    soft = (*(j.finding_id for j in judgements if j.verdict in ("review", "insufficient_power")
              or (j.verdict == "not_run" and j.finding_id in needed)),
            *missing, *(g.name for g in gates if g.met is None))
    outcome: Outcome = "finding" if hard else "review" if soft else "no_finding"
    because = tuple(dict.fromkeys(hard or soft))
    return Verdict(
        policy=policy.name, outcome=outcome, judgements=judgements, because=because,
        privacy=wording.outcome(outcome, policy.name, [_title(made, gates, i) for i in because]),
        utility=wording.utility(made, policy.name, limited_in(gates)),
        refused=outcome == "finding" or (outcome == "review" and policy.on_review == "refuse"), gates=gates)


def limited_in(gates: Iterable[Gate]) -> tuple[str, ...]:
    """Ids of the findings that gates hold a bound on, each once."""
    return tuple(dict.fromkeys(g.name for g in gates if g.of is not None))


# --- one limit -------------------------------------------------------------------------------------------


def _judge(finding: Finding, limit: Limit, evidence: Sequence[Tried], doubt: str | None) -> Judgement:
    blank = Judgement(finding.id, "not_run", finding.reason or "", limit.limit, limit.source)
    if finding.state == "not_run" or finding.value is None:
        return blank
    if limit.rule == "control":
        return replace(blank, verdict="no_finding" if doubt is None else "review",
                       because=doubt or "training and holdout rows cannot be told apart beyond chance")
    if limit.rule == "amplification":
        return _judge_amplification(finding, blank)
    if limit.rule == "leak" and finding.details.get("leaked_values"):
        return replace(blank, verdict=limit.on_leak,
                       because="values that one training person alone holds stand in the synthetic table")
    judged = _judge_excess(finding, blank, limit.rule, [
        t for t in evidence if t.variant.finding_id == finding.id and t.variant.statistic == STATISTICS[limit.rule]])
    if doubt is not None and judged.verdict == "no_finding":
        return replace(judged, verdict="review", because=f"{judged.because}; {doubt}")
    return judged


def _judge_excess(finding: Finding, blank: Judgement, rule: Rule, evidence: Sequence[Tried]) -> Judgement:
    """A finding: effect over the limit and a Holm-adjusted lower limit above the null.

    A residual risk is a finding, too, when its adjusted lower limit is above half the limit: a small risk that is
    certain weighs as much as a large one that is not.
    """
    limit = blank.limit or 0.0
    if finding.state == "uninformative":
        return replace(blank, verdict="no_finding", because=finding.reason or "")
    proven = [t for t in evidence if t.adjusted < EVIDENCE]
    over = [t for t in proven if t.variant.value > limit or (rule == "residual" and t.lower > limit / 2)]
    if over:
        worst = max(over, key=lambda t: t.variant.value)
        return replace(blank, verdict="finding", because=f"{worst.variant.key}: {_effect(worst.variant)}, limit "
                       f"{limit:g}, and the evidence holds after Holm's correction")
    if finding.state == "insufficient_power":
        return replace(blank, verdict="insufficient_power", because=finding.reason or "")
    if proven:
        return replace(blank, verdict="review", because=f"{proven[0].variant.key}: {_effect(proven[0].variant)}, below "
                       f"the limit {limit:g}, that chance does not explain")
    wide = _too_wide([t.variant for t in evidence], limit)
    if wide and rule != "leak":
        return replace(blank, verdict="insufficient_power", because=f"{wide[0].key}: the interval reaches beyond the "
                       f"limit {limit:g}; too few records to tell")
    return replace(blank, verdict="no_finding", because=NO_LEAK if rule == "leak" else
                   f"nothing above the limit {limit:g} in any variant")


def _too_wide(variants: Sequence[Variant], limit: float) -> list[Variant]:
    """Variants that cannot exclude an effect over the limit; of supplementary ones only where none can."""
    def wide(some: Sequence[Variant]) -> list[Variant]:
        return [v for v in some if v.interval()[1] > limit]

    main = [v for v in variants if not v.supplementary]
    if main:
        return wide(main)
    return wide(variants) if len(wide(variants)) == len(variants) else []


def _effect(variant: Variant) -> str:
    """The measured effect in words."""
    words = {"difference": "an excess of {:.4f} over the control", "residual": "a residual risk of {:.4f}",
             "auc": "an AUC of {:.4f}"}
    return words[variant.statistic].format(variant.value)


def _judge_amplification(finding: Finding, blank: Judgement) -> Judgement:
    """Broken rows against broken training rows: over limit times the rate, and not by chance."""
    limit = blank.limit or 0.0
    counts = tuple(int(finding.details[k]) for k in ("broken", "rows", "train_broken", "train_rows"))
    broken, rows, train_broken, train_rows = counts
    if broken / rows <= limit * train_broken / train_rows:
        return replace(blank, verdict="no_finding", because=f"broken rows are at most {limit:g} times as frequent as "
                       "in the training rows")
    if newcombe(broken, rows, train_broken, train_rows)[0] > 0:
        return replace(blank, verdict="finding", because=f"broken rows are more than {limit:g} times as frequent as "
                       "in the training rows")
    return replace(blank, verdict="review", because="some rows are broken, too few to tell the rate from that of the "
                   "training rows")


# --- evidence over the whole run --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tried:
    """A variant with its Holm-adjusted p, and its one-sided lower limit at the level that Holm leaves it."""

    variant: Variant
    adjusted: float
    lower: float


def tried(findings: Iterable[Finding], policy: Policy) -> list[Tried]:
    """Every variant of every finding that has a limit on its variants, corrected over the run."""
    ids = {limit.finding for limit in policy.limits if limit.rule in STATISTICS}
    variants = [v for f in findings if f.id in ids for v in variants_of(f)]
    p = [v.p for v in variants]
    rank = {i: r for r, i in enumerate(sorted(range(len(p)), key=lambda i: (p[i], i)))}
    return [Tried(v, adjusted, v.lower(EVIDENCE / (len(p) - rank[i])))
            for i, (v, adjusted) in enumerate(zip(variants, holm(p), strict=True))]


def _control_doubt(made: Mapping[str, Finding], policy: Policy) -> str | None:
    """Why the holdout is no control for the training rows, or None."""
    for limit in policy.limits:
        found = made.get(limit.finding)
        if limit.rule != "control" or found is None or found.value is None:
            continue
        if found.details.get("people_in_both"):
            return "control not exchangeable: some people are in the training rows and in the holdout"
        evident = found.interval is None or found.interval[0] > 0.5
        if found.value > limit.limit and evident:
            return (f"control not exchangeable: training and holdout rows can be told apart with AUC "
                    f"{found.value:.3f}, limit {limit.limit:g}")
    return None


def _title(made: Mapping[str, Finding], gates: Iterable[Gate], finding_id: str) -> str:
    for gate in gates:
        if gate.name == finding_id and not gate.met:
            return gate.title
    return f"{made[finding_id].title} ({finding_id})" if finding_id in made else f"{finding_id} (not computed)"
