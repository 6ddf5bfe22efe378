"""Which columns an attacker wants to learn."""

from __future__ import annotations

from tabsynth.evaluation.attacks._quasi_identifiers import quasi_identifiers
from tabsynth.evaluation.protocol import Samples


def declared_secrets(samples: Samples) -> list[str]:
    """The sensitive columns that are compared, and the target."""
    target = samples.schema.evaluation.target
    sensitive = [name for name in samples.columns if samples.schema[name].role == "sensitive"]
    return list(dict.fromkeys([*sensitive, *(name for name in samples.columns if name == target)]))


def secrets(samples: Samples) -> tuple[str, ...]:
    """The sensitive columns that are compared, else the target; quasi-identifiers are no secret.

    Other than `declared_secrets`, which an attack guesses one by one, these are combined with cells of the
    quasi-identifiers, so that a column of the cell would add nothing and the target is only a stand-in.
    """
    target, known = samples.schema.evaluation.target, quasi_identifiers(samples)
    sensitive = [column.name for column in samples.schema.columns if column.role == "sensitive"]
    given = sensitive or ([target] if target is not None else [])
    return tuple(name for name in given if name in samples.columns and name not in known)


def secret_columns(samples: Samples, most: int) -> list[str]:
    """The declared secrets. Where no column is sensitive: the target and others in random order, `most` in all.

    No others than declared ones are quasi-identifiers.
    """
    declared, known = declared_secrets(samples), quasi_identifiers(samples)
    if any(samples.schema[name].role == "sensitive" for name in declared):
        return declared
    order = samples.streams.stream(0, "secrets").permutation(len(samples.columns))
    others = [samples.columns[j] for j in order if samples.columns[j] not in known]
    return list(dict.fromkeys([*declared, *others]))[:most]
