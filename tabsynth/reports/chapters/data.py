"""Chapter 3: the table, its columns, and what was done to them before anything was learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tabsynth.reports import numbers
from tabsynth.reports.blocks import Block, Bullets, Chapter, Fold, Heading, Table
from tabsynth.reports.chapters.reading import Reading

SHOWN_AT_FIRST = 24
"""A list of more columns is folded away."""


def chapter(reading: Reading) -> Chapter:
    """Records, columns, decisions, rules."""
    return Chapter("data", "Data and preparation", tuple(_blocks(reading.document)))


def _blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    if (records := counts(document)) is not None:
        yield records
    data = document["dataset"]
    if data["columns"]:
        listed = Table(("Column", "Kind", "Role", "Treatment", "Source of bounds and levels"), tuple(
            (c["name"], c["kind"], c["role"], c["treatment"], c["source"] or "\N{EN DASH}") for c in data["columns"]),
            "Columns")
        yield Fold(f"{len(data['columns'])} columns: {_kinds(data['columns'])}", (listed,),
                   open=len(data["columns"]) <= SHOWN_AT_FIRST)
    if (done := decisions(document)) is not None:
        yield done
    if data["rules"]:
        yield Heading("Rules that every synthetic row obeys")
        yield Bullets(tuple(data["rules"]), code=True)


def counts(document: Mapping[str, Any]) -> Table | None:
    """Rows and people of the three tables, as far as the class shows them."""
    data = document["dataset"]["counts"]
    rows = tuple((label, numbers.count(data[f"{key}_rows"]), numbers.count(data[f"{key}_units"]))
                 for key, label in (("train", "Training"), ("holdout", "Holdout"), ("synthetic", "Synthetic"))
                 if data[f"{key}_rows"] is not None or data[f"{key}_units"] is not None)
    return Table(("Table", "Rows", "People"), rows, "Records", numeric=(1, 2)) if rows else None


def decisions(document: Mapping[str, Any]) -> Table | None:
    """What was pooled, replaced or dropped."""
    rows: list[tuple[str, ...]] = [(d["column"], d["action"], numbers.count(d["n_levels"]),
                  "\N{EN DASH}" if d["share"] is None else numbers.percent(d["share"]), d["source"],
                  ", ".join(d["names"])) for d in document["dataset"]["decisions"]]
    if not rows:
        return None
    head: tuple[str, ...] = ("Column", "What was done", "Levels", "Share of rows", "Follows from", "Names")
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    return Table(head, tuple(rows), "What was pooled, replaced or dropped before fitting", numeric=(2, 3))


def _kinds(columns: list[Mapping[str, Any]]) -> str:
    """Columns by kind, most frequent first."""
    kinds = [c["kind"] for c in columns]
    return ", ".join(f"{n} {kind}" for kind, n in
                     sorted(((k, kinds.count(k)) for k in set(kinds)), key=lambda pair: (-pair[1], pair[0])))
