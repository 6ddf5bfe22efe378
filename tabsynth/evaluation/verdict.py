"""What a policy makes of the findings: one judgement per limit, one outcome, two sentences.

A finding of the policy needs an effect over the limit *and* evidence that survives Holm's correction over every
variant that was tried in the run. Too little evidence is a status of its own. There is no overall score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.finding import Finding, Judgement
from tabsynth.evaluation import wording
from tabsynth.evaluation.intervals import excess_p, holm, newcombe

FOLDER: Final = Path(__file__).parent / "policies"
DEFAULT: Final = "controlled"
EVIDENCE: Final = 0.025
"""One-sided level of a Holm-adjusted lower limit above zero (a two-sided 95 % interval)."""

Outcome = Literal["finding", "review", "no_finding"]
Rule = Literal["excess", "amplification", "control"]


class Limit(BaseModel):
    """One threshold. `rule` says how the finding is held against it, `source` where the number comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    finding: str
    rule: Rule
    limit: float
    source: str
    mandatory: bool = True


class Policy(BaseModel):
    """A release profile: limits, the smallest cell that may be shown, and what a review does to a release."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    summary: str
    on_review: Literal["accept", "refuse"]
    min_cell: int
    min_cell_source: str
    limits: tuple[Limit, ...]


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
    """

    policy: str
    outcome: Outcome
    judgements: tuple[Judgement, ...]
    privacy: str
    utility: str
    because: tuple[str, ...] = ()
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Variant:
    """One comparison that a measure tried: hits among people who were used and among people who were not.

    A supplementary variant can prove an excess; that it is too small to exclude one asks for no review.
    """

    finding_id: str
    key: str
    train_hits: int
    train_n: int
    control_hits: int
    control_n: int
    supplementary: bool = False

    @property
    def counts(self) -> tuple[int, int, int, int]:
        return self.train_hits, self.train_n, self.control_hits, self.control_n

    @property
    def excess(self) -> float:
        return self.train_hits / self.train_n - self.control_hits / self.control_n


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit of the command line that a finding does not meet."""

    name: str
    value: float | None
    limit: float
    kind: Literal["under", "over"]

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name} has no value to hold against {self.limit:g}"
        return f"{self.name} is {self.value:.4g}, {self.kind} {self.limit:g}"


def policy_names() -> list[str]:
    """The profiles that come with tabsynth, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_policy(name_or_path: str | Path = DEFAULT) -> Policy:
    """A profile by name, or a file of one's own in the same form.

    Raises:
        UsageError: no such profile, or a field that is missing, unknown or of the wrong type (named).
        SourceError: no such file.
    """
    import yaml

    given = str(name_or_path)
    if given in policy_names():
        path = FOLDER / f"{given}.yaml"
    elif given.endswith((".yaml", ".yml")):
        path = Path(given)
    else:
        raise UsageError(f"there is no policy called {given!r}; there are: {', '.join(policy_names())}.",
                         fix="A file of your own is given by its path, ending in .yaml.")
    if not path.is_file():
        raise SourceError(f"policy file {path} does not exist.", fix="Check the path.")
    try:
        return Policy.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except yaml.YAMLError as error:
        raise UsageError(f"policy file {path.name} is not valid YAML.") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"policy file {path.name}: {place}: {first['msg']}.",
                         fix="The profiles in tabsynth/evaluation/policies show the form.") from None


def judge(findings: Iterable[Finding], policy: Policy) -> Verdict:
    """Hold the findings against a policy. The first that applies: finding, review (too little power and mandatory
    measures that were not run included), no finding."""
    made = {f.id: f for f in findings}
    doubt = _control_doubt(made, policy)
    adjusted = _adjusted(made.values(), policy)
    judgements = tuple(_judge(made[limit.finding], limit, adjusted, doubt)
                       for limit in policy.limits if limit.finding in made)
    missing = tuple(x.finding for x in policy.limits if x.mandatory and x.finding not in made)
    hard = tuple(j.finding_id for j in judgements if j.verdict == "finding")
    optional = {x.finding for x in policy.limits if not x.mandatory}
    soft = tuple(j.finding_id for j in judgements if j.verdict in ("review", "insufficient_power")
                 or (j.verdict == "not_run" and j.finding_id not in optional)) + missing
    outcome: Outcome = "finding" if hard else "review" if soft else "no_finding"
    because = hard or soft
    return Verdict(
        policy=policy.name, outcome=outcome, judgements=judgements, because=because,
        privacy=wording.outcome(outcome, policy.name, [_title(made, i) for i in because]),
        utility=wording.utility(made, policy.name),
        refused=outcome == "finding" or (outcome == "review" and policy.on_review == "refuse"))


def apply_limits(findings: Iterable[Finding], under: Mapping[str, float],
                 over: Mapping[str, float]) -> tuple[Exceeded, ...]:
    """Limits of one's own, as in ``--fail-under kway.2=0.9``: those that the findings do not meet.

    A finding without a value meets no limit. Names are finding ids.

    Raises:
        UsageError: no finding has this id; lists those there are.
    """
    made = {f.id: f for f in findings}
    for name in (*under, *over):
        if name not in made:
            raise UsageError(f"no finding is called {name!r}; there are: {', '.join(sorted(made))}.")
    low = [Exceeded(name, made[name].value, limit, "under") for name, limit in under.items()]
    high = [Exceeded(name, made[name].value, limit, "over") for name, limit in over.items()]
    return tuple(x for x in (*low, *high) if x.value is None
                 or (x.value < x.limit if x.kind == "under" else x.value > x.limit))


# --- one limit -------------------------------------------------------------------------------------------


def _judge(finding: Finding, limit: Limit, adjusted: Mapping[Variant, float], doubt: str | None) -> Judgement:
    blank = Judgement(finding.id, "not_run", finding.reason or "", limit.limit, limit.source)
    if finding.state == "not_run" or finding.value is None:
        return blank
    if limit.rule == "control":
        return replace(blank, verdict="no_finding" if doubt is None else "review",
                       because=doubt or "training and holdout rows can hardly be told apart")
    if limit.rule == "amplification":
        return _judge_amplification(finding, blank)
    judged = _judge_excess(finding, blank, {v: p for v, p in adjusted.items() if v.finding_id == finding.id})
    if doubt is not None and judged.verdict == "no_finding":
        return replace(judged, verdict="review", because=f"{judged.because}; {doubt}")
    return judged


def _judge_excess(finding: Finding, blank: Judgement, variants: Mapping[Variant, float]) -> Judgement:
    """Correction 2 of the protocol: effect over the limit and a Holm-adjusted lower limit above zero."""
    limit = blank.limit or 0.0
    if finding.state == "uninformative":
        return replace(blank, verdict="no_finding", because=finding.reason or "")
    proven = [v for v, p in variants.items() if p < EVIDENCE]
    over = [v for v in proven if v.excess > limit]
    if over:
        worst = max(over, key=lambda v: v.excess)
        return replace(blank, verdict="finding", because=f"{worst.key}: an excess of {worst.excess:.4f} over the "
                       f"control, limit {limit:g}, and the evidence holds after Holm's correction")
    if finding.state == "insufficient_power":
        return replace(blank, verdict="insufficient_power", because=finding.reason or "")
    if proven:
        return replace(blank, verdict="review", because=f"{proven[0].key}: an excess below the limit {limit:g} that "
                       "chance does not explain")
    wide = [v for v in variants if not v.supplementary and newcombe(*v.counts)[1] > limit]
    if wide:
        return replace(blank, verdict="insufficient_power", because=f"{wide[0].key}: the interval reaches beyond the "
                       f"limit {limit:g}; too few records to tell")
    return replace(blank, verdict="no_finding", because=f"no excess over the limit {limit:g} in any variant")


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


def variants_of(finding: Finding) -> list[Variant]:
    """The comparisons in a finding's breakdown that have a control and at least one trial on each side."""
    return [Variant(finding.id, str(row["key"]), int(row["train_hits"]), int(row["train_n"]),
                    int(row["control_hits"]), int(row["control_n"]), bool(row.get("supplementary")))
            for row in finding.breakdown if row.get("train_n") and row.get("control_n")]


def _adjusted(findings: Iterable[Finding], policy: Policy) -> dict[Variant, float]:
    """Holm-adjusted p of every variant of every finding that has an excess limit, over the run."""
    ids = {limit.finding for limit in policy.limits if limit.rule == "excess"}
    variants = [v for f in findings if f.id in ids for v in variants_of(f)]
    return dict(zip(variants, holm([excess_p(*v.counts) for v in variants])))


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


def _title(made: Mapping[str, Finding], finding_id: str) -> str:
    return f"{made[finding_id].title} ({finding_id})" if finding_id in made else f"{finding_id} (not computed)"
