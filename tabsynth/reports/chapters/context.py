"""Chapter 2: what the synthetic table is for, who receives it, and from whom it was learned."""

from __future__ import annotations

from tabsynth.reports import wording
from tabsynth.reports.blocks import Chapter, Pairs, Text
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.context import stated_population


def chapter(reading: Reading) -> Chapter:
    """Context, with blanks where nobody said anything."""
    data, verdict = reading.document["dataset"], reading.document["verdict"]
    facts = (
        ("Table", data["name"]), ("Population", stated_population(data)), ("Purpose", data["purpose"]),
        ("Recipient", data["recipient"]), ("Legal basis", data["legal_basis"]),
        ("Other data within the recipient's reach", "; ".join(data["data_sources"])),
        ("Answers for the remaining risk", data["owner"]), ("Review due", data["review_date"]),
        ("One person is", wording.one_person(data["unit"])),
        ("Release profile", verdict["policy"]))
    return Chapter("context", "Context", (
        Text(wording.CONTEXT), Text(wording.STATED, small=True),
        Pairs(tuple((name, value or wording.NOT_STATED) for name, value in facts))))
