"""Chapter 12: what named persons decide. Software leaves these blank."""

from __future__ import annotations

from tabsynth.reports import wording
from tabsynth.reports.blocks import Chapter, Form, Forms, Text
from tabsynth.reports.chapters.reading import Reading

LINES = (("Name", "name"), ("Decision", "decision"), ("Conditions", "conditions"), ("Date", "date"),
         ("Expires", "expires"), ("Signature", "signature"))


def chapter(reading: Reading) -> Chapter:
    """One blank form for each person whom a law or a board asks; two packs that ask one person the same share it."""
    asked = {(d["role"], d["question"]): d for d in reading.document["determinations"]}
    forms = tuple(Form(role, question, tuple((label, d[key] or "") for label, key in LINES))
                  for (role, question), d in asked.items())
    return Chapter("determinations", "Human determinations", (Text(wording.DECISIONS), Forms(forms)), new_page=True)
