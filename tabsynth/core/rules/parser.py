"""From text to a condition tree: a tokenizer and a recursive-descent parser that also checks types.

    condition  := and-part ("or" and-part)*
    and-part   := not-part ("and" not-part)*
    not-part   := "not" not-part | "(" condition ")" | comparison
    comparison := side ("==" | "!=" | "<" | "<=" | ">" | ">=") side
                | column ["not"] "in" "[" literal ("," literal)* "]"
                | column "is" ["not"] "missing"
    side       := column | literal            (at least one side is a column)
    column     := word | `any text`           (a word: letters, digits, "_", "-", ".")
    literal    := number | 'text' | "text" | true | false
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn

from tabsynth.core.errors import ColumnNotFoundError, RuleError
from tabsynth.core.rules.literals import Literal, canonical
from tabsynth.core.rules.tree import (
    MICROSECONDS_PER_DAY,
    MIRRORED,
    All,
    Among,
    Any_,
    Missing,
    Node,
    Not,
    Ordered,
    Pair,
)
from tabsynth.core.schema import NUMERIC, Column, Schema

KEYWORDS: Final = frozenset({"and", "or", "not", "in", "is", "missing", "true", "false"})
MAX_DEPTH: Final = 64

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>'(?:[^']|'')*' | "(?:[^"]|"")*")
      | (?P<name>`(?:[^`]|``)+`)
      | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.-]))
      | (?P<word>\w[\w.-]*)
      | (?P<sign>==|!=|<=|>=|<|>)
      | (?P<mark>[()\[\],])""",
    re.VERBOSE,
)
_HINTS: Final = {
    "=": "write '==' for equality", "&": "write 'and'", "|": "write 'or'", "!": "write 'not' or '!='",
    "'": "the quote is not closed", '"': "the quote is not closed", "`": "the backtick is not closed",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text. kind: a group of ``_TOKEN``, "keyword" or "end"; at: 1-based position."""

    kind: str
    text: str
    at: int


def parse(text: str, schema: Schema) -> Node:
    """The tree of a condition, with literals turned into canonical values of the columns.

    Raises:
        RuleError: with the position and what was expected.
    """
    return _Parser(text, schema).whole()


def tokenize(text: str) -> list[Token]:
    """The tokens of a text and an "end" token.

    >>> [t.text for t in tokenize("`temp °C` >= -1.5 and sex in ['f']")]
    ['temp °C', '>=', '-1.5', 'and', 'sex', 'in', '[', 'f', ']', '']
    """
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            hint = _HINTS.get(text[at], "this character has no meaning here")
            raise RuleError(f"condition {text!r}, position {at + 1}: {text[at]!r} cannot be read; {hint}.")
        kind = str(match.lastgroup)
        if kind != "space":
            tokens.append(_token(kind, match.group(), at + 1))
        at = match.end()
    return [*tokens, Token("end", "", len(text) + 1)]


def _token(kind: str, text: str, at: int) -> Token:
    if kind in ("text", "name"):
        quote = text[0]
        return Token(kind, text[1:-1].replace(quote * 2, quote), at)
    if kind == "word" and text in KEYWORDS | {k.upper() for k in KEYWORDS}:
        return Token("keyword", text.lower(), at)
    return Token(kind, text, at)


class _Parser:
    """One pass over the tokens; every method reads one line of the grammar."""

    def __init__(self, text: str, schema: Schema) -> None:
        self.text, self.schema = text, schema
        self.tokens, self.at, self.depth = tokenize(text), 0, 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def whole(self) -> Node:
        node = self.condition()
        if self.next.kind != "end":
            self.fail("expected 'and', 'or' or the end")
        return node

    def condition(self) -> Node:
        parts = [self.and_part()]
        while self.accept("or"):
            parts.append(self.and_part())
        return parts[0] if len(parts) == 1 else Any_(tuple(parts))

    def and_part(self) -> Node:
        parts = [self.not_part()]
        while self.accept("and"):
            parts.append(self.not_part())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def not_part(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested more than {MAX_DEPTH} deep; expected a simpler condition")
        if self.accept("not"):
            node: Node = Not(self.not_part())
        elif self.accept("("):
            node = self.condition()
            self.expect(")")
        else:
            node = self.comparison()
        self.depth -= 1
        return node

    def comparison(self) -> Node:
        at = self.next
        left = self.side()
        if isinstance(left, Column):
            if self.accept("is"):
                negated = self.accept("not")
                self.expect("missing")
                return Not(Missing(left.name)) if negated else Missing(left.name)
            if self.next.text in ("in", "not") and self.next.kind == "keyword":
                negated = self.accept("not")
                self.expect("in")
                node = Among(left.name, left.kind, self.members(left))
                return Not(node) if negated else node
        sign = self.next
        if sign.kind != "sign":
            self.fail("expected ==, !=, <, <=, >, >=, in, not in or is" if isinstance(left, Column)
                      else "expected ==, !=, <, <=, > or >=")
        self.at += 1
        right_at = self.next
        right = self.side()
        if isinstance(left, Column):
            return self.against(left, sign, right, right_at)
        if isinstance(right, Column):
            return self.against(right, Token("sign", MIRRORED[sign.text], sign.at), left, at)
        return self.fail("one side of a comparison must be a column", at)

    def against(self, column: Column, sign: Token, other: Column | Literal, at: Token) -> Node:
        """column sign other, negated equality written as Not."""
        if sign.text == "!=":
            return Not(self.against(column, Token("sign", "==", sign.at), other, at))
        if sign.text != "==" and column.kind not in NUMERIC:
            self.fail(f"column {column.name!r} is of kind {column.kind} and has no order; expected == or in", sign)
        if isinstance(other, Column):
            return Pair(column.name, sign.text, other.name, self.scales(column, other, at))
        value = self.value(column, other, at)
        if sign.text == "==":
            return Among(column.name, column.kind, (value,))
        assert not isinstance(value, str)
        return Ordered(column.name, sign.text, value)

    def scales(self, left: Column, right: Column, at: Token) -> tuple[int, int]:
        """Factors that make two columns comparable; refuses kinds that are not."""
        if left.kind == right.kind and (left.timezone is None) == (right.timezone is None):
            return 1, 1
        kinds = {left.kind, right.kind}
        if kinds == {"number", "integer"}:
            return 1, 1
        if kinds == {"date", "datetime"} and left.timezone is None and right.timezone is None:
            return (MICROSECONDS_PER_DAY, 1) if left.kind == "date" else (1, MICROSECONDS_PER_DAY)
        zone = ", one with a time zone and one without" if left.kind == right.kind else ""
        self.fail(f"columns {left.name!r} ({left.kind}) and {right.name!r} ({right.kind}) cannot be compared{zone};"
                  " expected a column of the same kind", at)

    def members(self, column: Column) -> tuple[bool | int | float | str, ...]:
        self.expect("[")
        found = []
        while True:
            at = self.next
            literal = self.literal()
            if literal is None:
                self.fail("expected a literal: a number, true, false or a text in quotes")
            found.append(self.value(column, literal, at))
            if not self.accept(","):
                self.expect("]")
                return tuple(dict.fromkeys(found))

    def side(self) -> Column | Literal:
        literal = self.literal()
        if literal is not None:
            return literal
        token = self.next
        if token.kind not in ("word", "name"):
            self.fail("expected a column name or a literal")
        self.at += 1
        if token.text not in self.schema.by_name:
            error = ColumnNotFoundError(token.text, source="the schema", columns=self.schema.names)
            raise RuleError(f"condition {self.text!r}, position {token.at}: {error.message}",
                            fix=f"{error.fix} Texts and dates are written in quotes.")
        return self.schema.by_name[token.text]

    def literal(self) -> Literal | None:
        token = self.next
        value: bool | int | float | str
        if token.kind == "text":
            value = token.text
        elif token.kind == "number":
            value = int(token.text) if re.fullmatch(r"[+-]?\d+", token.text) else float(token.text)
        elif token.kind == "keyword" and token.text in ("true", "false"):
            value = token.text == "true"
        else:
            return None
        self.at += 1
        return Literal(value, token.text)

    def value(self, column: Column, literal: Literal, at: Token) -> bool | int | float | str:
        try:
            return canonical(column, literal)
        except ValueError as error:
            self.fail(str(error), at)

    def accept(self, text: str) -> bool:
        if self.next.kind in ("keyword", "mark") and self.next.text == text:
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.fail(f"expected {text!r}")

    def fail(self, what: str, at: Token | None = None) -> NoReturn:
        token = at or self.next
        found = "" if at else (", found the end" if token.kind == "end" else f", found {token.text!r}")
        stop = "" if what.endswith("?") and not found else "."
        raise RuleError(f"condition {self.text!r}, position {token.at}: {what}{found}{stop}")
