"""Validity: rows that break a rule of the schema or leave the public domain of a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import code_lists, notation
from tabsynth.core.finding import Finding
from tabsynth.core.rules import Rules
from tabsynth.core.schema import Column, Schema
from tabsynth.core.table import INVALID, Cells, Table
from tabsynth.evaluation.bins import level_codes, levels_of
from tabsynth.evaluation.disclosure import CEILING_COUNT
from tabsynth.evaluation.intervals import wilson
from tabsynth.evaluation.protocol import Samples, title_of, units_of

FACTS = {
    "name": "validity",
    "entry": "validity",
    "section": "validity",
    "summary": "rows that break a rule or a public domain, beside training and holdout rows",
    "findings": {
        "validity": "Rows that break a rule or a public domain",
        "validity.synthetic": "Synthetic rows that break a declared rule or a public domain",
    },
    "numbers": {"validity": ("amplification",)},
}

METHOD: Final = (
    "Share of rows that break at least one rule of the schema, or hold a value outside declared bounds or levels, an "
    "unreadable cell, a missing cell where none may be, or two values of a column that is constant per person. "
    "All rows. Interval: Wilson.")
Masks = Mapping[str, NDArray[np.bool_]]


def validity(samples: Samples) -> tuple[Finding, ...]:
    """V(S) beside V(T), V(H) and V(F). Amplification is V(S) / V(T), None where no training row is broken."""
    schema = samples.schema
    rules = Rules.compile(schema, learn_from=samples.train)
    found = {name: breaches(table, schema, samples.columns, rules)
             for name, table in (("S", samples.synth), ("T", samples.train), ("H", samples.holdout),
                                 ("F", samples.F.table))}
    broken = {name: any_of(masks) for name, masks in found.items()}
    rows, train_rows = len(samples.synth), len(samples.train)
    hits, train_hits = int(broken["S"].sum()), int(broken["T"].sum())
    share, train_share = hits / rows, train_hits / train_rows
    compared = Finding(
        "validity", title_of(FACTS, "validity"), "validity", share, "lower is better", n=rows,
        interval=wilson(hits, rows), floor=float(broken["F"].mean()), ceiling=float(broken["H"].mean()), method=METHOD,
        breakdown=_breakdown(found),
        details={"broken": hits, "rows": rows, "train_broken": train_hits, "train_rows": train_rows,
                 CEILING_COUNT: int(broken["H"].sum()),
                 "amplification": share / train_share if train_hits else None, "conditions": len(found["S"])})
    return compared, _declared(hits, rows, len(found["S"]), rules)


def breaches(table: Table, schema: Schema, columns: tuple[str, ...], rules: Rules) -> dict[str, NDArray[np.bool_]]:
    """Condition in words -> rows that break it, shape (n,) each; every condition of the schema is listed."""
    masks: dict[str, NDArray[np.bool_]] = {}
    for name in columns:
        for what, mask in _column_breaches(schema[name], table[name]).items():
            masks[f"{name}: {what}"] = mask
        if schema[name].constant_per_unit and schema.unit is not None:
            masks[f"{name}: one value per {schema.unit}"] = _varies(table[name], units_of(table))
    for rule in rules.all:
        masks[rule.text] = np.asarray(rule.broken(table.columns), np.bool_)
    return masks


def any_of(masks: Masks) -> NDArray[np.bool_]:
    """Rows that break at least one condition."""
    return np.asarray(np.logical_or.reduce(list(masks.values())), np.bool_)


def _column_breaches(column: Column, cells: Cells) -> dict[str, NDArray[np.bool_]]:
    masks = {"readable": cells.state == INVALID}
    if not column.nullable:
        masks["always given"] = ~cells.present
    limits = notation.bounds(column)
    if limits is not None:
        outside = (cells.values < limits[0]) | (cells.values > limits[1])
        if column.special:
            outside &= ~np.isin(cells.values, [notation.position(column, x) for x in column.special])
        masks["within its bounds"] = cells.present & outside
    levels = _public_levels(column)
    if levels is not None:
        unknown = np.array([level not in levels for level in levels_of(cells)] or [False])
        masks["one of its levels"] = cells.present & unknown[level_codes(cells)]
    return masks


def _public_levels(column: Column) -> frozenset[str] | None:
    """The declared categories, or None where any text is allowed."""
    if column.kind != "category" or column.open:
        return None
    if column.levels is not None:
        return frozenset(column.levels)
    return None if column.code_list is None else frozenset(code_lists.codes(column.code_list))


def _varies(cells: Cells, units: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows of people who hold more than one value in this column; a missing cell is a value."""
    keys = np.array(levels_of(cells), dtype=object)[level_codes(cells)] if cells.levels else cells.values
    _, codes = np.unique(keys, return_inverse=True)
    codes = np.where(cells.present, codes + len(cells), cells.state)
    first = np.full(int(units.max(initial=-1)) + 1, -1, np.int64)
    first[units[::-1]] = codes[::-1]
    differs = np.zeros(len(first), np.bool_)
    differs[units[codes != first[units]]] = True
    return differs[units]


def _breakdown(found: Mapping[str, Masks]) -> tuple[dict[str, Any], ...]:
    """Conditions that some row breaks, most broken in S first."""
    shares = {key: {name: float(masks[key].mean()) for name, masks in found.items() if key in masks}
              for key in found["S"]}
    order = sorted((key for key, s in shares.items() if any(s.values())), key=lambda key: -shares[key]["S"])
    return tuple({"key": key, "value": shares[key]["S"], "train": shares[key]["T"], "ceiling": shares[key]["H"],
                  "floor": shares[key].get("F"), "n": len(found["S"][key]),
                  "train_broken": int(found["T"][key].sum()), "holdout_broken": int(found["H"][key].sum())}
                 for key in order)


def _declared(hits: int, rows: int, conditions: int, rules: Rules) -> Finding:
    """The share among synthetic rows alone: needs no real row unless a rule's table was learned from some."""
    return Finding(
        "validity.synthetic", title_of(FACTS, "validity.synthetic"), "validity", hits / rows, "lower is better",
        n=rows, interval=wilson(hits, rows), method=METHOD, shareable=not any(rule.learned for rule in rules.maps),
        details={"broken": hits, "conditions": conditions})
