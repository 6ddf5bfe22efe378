"""Chapter 2: what the synthetic table is for, who receives it, and from whom it was learned."""

from __future__ import annotations

from tabsynth.reports import wording
from tabsynth.reports.blocks import Chapter, Pairs, Text
from tabsynth.reports.chapters.reading import Reading


def chapter(reading: Reading) -> Chapter:
    """Context, with blanks where nobody said anything."""
    data, verdict = reading.document["dataset"], reading.document["verdict"]
    facts = (
        ("Table", data["name"]), ("Population", data["population"]), ("Purpose", data["purpose"]),
        ("Recipient", data["recipient"]), ("Legal basis", data["legal_basis"]),
        ("Sources of the data", "; ".join(data["data_sources"])), ("Answers for the remaining risk", data["owner"]),
        ("Review due", data["review_date"]),
        ("One person is", "one row" if data["unit"] == "row" else f"all rows of one {data['unit']}"),
        ("Release profile", verdict["policy"]))
    return Chapter("context", "Context", (
        Text(wording.CONTEXT), Text(wording.STATED, small=True),
        Pairs(tuple((name, value or wording.NOT_STATED) for name, value in facts))))
