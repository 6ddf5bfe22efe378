"""How a delimited text file is written: encoding, byte-order mark, delimiter, line end, decimal mark.

Two ways to find out. `of_header` looks at the byte-order mark and the header line only, so that under a schema
nothing depends on cells (the decimal mark then is ".", unless the schema's dialect says otherwise). `of_sample`
looks at the first rows as well.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from tabsynth.core.errors import SourceError
from tabsynth.core.schema import Dialect

SAMPLE_BYTES: Final = 2**20
DELIMITERS: Final = (",", ";", "\t", "|")

MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

NOT_FOR_TABLES: Final = ("idna", "punycode", "unicode-escape", "unicode_escape", "raw-unicode-escape",
                         "raw_unicode_escape", "undefined")
"""Encodings of host names and of source code, which Python also calls text encodings."""

POINT: Final = re.compile(r"[+-]?\d+\.\d+(?:[eE][+-]?\d+)?")
COMMA: Final = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
COMMA_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+")
POINT_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+")


def of_header(head: bytes, *, label: str, delimiter: str | None = None) -> Dialect:
    """The dialect as far as byte-order mark and header line tell it.

    >>> of_header("Größe;Gewicht\\r\\n".encode("cp1252"), label="x.csv")
    Dialect(delimiter=';', encoding='cp1252', decimal='.', thousands=None, bom=False, newline='\\r\\n')
    """
    encoding, bom = _encoding(head, header_only=True)
    text = decode(head, encoding, label=label)
    return Dialect(delimiter=delimiter or _delimiter(header_line(text)), encoding=encoding, bom=bom,
                   newline=_newline(text))


def of_sample(head: bytes, *, label: str, delimiter: str | None = None) -> Dialect:
    """The dialect as the first rows suggest it.

    >>> of_sample(b"a;b\\n1,5;x\\n1.002,7;y\\n", label="x.csv")
    Dialect(delimiter=';', encoding='utf-8', decimal=',', thousands='.', bom=False, newline='\\n')
    """
    encoding, bom = _encoding(head, header_only=False)
    text = decode(head, encoding, label=label)
    mark = delimiter or _consistent(text)
    decimal, thousands = _number_marks(_sample_rows(text, mark)[1:])
    return Dialect(mark, encoding, decimal, thousands, bom, _newline(text))


def with_mark(dialect: Dialect, head: bytes) -> Dialect:
    """A given dialect for a file that may begin with a byte-order mark, whatever the dialect says of it.

    A UTF-16 mark decides the encoding, since such a file cannot be anything else.
    """
    for mark, encoding in MARKS:
        if head.startswith(mark):
            given = codecs.lookup(dialect.encoding).name
            if encoding == "utf-8" and given not in ("utf-8", "utf-8-sig"):
                return dialect
            return replace(dialect, encoding=encoding, bom=True)
    return replace(dialect, encoding=canonical_encoding(dialect.encoding), bom=False)


def canonical_encoding(name: str) -> str:
    """The codec's name without a byte-order mark: "utf-8-sig" -> "utf-8".

    Raises:
        SourceError: there is no such encoding.
    """
    try:
        found = codecs.lookup(name).name
        "a,1\n".encode(name).decode(name)
    except (LookupError, ValueError):
        found = ""
    if not found or found in NOT_FOR_TABLES:
        raise SourceError(f"there is no text encoding called {name[:40]!r}.",
                          fix="Common ones are: utf-8, cp1252, latin-1, utf-16-le.")
    return {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "iso8859-1": "latin-1"}.get(found, found)


def byte_order_mark(encoding: str) -> bytes:
    """The bytes that mark the encoding at the start of a file; none for encodings without a mark."""
    return next((mark for mark, name in MARKS if name == canonical_encoding(encoding)), b"")


def decode(head: bytes, encoding: str, *, label: str) -> str:
    """Text of the start of a file, without its mark; an incomplete character at the very end is left out.

    Raises:
        SourceError: bytes that are not of this encoding, with their line number.
    """
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError as error:
        line = head.count("\n".encode(encoding), 0, error.start) + 1
        raise undecodable(label, encoding, line) from None
    return text.removeprefix("\ufeff")


def undecodable(label: str, encoding: str, line: int | None) -> SourceError:
    """The error for bytes that are not text of the encoding."""
    where = "" if line is None else f" on line {line}"
    return SourceError(f"{label} has bytes{where} that are not {encoding} text.",
                       fix="Name the file's encoding, for example --encoding cp1252.")


def header_line(text: str) -> str:
    """The first record as it stands in the file, with empty lines before it and line breaks in quotes.

    >>> header_line('\\na,"b\\nc"\\n1,2\\n')
    '\\na,"b\\nc"\\n'
    """
    quoted, begun = False, False
    for at, char in enumerate(text):
        begun = begun or char not in "\r\n"
        if char == '"':
            quoted = not quoted
        elif char in "\r\n" and begun and not quoted:
            return text[: at + 2] if text[at : at + 2] == "\r\n" else text[: at + 1]
    return text


def _encoding(head: bytes, *, header_only: bool) -> tuple[str, bool]:
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding, True
    part = head.splitlines(keepends=True)[0] if header_only else head
    for encoding in ("utf-8", "cp1252"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(part)
        except UnicodeDecodeError:
            continue
        return encoding, False
    return "latin-1", False


def _newline(text: str) -> str:
    line = header_line(text)
    return next((end for end in ("\r\n", "\n", "\r") if line.endswith(end)), "\n")


def _delimiter(header: str) -> str:
    """The candidate that occurs most often outside quotes; the comma if none does."""
    outside = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=outside.count) if any(d in outside for d in DELIMITERS) else ","


def _consistent(text: str) -> str:
    """The delimiter under which the rows agree best with the header's number of cells."""
    header = header_line(text)
    outside = "".join(header.split('"')[::2])
    candidates = [d for d in DELIMITERS if d in outside]
    if len(candidates) < 2:
        return candidates[0] if candidates else ","

    def agreement(mark: str) -> tuple[float, int]:
        rows = _sample_rows(text, mark)
        return sum(len(r) == len(rows[0]) for r in rows) / len(rows), len(rows[0])

    return max(candidates, key=agreement)


def _sample_rows(text: str, delimiter: str, n: int = 1000) -> list[list[str]]:
    """The first records; the very last one may be cut off, so it is left out if it does not end its line."""
    rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > n:
                break
    except csv.Error:
        pass
    cut = len(rows) > 2 and len(rows) <= n and not text.endswith(("\n", "\r"))
    return rows[:-1] if cut else rows or [[]]


def _number_marks(rows: Iterable[list[str]]) -> tuple[str, str | None]:
    """Decimal and thousands mark by a vote of the columns, each one speaking for what all its numbers share."""
    columns = list(zip(*rows))
    comma = sum(_all_match(c, COMMA, COMMA_GROUPED) for c in columns)
    point = sum(_all_match(c, POINT, POINT_GROUPED) for c in columns)
    decimal, grouped, thousands = (",", COMMA_GROUPED, ".") if comma > point else (".", POINT_GROUPED, ",")
    uses = any(grouped.fullmatch(cell) for column in columns for cell in column)
    return decimal, thousands if uses else None


def _all_match(cells: Iterable[str], *patterns: re.Pattern[str]) -> bool:
    """True if the cells with a decimal mark (a few exceptions apart) are numbers of one of the patterns."""
    marked = [c for c in (cell.strip() for cell in cells) if c[-1:].isdigit() and ("," in c or "." in c)]
    hits = sum(any(p.fullmatch(c) for p in patterns) for c in marked)
    return bool(marked) and hits >= 0.9 * len(marked)
