"""P0d: check digits against known answers, planted identifiers and notes, and silence where nothing was planted."""

from __future__ import annotations

import json
import tracemalloc
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabsynth.core.finding import Finding
from tabsynth.core.schema import Column, Kind, Schema
from tabsynth.core.table import INVALID, MISSING, Cells, Table, empty_cells
from tabsynth.evaluation.attacks import _checksums as checks
from tabsynth.evaluation.attacks import _verbatim
from tabsynth.evaluation.attacks._classes import FORMS, KINDS, LABELS, Form, words
from tabsynth.evaluation.attacks._coincidence import beyond_chance, expected
from tabsynth.evaluation.attacks._texts import Hit, Texts, read, telling, texts_of
from tabsynth.evaluation.attacks._verbatim import Corpus
from tabsynth.evaluation.attacks.identifiers import above_89, finer_than_a_year, identifiers, numbered_anew
from tabsynth.evaluation.protocol import evaluate, prepare
from tabsynth.evaluation.variants import variants_of

from .people import cells, people

N = 400
SURNAMES = ("moss", "hale", "reed", "lane", "ford", "wood")


def texts(values: Sequence[str]) -> Cells:
    return Cells(np.array(values, dtype=object), np.zeros(len(values), np.uint8))


def run(synth: Table, train: Table, holdout: Table) -> dict[str, Finding]:
    return {f.id: f for f in evaluate(prepare(synth, train, holdout, seed=1), only=["identifiers"])}


def row(found: Finding, key: str) -> dict[str, Any]:
    return next((dict(r) for r in found.breakdown if r["key"] == key), {})


# --- check digits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check, right", [
    (checks.luhn, ["79927398713", "4012888888881881", "378282246310005"]),
    (checks.bank_card, ["4111111111111111", "5555555555554444", "2223003122003222", "378282246310005",
                        "6011111111111117", "3530111333300000", "30569309025904"]),
    (checks.npi, ["1234567893", "1245319599"]),
    (checks.imei, ["490154203237518", "356938035643809"]),
    (checks.gtin14, ["00614141999996", "10614141000415"]),
    (checks.nhs_number, ["9434765919", "4010232137", "9434765870"]),
    (checks.steuer_id, ["36574261809", "86095742719", "47036892816", "65929970489"]),
    (checks.kvnr, ["A123456780", "T555558879"]),
    (checks.iban, ["GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606",
                   "CH9300762011623852957", "NO9386011117947", "MT84MALT011000012345MTLCAST001S"]),
    (checks.vin, ["1M8GDM9AXKP042788", "5GZCZ43D13S812715", "11111111111111111"]),
])
def test_published_numbers_are_right_and_one_wrong_digit_is_noticed(check: Any, right: list[str]) -> None:
    for number in right:
        assert check(number), number
        for i, sign in enumerate(number):
            if sign.isdigit() and not (check is checks.vin and (i == 8 or number[0] == "1" == number[-1])):
                other = str((int(sign) + 1) % 10)
                assert not check(number[:i] + other + number[i + 1 :]), (number, i)
        assert not check(number[:-1])
        assert not check(f"{number}0")


@given(st.text(alphabet="0123456789", min_size=2, max_size=19), st.integers(0, 8))
def test_luhn_matches_adding_by_hand(digits: str, swap: int) -> None:
    total = 0
    for place, d in enumerate(reversed(digits)):
        value = int(d) * (2 if place % 2 else 1)
        total += value // 10 + value % 10
    assert checks.luhn(digits) == (total % 10 == 0)


@pytest.mark.parametrize("check", [checks.luhn, checks.npi, checks.nhs_number, checks.steuer_id, checks.kvnr,
                                   checks.iban, checks.vin, checks.imei, checks.gtin14, checks.bank_card, checks.ssn])
@pytest.mark.parametrize("text", ["", "x", "٣" * 10, "12a4567893", "-1234567893", " " * 11, "0" * 40])
def test_nonsense_has_no_right_check(check: Any, text: str) -> None:
    assert not check(text) or (check is checks.luhn and set(text) == {"0"})


def test_unused_ranges_of_social_security_numbers() -> None:
    assert checks.ssn("078051120")
    assert not any(map(checks.ssn, ("000123456", "666123456", "900123456", "999123456", "123001234", "123450000")))


# --- forms -------------------------------------------------------------------------------------------------

FOUND = [
    ("B", "lives in 02139-4307 now"), ("B", "posted from SW1A 1AA"), ("C", "seen 2021-03-04T10:20"),
    ("C", "born 4.3.1950."), ("C", "on 12/31/99"), ("D", "call (617) 555-0123"), ("D", "617-555-0123"),
    ("D", "Tel. +49 (0)30 1234567"), ("D", "+44 20 7946 0958"), ("F", "Mail: Jo.Doe+x@mail.example.org."),
    ("G", "SSN 219-09-9999"), ("G", "ssn: 219099999"), ("H", "MRN: 0012345"), ("H", "NHS no. 943 476 5919"),
    ("I", "1EG4-TE5-MK73"), ("J", "IBAN DE89 3704 0044 0532 0130 00 AND MORE"), ("K", "NPI 1234567893"),
    ("L", "VIN 1M8GDM9AXKP042788"), ("M", "(01)00614141999996(10)A1"), ("M", "00:1B:44:11:3A:B7"),
    ("N", "see https://example.org/a?b=1"), ("N", "www.example.org"), ("O", "from 192.0.2.17"),
    ("O", "from 2001:db8::8a2e:370:7334"),
]
NOT_FOUND = [
    "", "plain words", "dose 2.5 mg, 3 x daily", "ICD E11.9, I10", "ratio 120/80", "at 12:30:45", "version 1.2.3",
    "900-12-3456", "000-12-3456", "1234567890", "std::string", "300.300.300.300", "a@b", "x@y.", "12345", "no. 5",
    "DE00370400440532013000", "2021-13-45", "99/99/99", "blood pressure 120-80", "AB12 CD34", "::1", "10-20 per field",
]


def kinds_in(text: str) -> set[str]:
    column = texts_of(texts([text]), "text")
    return {form.letter for form in FORMS if (found := column.find(form, "note")) and telling(form, found)
            and read(form, found)}


@pytest.mark.parametrize("letter, text", FOUND)
def test_identifiers_are_recognised_in_a_sentence(letter: str, text: str) -> None:
    assert letter in kinds_in(text)


@pytest.mark.parametrize("text", NOT_FOUND)
def test_ordinary_texts_hold_none(text: str) -> None:
    assert kinds_in(text) == set()


def test_the_classes_are_those_of_the_rule() -> None:
    letters = {letter for letter, _ in KINDS} | {label.letter for label in LABELS}
    assert letters == set("ABCDEFGHIJKLMNOPQR")


@pytest.mark.parametrize("name, letters", [
    ("patientFirstName", "A"), ("name", "A"), ("drug_name", ""), ("Home address", "B"), ("account_no", "J"),
    ("discount", ""), ("licence_plate", "L"), ("photo", "Q"), ("visited", ""), ("MRN", "H"), ("plan", "")])
def test_column_names_suggest_classes(name: str, letters: str) -> None:
    assert {label.letter for label in LABELS if label.columns.search(words(name))} == set(letters)


def test_a_tenth_of_right_check_digits_is_chance_and_a_column_of_them_is_not() -> None:
    """Random numbers: nine forms in a column of 2,000; `CHANCE` allows one false alarm in 100,000 columns."""
    rng = np.random.default_rng(0)
    nhs = next(form for form in FORMS if form.what.startswith("NHS"))
    numbers = [str(x) for x in rng.integers(10**9, 10**10, 2000)]
    right = [x for x in numbers if checks.nhs_number(x)]
    for form in FORMS:
        if form.chance:
            for digits in (9, 10, 11, 14, 15, 16):
                numeric = cells("integer", rng.integers(10 ** (digits - 1), 10**digits, 2000).tolist())
                column = texts_of(numeric, "integer")
                assert not telling(form, column.find(form, "count"))
    assert telling(nhs, texts_of(texts(right[:12]), "text").find(nhs, "x"))
    assert not telling(nhs, texts_of(texts(right[:9]), "text").find(nhs, "x"))
    mixed = [*right[:100], *[x for x in numbers if x not in right][:120]]
    assert not telling(nhs, texts_of(texts(mixed), "text").find(nhs, "x"))
    assert telling(nhs, texts_of(cells("integer", list(map(int, right))), "integer").find(nhs, "x"))


# --- planted tables ------------------------------------------------------------------------------------------


def nhs_numbers(n: int, rng: np.random.Generator) -> list[str]:
    made: dict[str, None] = {}
    while len(made) < n:
        nine = f"{rng.integers(10**8, 10**9)}"
        made |= {f"{nine}{d}": None for d in range(10) if checks.nhs_number(f"{nine}{d}")}
    return list(made)[:n]


def hospital(n: int, seed: int) -> Table:
    """Rows of a made-up hospital: keys by pattern, an e-mail address, an NHS number, a note of common words."""
    rng = np.random.default_rng(seed)
    base = people(n, seed)
    names = [f"{SURNAMES[i]}{j}" for i, j in zip(rng.integers(0, 6, n), rng.integers(0, 10**9, n))]
    vocabulary = [f"word{'abcdefghij'[i % 10]}{'abcdefghij'[i // 10 % 10]}" for i in range(100)]
    notes = [" ".join(rng.choice(vocabulary, 30)) for _ in range(n)]
    columns = (Column("patient", "id", role="unit", pattern="P######"), Column("mail", "category"),
               Column("number", "integer"), Column("note", "text"))
    return Table(Schema((*columns, *base.schema.columns)), {
        "patient": texts([f"P{k:06d}" for k in rng.choice(10**6, n, replace=False)]),
        "mail": cells("category", [f"{name}@example.org" for name in names]),
        "number": cells("integer", list(map(int, nhs_numbers(n, rng)))), "note": texts(notes), **base.columns})


def changed(part: Table, **columns: Cells) -> Table:
    return replace(part, columns={**part.columns, **columns})


def noted(part: Table, at: int, note: str) -> Table:
    values = part["note"].values.copy()
    values[at] = note
    return changed(part, note=replace(part["note"], values=values))


@pytest.fixture(scope="module")
def real() -> tuple[Table, Table, Table]:
    """Training rows, holdout rows, and synthetic rows that are drawn from the same law without a look at them."""
    return hospital(N, 1), hospital(N, 2), hospital(N, 3)


def test_rows_of_the_same_law_leak_nothing_and_are_listed(real: tuple[Table, Table, Table]) -> None:
    """Keys meet by chance at rate 4e-4 on both sides; corrected one-sided 2.5 % over seven comparisons."""
    train, holdout, synth = real
    found = run(synth, train, holdout)
    for finding in found.values():
        variants = variants_of(finding)
        assert finding.details["leaked_values"] == 0
        assert min(v.p for v in variants) > 0.025 / 7
    for what, column in (("F, e-mail address", "mail"), ("H, NHS number (GB)", "number")):
        assert row(found["P0d"], what)["columns"] == column
        assert row(found["P0d"], what)["cells"] == N
        assert row(found["P0d"], what)["same_values_in_training"] == 0
    assert "C, date finer than a year, by kind of column: visit" in found["P0d"].details["looks_like"]


@pytest.mark.parametrize("what, write", [
    ("F, e-mail address", lambda t: f"wrote to {t['mail'].levels[t['mail'].values[7]].upper()} today"),
    ("H, NHS number (GB)", lambda t: f"number {t['number'].values[7]} given"),
])
def test_one_identifier_of_a_training_person_in_a_note_is_a_leak(real: tuple[Table, Table, Table], what: str,
                                                                 write: Any) -> None:
    train, holdout, synth = real
    blank = changed(synth, mail=empty_cells(synth.schema["mail"], N), number=empty_cells(synth.schema["number"], N))
    found = run(noted(blank, 3, write(train)), train, holdout)["P0d"]
    assert row(found, what)["train_hits"] == 1
    assert row(found, what)["control_hits"] == 0
    assert row(found, what)["columns"] == "note"
    assert found.details["leaked_values"] == 1
    other = run(noted(blank, 3, write(holdout)), train, holdout)["P0d"]
    assert other.details["leaked_values"] == 0


def test_a_social_security_number_is_listed_and_is_a_leak_if_a_training_person_has_it(
        real: tuple[Table, Table, Table]) -> None:
    train, holdout, synth = real
    made = noted(synth, 0, "ssn 219-09-9999 on file")
    assert row(run(made, train, holdout)["P0d"], "G, social security number (US)")["same_values_in_training"] == 0
    found = run(made, noted(train, 5, "219-09-9999"), holdout)["P0d"]
    assert row(found, "G, social security number (US)")["train_hits"] == 1
    assert found.details["leaked_values"] == 1


def test_copied_columns_are_proven(real: tuple[Table, Table, Table]) -> None:
    train, holdout, synth = real
    found = run(changed(synth, mail=train["mail"], patient=train["patient"], note=train["note"]), train, holdout)
    assert {"keys in patient", "F, e-mail address"} <= {v.key for v in variants_of(found["P0d"]) if v.p < 1e-6}
    assert found["P0d"].value == 1.0
    assert found["P0d.text"].value == 1.0
    assert found["P0d.text"].details["leaked_values"] == N


def test_a_copied_note_is_found_whole_and_in_parts(real: tuple[Table, Table, Table]) -> None:
    train, holdout, synth = real
    whole = str(train["note"].values[9])
    part = " ".join(whole.split()[5:14])
    for note, whole_cells in ((f"  {whole.upper()} ", 1), (f"he said {part} and left", 0)):
        found = run(noted(synth, 0, note), train, holdout)["P0d.text"]
        assert row(found, "whole cells")["train_hits"] == whole_cells
        assert row(found, "runs of words")["train_hits"] == 1
        assert row(found, "runs of words")["control_hits"] == 0
        assert found.details["leaked_values"] == 1
    few = run(noted(synth, 0, " ".join(whole.split()[:2])), train, holdout)["P0d.text"]
    assert row(few, "runs of words")["train_hits"] == 0


def test_phrases_that_several_people_have_are_nobodys(real: tuple[Table, Table, Table]) -> None:
    train, holdout, synth = real
    phrase = "patient was seen in the clinic and is doing well today"
    found = run(noted(synth, 0, phrase), noted(noted(train, 1, phrase), 2, phrase), holdout)["P0d.text"]
    assert row(found, "whole cells")["train_hits"] == 0
    again = run(noted(synth, 0, phrase), noted(train, 1, phrase), noted(holdout, 1, phrase))["P0d.text"]
    assert row(again, "whole cells")["train_hits"] == 0


def test_keys_numbered_anew_meet_by_construction(real: tuple[Table, Table, Table]) -> None:
    """Training people 1 to N, holdout people after them, synthetic ones 1 to N again: no leak."""
    train, holdout, synth = (changed(part, patient=texts([str(k) for k in range(first, first + N)]))
                             for part, first in zip(real, (1, N + 1, 1)))
    found = run(synth, train, holdout)["P0d"]
    assert "train_hits" not in row(found, "keys in patient")
    assert "construction" in row(found, "keys in patient")["evidence"]
    sparse = changed(synth, patient=texts([str(k) for k in range(1, 2 * N, 2)]))
    assert row(run(sparse, train, holdout)["P0d"], "keys in patient")["train_hits"] == N // 2


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12))
def test_numbered_anew_matches_a_range(numbers: list[int]) -> None:
    distinct = sorted(set(numbers))
    expected = distinct == list(range(distinct[0], distinct[-1] + 1))
    assert numbered_anew([f"A-{x}" for x in distinct]) == expected
    assert not numbered_anew(["B-1", *(f"A-{x}" for x in distinct)])


def test_no_finding_holds_a_value(real: tuple[Table, Table, Table]) -> None:
    train, holdout, _ = real
    found = run(noted(train, 0, "call 617-555-0123 or jane.roe@example.org, SSN 219-09-9999"), train, holdout)
    shown = json.dumps([asdict(f) for f in found.values()])
    values = [*train["patient"].values, *train["mail"].levels, *map(str, train["number"].values), "555-0123", "jane",
              "219-09", *SURNAMES]
    assert not [value for value in values if value in shown]


def test_dates_and_ages_by_kind() -> None:
    day, moment, age = Column("d", "date"), Column("t", "datetime"), Column("Age_at_visit", "integer")
    assert finer_than_a_year(day, cells("date", [0, 365, 731])) == 3
    assert finer_than_a_year(day, cells("date", [0, 365, 730])) == 0  # 1970, 1971 and 1972, each the first of January
    assert finer_than_a_year(moment, cells("datetime", [0, 86_400_000_000])) == 2
    assert finer_than_a_year(Column("x", "integer"), cells("integer", [5])) == 0
    assert above_89(age, cells("integer", [20, 90, 90, 89])) == 0
    assert above_89(age, cells("integer", [20, 90, 93])) == 2
    assert above_89(Column("weight", "integer"), cells("integer", [120])) == 0


def test_postal_codes_of_a_named_column() -> None:
    part = people(60, 0)
    made = Table(part.schema.with_columns((*part.schema.columns, Column("zip", "category"), Column("plz", "integer"))),
                 {**part.columns, "zip": cells("category", ["036", "100"] * 30), "plz": cells("integer", [1234] * 60)})
    found = run(made, made, made)["P0d"]
    assert row(found, "B, three-digit ZIP code of at most 20,000 people")["cells"] == 30
    assert row(found, "B, five-digit postal code")["columns"] == "plz"
    assert found.details["leaked_values"] == 0


def test_placeholders_of_regenerated_columns_are_none() -> None:
    part = people(60, 0)
    schema = part.schema.with_columns((*part.schema.columns, Column("name", "text"), Column("mail", "category",
                                                                                         role="direct-identifier")))
    made = Table(schema, {**part.columns, "name": texts(["[text not synthesised]"] * 60),
                          "mail": cells("category", ["[regenerated]"] * 60)})
    found = run(made, made, made)
    assert {f.state for f in found.values()} == {"uninformative"}
    assert found["P0d"].details["looks_like"] == "C, date finer than a year, by kind of column: visit"


@pytest.mark.parametrize("kind", ["id", "text", "category", "integer", "number"])
def test_odd_columns_give_findings(kind: Kind) -> None:
    base = people(60, 0)
    column = Column("x", kind)
    schema = base.schema.with_columns((*base.schema.columns, column))
    state = np.array([0, MISSING, INVALID] * 20, np.uint8)
    written = kind in ("id", "text", "category")
    values: list[Any] = ["\ud800 line\nline" * 3 if written else 2**62, *([""] * 2 if written else [0] * 2)] * 20
    filled = texts(values) if kind in ("id", "text") else cells(kind, values)
    for part in (empty_cells(column, 60), replace(filled, state=state)):
        made = Table(schema, {**base.columns, "x": part})
        assert all(f.state in ("uninformative", "insufficient_power") for f in run(made, made, made).values())
    if kind == "number":
        wild = cells("number", [np.inf, -np.inf, 1e300, 0.5, 3.0, -0.0] * 10)
        assert tuple(texts_of(wild, kind).texts) == ("0", "3")


def test_columns_that_a_table_lacks_are_left_out(real: tuple[Table, Table, Table]) -> None:
    train, holdout, synth = real
    short = synth.select([name for name in synth.schema.names if name not in ("note", "patient")])
    found = run(short, train, holdout)
    assert found["P0d.text"].breakdown[0]["train_n"] == N  # the addresses hardly repeat: free text, too
    assert row(found["P0d"], "H, NHS number (GB)")
    assert not row(found["P0d"], "keys in patient")


# --- runs of text, slowly ------------------------------------------------------------------------------------

SENTENCES = st.lists(st.lists(st.sampled_from("ab cd"), min_size=0, max_size=16).map("".join), min_size=1, max_size=8)


@given(SENTENCES, SENTENCES, SENTENCES)
@settings(max_examples=60)
def test_runs_match_sets_of_strings(train: list[str], holdout: list[str], synth: list[str]) -> None:
    width = 4

    def runs(text: str) -> set[str]:
        return {text[i : i + width] for i in range(len(text) - width + 1)}

    holders: dict[str, set[int]] = defaultdict(set)
    for person, text in enumerate([*train, *holdout]):
        for piece in runs(text):
            holders[piece].add(person)
    given_out = set().union(*map(runs, synth))
    alone = {piece: min(who) for piece, who in holders.items() if len(who) == 1}
    slow = []
    for side in (range(len(train)), range(len(train), len(train) + len(holdout))):
        slow.append((len({p for piece, p in alone.items() if p in side and piece in given_out}),
                     len({p for p in alone.values() if p in side})))
    made = []
    for part in (train, holdout, synth):
        lengths = np.array([len(text) for text in part], np.int64)
        made.append(_verbatim._runs(np.array([ord(c) for text in part for c in text], np.uint64),
                                    np.cumsum(lengths) - lengths, lengths, width))
    fast = _verbatim.people_hit(made, *(Corpus(part, np.arange(len(part)), np.arange(len(part)))
                                        for part in (train, holdout)))
    assert list(fast) == slow


@given(st.lists(st.text(alphabet="ab é\n\ud800", max_size=60), max_size=6), st.integers(1, 80))
@settings(max_examples=60)
def test_runs_of_chunks_match_runs_text_by_text(texts: list[str], chunk: int) -> None:
    plain = [" ".join(text.casefold().split()) for text in texts]
    plain = [text if len(text) >= _verbatim.CHARACTERS else "" for text in plain]
    slow: dict[str, list[tuple[Any, int]]] = {
        "whole cells": [(text, i) for i, text in enumerate(plain) if text],
        "runs of words": [(tuple(words[j : j + 8]), i) for i, text in enumerate(plain)
                          for words in [text.split(" ")] for j in range(len(words) - 7)],
        "runs of characters": [(text[j : j + 20], i) for i, text in enumerate(plain) for j in range(len(text) - 19)]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_verbatim, "CHUNK", chunk)
        fast = _verbatim.all_runs(texts, 1, 1)
    for key, pieces in slow.items():
        runs = fast[key]
        assert runs.texts.tolist() == [i for _, i in pieces]
        numbers = [[x for x, _ in pieces].index(x) for x, _ in pieces]
        assert [runs.hashes.tolist().index(x) for x in runs.hashes.tolist()] == numbers


def test_hashes_are_the_same_in_every_run() -> None:
    symbols = np.array([1, 2, 3], np.uint64)
    assert _verbatim.hashes_of(symbols, np.array([0]), np.array([3])).tolist() == [9885683081670139968]


def test_a_passage_of_one_note_in_fifty_is_found_among_thinned_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run of 20 characters in 20 is looked at: a passage of 160 characters escapes with probability .0007."""
    monkeypatch.setattr(_verbatim, "MOST_RUNS", 4_000)
    monkeypatch.setattr(_verbatim, "CHUNK", 5_000)
    train, holdout, synth = (notes_of(200, seed) for seed in (1, 2, 3))
    copied = synth["note"].values.copy()
    for i in range(4):
        copied[190 + i] = f"{copied[190 + i]} {' '.join(train['note'].values[3 * i].split()[20:50])}"
    found = run(changed(synth, note=texts(list(copied))), train, holdout)["P0d.text"]
    corpora = [_verbatim.corpus(part, ["note"]) for part in (train, holdout, synth)]
    assert _verbatim.thinning(corpora)[1] > 15
    assert row(found, "runs of characters")["train_hits"] == 4
    assert row(found, "runs of characters")["control_hits"] == 0
    assert found.details["leaked_values"] == 4
    assert run(synth, train, holdout)["P0d.text"].details["leaked_values"] == 0


def test_a_copied_note_counts_without_a_note_of_a_holdout_person(real: tuple[Table, Table, Table]) -> None:
    train, holdout, synth = (part.select(["patient", "number", "note"]) for part in real)
    made = noted(synth, 0, str(train["note"].values[9]))
    empty = changed(holdout, note=empty_cells(holdout.schema["note"], N))
    for control in (empty, holdout.select(["patient", "number"])):
        found = run(made, train, control)["P0d.text"]
        assert found.state == "uninformative"
        assert "holdout" in str(found.reason)
        assert found.details["leaked_values"] == 1
        assert row(found, "whole cells")["train_hits"] == 1
        assert run(synth, train, control)["P0d.text"].details["leaked_values"] == 0


def notes_of(n: int, seed: int) -> Table:
    """Notes of 60 made-up words, no two of which share a phrase by chance."""
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(list("abcdefghij"), 6)) for _ in range(60 * n)]
    return Table(Schema((Column("note", "text"), Column("x", "integer"))),
                 {"note": texts([" ".join(words[60 * i : 60 * i + 60]) for i in range(n)]),
                  "x": cells("integer", [1] * n)})


# --- keys and chance -----------------------------------------------------------------------------------------

SIGNS = list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def keyed(values: Sequence[Any], kind: Kind = "id", pattern: str | None = None) -> Table:
    column = Column("mrn", kind, role="direct-identifier", pattern=pattern)
    made = texts([str(v) for v in values]) if kind == "id" else cells(kind, [int(v) for v in values])
    return Table(Schema((column, Column("x", "integer"))), {"mrn": made, "x": cells("integer", [1] * len(values))})


def random_keys(n: int, rng: np.random.Generator, signs: Sequence[str] = SIGNS, length: int = 9) -> list[str]:
    return ["".join(x) for x in rng.choice(list(signs), (n, length))]


@pytest.mark.parametrize("copies, pattern", [(0, None), (1, None), (10, None), (10, "@########")])
def test_real_keys_that_come_out_again_are_a_leak(copies: int, pattern: str | None) -> None:
    rng = np.random.default_rng(copies)
    mine, others, drawn = (random_keys(n, rng) for n in (4_000, 1_000, 4_000))
    made = keyed([*drawn[copies:], *mine[:copies]], pattern=pattern)
    found = run(made, keyed(mine, pattern=pattern), keyed(others, pattern=pattern))["P0d"]
    assert row(found, "keys in mrn")["train_hits"] == copies
    assert found.details["leaked_values"] == copies


def test_real_keys_among_keys_numbered_anew_are_a_leak() -> None:
    rng = np.random.default_rng(0)
    mine, others = random_keys(1_000, rng), random_keys(300, rng)
    made = [*map(str, range(1, 999)), *mine[:2]]
    found = run(keyed(made), keyed(mine), keyed(others))["P0d"]
    assert found.details["leaked_values"] == 2
    bare = run(keyed(made), keyed(mine), keyed(others).select(["x"]))["P0d"]
    assert bare.state == "uninformative"
    assert bare.details["leaked_values"] == 2


def wards(n: int, rng: np.random.Generator) -> list[str]:
    return [f"{('NORTH', 'SOUTH', 'CLINIC', 'MERCY', 'JUDES')[w]}-{i:04d}"
            for w, i in zip(rng.integers(0, 5, n), rng.permutation(9_000)[:n])]


LAWS: dict[str, Any] = {
    "random signs": lambda n, rng: random_keys(n, rng),
    "seven digits": lambda n, rng: [f"{k:07d}" for k in rng.choice(10**7, n, replace=False)],
    "some of few": lambda n, rng: [str(k) for k in rng.choice(2 * n, n, replace=False) + 1],
    "padded, some of few": lambda n, rng: [f"P{k:06d}" for k in rng.choice(2 * n, n, replace=False) + 1],
    "by house": wards,
    "by house, at the end": lambda n, rng: ["-".join(reversed(x.split("-"))) for x in wards(n, rng)],
    "by year": lambda n, rng: [f"{y}{k:04d}" for y, k in zip(rng.integers(2000, 2020, n), rng.integers(0, 3000, n))],
    "two far blocks": lambda n, rng: [str(k + b * 10**8) for k, b in zip(rng.choice(n, n), rng.choice([1, 9], n))],
}


@pytest.mark.parametrize("law", LAWS)
def test_keys_drawn_anew_by_the_same_law_leak_nothing(law: str) -> None:
    """Twenty draws of each law; `LEVEL` allows one false alarm in 1,000, and the tenfold rate far fewer."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mine, others, drawn = (list(dict.fromkeys(LAWS[law](n, rng))) for n in (800, 200, 800))
        shared = [key for key in mine if key in set(drawn)]
        assert beyond_chance(shared, mine, drawn, 0.0, rng) == 0
        if seed == 0:
            found = run(keyed(drawn), keyed(mine), keyed(others))["P0d"]
            assert found.details["leaked_values"] == 0


@pytest.mark.parametrize("numbers", [range(1, 401), range(1, 300), [*range(1, 200), *range(220, 401)]])
def test_keys_regenerated_as_numbers_leak_nothing(numbers: Sequence[int]) -> None:
    """Numbered from 1, in full or with rows left out, where the real keys are some of 1 .. 500."""
    rng = np.random.default_rng(0)
    real_keys = rng.permutation(500) + 1
    for kind in ("id", "integer"):
        parts = [keyed(list(part), kind) for part in (numbers, real_keys[:400], real_keys[400:])]
        assert run(*parts)["P0d"].details["leaked_values"] == 0


def test_expected_meetings_match_simulated_ones() -> None:
    """Five digits, some of 2,000 numbers, 20 draws: 125 +- 3 equal pairs."""
    rng = np.random.default_rng(0)
    told, met = [], []
    for _ in range(20):
        mine, theirs = ([f"{k:05d}" for k in rng.choice(2_000, 500, replace=False)] for _ in range(2))
        told.append(expected(mine, theirs, rng))
        met.append(len(set(mine) & set(theirs)))
    assert 0.9 * np.mean(met) < np.mean(told) < 2 * np.mean(met)


@pytest.mark.parametrize("form", [form for form in FORMS if form.numbers])
def test_ranges_of_numbers_are_what_the_pattern_finds(form: Form) -> None:
    ends = [n for low, high in form.numbers for n in (low - 1, low, high - 1, high)]
    rng = np.random.default_rng(0)
    for number in (*ends, *(int(10**e) for e in rng.uniform(7, 18, 300))):
        inside = any(low <= number < high for low, high in form.numbers)
        assert inside == (form.pattern.fullmatch(str(number)) is not None), number


def test_a_known_number_counts_where_check_digits_do_not_tell(real: tuple[Table, Table, Table]) -> None:
    train, holdout, synth = real
    numbers = np.random.default_rng(0).integers(10**9, 10**10, N)
    numbers[7] = train["number"].values[7]
    found = run(changed(synth, number=cells("integer", numbers.tolist())), train, holdout)["P0d"]
    assert row(found, "H, NHS number (GB)")["train_hits"] == 1
    assert row(found, "H, NHS number (GB)")["cells"] == 1
    assert found.details["leaked_values"] == 1


def test_memory_of_whole_numbers_does_not_grow_with_the_columns() -> None:
    """20 columns of 50,000 long numbers: as texts of all three tables, over 200 MiB."""
    rng = np.random.default_rng(0)
    schema = Schema(tuple(Column(f"c{j}", "integer") for j in range(20)))
    parts = [Table(schema, {f"c{j}": cells("integer", rng.integers(10**9, 10**16, n).tolist()) for j in range(20)})
             for n in (50_000, 50_000, 12_500)]
    samples = prepare(*parts, seed=1)
    tracemalloc.start()
    identifiers(samples)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 16 * 2**20


def test_holders_are_the_cells_of_a_hit() -> None:
    column = Texts(("a", "b", "c"), np.array([0, 2, 3, 5]), np.array([1, 0, 1, 2]))
    hits = [Hit(i, text) for i, text in enumerate(column.texts) if text in "bc"]
    held = column.held(hits, np.array([10, 11, 12, 13, 14, 15]))
    cells_held = sorted((held.values[i], owner) for i, owner in zip(held.which.tolist(), held.owners.tolist()))
    assert cells_held == [("b", 10), ("b", 13), ("c", 15)]
    assert column.cells(hits) == 3
