"""sample --given, --balance and impute through the real command line, at 80 columns."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from tests.end_to_end.conftest import SECRET, Command

Rows = list[dict[str, str]]


@pytest.fixture
def model(tabsynth_here: Command, patients: Path, schema: Path, tmp_path: Path) -> Path:
    run = tabsynth_here("fit", patients, "--schema", schema, "--model", "seqforest", "--seed", 1, "-o", "m.tabsynth")
    assert run.code == 0, run.err
    return tmp_path / "m.tabsynth"


def rows(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def fits(text: str) -> str:
    """The text in one line, of which no line was longer than the terminal."""
    assert max(map(len, text.splitlines()), default=0) <= 80, text
    return " ".join(text.split())


def test_given_says_how_exact_it_is(tabsynth_here: Command, model: Path, patients: Path, tmp_path: Path) -> None:
    tabsynth_here("fit", patients, "--unit", "row", "--model", "seqforest", "-o", "rows.tabsynth")
    (tmp_path / "given.csv").write_text("sex\n" + "f\nm\n" * 10, "utf-8")
    run = tabsynth_here("sample", "rows.tabsynth", "--given", "given.csv", "--seed", 1, "-o", "g.csv")
    assert run.code == 0, run.err
    assert "conditioning on sex: exact" in fits(run.err)
    (tmp_path / "late.csv").write_text("admitted,discharged\n" + "2024-03-09,2024-03-10\n" * 20, "utf-8")
    run = tabsynth_here("sample", model, "--given", "late.csv", "--seed", 1, "-o", "l.csv", "--json")
    found = run.document["conditioning"]
    assert found["columns"] == ["admitted", "discharged"]
    assert not found["exact"]
    assert 1 <= found["least"] <= found["median"] <= found["particles"] == 32
    assert f"median effective sample size {found['median']:.1f} of 32" in fits(run.err)
    assert tabsynth_here("sample", model, "--given", "late.csv", "-o", "q.csv", "-q").err == ""


def test_a_balanced_table_says_that_it_is(tabsynth_here: Command, model: Path, tmp_path: Path) -> None:
    run = tabsynth_here("sample", model, "-n", 100, "--balance", "ward", "--seed", 1, "-o", "b.parquet", "--json")
    assert run.code == 0, run.err
    assert run.document["balanced"] == {"column": "ward", "levels": 3, "missing_is_a_level": False}
    said = fits(run.err)
    assert "balanced by design: each of 3 levels of ward comes equally often" in said
    assert "Each row is another person" in said
    table = parquet.read_table(tmp_path / "b.parquet")
    assert table.schema.metadata[b"tabsynth.balanced"] == b"ward"
    assert Counter(table["ward"].to_pylist()) == {"icu": 34, "surgery": 33, "medicine": 33}
    assert len(set(table["patient"].to_pylist())) == 100
    run = tabsynth_here("sample", model, "-n", 40, "--balance", "ward", "--balance-missing", "-o", "b.csv")
    assert run.code == 0, run.err
    assert set(Counter(row["ward"] for row in rows(tmp_path / "b.csv")).items()) == {
        ("icu", 10), ("surgery", 10), ("medicine", 10), ("", 10)}


def test_balanced_rows_are_the_same_by_any_number_of_processes(
        tabsynth_here: Command, model: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        run = tabsynth_here("sample", model, "-n", 9_000, "--balance", "sex", "--seed", 3, "--jobs", jobs, "-o",
                            f"{jobs}.csv")
        assert run.code == 0, run.err
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_what_cannot_be_balanced(tabsynth_here: Command, model: Path, tmp_path: Path) -> None:
    sample = ("sample", model, "-o", "x.csv", "-n", 10)
    tabsynth_here(*sample, "--balance", "wart").refused(2, "Did you mean 'ward'?")
    tabsynth_here(*sample, "--balance", "age").refused(2, "kind integer", "Choose one of: sex, ward")
    tabsynth_here(*sample, "--balance", "name").refused(2, "kind text")
    tabsynth_here(*sample, "--balance-missing").refused(2, "needs --balance")
    (tmp_path / "given.csv").write_text("sex\nf\n", "utf-8")
    tabsynth_here("sample", model, "-o", "x.csv", "--given", "given.csv", "--balance", "ward").refused(2, "not both")
    assert not (tmp_path / "x.csv").exists()


def test_impute_fills_and_leaves_the_rest_as_it_was(tabsynth_here: Command, model: Path, patients: Path,
                                                    tmp_path: Path) -> None:
    """Also a column that the model does not know, quoted texts, unreadable cells and numbers in another notation."""
    before = rows(patients)
    for i, row in enumerate(before):
        row["remark"] = 'says "no", twice' if i % 3 else "NA"
        row["ward"] = "" if i % 4 == 0 else row["ward"]
        row["weight"] = "sixty" if i % 10 == 1 else f"{row['weight']}0" if row["weight"] else ""
    with (tmp_path / "gaps.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(before[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(before)
    run = tabsynth_here("impute", model, "gaps.csv", "--seed", 5, "-o", "full.csv")
    assert run.code == 0, run.err
    said = fits(run.err)
    assert "It is personal data, not a synthetic table" in said
    assert "not readable as the column's kind, left as they are: weight 24" in said
    assert "conditioning on what is known of a row: approximate" in said
    assert SECRET not in run.err + run.out
    after = rows(tmp_path / "full.csv")
    assert list(after[0]) == list(before[0])
    for old, new in zip(before, after, strict=True):
        assert all(new[name] == text or (text == "" and new[name]) for name, text in old.items()), (old, new)
        assert new["ward"] in ("icu", "surgery", "medicine")
        float(new["weight"].replace("sixty", "60"))
    tabsynth_here("impute", model, "gaps.csv", "--seed", 5, "-o", "again.csv", "-q")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "full.csv").read_bytes()


def test_several_draws_and_the_mark_of_real_rows(tabsynth_here: Command, model: Path, patients: Path,
                                                 tmp_path: Path) -> None:
    run = tabsynth_here("impute", model, patients, "--seed", 5, "--draws", 2, "-o", "full.parquet", "--json")
    assert run.code == 0, run.err
    document = run.document
    assert (document["synthetic"], document["personal_data"]) == (False, True)
    holes = sum(row["weight"] == "" for row in rows(patients))
    assert document["files"] == [{"file": f"full.{m}.parquet", "filled": holes, "left": 0} for m in (1, 2)]
    assert document["filled"] == {"weight": holes}
    one, two = (parquet.read_table(tmp_path / f"full.{m}.parquet") for m in (1, 2))
    assert one.schema.metadata == {b"tabsynth.synthetic": b"false", b"tabsynth.imputed": b"true"}
    assert not one.equals(two)
    assert one.drop_columns("weight").equals(two.drop_columns("weight"))
    tabsynth_here("impute", model, patients, "--seed", 5, "-o", "alone.parquet")
    assert parquet.read_table(tmp_path / "alone.parquet").equals(one), "the first draw does not depend on how many"


def test_nothing_missing_is_a_copy(tabsynth_here: Command, model: Path, patients: Path, tmp_path: Path) -> None:
    tabsynth_here("impute", model, patients, "-o", "full.csv", "-q")
    run = tabsynth_here("impute", model, "full.csv", "-o", "copy.csv")
    assert "the table is a copy" in fits(run.err)
    assert (tmp_path / "copy.csv").read_bytes() == (tmp_path / "full.csv").read_bytes()
    assert "0 cells filled in copy.csv" in run.out


def test_what_cannot_be_imputed(tabsynth_here: Command, model: Path, patients: Path, tmp_path: Path) -> None:
    (tmp_path / "part.csv").write_text("patient,sex\nP1,f\n", "utf-8")
    tabsynth_here("impute", model, "part.csv", "-o", "x.csv").refused(2, "column 'age' is not in the table")
    tabsynth_here("impute", model, patients, "-o", "x.csv", "--draws", 0).refused(2, "draws must be 1 or more")
    tabsynth_here("impute", model, patients, "-o", "-", "--draws", 2).refused(2, "several draws need files")
    tabsynth_here("impute", model, "none.csv", "-o", "x.csv").refused(3, "none.csv does not exist")
    (tmp_path / "x.2.csv").touch()
    tabsynth_here("impute", model, patients, "-o", "x.csv", "--draws", 2).refused(3, "x.2.csv")
    assert not (tmp_path / "x.1.csv").exists()
    assert tabsynth_here("impute", model, patients, "-o", "-", "-q").out.startswith("patient,name,sex")
