"""Cells that declared rules make impossible: fixed factors of the model, of which nothing needs to be measured.

A rule that no row keeps with certain codes of two or three columns rules those codes out together. The tables follow
from the public rules and the view, so they cost no budget. A cell of groups is ruled out only if every combination of
codes that are ever drawn from it breaks a rule; what these tables leave open, redrawing sees to.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from tabsynth.core.coding import Coding
from tabsynth.core.rules.expression import Expression
from tabsynth.core.rules.on_codes import OnCodes
from tabsynth.core.rules.tree import All, Any_, Node, Pair, alternatives, columns_of, leaves
from tabsynth.models._marginal.factor import Clique, Mask, Possible, cells, shape
from tabsynth.models._marginal.triangulation import Triangulation
from tabsynth.models._marginal.view import View

MOST_COLUMNS = 3
MOST_CELLS = 4_096
"""Largest table that is made of a rule."""
TREE_SHARE = 0.25
"""Share of the tree's cap that cliques of rules may fill beside the first batch of pairs; the others are not joined."""


def possible(coding: Coding, view: View) -> dict[Clique, Mask]:
    """The cells of the engine's attributes that the rules leave open; a function of public facts and the view."""
    breaches: dict[tuple[str, ...], list[Node]] = defaultdict(list)
    for check in coding.rules.checks:
        for parts in alternatives(check.breach, MOST_COLUMNS):
            breach = All(parts)
            names = columns_of(breach)
            if view.groups.keys() >= set(names) and not any(isinstance(leaf, Pair) for leaf in leaves(breach)):
                breaches[tuple(sorted(names))].append(breach)
    found: dict[Clique, Mask] = {}
    for names, together in breaches.items():
        clique = tuple(sorted(view.names.index(name) for name in names if name in view.names))
        if not clique or cells(view.sizes, clique) > MOST_CELLS:
            continue
        mask = ~_broken(Any_(tuple(together)), names, clique, coding, view)
        mask = mask & found.get(clique, True)
        if not mask.all():
            found[clique] = mask
    return found


def joined(triangulation: Triangulation, tables: Possible, max_cells: float) -> Triangulation:
    """The triangulation with the cliques of the tables in it, smallest first, as far as they take few cells."""
    cap = max(TREE_SHARE * max_cells, triangulation.cells)
    for clique in sorted(tables, key=lambda c: (cells(triangulation.sizes, c), c)):
        larger = triangulation.join(clique)
        if larger.cells <= cap:
            triangulation = larger
    return triangulation


def _broken(breach: Node, names: tuple[str, ...], clique: Clique, coding: Coding, view: View) -> Mask:
    """Shape of the clique: cells in which every row breaks a rule. Columns that have one group have no axis."""
    axes = [*(view.names[a] for a in clique), *(name for name in names if name not in view.names)]
    on = _as_drawn(OnCodes.of(Expression("", columns_of(breach), breach), coding.codecs), view).turned(axes)
    every, _ = on.over([view.groups[name] for name in axes])
    return every.reshape(shape(view.sizes, clique))


def _as_drawn(on: OnCodes, view: View) -> OnCodes:
    """The condition on codes that are drawn: the others stand for nothing, and a code of no case satisfies nothing."""
    cases = []
    for name, held in zip(on.columns, on.cases, strict=True):
        drawn = view.chances[name].max(axis=0) > 0
        cases.append(np.column_stack([held, ~held.any(axis=1)]) & drawn[:, None])
    return OnCodes(on.columns, tuple(cases), np.pad(on.truth, [(0, 1)] * on.truth.ndim))
