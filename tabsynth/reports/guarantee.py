"""The privacy statement as a reader meets it: who is protected, how far, and where the budget went.

Only the statement is read, and nothing in it is trusted further than its own numbers: `tabsynth verify` recomputes
them. What it does not carry for a drawing is computed from its mu by the accountant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from tabsynth.privacy.accountant import detection_power
from tabsynth.privacy.statement import FALSE_ALARMS, Statement, by_mechanism, second_sentence
from tabsynth.reports import numbers, svg
from tabsynth.reports.blocks import Table
from tabsynth.reports.context import LedgerEntry

ALARM_RATES: Final = (0.01, 0.05, 0.1)
"""False-alarm rates at which a reader is told what an attacker can detect at most."""

MECHANISMS: Final[dict[str, str]] = {
    "counts": "noisy counts of column combinations",
    "errors": "noisy distances between model and table",
    "discovery": "levels of columns without a public list",
    "selection": "choices of what to measure (exponential mechanism)",
}


@dataclass(frozen=True, slots=True)
class Guarantee:
    """A statement in words, tables and one drawing.

    Args:
        stamps: reasons why the release may not leave the house; () for a real statement.
        big: (figure, what it is). gains: a drawing, gains_sentence: the same in words.
    """

    stamps: tuple[str, ...]
    big: tuple[tuple[str, str], ...]
    protected: tuple[str, ...]
    gains: str
    gains_sentence: str
    budget: Table
    curve: Table
    public: Table
    not_protected: tuple[str, ...]
    technical: tuple[tuple[str, str], ...]


def read(document: Mapping[str, Any], *, unit: str) -> Guarantee:
    """A statement's JSON in the form that pages show. unit: what one person is called.

    Raises:
        VerificationError: this is not a privacy statement.
    """
    statement = Statement.from_json(document)
    claim = statement.document["claim"]
    drawing, sentence = gains(claim["mu"], claim["delta"])
    return Guarantee(
        stamps=statement.stamps, big=_big(statement, unit),
        protected=(f"Each {unit} is protected as a whole.",
                   statement.document["protected"], claim["plain"]),
        gains=drawing, gains_sentence=sentence, budget=_budget(statement),
        curve=Table(("delta", "epsilon"), tuple(
            (numbers.power_of_ten(float(p["delta"])), _number(p["epsilon"])) for p in claim["curve"]),
            "One guarantee, read at several values of delta"),
        public=Table(("Column", "Taken as public", "Source"), tuple(
            (f["column"], f["fact"], f["source"]) for f in statement.document["public"]), "Taken as public"),
        not_protected=tuple(_capital(line) for line in statement.document["not_protected"]),
        technical=_technical(statement))


def ledger_entry(document: Mapping[str, Any]) -> LedgerEntry:
    """Where a statement was booked, as it says itself."""
    statement = Statement.from_json(document)
    booked, budget = statement.document["ledger"], statement.budget
    total = booked["total_to_date"]
    return LedgerEntry(
        population=booked["population"], entry=f"line {booked['line']}", epsilon=f"{float(budget.epsilon):g}",
        delta=numbers.power_of_ten(float(budget.delta)), total_epsilon=_number(total["epsilon"]),
        total_delta=numbers.power_of_ten(float(Fraction(total["delta"]))), releases=total["releases"])


def gains(mu: float, delta: float = 0.0) -> tuple[str, str]:
    """Drawing and sentence of what the best test detects under mu-GDP, up to delta.

    >>> gains(0.2367)[1][:66]
    'With 1 % false alarms at most 1.9 % of those present are detected;'
    """
    powers = [(alarm, min(1.0, detection_power(mu, alarm) + delta)) for alarm in ALARM_RATES]
    sentence = "; ".join(f"with {numbers.percent(a)} false alarms at most {numbers.at_most(p)} of those present are "
                         "detected" for a, p in powers)
    rows = [svg.Bar(f"{numbers.percent(a)} false alarms", p, f"≤ {numbers.at_most(p)}", a) for a, p in powers]
    text = _capital(sentence) + "."
    return svg.bars("gains", rows, title="What an attacker gains at most", description=text), text


def _big(statement: Statement, unit: str) -> tuple[tuple[str, str], ...]:
    claim, total = statement.document["claim"], statement.document["ledger"]["total_to_date"]
    detected = numbers.at_most(claim["attack_at_5_percent_false_alarms"])
    return (
        (f"{claim['epsilon']:g}", f"epsilon for each {unit}"),
        (numbers.power_of_ten(claim["delta"]), "delta"),
        (f"≤ {detected}", f"detected by the best possible attack with {numbers.percent(FALSE_ALARMS)} false alarms; "
                          f"blind guessing reaches {numbers.percent(FALSE_ALARMS)}"),
        (_number(total["epsilon"]), "epsilon spent on this population to date"),
    )


def _budget(statement: Statement) -> Table:
    """Share of the budget by mechanism; what no question used is a row of its own."""
    total = statement.total.mu_squared
    groups = by_mechanism(statement.events, statement.budget.max_rows_per_unit)
    rows = [(MECHANISMS.get(g["mechanism"], g["mechanism"]), numbers.count(g["number"]), g["sensitivity"],
             ("epsilon " if g["parameter"] == "epsilon" else "") + _range(*g["range"]),
             numbers.percent(float(g["mu_squared"] / total))) for g in groups]
    left = 1 - float(sum((g["mu_squared"] for g in groups), Fraction(0)) / total)
    if left > 1e-4:
        rows.append(("not used, and claimed all the same", "", "", "", numbers.percent(left)))
    return Table(("What was asked", "Questions", "Sensitivity", "Noise, sigma", "Share of budget"), tuple(rows),
                 "Where the budget went", numeric=(1, 4))


def _technical(statement: Statement) -> tuple[tuple[str, str], ...]:
    document, claim, budget = statement.document, statement.document["claim"], statement.budget
    second = document["second_accountant"]
    return (
        ("Unit", "every row" if budget.unit == "row" else f"column {budget.unit}"),
        ("Rows of one unit used", f"at most {budget.max_rows_per_unit}"),
        ("Neighbouring tables", "differ by adding or removing all rows of one unit"),
        ("mu (Gaussian DP)", f"{claim['mu']:.6g}"), ("rho (zCDP)", f"{claim['rho']:.6g}"),
        ("epsilon by zCDP alone", _number(claim["zcdp_epsilon"])),
        *([] if second is None else [("Check of the sums", _capital(second_sentence(second)))]),
        ("Noise", document["noise"]["source"]),
        ("Assurance", document["assurance"]), ("Statement, SHA-256", statement.sha256),
        ("Ledger line, SHA-256", document["ledger"]["sha256"]),
    )


def _range(low: float, high: float) -> str:
    return f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g}"


def _number(value: float | None) -> str:
    return "no finite bound" if value is None else f"{value:.4g}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
