"""All rules of a schema, compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.compact import Compact
from tabsynth.core.errors import ColumnNotFoundError, RuleError
from tabsynth.core.rules.expression import Expression
from tabsynth.core.rules.mapped import Mapped
from tabsynth.core.rules.tree import All, Node, Not
from tabsynth.core.schema import Schema
from tabsynth.core.table import Cells, Table

FORMS: Final = ("mapped", "compare", "implies", "forbid")


@dataclass(frozen=True)
class Check:
    """A condition on one row. A rule is only broken by cells that are given.

    form "compare": `when` must not be false. "forbid": `when` must not be true.
    "implies": where `when` is true, `then` must not be false.
    """

    form: Literal["compare", "implies", "forbid"]
    when: Expression
    then: Expression | None = None

    @property
    def text(self) -> str:
        if self.form == "compare":
            return self.when.text
        if self.then is None:
            return f"not ({self.when.text})"
        return f"if {self.when.text} then {self.then.text}"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.when.columns, *(self.then.columns if self.then else ()))))

    @property
    def breach(self) -> Node:
        """The condition that holds where the rule is broken."""
        if self.form == "compare":
            return Not(self.when.tree)
        return self.when.tree if self.then is None else All((self.when.tree, Not(self.then.tree)))

    def broken(self, columns: Mapping[str, Cells]) -> NDArray[np.bool_]:
        """Shape (n,): rows that break the rule."""
        return self.breach.evaluate(columns).true


@dataclass(frozen=True)
class Rules:
    """Conditions that every row keeps, and mapped columns that are computed instead of modelled.

    Args:
        checks: conditions, in schema order.
        maps: derived columns, each after those it needs.
    """

    checks: tuple[Check, ...] = ()
    maps: tuple[Mapped, ...] = ()

    @classmethod
    def compile(cls, schema: Schema, *, learn_from: Table | Compact | None = None) -> Self:
        """Parse every rule and refuse an infeasible set.

        Args:
            schema: holds the rules.
            learn_from: real rows (non-DP) from which a mapped rule without table learns it; with None such a
                rule is refused: under DP only declared tables are used.

        Raises:
            RuleError: a rule cannot be read, or no row of the public domain can obey them all.
        """
        from tabsynth.core.rules.feasible import refuse_infeasible

        rules = cls._compile(schema, learn_from, {})
        refuse_infeasible(rules, schema)
        return rules

    @classmethod
    def from_state(cls, schema: Schema, state: Mapping[str, Any]) -> Self:
        """The rules of a schema with the tables that were learned; the inverse of `state`.

        They were found feasible when they were compiled; that is not asked again.
        """
        return cls._compile(schema, None, {table["to"]: table for table in state["learned"]})

    def state(self) -> dict[str, Any]:
        """JSON values: the learned tables; all else follows from the schema."""
        return {"learned": [rule.state() for rule in self.maps if rule.learned]}

    @classmethod
    def _compile(cls, schema: Schema, rows: Table | Compact | None, learned: Mapping[str, Mapping[str, Any]]) -> Self:
        checks, maps = [], []
        for form, body in map(_form, schema.rules):
            if form == "mapped":
                maps.append(_mapped(body, schema, rows, learned))
            else:
                checks.append(_check(form, body, schema))
        return cls(tuple(checks), _in_order(maps))

    @property
    def derived(self) -> tuple[str, ...]:
        """Columns that are computed from others, in the order in which to compute them."""
        return tuple(rule.to.name for rule in self.maps)

    @property
    def all(self) -> tuple[Check | Mapped, ...]:
        """Every rule, conditions first."""
        return (*self.checks, *self.maps)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a rule reads or derives."""
        read = [name for check in self.checks for name in check.columns]
        mapped = [name for rule in self.maps for name in (*rule.sources, rule.to.name)]
        return tuple(dict.fromkeys((*read, *mapped)))

    def sources_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """The columns that must be drawn before these can be computed (themselves unless derived)."""
        wanted = dict.fromkeys(names)
        for rule in reversed(self.maps):
            if rule.to.name in wanted:
                del wanted[rule.to.name]
                wanted.update(dict.fromkeys(rule.sources))
        return tuple(wanted)

    def derive(self, columns: Mapping[str, Cells]) -> dict[str, Cells]:
        """The columns plus the derived ones (a parent value without entry in the table gives missing).

        A derived column whose sources are not all among `columns` is left out.
        """
        found = dict(columns)
        for rule in self.maps:
            if all(name in found for name in rule.sources):
                found[rule.to.name] = rule.derive(found)
        return found

    def kept(self, columns: Mapping[str, Cells]) -> NDArray[np.bool_]:
        """Shape (n,): rows, derived columns included, that keep every condition.

        A derived column that is missing although it is declared ``nullable: false`` counts as broken.
        """
        good = np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
        for check in self.checks:
            good &= ~check.broken(columns)
        for rule in self.maps:
            if not rule.to.nullable:
                good &= columns[rule.to.name].present
        return good

    def valid(self, columns: Mapping[str, Cells]) -> NDArray[np.bool_]:
        """Shape (n,): rows that keep every rule, mapped ones included."""
        good = np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
        for rule in self.all:
            good &= ~rule.broken(columns)
        return good

    def violations(self, table: Table) -> dict[str, int]:
        """Rule (as text) -> number of rows that break it. For the evaluation of any table."""
        return {rule.text: int(rule.broken(table.columns).sum()) for rule in self.all}


def _form(rule: Mapping[str, Any]) -> tuple[str, Any]:
    """The one form of a rule and what belongs to it."""
    forms = [key for key in rule if key in FORMS]
    if len(forms) != 1 or len(rule) != 1:
        raise RuleError(f"a rule has exactly one of the keys {', '.join(FORMS)}; this one has: "
                        f"{', '.join(map(str, rule)) or 'none'}.")
    return forms[0], rule[forms[0]]


def _check(form: str, body: Any, schema: Schema) -> Check:
    if form == "implies":
        if not isinstance(body, Mapping) or set(body) != {"if", "then"}:
            raise RuleError("an implies rule is written {if: condition, then: condition}.")
        when, then = (_condition(body[part], form, schema) for part in ("if", "then"))
        check = Check("implies", when, then)
    else:
        check = Check("compare" if form == "compare" else "forbid", _condition(body, form, schema))
    for name in check.columns:
        _refuse_regenerated(name, schema, f"{form} rule {check.text!r}")
    return check


def _condition(text: Any, form: str, schema: Schema) -> Expression:
    if not isinstance(text, str):
        raise RuleError(f"the condition of a {form} rule must be a text such as \"a <= b\"; quote it in YAML.")
    return Expression.parse(text, schema)


def _mapped(body: Any, schema: Schema, rows: Table | Compact | None,
            learned: Mapping[str, Mapping[str, Any]]) -> Mapped:
    if not isinstance(body, Mapping) or not {"from", "to"} <= set(body) <= {"from", "to", "table"}:
        raise RuleError("a mapped rule is written {from: [columns], to: column, table: {value: value}}.")
    sources = tuple([body["from"]] if isinstance(body["from"], str) else body["from"])
    where = f"mapped rule {', '.join(map(str, sources))} -> {body['to']}"
    for name in (*sources, body["to"]):
        if name not in schema.by_name:
            error = ColumnNotFoundError(str(name), source="the schema", columns=schema.names)
            raise RuleError(f"{where}: {error.message}", fix=error.fix)
        _refuse_regenerated(name, schema, where)
    if not sources or len(set(sources)) < len(sources) or body["to"] in sources:
        raise RuleError(f"{where}: 'from' must be one or more other columns, each once.")
    target = schema[body["to"]]
    if body.get("table") is not None:
        return Mapped.declared(sources, target, body["table"], schema)
    if target.name in learned:
        return Mapped.from_state(sources, target, learned[target.name])
    if rows is None:
        raise RuleError(f"{where} has no table, and none may be learned from private rows.",
                        fix="Add 'table: {value: value}' to the rule, from a public source, or remove the rule.")
    return Mapped.learn(sources, target, rows)


def _refuse_regenerated(name: str, schema: Schema, where: str) -> None:
    if not schema[name].modelled:
        column = schema[name]
        raise RuleError(f"{where}: column {name!r} is regenerated (kind {column.kind}, role {column.role}), so no "
                        "rule can hold for it.")


def _in_order(maps: list[Mapped]) -> tuple[Mapped, ...]:
    """Derived columns after the columns they need (Kahn's algorithm, schema order among equals)."""
    waiting: dict[str, Mapped] = {}
    for rule in maps:
        if rule.to.name in waiting:
            raise RuleError(f"column {rule.to.name!r} is derived by two mapped rules.", fix="Remove one of them.")
        waiting[rule.to.name] = rule
    done: list[Mapped] = []
    while waiting:
        ready = [name for name, rule in waiting.items() if not set(rule.sources) & set(waiting)]
        if not ready:
            raise RuleError(f"mapped rules form a circle: {', '.join(sorted(waiting))} need each other.",
                            fix="Remove one of these rules.")
        done += [waiting.pop(name) for name in ready]
    return tuple(done)
