"""Rows from a calibrated junction tree, exactly conditional on any evidence.

Evidence flows up to the root once per *distinct* combination of given values below each clique; then attributes are
drawn from the root outward, clique by clique. Cliques without evidence below them need no messages at all, so
unconditional sampling is the same code with nothing to send.

All tables are laid out for blocks of situations: axis 0 counts situations, the other axes are free attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tabsynth.models._marginal.draws import draw_joint
from tabsynth.models._marginal.factor import Array, Clique, cells, project, ratio, shape
from tabsynth.models._marginal.junction_tree import JunctionTree, Step

Index = NDArray[np.int64]

BLOCK_CELLS = 2_000_000
"""Cells of the largest table built at once (16 MB)."""


def sample(tree: JunctionTree, beliefs: Sequence[Array], n: int, rng: np.random.Generator,
           evidence: Mapping[int, Index] | None = None) -> dict[int, Index]:
    """Draw `n` rows. evidence: values of some attributes, shape (n,) each; returned as they came."""
    evidence = dict(evidence or {})
    if n == 0:
        return {a: np.zeros(0, dtype=np.int64) for a in range(len(tree.sizes))}
    root = max(range(len(tree.cliques)), key=lambda k: (sum(a in evidence for a in tree.cliques[k]), -k))
    steps = tree.walk(root)
    messages = _collect(tree, beliefs, steps, evidence)
    rows: dict[int, Index] = dict(evidence)
    for step in steps:
        _draw_clique(tree, beliefs[step.clique], step, messages, rows, n, rng)
    return rows


@dataclass(frozen=True, slots=True)
class Message:
    """What the evidence below a clique says about its separator.

    Args:
        free: separator attributes that are not given.
        situation: shape (n,): which situation of evidence each row is in.
        table: shape (situations, sizes of `free`): likelihood of the evidence below.
    """

    free: Clique
    situation: Index
    table: Array


Messages = dict[int, dict[int, Message]]
"""For every clique, the messages of its children by child."""


def _collect(tree: JunctionTree, beliefs: Sequence[Array], steps: list[Step],
             evidence: Mapping[int, Index]) -> Messages:
    """Messages towards the root, leaves first; only those that can say anything."""
    received: Messages = {step.clique: {} for step in steps}
    if not evidence:
        return received
    for step in reversed(steps[1:]):
        clique = tree.cliques[step.clique]
        free = tuple(a for a in step.separator if a not in evidence)
        news = any(a in evidence and a not in step.separator for a in clique) or received[step.clique]
        if free and news:
            assert step.parent is not None
            received[step.parent][step.clique] = _message(tree, beliefs[step.clique], step, free,
                                                          received[step.clique], evidence)
    return received


def _message(tree: JunctionTree, belief: Array, step: Step, free: Clique, below: Mapping[int, Message],
             evidence: Mapping[int, Index]) -> Message:
    clique = tree.cliques[step.clique]
    given = tuple(a for a in clique if a in evidence)
    open_ = tuple(a for a in clique if a not in evidence)
    local = flat(tree.sizes, given, evidence)
    situation, first = distinct([local, *(m.situation for m in below.values())])
    table = laid_out(belief, clique, given)
    norm = laid_out(project(belief, clique, step.separator), step.separator,
                    tuple(a for a in step.separator if a in evidence))
    norm_at = flat(tree.sizes, tuple(a for a in step.separator if a in evidence), evidence)[first]
    out = np.empty((len(first), *shape(tree.sizes, free)))
    for part in _blocks(len(first), cells(tree.sizes, open_)):
        rows = first[part]
        product = table[local[rows]]
        for message in below.values():
            product = product * _open(message.table[message.situation[rows]], message.free, open_)
        out[part] = ratio(project_open(product, open_, free), norm[norm_at[part]])
    peak = out.reshape(len(out), -1).max(axis=1).reshape(-1, *[1] * len(free))
    return Message(free, situation, ratio(out, peak))


def _draw_clique(tree: JunctionTree, belief: Array, step: Step, messages: Messages, rows: dict[int, Index], n: int,
                 rng: np.random.Generator) -> None:
    """Draw the clique's attributes that are not known yet; `rows` gains them."""
    clique = tree.cliques[step.clique]
    fresh = tuple(a for a in clique if a not in rows)
    if not fresh:
        return
    known = tuple(a for a in clique if a in rows)
    local = flat(tree.sizes, known, rows, n)
    table = laid_out(belief, clique, known)
    below = [_given_known(tree.sizes, m, known, rows) for m in messages[step.clique].values()]
    situation, first = distinct([local, *(at for at, _, _ in below)])
    fallback = project(belief, clique, fresh)
    drawn = np.empty((n, len(fresh)), dtype=np.int64)
    order = np.argsort(situation, kind="stable")
    edges = np.searchsorted(situation[order], np.arange(len(first) + 1))
    for part in _blocks(len(first), cells(tree.sizes, fresh)):
        product = table[local[first[part]]]
        for at, free, likelihood in below:
            product = product * _open(likelihood[at[first[part]]], free, fresh)
        product = _possible(product, fallback)
        here = order[edges[part.start]:edges[part.stop]]
        drawn[here] = draw_joint(product, situation[here] - part.start, rng)
    for k, a in enumerate(fresh):
        rows[a] = drawn[:, k]


def _given_known(sizes: Sequence[int], message: Message, known: Clique,
                 rows: Mapping[int, Index]) -> tuple[Index, Clique, Array]:
    """A message as seen once some of its attributes are drawn: row -> table row, open attributes, table."""
    seen = tuple(a for a in message.free if a in known)
    left = tuple(a for a in message.free if a not in known)
    axes = [0, *(1 + message.free.index(a) for a in (*seen, *left))]
    table = message.table.transpose(axes).reshape(-1, *shape(sizes, left))
    at = message.situation * cells(sizes, seen) + flat(sizes, seen, rows, len(message.situation))
    return at, left, table


def _possible(product: Array, fallback: Array) -> Array:
    """Situations that the model gives no chance at all are drawn as if nothing were known."""
    axes = tuple(range(1, product.ndim))
    dead = ~(product.sum(axis=axes) > 0)
    if dead.any():
        product = product.copy()
        product[dead] = fallback
    return product


def flat(sizes: Sequence[int], attributes: Clique, rows: Mapping[int, Index], n: int | None = None) -> Index:
    """Cell number of every row in a table over `attributes`; zeros, shape (n,), for none."""
    if not attributes:
        return np.zeros(len(next(iter(rows.values()))) if n is None else n, dtype=np.int64)
    code = np.zeros_like(rows[attributes[0]], dtype=np.int64)
    for a in attributes:
        code = code * sizes[a] + rows[a]
    return code


def distinct(keys: Sequence[Index]) -> tuple[Index, Index]:
    """Number the distinct combinations of keys: (number of every row, a first row of every number)."""
    number, first = _numbered(keys[0])
    for key in keys[1:]:
        number, first = _numbered(number * (int(key.max()) + 1) + key)
    return number, first


def _numbered(key: Index) -> tuple[Index, Index]:
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    return number.astype(np.int64), first.astype(np.int64)


def laid_out(table: Array, clique: Clique, leading: Clique) -> Array:
    """A clique's table with the cells of `leading` as axis 0 and the other attributes after it."""
    rest = [k for k, a in enumerate(clique) if a not in leading]
    turned = table.transpose([clique.index(a) for a in leading] + rest)
    return np.ascontiguousarray(turned).reshape(-1, *(table.shape[k] for k in rest))


def project_open(table: Array, outer: Clique, inner: Clique) -> Array:
    """`factor.project`, keeping axis 0 of situations."""
    axes = tuple(1 + k for k, a in enumerate(outer) if a not in inner)
    return np.asarray(table.sum(axis=axes)) if axes else table


def _open(table: Array, inner: Clique, outer: Clique) -> Array:
    """`factor.spread`, keeping axis 0 of situations."""
    extent = dict(zip(inner, table.shape[1:], strict=True))
    return table.reshape([len(table), *(extent.get(a, 1) for a in outer)])


def _blocks(situations: int, size: int) -> Iterator[slice]:
    """Slices of situations whose tables of `size` cells stay within BLOCK_CELLS together."""
    step = max(1, BLOCK_CELLS // max(1, size))
    for start in range(0, situations, step):
        yield slice(start, min(start + step, situations))
