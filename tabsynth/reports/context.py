"""What a report is about, beside the findings: table, model, privacy, provenance. Plain frozen values.

The caller fills in everything it knows. What of it reaches a reader is decided by the report class, in
`tabsynth.reports.disclosure`, not by leaving fields out here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tabsynth.core.schema import Column, Schema
from tabsynth.reports import guidance

Outcome = Literal["RELEASED", "REVIEW", "REFUSED"]
UNKNOWN_MODEL: Final = "not given"
"""Name of the model where rows are evaluated without one."""
LEARNED: Final = "learned"
"""How the treatment of a column begins that a model learns."""
UNSIGNED: Final = "unsigned"
DecisionSource = Literal["schema", "noisy release", "real rows"]


@dataclass(frozen=True, slots=True)
class ColumnFact:
    """One column as the reader sees it: what it is, and how it was treated."""

    name: str
    kind: str
    role: str
    treatment: str
    source: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows and units (people) of the three tables; None = not known or not counted."""

    train_rows: int | None = None
    train_units: int | None = None
    holdout_rows: int | None = None
    holdout_units: int | None = None
    synthetic_rows: int | None = None
    synthetic_units: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Something done to a column before fitting: levels pooled, values replaced, rows dropped.

    Args:
        action: one phrase, such as "levels held by fewer than 11 people pooled".
        n_levels: how many levels were affected; share: of rows, in [0, 1].
        names: the levels themselves; they reach internal reports only.
        source: what the decision follows from. Decisions that follow from "real rows" without noise are left out
            of a report that stands under a privacy guarantee.
    """

    column: str
    action: str
    n_levels: int | None = None
    share: float | None = None
    names: tuple[str, ...] = ()
    source: DecisionSource = "real rows"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Where the budget was booked, and what the population has spent in all.

    Args:
        epsilon, delta: decimal text of this entry; total_epsilon, total_delta: over every entry of the population.
    """

    population: str
    entry: str
    epsilon: str
    delta: str
    total_epsilon: str
    total_delta: str
    releases: int = 1
    cap_epsilon: str | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """How often the training table was looked at to choose something: choosing by a measure leaks a little."""

    evaluations: int = 1
    models_compared: int = 1


@dataclass(frozen=True)
class ReportContext:
    """Everything a report says that is not a finding or a judgement.

    Args:
        dataset: name of the table. unit: what one person is called, e.g. "patient"; "row" if rows are people.
        created: ISO date. With a guarantee no time of day is kept, since run times may depend on the data.
        statement: the privacy statement as JSON, or None when the model was fitted without a guarantee.
        versions: package -> version. commands: as typed. sampling_seed: may be published; noise seeds and split
            keys have no place here.
        calibration: how the settings were chosen on people held back from the fit (``reports.model.CalibrationPart``);
            None = they were not.
        purpose, recipient, legal_basis, data_sources, owner, review_date: what a person states (``reports.stated``).
        files: name -> sha256 of released files that a reader may want to check against.
        guidance: names of the packs that the report relies on (``reports.guidance``).
        signature: fingerprint of the key that signs the release's manifest, or "unsigned".
    """

    dataset: str
    model: str
    created: str
    outcome: Outcome
    unit: str = "row"
    description: str | None = None
    population: str | None = None
    columns: tuple[ColumnFact, ...] = ()
    rules: tuple[str, ...] = ()
    counts: Counts = field(default_factory=Counts)
    decisions: tuple[Decision, ...] = ()
    model_summary: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    generation_depth: int = 1
    statement: Mapping[str, Any] | None = None
    ledger: LedgerEntry | None = None
    purpose: str | None = None
    recipient: str | None = None
    legal_basis: str | None = None
    data_sources: tuple[str, ...] = ()
    owner: str | None = None
    review_date: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    sampling_seed: int | None = None
    evaluation_seed: int | None = None
    selection: Selection | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    guidance: tuple[str, ...] = guidance.DEFAULT
    signature: str = UNSIGNED


def column_facts(schema: Schema) -> tuple[ColumnFact, ...]:
    """The schema's columns, each with the treatment that follows from its kind and role.

    >>> [fact.treatment for fact in column_facts(Schema((Column("id", "id", role="unit"),)))]
    ['regenerated: new numbers, no link to real ones']
    """
    return tuple(ColumnFact(c.name, c.kind, _roles(c, schema.evaluation.quasi_identifiers), treatment(c), c.source,
                            c.description) for c in schema.columns)


def _roles(column: Column, quasi_identifiers: Sequence[str]) -> str:
    """The column's role; the attacks' quasi-identifiers may hold a column whose first role is another one."""
    also = column.name in quasi_identifiers and column.role != "quasi-identifier"
    return f"{column.role}, quasi-identifier" if also else str(column.role)


def stated_population(data: Mapping[str, Any]) -> str | None:
    """Whom a table describes, or None where its population has but the table's own name, which tells nobody.

    data: the part "dataset" of a document.
    """
    return None if data["population"] == data["name"] else data["population"]


def treatment(column: Column) -> str:
    """How a column comes about in the synthetic table, in a few words."""
    if column.kind == "text":
        return "replaced by a placeholder"
    if column.role == "direct-identifier":
        return "regenerated: direct identifier"
    if not column.modelled:
        return "regenerated: new numbers, no link to real ones"
    if column.constant_per_unit:
        return f"{LEARNED}, one value per person"
    return LEARNED
