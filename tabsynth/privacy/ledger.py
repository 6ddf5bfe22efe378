"""Every release about one population, in order: an append-only file of JSON lines, each with the hash of the last.

Write-ahead: RESERVE is on disk before a query may run, RUN before the first one does, SETTLE after the last. A crash
in between leaves the reservation spent in full. What was reserved and run is never given back, except discovery's
part of delta where no column was open; a reservation that never ran may settle at nothing.

Deleting the file, or cutting off its end, loses the claim: a chain can show changes, not that nothing is missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import Any, Final, Literal, Self

from tabsynth.core.errors import PrivacyError
from tabsynth.privacy.accountant import Cost, delta_of, epsilon_of
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.ledger_file import FileLines, Lines, MemoryLines, file_of, populations_in

FORMAT: Final = "tabsynth.ledger/1"
GENESIS: Final = "0" * 64
Kind = Literal["open", "cap", "reserve", "run", "settle", "close"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `date` is a UTC day; `previous` and `hash` are SHA-256 in hex."""

    index: int
    kind: Kind
    date: str
    body: Mapping[str, Any]
    previous: str
    hash: str

    def line(self) -> bytes:
        return _canonical({**self._hashed(), "hash": self.hash}) + b"\n"

    def expected_hash(self) -> str:
        return hashlib.sha256(_canonical(self._hashed())).hexdigest()

    def _hashed(self) -> dict[str, Any]:
        return {"index": self.index, "kind": self.kind, "date": self.date, "body": dict(self.body),
                "previous": self.previous}

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Raises ValueError, KeyError, TypeError or RecursionError when the line is not an intact entry."""
        data = json.loads(line)
        entry = cls(**data)
        if entry.expected_hash() != entry.hash:
            raise ValueError("hash")
        return entry


@dataclass(frozen=True, slots=True)
class Booking:
    """One reservation as the chain has it so far. `cost` counts towards the total."""

    budget: Budget
    purpose: str
    cost: Cost
    state: Literal["reserved", "running", "settled"] = "reserved"


@dataclass(frozen=True, slots=True)
class Totals:
    """What a population has spent: mu squared and delta add over releases, epsilon follows from both."""

    releases: int = 0
    cost: Cost = field(default_factory=Cost)
    delta: Fraction = Fraction(0)

    @property
    def epsilon(self) -> float:
        """The one epsilon of everything booked so far, at `delta`."""
        return epsilon_of(self.cost, self.delta) if self.releases else 0.0

    def to_json(self) -> dict[str, Any]:
        epsilon = self.epsilon
        return {"releases": self.releases, **self.cost.to_json(), "delta": str(self.delta),
                "epsilon": epsilon if isfinite(epsilon) else None}


@dataclass(frozen=True)
class Book:
    """What the entries add up to."""

    population: str = ""
    scratch: bool = False
    cap: Budget | None = None
    closed: bool = False
    bookings: Mapping[int, Booking] = field(default_factory=dict)

    @property
    def totals(self) -> Totals:
        counted = [b for b in self.bookings.values() if b.cost != Cost()]
        return Totals(len(counted), sum((b.cost for b in counted), Cost()),
                      sum((b.budget.delta for b in counted), Fraction(0)))

    def with_booking(self, index: int, booking: Booking) -> Book:
        return replace(self, bookings={**self.bookings, index: booking})


class Ledger:
    """One population's ledger. Every method reads the file anew, so several processes may share it."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    @classmethod
    def open(cls, folder: Path, population: str, cap: Budget | None = None, *, create: bool = True) -> Self:
        """The ledger of `population` in `folder`, made if it is not there.

        Args:
            folder: holds one file per population.
            population: the people, not the file: all tables about them share one ledger.
            cap: most that may ever be spent; lowers an existing cap.
            create: False refuses a population that has no ledger yet.

        Raises:
            PrivacyError: broken or locked ledger, a cap that cannot be set, or no such population.
        """
        path = file_of(Path(folder), population)
        if not create and not path.exists():
            raise PrivacyError(f"there is no ledger of population {population!r} in {folder}; there are: "
                               f"{', '.join(map(repr, populations_in(Path(folder)))) or 'none'}.")
        ledger = cls(FileLines(path, population))
        ledger._begin({"format": FORMAT, "population": population, "scratch": False})
        if cap is not None and ledger.book().cap != cap:
            ledger.set_cap(cap)
        return ledger

    @classmethod
    def scratch(cls, label: str) -> Self:
        """A ledger in memory for refits that are never released; statements under it say NOT FOR RELEASE."""
        ledger = cls(MemoryLines())
        ledger._begin({"format": FORMAT, "population": label, "scratch": True})
        return ledger

    @staticmethod
    def populations(folder: Path) -> tuple[str, ...]:
        """Names of the populations that have a ledger in `folder`."""
        return populations_in(Path(folder))

    def reserve(self, budget: Budget, *, purpose: str) -> Reservation:
        """Book a whole budget. It is on disk when this returns.

        Raises:
            PrivacyError: closed, over the cap, or for another unit than the ledger's; nothing is booked then.
        """
        with self._lines.locked():
            entries, book = self._read()
            cost = budget.allowance
            _refuse_reserve(book, budget, cost, margin=1e-9)
            body = {"purpose": purpose, "budget": budget.to_json(), "cost": cost.to_json()}
            entry = self._append(entries, "reserve", body)
        return Reservation(self, entry.index, entry.hash, budget)

    def set_cap(self, cap: Budget) -> None:
        """Set or lower the most that may ever be spent. A cap is a promise: it cannot be raised."""
        with self._lines.locked():
            entries, book = self._read()
            _refuse_cap(book, cap, margin=1e-9)
            self._append(entries, "cap", {"budget": cap.to_json()})

    def close(self) -> None:
        """Freeze: nothing can be reserved any more. Reservations that have not settled stay spent in full."""
        with self._lines.locked():
            entries, book = self._read()
            if not book.closed:
                self._append(entries, "close", {})

    def entries(self) -> tuple[Entry, ...]:
        """Every line, checked."""
        return self._read()[0]

    def book(self) -> Book:
        """What the entries add up to."""
        return self._read()[1]

    def totals(self) -> Totals:
        """Everything spent so far, reservations that have not settled in full."""
        return self.book().totals

    def verify(self) -> None:
        """Recompute the chain and every rule of booking.

        Raises:
            PrivacyError: says at which line the ledger is broken.
        """
        self._read()

    def advance(self, index: int, kind: Literal["run", "settle"], body: Mapping[str, Any]) -> None:
        """Append RUN or SETTLE for the reservation made at line `index` (called by `Reservation`)."""
        with self._lines.locked():
            entries, book = self._read()
            # the rules that a reader checks are checked before writing, by the same function
            draft = _entry(entries, kind, {**body, "reservation": index})
            _step(book, draft)
            self._append(entries, kind, draft.body)

    def _begin(self, body: Mapping[str, Any]) -> None:
        if not self._lines.read():
            with self._lines.locked():
                entries, _ = self._read()
                if not entries:
                    self._append(entries, "open", body)
        self._read()

    def _append(self, entries: tuple[Entry, ...], kind: Kind, body: Mapping[str, Any]) -> Entry:
        entry = _entry(entries, kind, body)
        self._lines.append(entry.line())
        return entry

    def _read(self) -> tuple[tuple[Entry, ...], Book]:
        entries: list[Entry] = []
        book = Book()
        for number, line in enumerate(self._lines.read(), start=1):
            try:
                entry = Entry.parse(line)
                previous = entries[-1].hash if entries else GENESIS
                if entry.index != len(entries) or entry.previous != previous:
                    raise ValueError("chain")
                book = _step(book, entry)
            except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
                    PrivacyError) as error:
                raise PrivacyError(f"the ledger {self._lines.name} is broken at line {number}.",
                                   fix="Restore it from a backup: a changed ledger proves nothing.") from error
            entries.append(entry)
        return tuple(entries), book


@dataclass(frozen=True, eq=False)
class Reservation:
    """A budget that is on disk as spent, for one run. `index` and `hash` name its line."""

    ledger: Ledger
    index: int
    hash: str
    budget: Budget

    def start(self) -> None:
        """Write RUN. The curator calls it once, before the first query.

        Raises:
            PrivacyError: this reservation has run already.
        """
        self.ledger.advance(self.index, "run", {})

    def settle(self, statement_facts: Mapping[str, Any]) -> None:
        """Write SETTLE with what the statement says.

        Args:
            statement_facts: JSON values, such as ``Statement.ledger_facts()``. Its "cost" is booked; without one
                the reservation stays spent in full.

        Raises:
            PrivacyError: settled before, more than reserved, or less than what ran.
        """
        cost = statement_facts.get("cost", self.budget.allowance.to_json())
        facts = {k: v for k, v in statement_facts.items() if k != "cost"}
        self.ledger.advance(self.index, "settle", {"cost": cost, "facts": facts})

    def release_unused(self) -> None:
        """Settle at nothing a reservation under which no query ran, such as after a refused schema."""
        self.ledger.advance(self.index, "settle", {"cost": Cost().to_json(), "facts": {}})


def _step(book: Book, entry: Entry) -> Book:
    """The book after one more entry. Raises PrivacyError if the entry breaks a rule of booking."""
    body = entry.body
    if entry.kind == "open" and entry.index == 0 and body["format"] == FORMAT:
        return Book(body["population"], body["scratch"])
    if entry.index == 0:
        raise PrivacyError(f"a ledger begins with format {FORMAT}.")
    if entry.kind == "cap":
        cap = Budget.from_json(body["budget"])
        _refuse_cap(book, cap)
        return replace(book, cap=cap)
    if entry.kind == "close":
        return replace(book, closed=True)
    if entry.kind == "reserve":
        budget, cost = Budget.from_json(body["budget"]), Cost.from_json(body["cost"])
        _refuse_reserve(book, budget, cost)
        return book.with_booking(entry.index, Booking(budget, body["purpose"], cost))
    booking = book.bookings.get(body["reservation"])
    if booking is None:
        raise PrivacyError("there is no such reservation in the ledger.")
    if entry.kind == "run":
        if booking.state != "reserved":
            raise PrivacyError("this reservation has been used already; one reservation pays for one fit.",
                               fix="Reserve again.")
        return book.with_booking(body["reservation"], replace(booking, state="running"))
    if entry.kind == "settle":
        return book.with_booking(body["reservation"], _settled(booking, Cost.from_json(body["cost"])))
    raise PrivacyError(f"a ledger has no entries of kind {entry.kind!r}.")


def _settled(booking: Booking, cost: Cost) -> Booking:
    if booking.state == "settled":
        raise PrivacyError("this reservation has been settled already.")
    if not cost.within(booking.cost):
        raise PrivacyError("a settlement cannot exceed its reservation.")
    if booking.state == "running" and cost.mu_squared < booking.cost.mu_squared:
        raise PrivacyError("a reservation that ran is spent in full: stopping early may itself depend on the data.")
    return replace(booking, cost=cost, state="settled")


def _refuse_reserve(book: Book, budget: Budget, cost: Cost, *, margin: float = 0.0) -> None:
    """`margin` is asked for when writing only, so that another computer's rounding never breaks a chain."""
    if book.closed:
        raise PrivacyError(f"the ledger of population {book.population!r} is closed: nothing more can be released.",
                           fix="Only a fit on other people may be booked under another --population.")
    others = {b.budget.unit for b in book.bookings.values()} - {budget.unit}
    if others:
        raise PrivacyError(f"the ledger of population {book.population!r} counts by unit {min(others)!r}, not by "
                           f"{budget.unit!r}.", fix="Use the same unit for one population.")
    if book.cap is not None and not _under(book.totals.cost + cost, book.cap, margin):
        raise PrivacyError(
            f"the ledger of population {book.population!r} refuses epsilon {float(budget.epsilon):g}: with "
            f"{book.totals.releases} earlier release(s) it would exceed the cap of epsilon "
            f"{float(book.cap.epsilon):g} at delta {float(book.cap.delta):g}.", fix="Ask for a smaller epsilon.")


def _refuse_cap(book: Book, cap: Budget, *, margin: float = 0.0) -> None:
    if book.cap is not None and (cap.epsilon > book.cap.epsilon or cap.delta > book.cap.delta):
        raise PrivacyError(f"the cap of population {book.population!r} is epsilon {float(book.cap.epsilon):g} at delta "
                           f"{float(book.cap.delta):g} and can only be lowered.")
    if not _under(book.totals.cost, cap, margin):
        raise PrivacyError(f"population {book.population!r} has spent more than epsilon {float(cap.epsilon):g} at "
                           f"delta {float(cap.delta):g} already.", fix="Close the ledger instead.")


def _under(cost: Cost, cap: Budget, margin: float) -> bool:
    return delta_of(cost, float(cap.epsilon)) * (1 + margin) <= cap.delta


def _entry(entries: tuple[Entry, ...], kind: Kind, body: Mapping[str, Any]) -> Entry:
    day = datetime.now(UTC).date().isoformat()
    previous = entries[-1].hash if entries else GENESIS
    draft = Entry(len(entries), kind, day, json.loads(_canonical(body)), previous, "")
    return replace(draft, hash=draft.expected_hash())


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()
