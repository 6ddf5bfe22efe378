"""The shape of a document of type ``tabsynth.evaluation/1``: the one source of the published JSON schema.

``evaluation-1.schema.json`` beside this file is `json_schema()` written out, and a test holds the two together.
Every field is required and unknown fields are rejected, so that a typing error cannot hide a number. What no JSON
schema can state (an interval contains its value, a judgement names a finding) is checked in `document.validate`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

DOCUMENT_TYPE: Final = "tabsynth.evaluation/1"
SCHEMA_ID: Final = "urn:tabsynth:evaluation:1"

ReportClass = Literal["internal", "recipient", "public", "statement"]
"""internal: everything. recipient: small cells out, numbers rounded. public: bands. statement: what a privacy
guarantee covers, and the verdict."""

Count = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
IsoDate = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Pair = Annotated[list[Number], Field(min_length=2, max_length=2)]

_MEASURED_OR_SAYS_WHY: Final[dict[str, Any]] = {
    "allOf": [
        {"if": {"properties": {"state": {"const": "not_run"}}},
         "then": {"properties": {"value": {"type": "null"}, "band": {"type": "null"}}},
         "else": {"properties": {"n": {"minimum": 1}},
                  "anyOf": [{"properties": {"value": {"type": "number"}}},
                            {"properties": {"band": {"type": "string"}}}]}},
        {"if": {"properties": {"state": {"const": "ok"}}},
         "else": {"properties": {"reason": {"type": "string"}}}},
    ],
}


class Part(BaseModel):
    """A part of the document: strict types, nothing unknown, nothing left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FindingPart(Part):
    """One measurement (`core.finding.Finding`), or a line that says why there is none."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False,
                              json_schema_extra=_MEASURED_OR_SAYS_WHY)

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:\- ]*$", max_length=200)]
    title: Text
    section: Literal["validity", "fidelity", "utility", "privacy", "diagnostic"]
    version: Annotated[int, Field(ge=1)]
    state: Literal["ok", "uninformative", "insufficient_power", "not_run"]
    reason: Text | None
    direction: Literal["higher is better", "lower is better", "closer to 0.5 is better", "closer to 1 is better",
                       "closer to 0 is better", "lower is safer", "none"]
    value: Number | None
    band: Text | None = Field(description="stands in for the value in a public report")
    interval: Pair | None = Field(description="95 % interval, contains the value")
    n: Count
    unit_of_n: Text
    floor: Number | None
    ceiling: Number | None
    normalised: Number | None
    baseline: Number | None
    control: Number | None
    method: str
    shareable: bool
    breakdown: list[dict[str, JsonValue]]
    points: list[dict[str, JsonValue]] = Field(description="what a chart of the finding draws")
    details: dict[str, JsonValue]

    @model_validator(mode="after")
    def _measured_or_says_why(self) -> Self:
        if self.state == "not_run":
            if self.value is not None or self.band is not None:
                raise ValueError("a measure that was not run has no value")
        elif self.n < 1 or (self.value is None and self.band is None):
            raise ValueError("a measured finding has a value (or a band) and n of at least 1")
        if self.state != "ok" and self.reason is None:
            raise ValueError("a state other than ok has a reason")
        return self


class JudgementPart(Part):
    """What the policy says about one finding."""

    finding_id: Text
    verdict: Literal["finding", "review", "no_finding", "insufficient_power", "not_run"]
    because: str
    limit: Number | None
    limit_source: str


class GatePart(Part):
    """One requirement of the policy, or one bound on a number of a finding (`evaluation.gates.Gate`)."""

    name: Text = Field(description="a fact of the release, or the id of a finding")
    of: Text | None = Field(description="which number of the finding; null for a fact")
    what: Text
    value: Number | None = Field(description="null where it is not known, not bounded, or not shown in this class")
    asked: Literal["required", "measured", "at least", "at most"]
    limit: Number | None
    met: bool | None = Field(description="null = not known: a person must look")
    source: Text
    reason: str = Field(description="why it is not met and what to change; no number stands in it")


class VerdictPart(Part):
    """The policy's conclusion. `formed_on_real_records` is set when a guarantee does not cover the verdict."""

    policy: Text
    outcome: Literal["finding", "review", "no_finding"]
    refused: bool = Field(description="the policy lets this outcome stop a release")
    because: list[str] = Field(description="ids of the findings that made the outcome, missing ones included")
    privacy: Text
    utility: str
    formed_on_real_records: Text | None
    judgements: list[JudgementPart]
    gates: list[GatePart]


class ColumnPart(Part):
    name: str
    kind: Text
    role: Text
    treatment: Text
    source: str | None
    description: str | None


class CountsPart(Part):
    train_rows: Count | None
    train_units: Count | None
    holdout_rows: Count | None
    holdout_units: Count | None
    synthetic_rows: Count | None
    synthetic_units: Count | None


class DecisionPart(Part):
    column: str
    action: Text
    n_levels: Count | None
    share: Share | None
    names: list[str]
    source: Literal["schema", "noisy release", "real rows"]


class DatasetPart(Part):
    """`purpose` to `review_date` are what a person stated; null = a blank."""

    name: Text
    description: str | None
    unit: Text
    population: str | None
    purpose: Text | None
    recipient: Text | None
    legal_basis: Text | None
    data_sources: list[Text]
    owner: Text | None = Field(description="who answers for the risk that remains")
    review_date: IsoDate | None
    columns: list[ColumnPart]
    rules: list[str]
    counts: CountsPart
    decisions: list[DecisionPart]


class CopiesPart(Part):
    """Synthetic rows that equal a training row over those that equal a held-back one; null where they are too few."""

    columns: Text
    ratio: Number | None
    error: Number | None


class GivenOutPart(Part):
    """Rows of one training person that stand among synthetic rows, beyond the rate of people held back."""

    excess: Number
    low: Number


class CandidatePart(Part):
    """Settings that a calibration tried, and how their rows compare with rows of people held back from the fit."""

    model: Text
    settings: dict[str, JsonValue]
    outcome: Literal["chosen", "passed", "refused", "baseline"]
    detection: Share
    detection_error: Number
    dcr_share: Share
    dcr_error: Number
    copies: list[CopiesPart]
    given_out: GivenOutPart | None


class CalibrationPart(Part):
    """How the model's settings were chosen. Without candidates nobody was held back, and the reason says why."""

    mode: Text
    reason: Text
    fitted_rows: Count
    held_back_rows: Count
    held_back_people: Count
    candidates: list[CandidatePart]


class ModelPart(Part):
    name: Text
    summary: str
    settings: dict[str, JsonValue]
    calibration: CalibrationPart | None = Field(description="null where settings were not calibrated, and in reports "
                                                            "that keep figures of real records back")
    generation_depth: Annotated[int, Field(ge=1)]


class LedgerPart(Part):
    population: Text
    entry: Text
    epsilon: Text
    delta: Text
    total_epsilon: Text
    total_delta: Text
    releases: Count
    cap_epsilon: Text | None


class PrivacyPart(Part):
    """`statement` has its own format and its own checks (`tabsynth.privacy.statement`)."""

    guarantee: bool
    notice: Text
    statement: dict[str, JsonValue] | None
    ledger: LedgerPart | None


class NotAssessedPart(Part):
    what: Text
    reason: Text


class DeterminationPart(Part):
    """A blank that a named person fills in; software never does. pack: the guidance that asks for it."""

    pack: Text
    role: Text
    question: Text
    name: str | None
    decision: str | None
    conditions: str | None
    date: IsoDate | None
    expires: IsoDate | None
    signature: str | None


Status = Literal["draft", "current", "superseded"]


class SourcePart(Part):
    id: Text
    says: Text
    reference: Text
    date: Annotated[str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]


class CriterionPart(Part):
    """A question of law or guidance, the findings that bear on it, and who decides it."""

    id: Text
    question: Text
    findings: list[Text]
    decides: Text
    source: Text


class GuidancePart(Part):
    """A pack that this report relies on (`tabsynth.reports.guidance`). annexes: ids of those that it asks for."""

    id: Text
    jurisdiction: Text
    date: IsoDate
    status: Status
    sources: list[SourcePart]
    criteria: list[CriterionPart]
    wording: list[Text]
    annexes: list[Text]


class AnnexRowPart(Part):
    """A line of an annex. findings: ids of those that the answer rests on.

    States: answered = a fact of this report; no finding, finding = what the policy makes of the measures; no hit, hit =
    what was looked for was not found, or was; for a person = a blank, or a measurement that a person must weigh; not
    run = nothing was measured; kept internal = it was, and this class of report does not show it.
    """

    key: Text
    question: Text
    answer: Text
    state: Literal["answered", "no finding", "finding", "no hit", "hit", "for a person", "not run", "kept internal"]
    findings: list[Text]
    source: Text


class AnnexPart(Part):
    """The questions of a guidance pack beside what this report can say to them."""

    id: Text
    pack: Text
    title: Text
    intro: Text
    rows: list[AnnexRowPart]


class SelectionPart(Part):
    evaluations: Count
    models_compared: Count


class ProvenancePart(Part):
    versions: dict[str, str]
    commands: list[str]
    sampling_seed: int | None
    evaluation_seed: int | None
    seed_policy: Text
    selection: SelectionPart | None
    files: dict[str, Sha256]
    signature: Text = Field(description='of the release that this report belongs to: "unsigned", or the fingerprint of '
                                        "the key that signed its manifest")


class Document(Part):
    """A whole report: what every rendering is made from."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False,
                              title="tabsynth evaluation report, version 1")

    type: Literal["tabsynth.evaluation/1"]
    report_class: ReportClass
    created: IsoDate
    outcome: Literal["RELEASED", "REVIEW", "REFUSED"]
    notices: list[Text]
    dataset: DatasetPart
    model: ModelPart
    privacy: PrivacyPart
    verdict: VerdictPart
    findings: list[FindingPart]
    not_assessed: list[NotAssessedPart]
    determinations: list[DeterminationPart]
    guidance: list[GuidancePart]
    annexes: list[AnnexPart]
    provenance: ProvenancePart


def json_schema() -> dict[str, Any]:
    """The published schema (JSON Schema, draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID,
            **Document.model_json_schema()}
