"""Dated packs of what law and guidance say, a file each: no legal text is hard-coded, and a report names its packs.

A pack holds sources, criteria, the questions of its annexes and of the people who decide. It holds no answer: those are
found by `tabsynth.reports.annexes` in what was measured, or are left blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from tabsynth.core import yaml_text
from tabsynth.core.errors import UsageError
from tabsynth.reports.model import CriterionPart, GuidancePart, IsoDate, Part, SourcePart, Status, Text

DEFAULT: Final = ("eu-2026-11", "us-hipaa-2026-11")


class Question(Part):
    """A line of an annex. source: id of the pack's source that asks it."""

    key: Text
    question: Text
    source: Text


class Annex(Part):
    """What the pack asks of one annex (a file of ``reports/annexes``)."""

    id: Text
    title: Text
    intro: Text
    rows: Annotated[list[Question], Field(min_length=1)]


class Determination(Part):
    """What a named person decides."""

    role: Text
    question: Text


class Pack(Part):
    """One file. wording: sentences that stand beside whatever the pack is used for."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z-]*-\d{4}-\d{2}$")]
    jurisdiction: Text
    date: IsoDate
    status: Status
    sources: list[SourcePart]
    criteria: list[CriterionPart]
    wording: list[Text]
    determinations: Annotated[list[Determination], Field(min_length=1)]
    annexes: list[Annex]

    @model_validator(mode="after")
    def _sources_are_listed(self) -> Self:
        used = {c.source for c in self.criteria} | {row.source for annex in self.annexes for row in annex.rows}
        if unknown := used - {source.id for source in self.sources}:
            raise ValueError(f"the source {min(unknown)!r} is not listed")
        return self

    def part(self) -> GuidancePart:
        """What a report says of the pack."""
        return GuidancePart(
            id=self.id, jurisdiction=self.jurisdiction, date=self.date, status=self.status, sources=self.sources,
            criteria=self.criteria, wording=self.wording, annexes=[annex.id for annex in self.annexes])

    def cited(self, source_id: str) -> str:
        """A source as a line: reference and date."""
        found = next(source for source in self.sources if source.id == source_id)
        return f"{found.reference} ({found.date})"


def packs() -> tuple[str, ...]:
    """The packs that come with tabsynth, sorted."""
    return tuple(sorted(path.name.removesuffix(".yaml") for path in files(__name__).iterdir()
                        if path.name.endswith(".yaml")))


@cache
def pack(name: str) -> Pack:
    """One pack, checked.

    Raises:
        UsageError: there is no pack of this name; lists those there are.
    """
    if name not in packs():
        raise UsageError(f"there is no guidance pack called {name!r}; there are: {', '.join(packs())}.")
    source = f"{name}.yaml"
    return Pack.model_validate(yaml_text.load(files(__name__).joinpath(source).read_text("utf-8"), source))


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Names of packs as a person typed them, each once.

    Raises:
        UsageError: one of them is no pack, or there is none.

    >>> chosen(["uk-2026-11", "uk-2026-11"])
    ('uk-2026-11',)
    """
    if not names:
        raise UsageError(f"a report needs a guidance pack; there are: {', '.join(packs())}.")
    return tuple(dict.fromkeys(pack(name).id for name in names))
