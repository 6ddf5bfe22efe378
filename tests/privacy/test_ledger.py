"""Reserve, run, settle: whatever is interleaved, killed or tampered with, what may have run stays booked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.errors import PrivacyError, SourceError
from tabsynth.privacy import ledger_file
from tabsynth.privacy.accountant import Cost, delta_of
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.ledger import Ledger, Reservation

ONE = Budget.of(1, "1e-6", unit="patient")
HALF = Budget.of("0.5", "1e-6", unit="patient")


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.jsonl")
    return path


def without_discovery(reservation: Reservation) -> dict:
    cost = reservation.budget.allowance
    return {"cost": Cost(cost.mu_squared, cost.reach).to_json(), "statement_sha256": "x"}


def test_reserve_run_settle(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger", "cardio")
    reservation = ledger.reserve(ONE, purpose="release 1")
    assert ledger.totals().epsilon == pytest.approx(1.0)
    reservation.start()
    reservation.settle(without_discovery(reservation))
    assert [e.kind for e in ledger.entries()] == ["open", "reserve", "run", "settle"]
    assert ledger.totals().cost.delta_keys == 0
    assert ledger.totals().epsilon < 1.0
    again = Ledger.open(tmp_path / "ledger", "cardio", create=False)
    assert again.totals() == ledger.totals()
    assert again.entries() == ledger.entries()
    again.verify()


def test_releases_add_mu_squared_and_delta(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, "p")
    for _ in range(4):
        ledger.reserve(ONE, purpose="monthly")
    totals = ledger.totals()
    assert totals.cost.mu_squared == 4 * ONE.allowance.mu_squared
    assert totals.delta == 4 * ONE.delta
    assert 1.9 < totals.epsilon < 2.1  # far below 4: Gaussian composition


def test_cap_refuses_before_anything_is_written(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, "p", cap=ONE)
    ledger.reserve(ONE, purpose="all of it")
    before = only_file(tmp_path).read_bytes()
    with pytest.raises(PrivacyError, match="cap of epsilon 1 at delta 1e-06") as caught:
        ledger.reserve(HALF, purpose="more")
    assert caught.value.exit_code == 5
    assert only_file(tmp_path).read_bytes() == before


def test_cap_can_only_be_lowered_and_never_below_what_is_spent(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, "p", cap=ONE)
    with pytest.raises(PrivacyError, match="only be lowered"):
        ledger.set_cap(Budget.of(2, "1e-6", unit="patient"))
    ledger.reserve(HALF, purpose="x")
    ledger.set_cap(HALF)
    with pytest.raises(PrivacyError, match="already"):
        ledger.set_cap(Budget.of("0.1", "1e-6", unit="patient"))
    assert Ledger.open(tmp_path, "p", cap=HALF).book().cap == HALF


def test_close_freezes(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, "p")
    reservation = ledger.reserve(ONE, purpose="x")
    ledger.close()
    ledger.close()
    with pytest.raises(PrivacyError, match="closed"):
        ledger.reserve(HALF, purpose="y")
    reservation.start()
    assert ledger.totals().cost == ONE.allowance


def test_no_refunds(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, "p")
    ran, idle = ledger.reserve(ONE, purpose="ran"), ledger.reserve(HALF, purpose="idle")
    ran.start()
    with pytest.raises(PrivacyError, match="used already"):
        ran.start()
    with pytest.raises(PrivacyError, match="spent in full"):
        ran.release_unused()
    with pytest.raises(PrivacyError, match="exceed"):
        ran.settle({"cost": Cost(Fraction(9), Fraction(9)).to_json()})
    idle.release_unused()
    with pytest.raises(PrivacyError, match="settled already"):
        idle.settle({})
    with pytest.raises(PrivacyError, match="used already"):
        idle.start()
    assert ledger.totals().cost == ONE.allowance
    assert ledger.totals().releases == 1


def test_one_unit_for_one_population(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, "p")
    ledger.reserve(ONE, purpose="x")
    with pytest.raises(PrivacyError, match="counts by unit 'patient'"):
        ledger.reserve(Budget.of(1, unit="row"), purpose="y")


@given(st.lists(st.tuples(st.sampled_from(["0.1", "0.5", "1"]), st.sampled_from(["crash", "run", "full", "settle",
                                                                                 "unused"])), max_size=8))
@settings(max_examples=25, deadline=None)
def test_any_interleaving_stays_under_the_cap(steps: list[tuple[str, str]]) -> None:
    cap = Budget.of("1.5", "1e-5", unit="patient")
    ledger = Ledger.scratch("x")
    ledger.set_cap(cap)
    booked = Cost()
    for epsilon, fate in steps:
        budget = Budget.of(epsilon, "1e-6", unit="patient")
        try:
            reservation = ledger.reserve(budget, purpose="x")
        except PrivacyError:
            continue
        if fate in ("run", "full", "settle"):
            reservation.start()
        if fate == "full":
            reservation.settle({})
        if fate == "settle":
            reservation.settle(without_discovery(reservation))
        if fate == "unused":
            reservation.release_unused()
        else:
            booked += Cost(budget.allowance.mu_squared, budget.allowance.reach)
        total = ledger.totals().cost
        assert (total.mu_squared, total.reach) == (booked.mu_squared, booked.reach)
        assert delta_of(total, float(cap.epsilon)) <= cap.delta
    ledger.verify()


ACTS = st.tuples(st.sampled_from(["reserve", "run", "settle", "unused", "crash"]), st.integers(0, 1), st.integers(0, 9))


@given(st.lists(ACTS, max_size=14))
@settings(max_examples=20, deadline=None)
def test_overlapping_reservations_of_two_programs_stay_under_the_cap(steps: list[tuple[str, int, int]]) -> None:
    """Two handles on one file; reservations are started, settled, given back or lost in any order.

    Whatever was started or never settled stays booked in full, to the last digit of the rationals.
    """
    budget, cap = Budget.of("0.7", "1e-6", unit="patient"), Budget.of("1.5", "1e-5", unit="patient")
    with TemporaryDirectory() as folder:
        handles = [Ledger.open(Path(folder), "p", cap=cap) for _ in range(2)]
        live: list[Reservation] = []
        started: set[int] = set()
        booked = given_back = 0
        for act, who, which in steps:
            if act == "crash":
                handles[who], live = Ledger.open(Path(folder), "p", create=False), live[:which]
            elif act == "reserve":
                try:
                    live.append(handles[who].reserve(budget, purpose="x"))
                    booked += 1
                except PrivacyError:
                    cost = Cost(budget.allowance.mu_squared * (booked - given_back + 1),
                                budget.allowance.reach * (booked - given_back + 1))
                    assert delta_of(cost, float(cap.epsilon)) > 0.9 * cap.delta, "refused without need"
            elif live:
                reservation = live[which % len(live)]
                try:
                    if act == "run":
                        reservation.start()
                        started.add(reservation.index)
                    elif act == "settle":
                        reservation.settle({})
                        live.remove(reservation)
                    else:
                        reservation.release_unused()
                        assert reservation.index not in started, "what ran was given back"
                        live.remove(reservation)
                        given_back += 1
                except PrivacyError:
                    assert reservation.index in started
            totals = handles[who].totals()
            assert totals.releases == booked - given_back
            assert totals.cost.mu_squared == budget.allowance.mu_squared * (booked - given_back)
            assert delta_of(totals.cost, float(cap.epsilon)) <= cap.delta
        for handle in handles:
            handle.verify()


def test_a_tenth_ten_times_is_exactly_one_whole() -> None:
    """Sums are rationals: no rounding, whatever the order and the number of releases."""
    ledger = Ledger.scratch("x")
    budgets = [Budget.of(e, d, unit="patient") for e in ("0.1", "0.3", "1/3", "0.7") for d in ("1e-6", "1/3000000")]
    for budget in budgets * 3:
        ledger.reserve(budget, purpose="x")
    totals = ledger.totals()
    assert totals.cost.mu_squared == sum(3 * b.allowance.mu_squared for b in budgets)
    assert totals.delta == 12 * (Fraction(1, 10**6) + Fraction(1, 3 * 10**6))
    assert isinstance(totals.cost.mu_squared, Fraction)


# --- tampering -----------------------------------------------------------------------------------------------------


def filled(folder: Path) -> tuple[Ledger, Path]:
    ledger = Ledger.open(folder, "p")
    for budget in (ONE, HALF):
        reservation = ledger.reserve(budget, purpose="release")
        reservation.start()
        reservation.settle({})
    return ledger, only_file(folder)


@pytest.mark.parametrize("line", range(6))
def test_a_changed_line_is_found(tmp_path: Path, line: int) -> None:
    ledger, path = filled(tmp_path)
    lines = path.read_text().splitlines()
    lines[line] = lines[line].replace('"date":"2', '"date":"1')
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(PrivacyError, match=f"broken at line {line + 1}"):
        ledger.verify()
    with pytest.raises(PrivacyError, match="broken"):
        Ledger.open(tmp_path, "p")
    with pytest.raises(PrivacyError, match="broken"):
        ledger.reserve(HALF, purpose="x")


@pytest.mark.parametrize("change", ["drop", "swap", "repeat", "blank", "garbage"])
def test_a_changed_order_is_found(tmp_path: Path, change: str) -> None:
    ledger, path = filled(tmp_path)
    lines = path.read_text().splitlines()
    if change == "drop":
        del lines[2]
    elif change == "swap":
        lines[1], lines[2] = lines[2], lines[1]
    elif change == "repeat":
        lines.insert(3, lines[3])
    else:
        lines.insert(3, {"blank": "", "garbage": "\x00{"}[change])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(PrivacyError, match="broken at line"):
        ledger.verify()


def test_a_rehashed_line_breaks_the_chain_after_it(tmp_path: Path) -> None:
    from dataclasses import replace

    ledger, path = filled(tmp_path)
    entries = list(ledger.entries())
    forged = replace(entries[1], body={**entries[1].body, "purpose": "another"})
    entries[1] = replace(forged, hash=forged.expected_hash())
    path.write_bytes(b"".join(e.line() for e in entries))
    with pytest.raises(PrivacyError, match="line 3"):
        ledger.verify()


# --- crashes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_torn_last_line_is_set_aside(tmp_path: Path, cut: int) -> None:
    ledger = Ledger.open(tmp_path, "p")
    ledger.reserve(ONE, purpose="first")
    kept = only_file(tmp_path).read_bytes()
    ledger.reserve(HALF, purpose="never told")
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes()[:len(kept) + cut])
    assert ledger.totals().releases == 1  # reading alone changes nothing
    assert len(path.read_bytes()) == len(kept) + cut
    ledger.reserve(HALF, purpose="after the crash")
    ledger.verify()
    assert path.read_bytes().startswith(kept)
    assert len(path.with_suffix(".torn").read_bytes()) == cut + 1
    assert ledger.totals().releases == 2


def test_a_whole_line_that_lost_only_its_newline_counts(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, "p")
    ledger.reserve(ONE, purpose="first")
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    assert ledger.totals().releases == 1
    ledger.reserve(HALF, purpose="second")
    ledger.verify()
    assert ledger.totals().releases == 2


def test_a_torn_first_line_starts_again(tmp_path: Path) -> None:
    path = ledger_file.file_of(tmp_path, "p")
    path.write_bytes(b'{"body":{"form')
    assert Ledger.open(tmp_path, "p").entries()[0].kind == "open"


CHILD = """
import os, signal, sys
from pathlib import Path
from tabsynth.privacy.budget import Budget
from tabsynth.privacy.ledger import Ledger
budget = Budget.of(1, "1e-6", unit="patient")
ledger = Ledger.open(Path(sys.argv[1]), "p")
for step in range(int(sys.argv[2])):
    reservation = ledger.reserve(budget, purpose="child")
    if sys.argv[3] == "run":
        reservation.start()
    print("told", flush=True)
if sys.argv[3] in ("reserve", "run"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def child(folder: Path, n: int, mode: str, stderr: int | None = None) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder), str(n), mode], stdout=subprocess.PIPE,
                            stderr=stderr,
                            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)})


@pytest.mark.parametrize("mode", ["reserve", "run"])
def test_kill_9_leaves_the_reservation_spent(tmp_path: Path, mode: str) -> None:
    process = child(tmp_path, 1, mode)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert out == b"told\n"
    ledger = Ledger.open(tmp_path, "p", create=False)
    ledger.verify()
    assert ledger.totals().cost == ONE.allowance
    ledger.reserve(ONE, purpose="after")  # the lock of the dead process is gone


def test_concurrent_processes_lose_nothing(tmp_path: Path) -> None:
    children = [child(tmp_path, 5, "live") for _ in range(3)]
    told = sum(process.communicate(timeout=120)[0].count(b"told") for process in children)
    ledger = Ledger.open(tmp_path, "p", create=False)
    ledger.verify()
    assert told == 15
    assert ledger.totals().releases == 15


def test_concurrent_processes_share_one_cap(tmp_path: Path) -> None:
    """What three processes are told adds up to what one would have been told, and not to one release more."""
    cap = Budget.of(3, "1e-5", unit="patient")
    alone = Ledger.scratch("p")
    alone.set_cap(cap)
    affordable = 0
    with suppress(PrivacyError):
        while True:
            alone.reserve(ONE, purpose="x")
            affordable += 1
    assert 2 < affordable < 15
    Ledger.open(tmp_path, "p", cap=cap)
    children = [child(tmp_path, 5, "live", stderr=subprocess.DEVNULL) for _ in range(3)]
    told = sum(process.communicate(timeout=120)[0].count(b"told") for process in children)
    ledger = Ledger.open(tmp_path, "p", create=False)
    ledger.verify()
    assert told == ledger.totals().releases == affordable
    assert delta_of(ledger.totals().cost, float(cap.epsilon)) <= cap.delta


def test_a_held_lock_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_file, "LOCK_SECONDS", 0.05)
    first = Ledger.open(tmp_path, "p")
    with first._lines.locked(), pytest.raises(PrivacyError, match="locked by another process"):
        first.reserve(ONE, purpose="x")
    first.reserve(ONE, purpose="x")


def test_lines_are_on_disk_before_reserve_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        real(handle)
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.is_file():
            synced.append(path.read_bytes())

    monkeypatch.setattr(ledger_file.os, "fsync", fsync)
    Ledger.open(tmp_path, "p").reserve(ONE, purpose="x")
    assert b'"kind":"reserve"' in synced[-1]
    assert synced[-1].endswith(b"\n")


# --- names and files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "Ä ö", "." * 200, "con", "登録"])
def test_population_names_are_safe_file_names(tmp_path: Path, name: str) -> None:
    ledger = Ledger.open(tmp_path / "ledger", name)
    path = only_file(tmp_path / "ledger")
    assert path.parent == tmp_path / "ledger"
    assert len(path.name) < 100
    assert ledger.book().population == name
    assert Ledger.populations(tmp_path / "ledger") == (name,)


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "x\x00y", "a\nb", "half \ud800"])
def test_names_that_no_report_could_print_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PrivacyError, match="name of"):
        Ledger.open(tmp_path / "ledger", name)
    assert not (tmp_path / "ledger").exists()


@pytest.mark.parametrize("tail", [b"[" * 100_000 + b"\n", b"1\n", b"[1]\n", b"NaN\n", b"\n", b"\xff\xfe\n"])
def test_a_line_of_anything_else_is_one_sentence(tmp_path: Path, tail: bytes) -> None:
    ledger = Ledger.open(tmp_path, "p")
    ledger.reserve(ONE, purpose="x")
    only_file(tmp_path).write_bytes(only_file(tmp_path).read_bytes() + tail)
    with pytest.raises(PrivacyError, match="broken at line 3"):
        ledger.verify()
    with pytest.raises(PrivacyError, match="broken at line 3"):
        ledger.reserve(ONE, purpose="y")


def test_a_deep_fragment_at_the_end_is_set_aside(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, "p")
    only_file(tmp_path).write_bytes(only_file(tmp_path).read_bytes() + b"[" * 100_000)
    ledger.reserve(ONE, purpose="x")
    assert ledger.totals().releases == 1


def test_a_total_without_finite_epsilon_is_said_so(tmp_path: Path) -> None:
    """Ten releases at epsilon 100 protect nobody; the sum has no finite epsilon, and JSON has no infinity."""
    ledger = Ledger.open(tmp_path, "p")
    for _ in range(12):
        ledger.reserve(Budget.of(100, "1e-6", unit="row", allow_large_epsilon=True), purpose="x")
    assert ledger.totals().to_json()["epsilon"] is None


def test_similar_names_have_their_own_files(tmp_path: Path) -> None:
    for name in ("ward 1", "ward-1", "Ward 1"):
        Ledger.open(tmp_path, name)
    assert len(Ledger.populations(tmp_path)) == 3


def test_missing_population_lists_what_there_is(tmp_path: Path) -> None:
    Ledger.open(tmp_path, "cardio")
    with pytest.raises(PrivacyError, match="'cardio'"):
        Ledger.open(tmp_path, "cardoi", create=False)
    assert Ledger.populations(tmp_path) == ("cardio",)
    with pytest.raises(PrivacyError, match="name of its population"):
        Ledger.open(tmp_path, " ")


def test_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot be"):
        Ledger.open(tmp_path / "file" / "ledger", "p")


def test_only_days_are_recorded(tmp_path: Path) -> None:
    filled(tmp_path)
    for line in only_file(tmp_path).read_text().splitlines():
        entry = json.loads(line)
        assert len(entry["date"]) == 10
        assert set(entry) == {"index", "kind", "date", "body", "previous", "hash"}


def test_scratch_ledgers_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = Ledger.scratch("internal attack")
    ledger.reserve(ONE, purpose="refit").start()
    assert ledger.book().scratch
    assert list(tmp_path.iterdir()) == []
