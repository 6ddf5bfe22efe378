"""Sentences that several companions share. What only the data holder knows stays a blank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tabsynth.reports import wording

BLANK: Final = "To be filled in by the data holder."

COLLECTION: Final = (
    "Nothing was collected for this release: its rows were drawn from a model. How the records behind the source table "
    "were collected, and on what legal ground:")

MISSING: Final = "A missing cell was drawn by the model, as a value is; nothing was removed afterwards."

BIASES: Final = (
    "A model tends to repeat the biases of its source table and to smooth what is rare: small groups are likely to be "
    "further from the source table than large ones.")

NOT_COPIED_IS_NOT_SHOWN: Final = (
    "Every row was drawn from the model. A drawn row can still equal or resemble a real one; the evaluation report "
    "says what was examined.")

SENSITIVE_ROLES: Final = ("direct-identifier", "sensitive", "quasi-identifier")


def summary(document: Mapping[str, Any]) -> str:
    """What the release is, and what is said of its source table."""
    data, model = document["dataset"], document["model"]
    about = "" if data["description"] is None else f" The source table: {data['description']}"
    return f"Synthetic rows drawn from a model ({model['name']}) that was fitted to the table {data['name']}.{about}"


def protection(document: Mapping[str, Any]) -> list[str]:
    """What stands between the rows and the people of the source table, as the report says it."""
    privacy = document["privacy"]
    lines = [privacy["notice"], *(n for n in document["notices"] if n != privacy["notice"])]
    if privacy["statement"] is not None and privacy["ledger"] is not None:
        entry = privacy["ledger"]
        lines += [f"This release: epsilon {entry['epsilon']} at delta {entry['delta']}.",
                  f"Population {entry['population']} to date: epsilon {entry['total_epsilon']} at delta "
                  f"{entry['total_delta']}, releases: {entry['releases']}."]
    return lines


def purpose(document: Mapping[str, Any]) -> str:
    """The stated purpose, or a blank."""
    return str(document["dataset"]["purpose"] or BLANK)


def treatments(document: Mapping[str, Any]) -> list[str]:
    """Which columns came about how, and what was done to their values before the fit."""
    data = document["dataset"]
    groups: dict[str, list[str]] = {}
    for column in data["columns"]:
        groups.setdefault(column["treatment"], []).append(column["name"])
    return [*(f"{', '.join(names)}: {treatment}" for treatment, names in groups.items()),
            *(f"{d['column']}: {d['action']}" for d in data["decisions"])]


def sensitive(document: Mapping[str, Any]) -> list[str]:
    """Columns that tell something about a person, as the schema's author marked them."""
    return [f"{c['name']}: {c['role']}; {c['treatment']}" for c in document["dataset"]["columns"]
            if not set(SENSITIVE_ROLES).isdisjoint(c["role"].split(", "))]


def limitations(document: Mapping[str, Any]) -> list[str]:
    """What the tests cannot show, and what was not tested."""
    return [*wording.LIMITS, *(f"{item['what']}: {item['reason']}" for item in document["not_assessed"])]
