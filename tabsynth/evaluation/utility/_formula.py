"""Formulas of declared analyses, read as data: a small parser of our own, so that nothing in a schema is ever run.

    formula := [factor] "~" sum
    sum     := product ("+" product)*
    product := inter ("*" inter)*            a*b is a + b + a:b
    inter   := factor (":" factor)*
    factor  := column | "log" "(" column ")" | "factor" "(" column ")" | "1"
    column  := word | `any text`             (a word: letters, digits, "_", "-", ".")

The intercept is always there; "1" may say so.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Final, NoReturn

from tabsynth.core.errors import ColumnNotFoundError, RuleError
from tabsynth.core.schema import Schema

FUNCTIONS: Final = ("log", "factor")
WIDEST: Final = 4
"""Most columns of one product."""
MOST_TERMS: Final = 100

_TOKEN: Final = re.compile(r"(?P<space>\s+)|(?P<name>`(?:[^`]|``)+`)|(?P<word>\w[\w.-]*)|(?P<mark>[~+:*()])")


@dataclass(frozen=True, slots=True, order=True)
class Factor:
    """One column as it enters the model: as it is, as its natural logarithm, or with each value a level."""

    column: str
    how: str = "plain"

    def __str__(self) -> str:
        return self.column if self.how == "plain" else f"{self.how}({self.column})"


Term = tuple[Factor, ...]
"""Factors that are multiplied; one factor is a main effect."""


@dataclass(frozen=True, slots=True)
class Formula:
    """outcome ~ terms. The outcome of a survival model is its time and event, so that it has none here."""

    outcome: Factor | None
    terms: tuple[Term, ...]


def parse_formula(text: str, schema: Schema, *, analysis: str) -> Formula:
    """The formula of an analysis.

    Args:
        text: such as ``died ~ age + sex + age:sex + log(`crea °`)``.
        analysis: what the analysis is called in errors.

    Raises:
        RuleError: with the analysis, the position and the token.
    """
    return _Parser(text, schema, analysis).whole()


class _Parser:
    """One pass over the tokens; every method reads one line of the grammar."""

    def __init__(self, text: str, schema: Schema, analysis: str) -> None:
        self.text, self.schema, self.analysis = text, schema, analysis
        self.tokens, self.at = self.tokenize(), 0

    def tokenize(self) -> list[tuple[str, str, int]]:
        """(kind, text, position) of every token and an "end"; positions count from 1."""
        tokens, at = [], 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                self.fail(f"{self.text[at]!r} cannot be read; names with such characters go in `backticks`", at + 1)
            kind, token = str(match.lastgroup), match.group()
            if kind != "space":
                tokens.append((kind, token[1:-1].replace("``", "`") if kind == "name" else token, at + 1))
            at = match.end()
        return [*tokens, ("end", "", len(self.text) + 1)]

    def whole(self) -> Formula:
        outcome = None
        if any(token[:2] == ("mark", "~") for token in self.tokens):
            outcome = None if self.accept("~") else self.factor()
            if outcome is not None:
                self.expect("~")
        terms = self.sum()
        if self.tokens[self.at][0] != "end":
            self.fail("expected +, *, : or the end")
        if outcome is not None and any(factor.column == outcome.column for term in terms for factor in term):
            self.fail(f"the outcome {outcome.column!r} explains itself", 1)
        return Formula(outcome, terms)

    def sum(self) -> tuple[Term, ...]:
        terms = self.product()
        while self.accept("+"):
            terms += self.product()
        if len(terms) > MOST_TERMS:
            self.fail(f"more than {MOST_TERMS} terms", 1)
        return tuple(dict.fromkeys(term for term in terms if term))

    def product(self) -> list[Term]:
        parts = [self.interaction()]
        while self.accept("*"):
            parts.append(self.interaction())
        if sum(map(len, parts)) > WIDEST:
            self.fail(f"a product of more than {WIDEST} columns")
        return [tuple(sorted(set(itertools.chain(*chosen)))) for size in range(1, len(parts) + 1)
                for chosen in itertools.combinations(parts, size)]

    def interaction(self) -> Term:
        factors = [self.factor()]
        while self.accept(":"):
            factors.append(self.factor())
        return tuple(factor for factor in factors if factor is not None)

    def factor(self) -> Factor | None:
        """A column, or None for "1"."""
        kind, token, _ = self.tokens[self.at]
        if kind not in ("word", "name"):
            self.fail("expected a column name")
        following = self.tokens[self.at + 1][1]
        if kind == "word" and token in FUNCTIONS and following == "(":
            self.at += 2
            column = self.column()
            self.expect(")")
            return Factor(column, token)
        if token == "1" and token not in self.schema.by_name:
            self.at += 1
            return None
        return Factor(self.column())

    def column(self) -> str:
        kind, name, at = self.tokens[self.at]
        if kind not in ("word", "name"):
            self.fail("expected a column name")
        if name not in self.schema.by_name:
            error = ColumnNotFoundError(name, source="the schema", columns=self.schema.names)
            self.fail(error.message.rstrip("."), at)
        if not self.schema[name].modelled:
            self.fail(f"column {name!r} is not a compared column", at)
        self.at += 1
        return name

    def accept(self, mark: str) -> bool:
        if self.tokens[self.at][:2] == ("mark", mark):
            self.at += 1
            return True
        return False

    def expect(self, mark: str) -> None:
        if not self.accept(mark):
            self.fail(f"expected {mark!r}")

    def fail(self, what: str, at: int | None = None) -> NoReturn:
        if at is None:
            kind, token, at = self.tokens[self.at]
            what += ", found the end" if kind == "end" else f", found {token!r}"
        raise RuleError(f"{self.analysis}: formula {self.text!r}, position {at}: {what}.")
