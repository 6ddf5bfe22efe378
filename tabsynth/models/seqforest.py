"""SeqForest: one column after the other, each drawn by a tree that has read the columns before it.

After synthpop's CART chain (Nowok, Raab and Dibben 2016, section 3), on integer codes, with its own compiled engine,
entropy splits against a test of chance, back-off between leaves that keeps every margin, and stratified draws.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Final, Self, final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.coding import ROWS, Codes, Coding
from tabsynth.core.complexity import Complexity
from tabsynth.core.errors import UsageError
from tabsynth.core.progress import Progress, silent
from tabsynth.core.synthesizer import State, Synthesizer
from tabsynth.models._trees import stored
from tabsynth.models._trees.chain import PARTICLES, Chain, Step
from tabsynth.models._trees.features import byte_of_code
from tabsynth.models._trees.fitting import Fitter, Growth
from tabsynth.models._trees.lookup import Lookup
from tabsynth.models._trees.order import column_order
from tabsynth.models._trees.rows import Rows

FACTS = {
    "name": "seqforest",
    "entry": "SeqForest",
    "summary": "Sequence of trees, column after column: seconds to fit, no formal guarantee.",
    "private": False,
    "calibrated": True,
}

STRUCTURE_ROWS: Final = 200_000
"""Rows on which trees are grown; all rows then go through them to the leaves."""

THREADS: Final = 2
"""Columns that are fitted at the same time; the compiled loops let go of the interpreter."""

Ints = NDArray[np.int32]


@final
class SeqForest(Synthesizer):
    """Sequence of trees.

    Args:
        leaf: least number of people in a leaf (as rows: times the mean rows of a person).
        evidence: standard deviations beyond chance that a split must gain; the larger, the simpler the trees.
        honesty: part of the separation by a column's splits that has to be real, on rows that they were not found on;
            nodes of sizes at which it is less are not split. 0 = no check.
        backoff: how readily a leaf of m rows in d classes borrows from its relatives: with probability
            a (d - 1) / (m + a (d - 1)); 0 = never.
        parents: columns that one tree may read; chosen by what a coarse tree gains from them.
        classes: steps into which a long line is cut for judging splits.
        order: "schema" (as the table has them) or "small" (columns with few values first), both after the declared
            target, or names in the order that is wanted, the others following. Columns that rows of a unit share
            always come first, so that further rows of a unit are exactly conditional on them.
    """

    name: ClassVar[str] = "seqforest"
    particles: ClassVar[int] = PARTICLES
    complexity: ClassVar[Complexity] = Complexity(
        levels=({"leaf": 5, "evidence": 0.0, "honesty": 0.0, "backoff": 1.0},
                {"leaf": 3, "evidence": 0.5, "honesty": 0.02, "backoff": 2.0},
                {"leaf": 3, "evidence": 1.0, "honesty": 0.03, "backoff": 3.0},
                {"leaf": 3, "evidence": 1.5, "honesty": 0.03, "backoff": 3.0},
                {"leaf": 5, "evidence": 2.0, "honesty": 0.05, "backoff": 3.0},
                {"leaf": 20, "evidence": 3.0, "honesty": 0.05, "backoff": 4.0}),
        variants=({"order": "schema"}, {"order": "small"}),
        few={"leaf": 20, "evidence": 1.5, "honesty": 0.0, "backoff": 3.0})
    chain_: Chain

    def __init__(self, leaf: int = 3, evidence: float = 1.0, honesty: float = 0.03, backoff: float = 3.0,
                 parents: int = 20, classes: int = 32, order: str | list[str] = "schema") -> None:
        if leaf < 1 or parents < 1 or classes < 2 or backoff < 0:
            raise UsageError("seqforest needs leaf >= 1, parents >= 1, classes >= 2 and backoff >= 0; got "
                             f"leaf {leaf}, parents {parents}, classes {classes}, backoff {backoff}.")
        self.leaf = leaf
        self.evidence = evidence
        self.honesty = honesty
        self.backoff = backoff
        self.parents = parents
        self.classes = classes
        self.order = order

    def fit_codes(self, codes: Codes, *, rng: np.random.Generator, progress: Progress = silent) -> None:
        columns = np.ascontiguousarray(codes.values.T)
        counts = [np.bincount(column, minlength=size) for column, size in zip(columns, codes.sizes, strict=True)]
        lines = [self.coding_.codecs[name].ordered for name in codes.names]
        rows = Rows.of(columns, [byte_of_code(count, line) for count, line in zip(counts, lines, strict=True)])
        growth = Growth(self.leaf, self.evidence, self.honesty, self.backoff, self.parents, self.classes)
        fitter = Fitter(rows, codes.sizes, lines, _structure(len(rows), rng), growth, codes.unit_of)
        order = column_order(self.order, self.coding_, counts)

        def step(place: int) -> Step:
            j, earlier = order[place], np.array(order[:place], np.int32)
            if codes.names[j] == ROWS:
                return fitter.shares(j, codes.weights)
            return Lookup.find(columns, j, earlier, codes.sizes) or fitter.tree(j, earlier)

        steps: dict[int, Step] = {}
        with ThreadPoolExecutor(THREADS) as threads:      # a tree reads the real columns, no other tree
            for place, found in enumerate(threads.map(step, range(len(order)))):
                progress("trees", place, len(order))
                steps[order[place]] = found
        progress("trees", len(order), len(order))
        self.chain_ = Chain(steps, order, rows.bytes_of)

    def draw(self, n: int, *, rng: np.random.Generator, given: Mapping[str, Ints] | None = None) -> dict[str, Ints]:
        rows = self.chain_.draw(n, self._known(given), rng)
        return {name: rows.codes[j] for j, name in enumerate(self.coding_.names)}

    def is_exact(self, given: Collection[str]) -> bool:
        """True where all of these columns come first in the order, so that nothing is weighed."""
        return not self.chain_.late({j: np.zeros(0, np.int32) for j, name in enumerate(self.coding_.names)
                                     if name in given})

    def effective_sizes(self, given: Mapping[str, Ints], *, rng: np.random.Generator) -> NDArray[np.float64]:
        """How many of each given row's particles count, shape (n,), in 1 .. 32; 32 where the draw is exact."""
        n = len(next(iter(given.values()), ()))
        return self.chain_.effective_sizes(n, self._known(given), rng)

    def log_density(self, codes: Codes) -> NDArray[np.float64]:
        """log p(row) in nats, exact, shape (n,); a code that no leaf allows counts as log(1e-12)."""
        return self.chain_.log_density(np.ascontiguousarray(codes.values.T))

    def state(self) -> State:
        return stored.state(self.chain_)

    @classmethod
    def from_state(cls, state: State, coding: Coding) -> Self:
        model = cls()
        model.coding_, model.chain_ = coding, stored.chain(state)
        return model

    def _known(self, given: Mapping[str, Ints] | None) -> dict[int, Any]:
        return {j: given[name] for j, name in enumerate(self.coding_.names) if given and name in given}


def _structure(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    if n <= STRUCTURE_ROWS:
        return np.arange(n)
    return np.sort(rng.choice(n, STRUCTURE_ROWS, replace=False))
