"""Annexes: the questions of a guidance pack, answered as far as the report goes. One annex a file, found by listing.

An annex file has a function of `Evidence` (what the report of this class shows, and nothing else) that returns an
`Answer` for every key that it knows. Which of them are asked, in which words and by which source is the pack's
business. So an annex holds no number that its report does not hold, and each class keeps back what it keeps back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabsynth.core import registry
from tabsynth.reports.annexes._evidence import Answer, Evidence
from tabsynth.reports.guidance import Annex, Pack


def build(document: Mapping[str, Any], packs: Sequence[Pack]) -> list[dict[str, Any]]:
    """The annexes that the packs ask for, as the document holds them.

    Args:
        document: the report of one class, complete but for its annexes.
    """
    evidence = Evidence(document)
    return [_annex(asked, pack, registry.load("annexes", asked.id)(evidence))
            for pack in packs for asked in pack.annexes]


def _annex(asked: Annex, pack: Pack, answers: Mapping[str, Answer]) -> dict[str, Any]:
    rows = [{"key": row.key, "question": row.question, "answer": answers[row.key].text,
             "state": answers[row.key].state, "findings": list(answers[row.key].findings),
             "source": pack.cited(row.source)} for row in asked.rows]
    return {"id": asked.id, "pack": pack.id, "title": asked.title, "intro": asked.intro, "rows": rows}
