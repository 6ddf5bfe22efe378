"""What a policy asks of a release beside the attacks: facts that must hold, and numbers that findings must reach.

A requirement is held against facts (epsilon, people, generation), most of which are known before a row is fitted; a
bound against a number of a finding. Each gives a `Gate`: met, not met, or not known, which asks for a review.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tabsynth.core import registry
from tabsynth.core.finding import Finding

Asked = Literal["required", "measured", "at least", "at most"]
Fact = Literal["guarantee", "unit", "epsilon", "delta", "total_epsilon", "total_delta", "train_people",
               "holdout_people", "generation_depth"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a release beside its findings; None = not known, or not yet.

    Args:
        guarantee: it stands under differential privacy.
        unit: somebody has said which rows belong to one person, or that each is another's.
        epsilon, delta: of this release, infinite where no guarantee bounds anything.
        total_epsilon, total_delta: of everything released about the population, this release included.
        train_people, holdout_people: units learned from, and kept from the model.
        generation_depth: 1 = learned from real rows.
    """

    guarantee: bool | None = None
    unit: bool | None = None
    epsilon: float | None = None
    delta: float | None = None
    total_epsilon: float | None = None
    total_delta: float | None = None
    train_people: int | None = None
    holdout_people: int | None = None
    generation_depth: int | None = None


UNBOUNDED: Final = Facts(guarantee=False, epsilon=math.inf, delta=math.inf, total_epsilon=math.inf,
                         total_delta=math.inf)
"""What is known of a release without differential privacy: nothing bounds it."""

_SMALLER: Final = "Ask for a smaller --epsilon or --delta; what was spent on the population stays spent."
_PEOPLE: Final = "Provide more people, or choose another --holdout share."
_FACTS: Final[Mapping[str, tuple[str, Asked, str]]] = {
    "guarantee": ("A differential-privacy guarantee", "required", "Release with --epsilon E."),
    "unit": ("The unit of privacy, named", "required",
             "Name the person's column with --unit COLUMN or role: unit in the schema, or say --unit row."),
    "epsilon": ("Epsilon of this release", "at most", "Ask for a smaller --epsilon."),
    "delta": ("Delta of this release", "at most", "Ask for a smaller --delta."),
    "total_epsilon": ("Epsilon of all releases about the population", "at most", _SMALLER),
    "total_delta": ("Delta of all releases about the population", "at most", _SMALLER),
    "train_people": ("People learned from", "at least", _PEOPLE),
    "holdout_people": ("People kept from the model", "at least", _PEOPLE),
    "generation_depth": ("Generations from real rows", "at most", "Learn from real rows, not from synthetic ones."),
}
"""Fact -> (what it is, how it is limited, what to change)."""

FROM_REAL_ROWS: Final = frozenset({"train_people", "holdout_people"})
"""Facts that are counted in the real table, and outside the budget of a release with a guarantee."""

_CHANGE: Final[Mapping[str, str]] = {
    "privacy": "Release with --epsilon or a smaller one, with --mode cautious, or with fewer columns.",
    "": "Try another --model, more rows or, with a guarantee, a larger --epsilon; or ask less of this table.",
}


def _measured(finding: str) -> str:
    if (problem := unknown_finding(finding)) is not None:
        raise ValueError(problem)
    return finding


MeasuredId = Annotated[str, AfterValidator(_measured)]
"""Id of a finding on which a policy may hold a limit."""


class Limited(BaseModel):
    """A limit, and where it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_least: float | None = Field(default=None, allow_inf_nan=False)
    at_most: float | None = Field(default=None, allow_inf_nan=False)
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if self.at_least is not None and self.at_most is not None:
            raise ValueError("give at_least or at_most; a second entry holds the other")
        return self

    @property
    def limit(self) -> float | None:
        return self.at_most if self.at_least is None else self.at_least

    @property
    def asked(self) -> Asked | None:
        """The side that the file gives; None where it gives no number."""
        return None if self.limit is None else "at most" if self.at_least is None else "at least"

    def keeps(self, value: float) -> bool:
        """True for a value on the right side of the limit."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


class Requirement(Limited):
    """A fact that a release must have: ``fact: epsilon, at_most: 1``, or ``fact: guarantee`` alone."""

    fact: Fact

    @model_validator(mode="after")
    def _as_the_fact_is(self) -> Self:
        asked = _FACTS[self.fact][1]
        if (self.asked or "required") != asked:
            raise ValueError(f"{self.fact} takes " + (
                "no number" if asked == "required" else f"a number under {asked.replace(' ', '_')}"))
        return self


class Bound(Limited):
    """A number of a finding on one side of a limit; without one, the finding must have been measured.

    of: "value", "normalised", or a detail that the measure's FACTS list under "numbers".
    """

    finding: MeasuredId
    of: str = "value"

    @model_validator(mode="after")
    def _has_that_number(self) -> Self:
        if self.of not in (have := numbers_of(self.finding)):
            raise ValueError(f"{self.finding} has no number {self.of!r}; it has: {', '.join(have)}")
        return self


@dataclass(frozen=True, slots=True)
class Gate:
    """One requirement or bound, held.

    Args:
        name: a fact, or the id of a finding; of: which number of the finding, None for a fact.
        what: the same in words.
        value: None where it is not known, or nothing bounds it.
        asked, limit: what is asked for. "required" and "measured" have no limit.
        met: None = not known; a person must look.
        source: of the limit.
        reason: why it is not met, and what to change; no number stands in it. "" where it is met.
    """

    name: str
    of: str | None
    what: str
    value: float | None
    asked: Asked
    limit: float | None
    met: bool | None
    source: str
    reason: str

    @property
    def title(self) -> str:
        """What it is, and its name in a policy.

        >>> Gate("kway.2", "normalised", "Pairs", 0.4, "at least", 0.5, False, "us", "").title
        'Pairs (kway.2, normalised)'
        """
        return f"{self.what} ({self.name}{'' if self.of in (None, 'value') else f', {self.of}'})"

    def __str__(self) -> str:
        value = "not known" if self.value is None else f"{self.value:.{10 if self.of is None else 4}g}"
        asked = self.asked if self.limit is None else f"{self.asked} {self.limit:.10g}"
        told = f"{self.title}: {asked}" if self.limit is None else f"{self.title}: {value}, {asked} is asked for"
        return f"{told} (source: {self.source}). {self.reason}".rstrip()


def known_findings() -> dict[str, str]:
    """Finding id -> section, of every measure that a policy may hold a limit on: diagnostics are no evidence."""
    return {finding: str(plugin.facts.get("section", "")) for plugin in registry.plugins("measures").values()
            for finding in plugin.facts.get("findings", (plugin.name,)) if plugin.facts.get("section") != "diagnostic"}


def unknown_finding(finding: str) -> str | None:
    """Why no limit can be held on `finding`, or None.

    >>> unknown_finding("kway.2") is None, str(unknown_finding("kwai.2"))[:54]
    (True, "no finding is called 'kwai.2' (did you mean 'kway.2'?)")
    """
    have = sorted(known_findings())
    if finding in have:
        return None
    near = difflib.get_close_matches(finding, have, n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return (f"no finding is called {finding!r}{meant}, or it is a diagnostic, on which no limit rests; there are: "
            f"{', '.join(have)}")


def numbers_of(finding: str) -> tuple[str, ...]:
    """The numbers of a finding that a bound may hold."""
    further = (plugin.facts["numbers"].get(finding, ()) for plugin in registry.plugins("measures").values()
               if "numbers" in plugin.facts)
    return ("value", "normalised", *(name for names in further for name in names))


def number_in(finding: Finding, of: str) -> float | None:
    """That number of a finding, or None where there is none."""
    number = {"value": finding.value, "normalised": finding.normalised}.get(of, finding.details.get(of))
    usable = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
    return float(number) if usable and number is not None else None


def require(requirements: Iterable[Requirement], facts: Facts) -> tuple[Gate, ...]:
    """The requirements held against what is known."""
    return tuple(_held(requirement, getattr(facts, requirement.fact)) for requirement in requirements)


def hold(bounds: Iterable[Bound], made: Mapping[str, Finding]) -> tuple[Gate, ...]:
    """The bounds held against the findings, by id. A number that was not measured meets no limit."""
    sections = known_findings()
    return tuple(_reached(bound, made.get(bound.finding), sections[bound.finding]) for bound in bounds)


def _held(requirement: Requirement, known: float | None) -> Gate:
    what, asked, change = _FACTS[requirement.fact]
    met = None if known is None else bool(known) if asked == "required" else requirement.keeps(known)
    reason = {True: "", None: f"This is not known here. {change}", False: change}[met]
    if known == math.inf and not met:
        reason = f"Without a guarantee nothing bounds it. {_FACTS['guarantee'][2]}"
    value = None if known is None or asked == "required" or math.isinf(known) else float(known)
    return Gate(requirement.fact, None, what, value, asked, requirement.limit, met, requirement.source, reason)


def _reached(bound: Bound, finding: Finding | None, section: str) -> Gate:
    value = None if finding is None else number_in(finding, bound.of)
    met = value is not None and bound.keeps(value)
    reason = "" if met else _CHANGE.get(section, _CHANGE[""])
    if finding is None:
        reason = "It was not part of this run."
    elif value is None:
        reason = "There is no such number; the finding says why."
    what = bound.finding if finding is None else finding.title
    return Gate(bound.finding, bound.of, what, value, bound.asked or "measured", bound.limit,
                met or (None if bound.asked is None else False), bound.source, reason)
