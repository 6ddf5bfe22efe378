"""One tree of errors. Each class carries the exit code that the command line returns for it.

A message names the thing, what is available and the next step. It never holds a value of a private table:
column names, counts of rows read from a public structure and file names are allowed, cells are not.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import ClassVar, Final


class TabsynthError(Exception):
    """Root of every error that tabsynth raises on purpose.

    Args:
        message: one clear sentence: what is wrong, with which thing.
        fix: the next step for the person who reads it, or None.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message if fix is None else f"{message} {fix}")
        self.message = message
        self.fix = fix


class UsageError(TabsynthError):
    """An option or argument that cannot be used as given."""

    code = "usage"
    exit_code = 2


class SchemaError(TabsynthError):
    """The schema contradicts itself, or the table contradicts the schema."""

    code = "schema"
    exit_code = 2


class ColumnNotFoundError(SchemaError):
    """A column is named that is not there."""

    code = "column-not-found"

    def __init__(self, name: str, *, source: str, columns: Iterable[str]) -> None:
        have = list(columns)
        if any(map(looks_like_cell, have)):
            super().__init__(f"column {name!r} is not among the {len(have)} columns of {source}.",
                             fix="Some of their names look like values: is the first line a header?")
            return
        close = difflib.get_close_matches(name, have, n=1)
        shown = ", ".join(have[:12]) + (f", ... ({len(have)} in all)" if len(have) > 12 else "")
        super().__init__(
            f"column {name!r} is not in {source}; it has: {shown}.",
            fix=f"Did you mean {close[0]!r}?" if close else "Check the spelling or the schema.",
        )


def looks_like_cell(name: str) -> bool:
    """True for names that a file without a header line would have: nothing, numbers, dates, bytes that are no text.

    >>> [looks_like_cell(name) for name in ("age", "2024-03-01", "7", "", "num_7")]
    [False, True, True, True, False]
    """
    return _CELL.fullmatch(name) is not None or not name.isprintable()


_CELL: Final = re.compile(r"[\s\d.,:/+%eE-]*")


class RuleError(SchemaError):
    """A rule cannot be read, or no row can obey all rules at once."""

    code = "rule"


class SourceError(TabsynthError):
    """A file or data source is missing, unreadable, malformed or not writable."""

    code = "source"
    exit_code = 3


class ArtifactError(SourceError):
    """A model file is corrupt, of a newer version, or not a model file at all."""

    code = "artifact"


class ModelError(TabsynthError):
    """A model could not be fitted or could not produce what was asked."""

    code = "model"
    exit_code = 4


class NotFittedError(ModelError):
    """sample() or save() before fit()."""

    code = "not-fitted"


class PrivacyError(TabsynthError):
    """A privacy budget is refused or exceeded, or a ledger is broken or locked."""

    code = "privacy"
    exit_code = 5


class VerificationError(TabsynthError):
    """A release, statement or model does not match what it claims."""

    code = "verification"
    exit_code = 6
