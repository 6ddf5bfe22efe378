"""The one gate: the only holder of private rows that model code can see. Every answer is booked, then drawn.

What can be reached from a curator besides noisy answers and choices follows from the schema, the budget and earlier
answers. How many rows or units there are is not among it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.codec.scale import Scale
from tabsynth.core.coding import Coding
from tabsynth.core.errors import ColumnNotFoundError, PrivacyError
from tabsynth.core.schema import Schema
from tabsynth.core.table import Table
from tabsynth.privacy import mechanisms
from tabsynth.privacy.accountant import Filter, allowance
from tabsynth.privacy.bounding import Bounded, bound
from tabsynth.privacy.budget import Budget, refuse_large_delta
from tabsynth.privacy.events import GRID, Event
from tabsynth.privacy.ledger import Reservation
from tabsynth.privacy.noise import NoiseSource
from tabsynth.privacy.noise_opendp import default_source
from tabsynth.privacy.statement import Statement, make

DISCOVERY_SHARE: Final = Fraction(1, 20)
"""Share of mu squared that buys the levels and bounds of all open columns together."""

CACHED_CELLS: Final = 1 << 22
"""Cells of true counts that are kept between calls, at 8 bytes each."""

Marginal = tuple[str, ...]
Coarse = Mapping[str, NDArray[np.integer]]


@final
class Curator:
    """Private rows behind noisy questions.

    Making one writes RUN into the ledger, bounds contributions, and buys the levels and bounds of open columns.

    Args:
        table: real rows. Kept only as public codes and weights.
        schema: public facts of the table's columns. How they are stored is taken from here too and never from the
            rows, where it follows from values: whole numbers are stored as floats once one is missing.
        budget: what may be spent; its unit must be the schema's.
        reservation: the same budget, booked in a ledger and not used yet.
        _noise: for the replay audit only. Anything but a real source makes the statement say NOT PRIVATE.

    Raises:
        PrivacyError: schema, budget and reservation do not fit each other. Never depends on a row.
    """

    def __init__(self, table: Table, schema: Schema, budget: Budget, *, reservation: Reservation,
                 _noise: NoiseSource | None = None) -> None:
        self._schema = replace(schema, max_rows_per_unit=budget.max_rows_per_unit)
        self._budget = budget
        _refuse_misfit(self._schema, budget, reservation)
        public = Coding.public(self._schema)
        opened = tuple(n for n in public.names if n in schema.by_name and schema[n].open)
        lists = [n for n in opened if schema[n].kind == "category"]
        self._filter = Filter(allowance(budget.epsilon, budget.delta, budget.max_rows_per_unit,
                                        discovery=bool(lists)), budget.max_rows_per_unit)
        self._noise: NoiseSource = default_source() if _noise is None else _noise
        self._reservation = reservation
        rows = table.select(self._schema.names)
        reservation.start()
        # a floating-point warning that only some values raise would tell of them
        with np.errstate(all="ignore"):
            bounded = bound(rows, max_rows_per_unit=budget.max_rows_per_unit, key=self._noise.key())
            self.coding: Coding = self._buy(bounded, opened, len(lists)) if opened else public
            codes = self.coding.encode(bounded.table)
        self.__codes = {name: np.ascontiguousarray(codes.column(name)) for name in codes.names}
        self.__weights = bounded.weights.astype(np.float64)
        self.__counted: dict[tuple[Marginal, tuple[bytes, ...]], mechanisms.IntArray] = {}
        self.__cached_cells = 0

    @property
    def total(self) -> float:
        """Budget in units of mu squared."""
        return float(self._filter.total.mu_squared)

    @property
    def spent(self) -> float:
        """Sum of (sensitivity / sigma)^2 so far."""
        return float(self._filter.spent.mu_squared)

    @property
    def remaining(self) -> float:
        """What queries may still cost, rounded down so that floats computed from it are never refused."""
        left = self._filter.total.mu_squared - self._filter.spent.mu_squared - self._filter.total.mu_squared / 2**40
        return max(0.0, float(left))

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that was released, in order."""
        return self._filter.events

    def measure(self, columns: Marginal, *, sigma: float, coarse: Coarse | None = None) -> NDArray[np.float64]:
        """Noisy counts of one marginal. Sensitivity 1 (one unit's mass); costs (1 / sigma)^2.

        Args:
            columns: names from ``coding.names``; () asks for the total alone.
            sigma: standard deviation of the noise of every cell, in units; rounded up to the grid.
            coarse: column -> coarse code of every code, shape (size,), values 0 .. m-1; other columns stay fine.

        Returns:
            Float64 array, one axis per column; a unit with r kept rows adds 1/r per row. May be negative.

        Raises:
            PrivacyError: the budget does not allow it; nothing is spent then.
        """
        shape = self._shape(columns, coarse)
        event = mechanisms.counts_event(columns, prod(shape), sigma)
        self._filter.charge(event)
        noisy = self._noise.release(self.__count(columns, coarse), sigma=event.sigma_steps)
        return (noisy / GRID).reshape(shape)

    def errors(self, models: Mapping[Marginal, NDArray[np.float64]], *, sigma: float,
               coarse: Coarse | None = None) -> dict[Marginal, float]:
        """Noisy L1 distance of every true marginal from a model's table of it.

        Sensitivity 1 each, sqrt(m) as a vector of m; costs m / sigma^2.

        Args:
            models: marginal -> table in units, shaped as `measure` would return it.
            sigma: standard deviation of the noise of every distance, in units.
            coarse: as in `measure`.

        Raises:
            PrivacyError: the budget does not allow it, or a table has the wrong shape; nothing is spent then.
        """
        references = {m: mechanisms.model_steps(table, self._shape(m, coarse)) for m, table in models.items()}
        if not references:
            return {}
        event = mechanisms.errors_event(len(references), sigma)
        self._filter.charge(event)
        distances = np.array([mechanisms.l1_distance(self.__count(m, coarse), reference)
                              for m, reference in references.items()], dtype=np.int64)
        noisy = self._noise.release(distances, sigma=event.sigma_steps)
        return dict(zip(references, (noisy / GRID).tolist(), strict=True))

    def select(self, models: Mapping[Marginal, NDArray[np.float64]], *, epsilon: float,
               weights: Mapping[Marginal, float], penalties: Mapping[Marginal, float],
               coarse: Coarse | None = None) -> Marginal:
        """One marginal, preferably one that is far from a model's table of it: the exponential mechanism.

        The score is weight * (L1 distance - penalty), its sensitivity the largest weight (times 1 unit). Costs
        selection_mu(epsilon)^2, about pi / 8 epsilon^2.

        Args:
            models: candidate -> table in units, shaped as `measure` would return it; at least one.
            epsilon: of the exponential mechanism; rounded down to a multiple of 2^-40.
            weights: candidate -> how much its distance matters, >= 0; kept as integers, the largest being 2^16.
            penalties: candidate -> what is taken off its distance, in units.
            coarse: as in `measure`.

        Raises:
            PrivacyError: the budget does not allow it, or an argument has the wrong shape; nothing is spent then.
        """
        if not models or not models.keys() == weights.keys() == penalties.keys():
            raise PrivacyError("a selection needs at least one candidate, and a weight and a penalty for each.")
        candidates = list(models)
        references = [mechanisms.model_steps(models[m], self._shape(m, coarse)) for m in candidates]
        whole = mechanisms.public_weights([weights[m] for m in candidates])
        steps = [mechanisms.penalty_steps(penalties[m]) for m in candidates]
        event = mechanisms.selection_event(len(candidates), epsilon)
        self._filter.charge(event)
        scores = [mechanisms.score(self.__count(m, coarse), reference, weight, penalty)
                  for m, reference, weight, penalty in zip(candidates, references, whole, steps, strict=True)]
        rate = event.epsilon / (2 * mechanisms.SCORE_SENSITIVITY)
        return candidates[self._noise.choose(scores, num=rate.numerator, den=rate.denominator)]

    def statement(self) -> Statement:
        """The privacy statement of everything released so far. Nothing in it follows from a row."""
        return make(self._schema, self._budget, self._filter.total, self.events, reservation=self._reservation,
                    noise=self._noise)

    def _shape(self, columns: Marginal, coarse: Coarse | None) -> tuple[int, ...]:
        for name in columns:
            if name not in self.coding.codecs:
                raise ColumnNotFoundError(name, source="the coding", columns=self.coding.names)
        if len(set(columns)) != len(columns):
            raise PrivacyError(f"a marginal names a column twice: {', '.join(columns)}.")
        shape = tuple(len_of(self._map(name, coarse), self.coding.codecs[name].size) for name in columns)
        if prod(shape) > mechanisms.MAX_CELLS:
            raise PrivacyError(f"a marginal of {prod(shape)} cells is over the limit of {mechanisms.MAX_CELLS}.",
                               fix="Coarsen its columns.")
        return shape

    def _map(self, name: str, coarse: Coarse | None) -> NDArray[np.int32] | None:
        """The coarse code of every code of a column, or None where the column stays fine."""
        if coarse is None or name not in coarse:
            return None
        image = np.asarray(coarse[name])
        if image.shape != (self.coding.codecs[name].size,) or image.dtype.kind not in "iu" or image.min() < 0 \
                or image.max() >= mechanisms.MAX_CELLS:
            raise PrivacyError(f"the coarse codes of column {name!r} must be one integer from 0 up per code.")
        return image.astype(np.int32)

    def _buy(self, bounded: Bounded, opened: Sequence[str], lists: int) -> Coding:
        """Buy what the schema leaves open: levels of categories, bounds of the others, at the same sigma each."""
        total = self._filter.total
        sigma = float(len(opened) / (DISCOVERY_SHARE * total.mu_squared)) ** 0.5 * (1 + 1e-9)
        bought: dict[str, tuple[Any, ...]] = {}
        for name in opened:
            if self._schema[name].kind == "category":
                bought[name] = self._levels(bounded, mechanisms.discovery_event(name, sigma, total.delta_keys / lists))
            else:
                bought[name] = self._bounds(bounded, name, sigma)
        return Coding.public(self._schema, discovered=bought)

    def _levels(self, bounded: Bounded, event: Event) -> tuple[str, ...]:
        """Noisy counts of the values that occur, shown from a threshold on."""
        self._filter.charge(event)
        (name,) = event.columns
        declared = self._schema[name].levels or ()
        cells = bounded.table[name]
        mass = np.bincount(cells.values[cells.present], weights=bounded.weights[cells.present],
                           minlength=len(cells.levels)).astype(np.int64)
        occurring = sorted((level, mass[i]) for i, level in enumerate(cells.levels)
                           if mass[i] > 0 and level not in declared)
        names = [level for level, _ in occurring]
        noisy = self._noise.release(np.array([m for _, m in occurring], dtype=np.int64),
                                    sigma=event.sigma_steps, keys=names)
        threshold = mechanisms.discovery_threshold(event, self._budget.max_rows_per_unit)
        return declared + mechanisms.shown(dict(zip(names, noisy.tolist(), strict=True)), threshold)

    def _bounds(self, bounded: Bounded, name: str, sigma: float) -> tuple[Any, Any]:
        """Noisy counts on the column's public scale; the outermost bins that hold values are the bounds."""
        scale = Scale.of(self._schema[name])
        event = mechanisms.bounds_event(name, scale.size, sigma)
        self._filter.charge(event)
        bins = scale.bins(bounded.table[name])
        counted = bins >= 0
        counts = mechanisms.grid_counts([bins[counted]], [scale.size], bounded.weights[counted].astype(np.float64))
        noisy = self._noise.release(counts, sigma=event.sigma_steps)
        return scale.ends(*mechanisms.outermost(noisy, scale.zero, event.sigma_steps))

    def __count(self, columns: Marginal, coarse: Coarse | None) -> mechanisms.IntArray:
        """True counts in grid steps, flattened."""
        maps = [self._map(name, coarse) for name in columns]
        key = (columns, tuple(b"" if m is None else m.tobytes() for m in maps))
        if key not in self.__counted:
            codes = [self.__codes[n] if m is None else m[self.__codes[n]] for n, m in zip(columns, maps, strict=True)]
            counts = mechanisms.grid_counts(codes, self._shape(columns, coarse), self.__weights)
            if self.__cached_cells + counts.size > CACHED_CELLS:
                return counts
            self.__counted[key] = counts
            self.__cached_cells += counts.size
        return self.__counted[key]

    def __reduce__(self) -> str | tuple[object, ...]:
        raise PrivacyError("a curator holds private rows and cannot be copied or saved.")


def noise_in_use() -> str:
    """Name of the source that a curator made now draws from."""
    return default_source().name


def len_of(image: NDArray[np.int32] | None, size: int) -> int:
    """Number of codes after coarsening."""
    return size if image is None else int(image.max()) + 1


def _refuse_misfit(schema: Schema, budget: Budget, reservation: Reservation) -> None:
    unit = schema.unit or "row"
    if budget.unit != unit:
        raise PrivacyError(f"the budget protects unit {budget.unit!r}, but the schema's unit is {unit!r}.",
                           fix="Make them the same: schema.with_unit(...).")
    if reservation.budget != budget:
        raise PrivacyError("the reservation was made for another budget than the curator's.")
    if schema.population is not None:
        refuse_large_delta(budget.delta, schema.population.declared_units)
