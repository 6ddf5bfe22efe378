"""P1e, group disclosure: people whose quasi-identifiers give a secret away, because all synthetic rows like them agree.

The generalised target correct attribution probability of SDNist and the measure DiSCO of Raab, Nowok and Dibben (2024),
held against the same count for people who were not used.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.finding import Finding
from tabsynth.core.schema import NUMERIC
from tabsynth.evaluation.attacks._quasi_identifiers import quasi_identifiers
from tabsynth.evaluation.attacks._secrets import secret_columns
from tabsynth.evaluation.bins import BINS, learn_bins
from tabsynth.evaluation.identity import Ids, held_by_one, row_ids
from tabsynth.evaluation.protocol import Samples, title_of
from tabsynth.evaluation.tied import tied_to
from tabsynth.evaluation.variants import attack_finding, counted

FACTS = {
    "name": "group_disclosure",
    "entry": "group_disclosure",
    "tier": 1,
    "section": "privacy",
    "summary": "secrets on which all synthetic rows with a person's quasi-identifiers agree, beyond chance",
    "findings": {"P1e": "Secrets given away by quasi-identifiers"},
}

METHOD: Final = (
    "Share of training people whose cell of up to four quasi-identifiers occurs in the synthetic table, with one "
    "secret only, and theirs (DiSCO, Raab et al. 2024; GTCAP, SDNist), minus the same share of as many holdout people. "
    "Numbers by deciles of the synthetic rows; at most fifteen combinations, the largest first. Interval: Newcombe.")
ENOUGH: Final = 500
"""Fewest people on each side for the attack to say anything."""
LARGEST: Final = 4
"""Most columns that make a cell."""
COMBINATIONS: Final = 15
"""Most pairs of a secret and a set of quasi-identifiers."""
FEWEST: Final = 3
"""Sets of quasi-identifiers that every declared secret is attacked with, if there are as many."""
CHOSEN_SECRETS: Final = 3
CHOSEN_KEYS: Final = 5
"""Secrets, and quasi-identifiers, where none is declared."""
FEW_VALUES: Final = 20
"""Values of a column that serves as a quasi-identifier without being declared."""


@dataclass(frozen=True)
class Attack:
    """A secret, and the columns that are known of a person."""

    secret: str
    keys: tuple[str, ...]


def group_disclosure(samples: Samples) -> tuple[Finding, ...]:
    """Excess of the secret and quasi-identifiers with the strongest evidence. control: the same for the holdout.

    ``unanimous_in_train`` of a row is DiO: the number of the targets among training people whose cell agrees on the
    secret among those targets. It is context, not risk: it says how far the quasi-identifiers fix the secret.
    """
    title, members = title_of(FACTS, "P1e"), len(samples.members)
    codes = {name: column_codes(samples, name) for name in samples.columns}
    rows = [row for attack in plan(samples, codes) if (row := _attack(samples, codes, attack)) is not None]
    if not rows:
        return (Finding("P1e", title, "privacy", 0.0, "lower is safer", n=members, unit_of_n="people", method=METHOD,
                        state="uninformative", reason="no secret and no quasi-identifier to attack it with"),)
    few = f"fewer than {ENOUGH} people on each side" if members < ENOUGH else None
    return (attack_finding("P1e", title, rows, method=METHOD, unit_of_n="people", few=few),)


def disclosed(pool_cells: Ids, pool_secrets: Ids, cells: Ids, secrets: Ids) -> NDArray[np.bool_]:
    """Whose cell occurs in the pool with one secret only, which is theirs.

    Args:
        pool_cells, pool_secrets: of the synthetic rows, shape (n,). cells, secrets: of the targets, shape (m,).
            Ids that hold across both, none negative.

    >>> cells, secrets = np.array([1, 1, 2, 2]), np.array([7, 7, 7, 8])
    >>> disclosed(cells, secrets, np.array([1, 1, 2, 3]), np.array([7, 8, 7, 7])).tolist()
    [True, False, False, False]
    """
    unanimous, agreed = held_by_one(pool_cells, pool_secrets)
    if not len(unanimous):
        return np.zeros(len(cells), np.bool_)
    place = np.minimum(np.searchsorted(unanimous, cells), len(unanimous) - 1)
    return np.asarray((unanimous[place] == cells) & (agreed[place] == secrets))


def plan(samples: Samples, codes: Mapping[str, Sequence[Ids]]) -> list[Attack]:
    """Which secrets are attacked with which quasi-identifiers; sets of four first, then of three, ..."""
    declared = quasi_identifiers(samples)
    secrets = [name for name in secret_columns(samples, CHOSEN_SECRETS) if name not in declared]
    keys = declared or _chosen_keys(samples, codes, secrets)
    attacks = []
    for secret in secrets:
        free = [name for name in keys if name not in {secret} | tied_to(samples.schema, secret)]
        rng = samples.streams.stream(0, f"sets of quasi-identifiers for {secret}")
        sets = [combination for size in range(min(LARGEST, len(free)), 0, -1)
                for combination in _shuffled(list(itertools.combinations(free, size)), rng)]
        attacks += [Attack(secret, each) for each in sets[: max(FEWEST, COMBINATIONS // len(secrets))]]
    return attacks


def column_codes(samples: Samples, name: str) -> list[Ids]:
    """One number per category, or per decile of the synthetic rows, of synthetic rows, members and controls."""
    column, known = samples.schema[name], samples.released.table[name]
    bins = learn_bins(column, known, bins=BINS if column.kind in NUMERIC else max(1, len(known)))
    return [bins.codes(side.table[name]).astype(np.int64)
            for side in (samples.released, samples.members, samples.controls)]


def _attack(samples: Samples, codes: Mapping[str, Sequence[Ids]], attack: Attack) -> dict[str, Any] | None:
    """Disclosed members and controls among those whose secret is given; None where one side has none."""
    pool, *sides = row_ids([codes[name] for name in attack.keys])
    secret = codes[attack.secret]
    given = [side.table[attack.secret].present for side in (samples.members, samples.controls)]
    if not all(mask.any() for mask in given):
        return None
    hits = [disclosed(pool, secret[0], cells[mask], own[mask]) for cells, own, mask in zip(sides, secret[1:], given)]
    own_cells, own_secrets = sides[0][given[0]], secret[1][given[0]]
    unanimous = disclosed(own_cells, own_secrets, own_cells, own_secrets)
    return counted(f"{attack.secret} from {', '.join(attack.keys)}", (hits[0].sum(), len(hits[0])),
                   (hits[1].sum(), len(hits[1])), supplementary=bool(min(map(len, hits)) < ENOUGH <= len(sides[0])),
                   unanimous_in_train=int(unanimous.sum()))


def _chosen_keys(samples: Samples, codes: Mapping[str, Sequence[Ids]], secrets: Sequence[str]) -> tuple[str, ...]:
    """Columns of few values, in random order, where no quasi-identifier is declared."""
    order = samples.streams.stream(0, "chosen quasi-identifiers").permutation(len(samples.columns))
    names = [samples.columns[j] for j in order if samples.columns[j] not in secrets]
    return tuple(name for name in names if 2 <= len(np.unique(codes[name][0])) <= FEW_VALUES)[:CHOSEN_KEYS]


def _shuffled(sets: list[tuple[str, ...]], rng: np.random.Generator) -> list[tuple[str, ...]]:
    return [sets[i] for i in rng.permutation(len(sets))]
