"""Train and holdout by person: each unit's side follows from a keyed hash of its own id, and of nothing else."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.compact import Compact
from tabsynth.core.errors import SourceError, UsageError
from tabsynth.core.files import prepare_folder, refuse_existing, replace_file
from tabsynth.core.table import Cells, Table
from tabsynth.pipeline import labels
from tabsynth.pipeline.labels import Parentage

HOLDOUT: Final = 0.2
METHOD: Final = "BLAKE2b of the unit's id, keyed"
MIN_UNITS: Final = 30
"""Fewer people than this cannot be split into a train and a holdout table that say anything."""


@dataclass(frozen=True)
class Split:
    """Two tables without a person in common, and how the sides were chosen. `key` never leaves the house."""

    train: Table
    holdout: Table
    key: bytes
    share: float

    def facts(self) -> dict[str, Any]:
        """For ``internal/split.json``."""
        return {"method": METHOD, "key": self.key.hex(), "holdout_share": self.share,
                "train": {"rows": len(self.train), "units": units_of(self.train)},
                "holdout": {"rows": len(self.holdout), "units": units_of(self.holdout)}}

    def public_facts(self) -> dict[str, Any]:
        """For a manifest: nothing of the rows, and of the key what shows it later without telling it now."""
        return {"method": METHOD, "holdout_share": self.share, "commitment": hashlib.sha256(self.key).hexdigest()}


def split(table: Table, *, holdout: float = HOLDOUT, key: bytes | None = None) -> Split:
    """Split a table by unit.

    Args:
        table: real rows. Rows without a unit go to neither side.
        holdout: share of the units, in (0, 1).
        key: 16 bytes or more; None draws a fresh one from the operating system. Under DP never derived from
            a seed: a known key would tell an observer who was in the training table.
    """
    if not 0 < holdout < 1:
        raise UsageError(f"the holdout share must lie between 0 and 1, got {holdout}.")
    key = secrets.token_bytes(16) if key is None else key
    below = np.array([_fraction(identity, key) < holdout for identity in identities(table)], dtype=bool)
    known = table.unit_codes() >= 0
    return Split(table.take(known & ~below), table.take(known & below), key, holdout)


def key_from_seed(seed: int) -> bytes:
    """A repeatable key for fits without DP."""
    return hashlib.blake2b(f"split key {seed}".encode(), digest_size=16).digest()


def require_units(table: Table | Compact, *, at_least: int = MIN_UNITS) -> None:
    """Refuse tables whose unit column has gaps, or that hold too few people (without DP; with DP, see rule 12)."""
    unit = table.schema.unit
    codes = table.unit_codes()
    gaps = int((codes < 0).sum())
    if gaps:
        raise SourceError(f"unit column {unit!r} is empty or unreadable in {gaps} of {len(table)} rows.",
                          fix="Fill it, remove those rows, or choose another unit column.")
    people = int(codes.max(initial=-1)) + 1
    if people < at_least:
        what = "rows" if unit is None else f"units in column {unit!r}"
        raise SourceError(f"the table has {people} {what}; at least {at_least} are needed to learn anything.",
                          fix="Provide more data, or check the unit column.")


def units_of(table: Table) -> int:
    """Number of people in a table."""
    return int(table.unit_codes().max(initial=-1)) + 1


def identities(table: Table) -> list[bytes]:
    """What a row's side is computed from: its unit's id, or without one its content and ordinal among its equals."""
    unit = table.schema.unit
    if unit is not None:
        return [row.tobytes() for row in _digests(table[unit])[:, None]]
    matrix = np.stack([_digests(table[name]) for name in table.schema.names], axis=1)
    seen: dict[bytes, int] = {}
    result = []
    for row in matrix:
        content = row.tobytes()
        ordinal = seen.get(content, 0)
        seen[content] = ordinal + 1
        result.append(content + ordinal.to_bytes(8, "little"))
    return result


def _fraction(identity: bytes, key: bytes) -> float:
    return int.from_bytes(hashlib.blake2b(identity, key=key, digest_size=8).digest(), "little") / 2**64


def _digests(cells: Cells) -> NDArray[np.int64]:
    """One int64 per cell that depends on that cell alone (level texts, not level numbers)."""
    if cells.levels:
        table = np.array([_text_digest(level) for level in cells.levels], dtype=np.int64)
        values = table[cells.values]
    elif cells.values.dtype == object:
        values = np.array([_text_digest(str(v)) for v in cells.values], dtype=np.int64)
    elif cells.values.dtype == np.float64:
        values = (cells.values + 0.0).view(np.int64)  # one bit pattern for 0.0 and -0.0
    else:
        values = cells.values.astype(np.int64)
    return np.where(cells.present, values, -1 - cells.state.astype(np.int64))


def _text_digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little",
                          signed=True)


def write_split(parts: Split, folder: Path, *, name: str, force: bool = False,
                synthetic: Parentage | None = None) -> list[Path]:
    """Write ``train``, ``holdout`` (CSV in the table's own dialect, or Parquet for typed tables) and ``split.json``.

    synthetic: of rows that are synthetic themselves; both parts then say so.
    """
    from tabsynth.datasets import formats

    prepare_folder(folder)
    suffix = ".csv" if parts.train.schema.dialect is not None else ".parquet"
    targets = [folder / f"train{suffix}", folder / f"holdout{suffix}", folder / "split.json"]
    for target in targets:
        refuse_existing(target, force=force)
    for table, target in zip((parts.train, parts.holdout), targets, strict=False):
        formats.write(table.batches(), target, force=force, synthetic=synthetic is not None,
                      marks=None if synthetic is None else labels.marks(synthetic.generation_depth))
        if synthetic is not None and labels.needs_label(str(target)):
            labels.write_label(target, parentage=synthetic, force=force)
    with replace_file(targets[-1], force=force) as handle:
        handle.write(json.dumps({"table": name, **parts.facts()}, indent=2).encode())
    return targets
