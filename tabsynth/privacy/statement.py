"""The privacy statement: what is promised, to whom, and everything needed to check the sums without data.

It follows from the schema, the budget, the list of events and the ledger: never from rows, seeds or run times.
`recompute` derives every number again and refuses a statement of which one digit was changed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Self, get_args

from tabsynth.core.coding import ROWS
from tabsynth.core.errors import PrivacyError, VerificationError
from tabsynth.core.schema import Schema
from tabsynth.privacy.accountant import Cost, cost_of, delta_of, detection_power, epsilon_of, zcdp_epsilon_of
from tabsynth.privacy.budget import Budget, refuse_large_delta
from tabsynth.privacy.events import (
    GRID,
    MAX_EPSILON,
    MAX_SIGMA_STEPS,
    MIN_EPSILON,
    MIN_SIGMA_STEPS,
    Event,
    Mechanism,
    rational,
)
from tabsynth.privacy.noise import NoiseSource
from tabsynth.privacy.noise_opendp import is_real
from tabsynth.privacy.second_accountant import check_second_opinion, second_opinion

if TYPE_CHECKING:
    from tabsynth.privacy.ledger import Reservation

TYPE: Final = "tabsynth.privacy-statement/2"
"""A change of any fixed sentence below needs a new number here: `recompute` compares them."""

NOT_PRIVATE: Final = "NOT PRIVATE: the noise came from a test source"
NOT_FOR_RELEASE: Final = "NOT FOR RELEASE: booked in a scratch ledger"
CURVE: Final = ("1e-9", "1e-8", "1e-7", "1e-6", "1e-5", "1e-4")
FALSE_ALARMS: Final = 0.05
_TOLERANCE: Final = 1e-6
"""Relative difference that a number may have because another computer rounds erfc or exp differently."""

NOT_PROTECTED: Final = (
    "the schema: column names, kinds, bounds, lists and rules are taken as public",
    "that this release was made, when, and with which settings",
    "what anybody learns about a person from facts that hold for people in general",
    "the evaluation against real records: it is outside the budget and stays internal",
)
ASSURANCE: Final = ("level A: exact integer noise from operating system entropy; this version of the program passes a "
                    "replay audit on tables made to break it (tabsynth audit), as part of its tests. The audit is of "
                    "the program, not of this run")


@dataclass(frozen=True, slots=True)
class Statement:
    """A checked JSON document. `document` is laid out as `make` builds it."""

    document: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        return str(self.document["sha256"])

    @property
    def stamps(self) -> tuple[str, ...]:
        """Reasons why this may not be released; () for a real statement."""
        return tuple(self.document["stamps"])

    @property
    def budget(self) -> Budget:
        return Budget.from_json(self.document["budget"])

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(Event.from_json(e) for e in self.document["events"])

    @property
    def total(self) -> Cost:
        """The cost that is claimed: the whole budget, whatever the events add up to."""
        return Cost.from_json(self.document["total"])

    def to_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(self.document))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises VerificationError if it is not a privacy statement."""
        if not isinstance(document, Mapping) or document.get("type") != TYPE:
            raise VerificationError(f"this is not a privacy statement of type {TYPE}.")
        return cls(json.loads(json.dumps(document)))

    def ledger_facts(self) -> dict[str, Any]:
        """What `Reservation.settle` books."""
        return {"cost": self.total.to_json(), "statement_sha256": self.sha256}

    def recompute(self) -> None:
        """Derive everything again from budget and events, with no data.

        Raises:
            VerificationError: names the first thing that does not follow, or the stamp that forbids release.
        """
        try:
            _check(self)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, PrivacyError) as error:
            raise VerificationError("the privacy statement is damaged: a part of it is missing, or is nothing that "
                                    "this program writes.") from error
        if self.stamps:
            raise VerificationError(f"the privacy statement forbids release. {'; '.join(self.stamps)}.")

    def to_text(self) -> str:
        """The statement for a reader, about one page."""
        return "\n".join(_text(self.document)) + "\n"


def make(schema: Schema, budget: Budget, total: Cost, events: Iterable[Event], *, reservation: Reservation,
         noise: NoiseSource) -> Statement:
    """Build the statement of one release."""
    book = reservation.ledger.book()
    declared = None if schema.population is None else schema.population.declared_units
    document = {
        "type": TYPE,
        "stamps": stamps(noise.name, scratch=book.scratch),
        "protected": protected(budget),
        "declared_units": declared,
        "delta_note": delta_note(budget, declared),
        "budget": budget.to_json(),
        "total": total.to_json(),
        "claim": claim(budget, total),
        "second_accountant": second_opinion(total, budget.delta),
        "events": [e.to_json() for e in events],
        "public": list(public_facts(schema)),
        "not_protected": list(NOT_PROTECTED),
        "assurance": ASSURANCE,
        "noise": {"source": noise.name, "grid_steps_per_unit": GRID},
        "ledger": {"population": book.population, "scratch": book.scratch, "line": reservation.index,
                   "sha256": reservation.hash, "total_to_date": book.totals.to_json()},
    }
    return Statement({**json.loads(json.dumps(document)), "sha256": _hash(document)})


def stamps(noise_source: str, *, scratch: bool) -> list[str]:
    """Reasons why a statement cannot stand for a release."""
    return [*([] if is_real(noise_source) else [NOT_PRIVATE]), *([NOT_FOR_RELEASE] if scratch else [])]


def protected(budget: Budget) -> str:
    """Who is protected, in plain sentences."""
    who = "one row" if budget.unit == "row" else f"all rows of one person (column {budget.unit!r})"
    rows = "" if budget.unit == "row" else (f" At most {budget.max_rows_per_unit} rows of each are used, chosen by a "
                                            "secret key.")
    return (f"The guarantee hides whether {who} {'was' if budget.unit == 'row' else 'were'} in the table at all, "
            f"whatever an attacker knows about all others.{rows}")


def delta_note(budget: Budget, declared_units: int | None) -> str:
    """How delta compares with the size of the population, which is declared and never counted."""
    if declared_units is None:
        return ("The schema declares no number of units: delta means something only if it is far below 1 divided by "
                "the number of people.")
    return f"Delta is below 1 / {declared_units}, the declared number of units."


def claim(budget: Budget, total: Cost) -> dict[str, Any]:
    """Every number that follows from a budget's cost. Claimed is the whole budget, even if less was used."""
    detected = min(1.0, detection_power(total.mu, FALSE_ALARMS) + float(budget.delta))
    return {
        "epsilon": float(budget.epsilon),
        "delta": float(budget.delta),
        "mu": total.mu,
        "rho": float(total.rho),
        "zcdp_epsilon": _finite(zcdp_epsilon_of(total, budget.delta)),
        "curve": [{"delta": delta, "epsilon": _finite(epsilon_of(total, Fraction(delta)))} for delta in CURVE],
        "attack_at_5_percent_false_alarms": detected,
        "plain": f"The best possible test for whether a given person's data were used, tuned to 5 % false alarms, "
                 f"detects a person who is in the data with a chance of at most {_percent(detected)} (blind guessing: "
                 f"5 %).",
    }


def second_sentence(second: Mapping[str, Any]) -> str:
    """What the other accountant found for the same total."""
    package, method = second["name"].split()
    return (f"a second accountant ({package} {second['version']}, {method}) gives epsilon = {second['epsilon']:.6g} "
            f"for the same total, difference from this program's {second['difference']:.1e}")


def public_facts(schema: Schema) -> Iterable[dict[str, Any]]:
    """What was taken as public about every modelled column, with the source that the schema names."""
    for column in schema.columns:
        if column.modelled:
            domain = "levels" if column.kind == "category" else "bounds"
            what = (f"{domain} bought from the budget" if column.open else f"code list {column.code_list}"
                    if column.code_list else "list of levels" if column.levels is not None
                    else "bounds" if column.bounds is not None else "kind")
            yield {"column": column.name, "fact": what, "source": column.source or "the schema (no source given)"}


def by_mechanism(events: Iterable[Event], max_rows_per_unit: int) -> list[dict[str, Any]]:
    """Events summed by mechanism: number, sensitivity, range of sigma (or epsilon), exact part of mu squared."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.mechanism, []).append(event)
    return [{
        "mechanism": name, "number": len(group),
        "sensitivity": "1" if all(e.squared_sensitivity == 1 for e in group) else "sqrt(number of distances)",
        "parameter": "epsilon" if name == "selection" else "sigma",
        "range": (min(map(_parameter, group)), max(map(_parameter, group))),
        "mu_squared": sum((cost_of(e, max_rows_per_unit).mu_squared for e in group), Fraction(0)),
    } for name, group in groups.items()]


def _parameter(event: Event) -> float:
    """What decides how much an event tells: sigma, or the epsilon of a selection."""
    return float(event.epsilon) if event.mechanism == "selection" else event.sigma


def _check(statement: Statement) -> None:
    document = statement.document
    if _hash(document) != document["sha256"]:
        raise VerificationError("the privacy statement was changed: its hash does not match.")
    budget, total, events = statement.budget, statement.total, statement.events
    k = budget.max_rows_per_unit
    _check_events(events, {fact["column"] for fact in document["public"]})
    if any(e.squared_sensitivity != (e.cells if e.mechanism == "errors" else 1) for e in events):
        raise VerificationError("the privacy statement lists an event with a wrong sensitivity.")
    spent = sum((cost_of(e, k) for e in events), Cost())
    if not spent.within(total):
        raise VerificationError("the privacy statement lists more than its budget pays for.")
    if total.reach != total.mu_squared * k:
        raise VerificationError("the privacy statement's total does not fit its rows per unit.")
    if delta_of(total, float(budget.epsilon)) > budget.delta:
        raise VerificationError("the privacy statement claims a smaller epsilon or delta than its total allows.")
    for name, value in claim(budget, total).items():
        if not _same(document["claim"][name], value):
            raise VerificationError(f"the privacy statement's {name!r} does not follow from its budget.")
    check_second_opinion(document["second_accountant"], total, budget.delta)
    ledger, declared = document["ledger"], document["declared_units"]
    _check_total(ledger["total_to_date"], budget, total)
    refuse_large_delta(budget.delta, declared)
    for name, value in {"protected": protected(budget), "delta_note": delta_note(budget, declared),
                        "not_protected": list(NOT_PROTECTED), "assurance": ASSURANCE,
                        "noise": {"source": str(document["noise"]["source"]), "grid_steps_per_unit": GRID},
                        "stamps": stamps(document["noise"]["source"], scratch=ledger["scratch"])}.items():
        if document[name] != value:
            raise VerificationError(f"the privacy statement's {name!r} is not what its other parts lead to.")


def _check_events(events: Iterable[Event], public: set[str]) -> None:
    """Events of known mechanisms, on columns whose public facts are listed, and only on them."""
    for event in events:
        discovers, selects = event.mechanism == "discovery", event.mechanism == "selection"
        many = selects or event.mechanism == "errors"
        if event.mechanism not in get_args(Mechanism) or not set(event.columns) <= public | {ROWS}:
            raise VerificationError("the privacy statement lists an event of an unknown mechanism or column.")
        if (event.cells is None) is not discovers or (event.cells or 1) < 1 or (many and event.columns) \
                or (event.delta_key > 0) is not discovers \
                or not (event.epsilon == 0 or selects) or not (event.sigma_steps == 0 or not selects) \
                or not (MIN_EPSILON <= event.epsilon <= MAX_EPSILON if selects
                        else MIN_SIGMA_STEPS <= event.sigma_steps <= MAX_SIGMA_STEPS):
            raise VerificationError("the privacy statement lists an event that no mechanism makes.")


def _check_total(to_date: Mapping[str, Any], budget: Budget, own: Cost) -> None:
    """What the population has spent: at least this release, and the epsilon that follows from it."""
    cost, delta = Cost.from_json(to_date), rational(to_date["delta"])
    if not own.within(cost) or delta < budget.delta or not int(to_date["releases"]) >= 1:
        raise VerificationError("the privacy statement's total to date leaves out its own release.")
    if not _same(to_date["epsilon"], _finite(epsilon_of(cost, delta))):
        raise VerificationError("the privacy statement's epsilon to date does not follow from its total.")


def _text(document: Mapping[str, Any]) -> Iterable[str]:
    budget, numbers = Budget.from_json(document["budget"]), document["claim"]
    total = Cost.from_json(document["total"])
    yield "PRIVACY STATEMENT"
    yield from (f"*** {stamp} ***" for stamp in document["stamps"])
    yield ""
    yield document["protected"]
    yield numbers["plain"]
    yield ""
    yield (f"epsilon = {numbers['epsilon']:g} at delta = {numbers['delta']:g} (adding or removing one unit); "
           f"mu = {numbers['mu']:.6g}, rho = {numbers['rho']:.6g}, "
           f"epsilon by zCDP alone {_number(numbers['zcdp_epsilon'])}")
    if document["second_accountant"] is not None:
        yield second_sentence(document["second_accountant"])
    yield document["delta_note"]
    yield "  " + "   ".join(f"delta {p['delta']}: {_number(p['epsilon'])}" for p in numbers["curve"])
    yield ""
    yield "What was released, besides what follows from it:"
    events = [Event.from_json(e) for e in document["events"]]
    for row in by_mechanism(events, budget.max_rows_per_unit):
        share = float(row["mu_squared"] / total.mu_squared)
        low, high = row["range"]
        yield (f"  {row['number']:5d} x {row['mechanism']:<10} sensitivity {row['sensitivity']}, "
               f"{row['parameter']} {low:.3g} to {high:.3g}, {100 * share:.1f} % of mu^2")
    yield ""
    yield "Taken as public:"
    yield from (f"  {f['column']}: {f['fact']}; source: {f['source']}" for f in document["public"])
    yield "Not protected:"
    yield from (f"  {line}" for line in document["not_protected"])
    ledger = document["ledger"]
    so_far = ledger["total_to_date"]
    yield ""
    yield f"Assurance: {document['assurance']}. Noise: {document['noise']['source']}."
    yield (f"Ledger: population {ledger['population']!r}, line {ledger['line']}; {so_far['releases']} release(s) "
           f"to date, together epsilon {_number(so_far['epsilon'])} at delta {float(Fraction(so_far['delta'])):g}.")
    yield f"SHA-256 of this statement: {document['sha256']}"


def _hash(document: Mapping[str, Any]) -> str:
    rest = {k: v for k, v in document.items() if k != "sha256"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _same(stated: Any, computed: Any) -> bool:
    if isinstance(computed, float):
        return isinstance(stated, int | float) and math.isclose(stated, computed, rel_tol=_TOLERANCE)
    if isinstance(computed, list):
        return len(stated) == len(computed) and all(map(_same, stated, computed))
    if isinstance(computed, dict):
        return set(stated) == set(computed) and all(_same(stated[k], v) for k, v in computed.items())
    return bool(stated == computed)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _percent(share: float) -> str:
    return f"{math.ceil(share * 1000) / 10:g} %"
