"""The ledger as a person sees it: entries, totals, caps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tabsynth.core.errors import PrivacyError, SourceError
from tabsynth.privacy.accountant import Cost
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.ledger import Entry, Ledger

BESIDE: Final = "It lies beside the table that was fitted to: name it with --ledger, such as parts/tabsynth-ledger."


def populations(folder: Path) -> list[str]:
    """Names of the populations in a ledger folder, sorted."""
    if not folder.is_dir():
        raise SourceError(f"there is no ledger folder {folder}.", fix=BESIDE)
    return sorted(Ledger.populations(folder))


def describe(folder: Path, population: str) -> dict[str, Any]:
    """Entries and total of one population, checked on the way: a broken chain raises PrivacyError."""
    if not folder.is_dir():
        raise SourceError(f"there is no ledger folder {folder}.", fix=BESIDE)
    ledger = Ledger.open(folder, population, create=False)
    totals, book = ledger.totals(), ledger.book()
    cap = "" if book.cap is None else f", cap {_words(book.cap)}"
    fits = f"{totals.releases} fit{'' if totals.releases == 1 else 's'}"
    epsilon = totals.to_json()["epsilon"]
    bound = "no finite epsilon" if epsilon is None else f"epsilon {epsilon:.4g}"
    return {
        "population": population, "epsilon": epsilon, "delta": float(totals.delta),
        "releases": totals.releases, "cap": None if book.cap is None else float(book.cap.epsilon),
        "closed": book.closed, "entries": [_line(entry) for entry in ledger.entries()],
        "text": f"{bound} at delta {float(totals.delta):.3g} over {fits}"
                f"{cap}{', closed' if book.closed else ''}"}


def set_cap(folder: Path, population: str, *, epsilon: str, delta: str | None, unit: str, allow_large: bool) -> None:
    """Set or lower the cap; the ledger is made if it is not there."""
    cap = Budget.of(epsilon, delta, unit=unit, allow_large_epsilon=allow_large)
    Ledger.open(folder, population).set_cap(cap)


def close(folder: Path, population: str) -> None:
    """Freeze a population."""
    if not folder.is_dir():
        raise PrivacyError(f"there is no ledger folder {folder}.", fix=BESIDE)
    Ledger.open(folder, population, create=False).close()


def _line(entry: Entry) -> dict[str, Any]:
    return {"line": entry.index + 1, "kind": entry.kind, "date": entry.date, "text": _text(entry.kind, entry.body)}


def _text(kind: str, body: Mapping[str, Any]) -> str:
    if kind in ("reserve", "cap"):
        budget = Budget.from_json(body["budget"])
        return f"{_words(budget)}, unit {budget.unit}, {body['purpose']}" if kind == "reserve" \
            else f"at most {_words(budget)}"
    if kind in ("run", "settle"):
        unused = kind == "settle" and not Cost.from_json(body["cost"]).mu_squared
        return f"reservation of line {body['reservation'] + 1}{', unused and given back' if unused else ''}"
    return ""


def _words(budget: Budget) -> str:
    return f"epsilon {float(budget.epsilon):g} at delta {float(budget.delta):g}"
