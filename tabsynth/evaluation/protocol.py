"""What is compared with what: training rows T, holdout rows H, synthetic rows S, and the floor F.

Every size-sensitive number compares samples of one size n, drawn by person. The reference is the holdout, which no
model has seen. The floor is the training columns resampled independently: it keeps every marginal and no association.
It is computed in memory and must never be written: its values are those of real people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tabsynth.core import registry
from tabsynth.core.errors import ColumnNotFoundError, SchemaError, TabsynthError
from tabsynth.core.finding import FAILED, Finding
from tabsynth.core.progress import Progress, silent
from tabsynth.core.rng import Streams
from tabsynth.core.schema import Schema
from tabsynth.core.table import Cells, Table, concat_cells, empty_cells
from tabsynth.evaluation.bins import Bins, learn_bins

MAX_ROWS: Final = 10_000
"""Largest matched size n."""
MAX_RELEASED: Final = 50_000
"""Most synthetic rows that an attacker searches; of a longer table a sample."""
ENOUGH_SEARCHED: Final = 0.5
"""Below this share of the released rows an attack that found nothing has not looked."""
MAX_TARGETS: Final = 5_000
"""Most people on each side that are attacked one by one: all, up to here, as a secret that four of five controls give
away needs so many before a residual risk of .09 can be excluded."""
GROUPS: Final = 20
"""Groups of people that the jackknife leaves out in turn."""
FEW_ROWS: Final = 20
"""Below this matched size nothing is compared."""
LOW_POWER: Final = 200
"""Below this matched size numbers are shown, and said to be too uncertain to rest on."""

Made = TypeVar("Made")
Draw = Callable[[int, np.random.Generator], Table]
"""draw(n, rng): n further rows of the released model."""
Refit = Callable[[Table, np.random.Generator], Draw]
"""refit(table, rng): the released model's recipe fitted to other rows. Never booked, never written, never released."""


@dataclass(frozen=True, eq=False)
class Side:
    """One table's part in the comparison.

    Args:
        table: the rows, n of them.
        codes: bins of the modelled columns, shape (n, d), see `Samples.sizes`.
        units: whose row it is, shape (n,).
        groups: jackknife group of that person, shape (n,), 0 .. GROUPS-1.
    """

    table: Table
    codes: NDArray[np.int32]
    units: NDArray[np.int64]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.units)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Side:
        """These rows, in this order; or those that a mask marks."""
        return Side(self.table.take(rows), self.codes[rows], self.units[rows], self.groups[rows])


@dataclass(frozen=True, eq=False)
class Samples:
    """Everything the measures look at. T, H, S and F are matched samples of `n` rows; the tables are whole.

    Args:
        columns: the modelled columns that are compared; `left_out` names the others.
        bins: how a column becomes bins, learned from the real rows.
        seed: root of every random choice of this evaluation.
        progress: told by measures that take minutes where they are.
    """

    train: Table
    holdout: Table
    synth: Table
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    bins: Mapping[str, Bins]
    n: int
    seed: int
    streams: Streams
    draw: Draw | None = None
    refit: Refit | None = None
    progress: Progress = silent
    _made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def schema(self) -> Schema:
        return self.train.schema

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of bins of each column."""
        return tuple(self.bins[name].size for name in self.columns)

    @cached_property
    def T(self) -> Side:
        """Training rows."""
        return self.side(self.train, "train")

    @cached_property
    def H(self) -> Side:
        """Holdout rows: the reference of every fidelity number, the control of every attack."""
        return self.side(self.holdout, "holdout")

    @cached_property
    def S(self) -> Side:
        """Synthetic rows."""
        return self.side(self.synth, "synth")

    @cached_property
    def F(self) -> Side:
        """The floor: each training column from other people, so that no association is left. In memory only.

        Rows of one person stay together within a column, so that the floor is as noisy as real rows are.
        """
        units = units_of(self.train)
        columns: dict[str, Cells] = {}
        for column in self.schema.columns:
            if column.name in self.columns:
                rows = in_random_order(units, self.streams.stream(0, f"floor {column.name}"))
                columns[column.name] = self.train[column.name].take(rows[: self.n])
            else:
                columns[column.name] = empty_cells(column, self.n)
        rows_each = max(1, round(len(units) / (int(units.max(initial=0)) + 1)))
        return self._coded(Table(self.schema, columns), np.arange(self.n) // rows_each, "floor")

    @cached_property
    def draws(self) -> tuple[Side, ...]:
        """Four further draws of the released model, or none where the model is not at hand."""
        if self.draw is None:
            return ()
        tables = [self.draw(self.n, self.streams.stream(i, "draws")) for i in range(4)]
        return tuple(self.side(table, f"draw {i}") for i, table in enumerate(tables))

    @cached_property
    def released(self) -> Side:
        """The synthetic rows as an attacker holds them: all that are released, at most `MAX_RELEASED`."""
        return self.side(self.synth, "released", MAX_RELEASED)

    @property
    def searched_share(self) -> float:
        """Share of the released rows that an attacker searches, in (0, 1]."""
        return len(self.released) / len(self.synth)

    @property
    def unsearched(self) -> str | None:
        """Why an attack on `released` that finds nothing excludes nothing, or None: a leak is diluted in a sample."""
        share = self.searched_share
        return None if share >= ENOUGH_SEARCHED else f"only {100 * share:.2g} % of the released rows were searched"

    @cached_property
    def members(self) -> Side:
        """Targets of an attack who were used: one row each, as many people as `controls`."""
        return self.one_row_each(self.train, self.n_targets, "members")

    @cached_property
    def controls(self) -> Side:
        """Targets of an attack who were not used."""
        return self.one_row_each(self.holdout, self.n_targets, "controls")

    @cached_property
    def n_targets(self) -> int:
        """People attacked on each side."""
        return min(MAX_TARGETS, n_people(self.train), n_people(self.holdout))

    def one_row_each(self, table: Table, n: int, purpose: str) -> Side:
        """`n` people (or all if fewer) in random order, one row of each. Then trials are independent."""
        units = units_of(table)
        order = in_random_order(units, self.streams.stream(0, f"one row each {purpose}"))
        _, first = np.unique(units[order], return_index=True)
        part = table.take(order[np.sort(first)[:n]])
        return self._coded(part, np.arange(len(part)), purpose)

    @cached_property
    def halves(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of the holdout in two halves by person: an attacker's reference R, and non-members N."""
        units = units_of(self.holdout)
        order = self.streams.stream(0, "halves").permutation(int(units.max(initial=-1)) + 1)
        first = order[units] < len(order) // 2
        return np.flatnonzero(first), np.flatnonzero(~first)

    def once(self, make: Callable[[Samples], Made]) -> Made:
        """What `make` makes of these samples, made when it is first asked for: measures that share work ask for it.

        Args:
            make: a function of a module, by which the result is known again.
        """
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made

    def side(self, table: Table, purpose: str, n: int | None = None) -> Side:
        """A sample of `table` (n rows, or all if fewer), coded and grouped by person."""
        part = table.take(pick(units_of(table), self.n if n is None else n,
                               self.streams.stream(0, f"side {purpose}")))
        return self._coded(part, units_of(part), purpose)

    def _coded(self, part: Table, units: NDArray[np.int64], purpose: str) -> Side:
        codes = np.empty((len(part), len(self.columns)), np.int32)
        for j, name in enumerate(self.columns):
            codes[:, j] = self.bins[name].codes(part[name])
        return Side(part, codes, units, jackknife_groups(units, self.streams.stream(0, f"groups {purpose}")))


def prepare(synth: Table, train: Table, holdout: Table, *, seed: int, draw: Draw | None = None,
            refit: Refit | None = None, max_rows: int = MAX_ROWS, progress: Progress = silent) -> Samples:
    """Line up three tables for comparison.

    Args:
        synth: the released rows. train: rows the model was fitted to. holdout: rows that nothing of it has seen.
        seed: root of every random choice; recorded in the report.
        draw: further draws of the released model, for the spread between draws.
        refit: fits the model's recipe to other rows, for the attacks of tier 2.
        max_rows: cap on the matched size.
        progress: for measures that take minutes, in steps of their own.

    Raises:
        ColumnNotFoundError: a modelled column is not in one of the tables.
        SchemaError: a column is of another kind there, or no column can be compared.
    """
    schema = train.schema
    columns = tuple(c.name for c in schema.columns if c.modelled)
    if not columns:
        raise SchemaError("no column can be compared: all are units, identifiers or free text.",
                          fix="Check kinds and roles in the schema.")
    for what, table in (("the holdout table", holdout), ("the synthetic table", synth)):
        _check_columns(table, schema, columns, what)
    return Samples(
        train=train, holdout=holdout, synth=synth, columns=columns,
        left_out=tuple(name for name in schema.names if name not in columns),
        bins={name: learn_bins(schema[name], concat_cells([train[name], holdout[name]])) for name in columns},
        n=min(max_rows, len(train), len(holdout), len(synth)), seed=seed, draw=draw, refit=refit, progress=progress,
        streams=Streams.from_rng(np.random.default_rng(seed)))


def measures(*, tier: int = 1, sections: Iterable[str] | None = None) -> list[str]:
    """Names of the measures up to a tier (0 counts, 1 default, 2 audits that refit), of some sections or of all."""
    wanted = None if sections is None else set(sections)
    return [name for name, plugin in sorted(registry.plugins("measures").items())
            if plugin.facts.get("tier", 1) <= tier and (wanted is None or plugin.facts.get("section") in wanted)]


def evaluate(samples: Samples, *, only: Iterable[str] | None = None,
             progress: Progress = silent) -> tuple[Finding, ...]:
    """Run the measures. One that fails becomes a finding that says so; the others run on.

    Args:
        only: names of measures (``registry.names("measures")``); all of tier 0 and 1 when not given.
        progress: stage "evaluate", in measures.

    Raises:
        UsageError: a name in `only` is no measure.
    """
    names = measures() if only is None else list(only)
    plugins = [registry.find("measures", name) for name in names]
    findings: list[Finding] = []
    for done, plugin in enumerate(plugins):
        progress(f"evaluate: {plugin.name}", done, len(plugins))
        findings.extend(_run(plugin, samples))
    progress("evaluate", len(plugins), len(plugins))
    return tuple(findings)


def pick(units: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows of people in random order until there are `n`; whole people, the last one cut. Rising row numbers."""
    if n >= len(units):
        return np.arange(len(units))
    return np.sort(in_random_order(units, rng)[:n])


def in_random_order(units: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.intp]:
    """All rows, people in random order, the rows of one person together and shuffled."""
    place = rng.permutation(int(units.max(initial=-1)) + 1)
    return np.argsort(place[units] + rng.random(len(units)))


def units_of(table: Table) -> NDArray[np.int64]:
    """Whose row it is, 0, 1, 2, ...; a row whose person is not given is a person of its own."""
    units = table.unit_codes()
    unknown = units < 0
    units[unknown] = units.max(initial=-1) + 1 + np.arange(int(unknown.sum()))
    return units


def n_people(table: Table) -> int:
    """How many people a table is about."""
    return int(units_of(table).max(initial=-1)) + 1


def jackknife_groups(units: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Groups of equally many people, 0 .. GROUPS-1, shape of `units`."""
    place = rng.permutation(int(units.max(initial=-1)) + 1)
    return np.asarray(place[units] % GROUPS, np.int64)


def power(n: int, doubt: str | None = None) -> dict[str, Any]:
    """State and reason of a number that rests on `n` matched rows, as fields of a `Finding`.

    Args:
        doubt: why the number tells nothing even where rows are enough, or None.

    >>> power(5000), power(5000, "real rows do no better")
    ({'state': 'ok', 'reason': None}, {'state': 'uninformative', 'reason': 'real rows do no better'})
    """
    if n < LOW_POWER:
        return {"state": "insufficient_power", "reason": f"fewer than {LOW_POWER} rows to compare"}
    return {"state": "ok" if doubt is None else "uninformative", "reason": doubt}


def title_of(facts: Mapping[str, Any], finding_id: str) -> str:
    """The title that a measure's FACTS give to one of its findings."""
    return str(facts["findings"][finding_id])


def _run(plugin: registry.Plugin, samples: Samples) -> tuple[Finding, ...]:
    if samples.n < FEW_ROWS:
        return _not_run(plugin, f"fewer than {FEW_ROWS} rows in one of the tables")
    try:
        measure = registry.load("measures", plugin.name)
        with threadpool_limits(limits=1):  # after the import: threads that spin cost more than they give
            return tuple(measure(samples))
    except TabsynthError as error:
        return _not_run(plugin, str(error))
    except Exception as error:  # a library's message may quote a cell, so only its type is told
        failed = _not_run(plugin, f"the measure stopped with {type(error).__name__}")
        return tuple(replace(finding, details={FAILED: True}) for finding in failed)


def _not_run(plugin: registry.Plugin, reason: str) -> tuple[Finding, ...]:
    titles: Mapping[str, str] = plugin.facts.get("findings", {plugin.name: plugin.name})
    section = plugin.facts.get("section", "diagnostic")
    return tuple(Finding.not_run(id, title, section, reason) for id, title in titles.items())


def _check_columns(table: Table, schema: Schema, columns: tuple[str, ...], what: str) -> None:
    for name in columns:
        if name not in table.columns:
            raise ColumnNotFoundError(name, source=what, columns=table.schema.names)
        if table.schema[name].kind != schema[name].kind:
            raise SchemaError(f"column {name!r} is {table.schema[name].kind} in {what} and {schema[name].kind} in the "
                              "training table.", fix="Read all tables with one schema.")
