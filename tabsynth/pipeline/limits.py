"""What of a policy can be known when: facts before a fit, facts after it, and the error of limits that are not met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import inf
from typing import Final

from tabsynth.core.errors import TabsynthError
from tabsynth.core.schema import Evaluation, Schema
from tabsynth.evaluation import gates
from tabsynth.evaluation.gates import UNBOUNDED, Bound, Facts, Gate
from tabsynth.evaluation.policy import Policy
from tabsynth.pipeline.fit import Fitted, Privacy, budget_for
from tabsynth.pipeline.split import Split, units_of
from tabsynth.privacy.ledger import Ledger, Totals
from tabsynth.privacy.statement import Statement


class LimitExceeded(TabsynthError):
    """A limit of the policy or of the command line is not met."""

    code = "limit"
    exit_code = 1


def refuse_failed(failed: Sequence[Gate], *, told: bool = False) -> None:
    """Raise LimitExceeded naming every gate that is not met; without its reason where that was told already."""
    if failed:
        lines = ", ".join(g.title for g in failed) + "." if told else " ".join(map(str, failed))
        raise LimitExceeded(f"{len(failed)} limit{'' if len(failed) == 1 else 's'} not met: {lines}")


DECLARED: Final[dict[str, tuple[str, Callable[[Evaluation], bool]]]] = {
    "tstr": ("target", lambda e: e.target is not None),
    "subgroup": ("subgroups", lambda e: bool(e.subgroups)),
    "analysis": ("analyses", lambda e: bool(e.analyses)),
    "survival": ("analyses", lambda e: bool(e.analyses)),
}
"""Part of a finding's id -> what the schema must declare for it, and whether it does."""


def refuse_beforehand(policy: Policy, facts: Facts, schema: Schema | None = None, own: Sequence[Bound] = ()) -> None:
    """Refuse, before a row is fitted or a budget booked, what no fit could mend.

    Args:
        schema: None = not known yet. own: bounds of the command line.

    Raises:
        LimitExceeded: a requirement is not met, or a limit is on a measure for which the schema declares nothing. A
            bound that only asks for the measure is left to the verdict: without it a person must look.
    """
    refuse_failed([g for g in gates.require(policy.requirements, facts) if g.met is False])
    if schema is None:
        return
    for bound in (*policy.bounds, *own):
        for part, declared in (DECLARED[word] for word in bound.finding.split(".") if word in DECLARED):
            if bound.limit is not None and not declared(schema.evaluation):
                raise LimitExceeded(
                    f"{bound.finding} has a limit, and cannot be measured: the schema declares no evaluation {part}.",
                    fix=f"Declare evaluation: {part}: in the schema, or leave the bound out of the policy.")


def planned(schema: Schema | None, privacy: Privacy | None, *, unit: str | None, holdout: float,
            generation_depth: int = 1, parts: Split | None = None) -> Facts:
    """What is known of a release before its fit.

    With epsilon the people are those that the schema declares: counting rows, and refusing for what they are, would be
    an answer outside the budget.

    Args:
        schema: None = not known yet, which it must be with epsilon.
        privacy: with ledger and population named; None = without differential privacy.
        unit: as typed; "row" says that every row is another person.
        holdout: share of the people kept from the model. parts: the split, where there is one.
        generation_depth: of the rows that would come out.
    """
    named = unit is not None or (schema is not None and schema.unit is not None)
    if privacy is None or schema is None:
        train, holdout_people = (None, None) if parts is None else (units_of(parts.train), units_of(parts.holdout))
        return replace(UNBOUNDED, unit=named, generation_depth=generation_depth, train_people=train,
                       holdout_people=holdout_people)
    budget = budget_for(privacy, schema)
    before = _totals(privacy)
    after = Totals(before.releases + 1, before.cost + budget.allowance, before.delta + budget.delta)
    declared = schema.population.declared_units if schema.population else None
    return Facts(
        guarantee=True, unit=named, generation_depth=generation_depth, epsilon=float(budget.epsilon),
        delta=float(budget.delta),
        total_epsilon=after.epsilon, total_delta=float(after.delta),
        train_people=None if declared is None else round(declared * (1 - holdout)),
        holdout_people=None if declared is None else round(declared * holdout))


def reached(fitted: Fitted | None, schema: Schema, *, unit: str | None) -> Facts:
    """What is known once there is a model; of a table from nobody knows where, next to nothing. People are not."""
    named = unit is not None or schema.unit is not None
    if fitted is None:
        return Facts(unit=named)
    if fitted.statement is None:
        return replace(UNBOUNDED, unit=named, generation_depth=fitted.parentage.generation_depth)
    return replace(_promised(fitted.statement), unit=True, generation_depth=fitted.parentage.generation_depth)


def _promised(statement: Statement) -> Facts:
    """Budget and totals as the statement has them. One that may not leave the house promises nothing."""
    total = statement.document["ledger"]["total_to_date"]
    return Facts(
        guarantee=not statement.stamps, epsilon=float(statement.budget.epsilon), delta=float(statement.budget.delta),
        total_epsilon=inf if total["epsilon"] is None else float(total["epsilon"]),
        total_delta=float(Fraction(total["delta"])))


def _totals(privacy: Privacy) -> Totals:
    """What the population has spent so far. Makes no ledger."""
    folder = privacy.ledger
    if folder is None or not folder.is_dir() or privacy.population not in Ledger.populations(folder):
        return Totals()
    return Ledger.open(folder, privacy.population, create=False).totals()
