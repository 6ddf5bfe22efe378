"""The analyses that a schema declares, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tabsynth.core.errors import SchemaError, TabsynthError
from tabsynth.core.schema import Schema
from tabsynth.evaluation.utility._formula import Formula, parse_formula

REGRESSIONS: Final = ("gaussian", "binomial", "poisson", "gamma")
COX: Final = "cox"
CURVES: Final = "km"
FIELDS: Final[dict[str, frozenset[str]]] = {
    **{family: frozenset({"name", "family", "formula"}) for family in REGRESSIONS},
    COX: frozenset({"name", "family", "formula", "time", "event"}),
    CURVES: frozenset({"name", "family", "time", "event", "by", "horizon"}),
}
DURATIONS: Final = frozenset({"number", "integer", "timedelta"})
FLAGS: Final = frozenset({"boolean", "category", "integer", "number"})


@dataclass(frozen=True, slots=True)
class Analysis:
    """One declared analysis.

    Args:
        label: its name, or its number in the schema.
        family: "gaussian", "binomial", "poisson", "gamma", "cox" or "km".
        formula: outcome and terms; None for "km".
        time, event: columns of follow-up time and of whether it ended in the event.
        by: column whose levels get a curve each. horizon: where curves stop, in the unit of `time` (seconds for
            a timedelta).
    """

    label: str
    family: str
    formula: Formula | None = None
    time: str | None = None
    event: str | None = None
    by: str | None = None
    horizon: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An analysis that gave no number, and why."""

    label: str
    reason: str

    def row(self) -> dict[str, Any]:
        """A row of a breakdown."""
        return {"key": self.label, "value": None, "reason": self.reason}


def declared(schema: Schema, families: Collection[str]) -> tuple[list[Analysis], list[Failure]]:
    """The schema's analyses of these families, and those that cannot be read."""
    good: list[Analysis] = []
    bad: list[Failure] = []
    for number, plan in enumerate(schema.evaluation.analyses, start=1):
        if _family(plan) in families:
            try:
                good.append(read_analysis(plan, number, schema))
            except TabsynthError as error:
                bad.append(Failure(label_of(plan, number), str(error)))
    return good, bad


def all_but_curves(schema: Schema) -> frozenset[str]:
    """Every family that is declared, known or not, except survival curves."""
    return frozenset(map(_family, schema.evaluation.analyses)) - {CURVES}


def read_analysis(plan: Mapping[str, Any], number: int, schema: Schema) -> Analysis:
    """The analysis of one mapping.

    Raises:
        SchemaError: an unknown or missing field, or a column of a kind that will not do.
        RuleError: the formula cannot be read.
    """
    label, family = label_of(plan, number), _family(plan)
    _check_fields(plan, family, label)
    time, event, by = (_column(plan, field, label, schema) for field in ("time", "event", "by"))
    formula = None if family == CURVES else parse_formula(_text(plan, "formula", label), schema, analysis=label)
    if family in REGRESSIONS and (formula is None or formula.outcome is None):
        raise SchemaError(f"{label}: the formula names no outcome.", fix="Write outcome ~ terms.")
    if formula is not None and not formula.terms:
        raise SchemaError(f"{label}: the formula has no terms.", fix="Write outcome ~ terms.")
    return Analysis(label, family, formula, time, event, by, _horizon(plan, label))


def label_of(plan: Mapping[str, Any], number: int) -> str:
    """What a report calls the analysis."""
    name = plan.get("name")
    return name if isinstance(name, str) and name else f"analysis {number}"


def _family(plan: Mapping[str, Any]) -> str:
    return str(plan.get("family", "gaussian"))


def _check_fields(plan: Mapping[str, Any], family: str, label: str) -> None:
    if family not in FIELDS:
        raise SchemaError(f"{label}: there is no family {family!r}; families are: {', '.join(FIELDS)}.")
    unknown = sorted(set(map(str, plan)) - FIELDS[family])
    if unknown:
        raise SchemaError(f"{label}: family {family} has no field {unknown[0]!r}; fields are: "
                          f"{', '.join(sorted(FIELDS[family]))}.")
    needed = {"time", "event"} if family in (COX, CURVES) else {"formula"}
    missing = sorted(needed - set(plan))
    if missing:
        raise SchemaError(f"{label}: family {family} needs the field {missing[0]!r}.")


def _text(plan: Mapping[str, Any], field: str, label: str) -> str:
    if not isinstance(plan.get(field), str):
        raise SchemaError(f"{label}: the field {field!r} must be text.")
    return str(plan[field])


def _column(plan: Mapping[str, Any], field: str, label: str, schema: Schema) -> str | None:
    if field not in plan:
        return None
    name = _text(plan, field, label)
    if name not in schema.by_name or not schema[name].modelled:
        raise SchemaError(f"{label}: {field} {name!r} is not a compared column.")
    kinds = {"time": DURATIONS, "event": FLAGS}.get(field)
    if kinds is not None and schema[name].kind not in kinds:
        raise SchemaError(f"{label}: {field} {name!r} is of kind {schema[name].kind}; it must be one of: "
                          f"{', '.join(sorted(kinds))}.")
    return name


def _horizon(plan: Mapping[str, Any], label: str) -> float | None:
    horizon = plan.get("horizon")
    if horizon is None:
        return None
    if isinstance(horizon, bool) or not isinstance(horizon, (int, float)) or not 0 < horizon < float("inf"):
        raise SchemaError(f"{label}: the horizon must be a number above 0.")
    return float(horizon)
