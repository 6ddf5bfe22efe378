"""The ledger as a person sees it: entries, totals, caps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tabsynth.core.errors import PrivacyError, SourceError
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.ledger import Entry, Ledger


def populations(folder: Path) -> list[str]:
    """Names of the populations in a ledger folder, sorted."""
    if not folder.is_dir():
        raise SourceError(f"there is no ledger folder {folder}.", fix="Name it with --ledger.")
    return sorted(Ledger.populations(folder))


def describe(folder: Path, population: str) -> dict[str, Any]:
    """Entries and total of one population, checked on the way: a broken chain raises PrivacyError."""
    if not folder.is_dir():
        raise SourceError(f"there is no ledger folder {folder}.", fix="Name it with --ledger.")
    ledger = Ledger.open(folder, population, create=False)
    totals, book = ledger.totals(), ledger.book()
    cap = "" if book.cap is None else f", cap epsilon {float(book.cap.epsilon):g}"
    epsilon = totals.to_json()["epsilon"]
    bound = "no finite epsilon" if epsilon is None else f"epsilon {epsilon:.4g}"
    return {
        "population": population, "epsilon": epsilon, "delta": float(totals.delta),
        "releases": totals.releases, "cap": None if book.cap is None else float(book.cap.epsilon),
        "closed": book.closed, "entries": [_line(entry) for entry in ledger.entries()],
        "text": f"{bound} at delta {float(totals.delta):.3g} over {totals.releases} fit(s)"
                f"{cap}{', closed' if book.closed else ''}"}


def set_cap(folder: Path, population: str, *, epsilon: str, delta: str | None, unit: str, allow_large: bool) -> None:
    """Set or lower the cap; the ledger is made if it is not there."""
    cap = Budget.of(epsilon, delta, unit=unit, allow_large_epsilon=allow_large)
    Ledger.open(folder, population).set_cap(cap)


def close(folder: Path, population: str) -> None:
    """Freeze a population."""
    if not folder.is_dir():
        raise PrivacyError(f"there is no ledger folder {folder}.", fix="Name it with --ledger.")
    Ledger.open(folder, population, create=False).close()


def _line(entry: Entry) -> dict[str, Any]:
    return {"line": entry.index + 1, "kind": entry.kind, "date": entry.date, "text": _text(entry.kind, entry.body)}


def _text(kind: str, body: Mapping[str, Any]) -> str:
    if kind in ("reserve", "cap"):
        budget = Budget.from_json(body["budget"])
        words = f"epsilon {float(budget.epsilon):g}, delta {float(budget.delta):g}"
        return f"{words}, unit {budget.unit}, {body['purpose']}" if kind == "reserve" else f"at most {words}"
    if kind in ("run", "settle"):
        return f"reservation of line {body['reservation'] + 1}"
    return str(body.get("population", ""))
