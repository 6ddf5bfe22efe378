"""Our junction-tree fit beside `mbi`, the reference Private-PGM, on the same measurements. Not part of the package.

    python3 -m venv VENV && VENV/bin/pip install "mbi==2.0.0"        # pulls JAX, 650 MB: an environment of its own
    PYTHONPATH=. VENV/bin/python scripts/compare_mbi.py              # in the repository's root; Markdown, ten minutes

mbi is Apache-2.0 licensed; nothing of it is copied here. The engine needs numpy alone, which mbi brings, so that one
process holds both: first all of our fits (so that memory is told apart), then theirs: mirror descent in 64 bit.

Tables of 10,000 rows and seven columns are simulated (``--seed``), four structures measured with five kinds of noise:
none (weighed as if sigma were 1), and Gaussian noise of 1, 10, 100 and, in ``mixed``, of 3 and 30 by turns. Noisy sums
are at odds with each other and noisy counts may be negative, so that no distribution has the measured marginals.

Both minimise the same sum of squares over all distributions on the tree: strictly convex in the measured marginals, so
that these have one optimum; other pairs follow by maximum entropy, which potentials on the measured cliques give. Ours
takes ``--steps`` steps; theirs ``--their-steps``, which carry no momentum and cost less; none stops early. Printed:

* the largest difference of a probability, in the measured marginals and in the pairs that no measured clique holds;
* how far each may be off: Frank & Wolfe's gap g = <gradient, counts> - min over distributions of <gradient, counts>
  bounds the loss above the optimum; the loss is quadratic with weights 1/sigma^2, so that no measured count is further
  off than sigma * sqrt(2 g). The minimum is looked up in the full joint table. Safe for either side, and wide;
* losses (the lower one is nearer to the optimum) and processor seconds, theirs for compiling with 50 steps + for all;
* how far the fit as shipped (150 steps) stops from where the long one ends, in measured marginals, and its seconds.

The exit status is 1 if any measured marginal differs by more than 1e-4; models/marginal.md tells of one that does.
"""

from __future__ import annotations

import argparse
import itertools
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from tabsynth.models._marginal.estimation import Measurement, fit, total
from tabsynth.models._marginal.factor import Array, Clique, spread
from tabsynth.models._marginal.junction_tree import JunctionTree
from tabsynth.models._marginal.pairwise import pairs
from tabsynth.models._marginal.propagation import Propagation
from tabsynth.models._marginal.triangulation import Triangulation

AGREED = 1e-4
ROWS, CLASSES = 10_000, 4
SIZES = (2, 3, 5, 8, 15, 4, 2)
PAIRS: list[Clique] = list(itertools.combinations(range(len(SIZES)), 2))
ONE_WAY: list[Clique] = [(a,) for a in range(len(SIZES))]
TREE: list[Clique] = [(0, 4), (3, 4), (1, 3), (3, 5), (2, 5), (5, 6)]
STRUCTURES: dict[str, list[Clique]] = {
    "tree of pairs": TREE,
    "one-way and tree": ONE_WAY + TREE,
    "loop of triples": [(0, 1, 4), (2, 3, 4), (2, 3, 5), (0, 5, 6), (1, 6)],
    "one-way and 12 of 21 pairs": ONE_WAY + [pair for i, pair in enumerate(PAIRS) if i % 7 not in (1, 3, 5)],
}
NOISE = {"none": [0.0], "1": [1.0], "10": [10.0], "100": [100.0], "mixed": [3.0, 30.0]}

Marginals = dict[Clique, Array]
"""Probabilities of cliques."""


@dataclass(frozen=True)
class Case:
    """What both are given."""

    structure: str
    noise: str
    measurements: dict[Clique, Measurement]

    @property
    def unmeasured(self) -> list[Clique]:
        """Pairs that no measured clique holds."""
        return [pair for pair in PAIRS if not any(set(pair) <= set(clique) for clique in self.measurements)]

    def loss_and_reach(self, found: Marginals) -> tuple[float, float]:
        """Half the weighted squares, and how far a measured probability may at most be from the optimum."""
        n, measured = total(self.measurements.values()), self.measurements.items()
        off = {c: n * found[c] - m.values for c, m in measured}
        slope = {c: off[c] / m.variance for c, m in measured}
        lowest = sum(spread(table, c, tuple(range(len(SIZES)))) for c, table in slope.items()).min()
        gap = sum(float((table * n * found[c]).sum()) for c, table in slope.items()) - n * lowest
        widest = max(float(m.variance.max()) for m in self.measurements.values())
        return sum(float((slope[c] * off[c]).sum()) for c in off) / 2, math.sqrt(2 * max(gap, 0.0) * widest) / n


@dataclass(frozen=True)
class Answer:
    """What one side found, in how many processor seconds."""

    measured: Marginals
    unmeasured: Marginals
    seconds: tuple[float, ...]

    def __str__(self) -> str:
        return " + ".join(f"{s:.2g}" for s in self.seconds)


def cases(seed: int) -> Iterator[Case]:
    """Every structure with every kind of noise, each on a table of its own."""
    for i, (structure, noise) in enumerate(itertools.product(STRUCTURES, NOISE)):
        rng = np.random.default_rng((seed, i))
        joint = simulated(rng)
        measurements = {}
        for clique, sigma in zip(STRUCTURES[structure], itertools.cycle(NOISE[noise])):
            counts = joint.sum(axis=tuple(a for a in range(len(SIZES)) if a not in clique))
            noisy = counts + rng.normal(0.0, sigma, counts.shape)
            measurements[clique] = Measurement(clique, noisy, np.full(counts.shape, (sigma or 1.0)**2))
        yield Case(structure, noise, measurements)


def simulated(rng: np.random.Generator) -> Array:
    """Counts of a table whose columns depend on each other through a hidden class; shape SIZES."""
    hidden = rng.integers(CLASSES, size=ROWS)
    columns = []
    for size in SIZES:
        chances = rng.dirichlet(np.full(size, 0.7), CLASSES).cumsum(axis=1)
        columns.append(np.minimum((rng.random(ROWS)[:, None] > chances[hidden]).sum(axis=1), size - 1))
    return np.histogramdd(np.column_stack(columns), bins=[np.arange(size + 1) - 0.5 for size in SIZES])[0]


def ours(case: Case, **settings: Any) -> Answer:
    begun = time.process_time()
    cover = Triangulation.empty(SIZES)
    for clique in case.measurements:
        cover = cover.join(clique)
    fitted = fit(JunctionTree.of(SIZES, cover.cliques), case.measurements, **settings)
    seconds = time.process_time() - begun
    measured = Propagation(fitted.tree, case.measurements).marginals(list(fitted.beliefs))
    return Answer(measured, pairs(fitted.tree, fitted.beliefs, case.unmeasured), (seconds,))


def reference() -> Callable[[Case, int], Answer]:
    """The same by mbi; imported here, so that the memory of our half is measured without it."""
    import jax  # type: ignore[import-not-found]

    jax.config.update("jax_enable_x64", True)  # before mbi is imported
    import mbi  # type: ignore[import-not-found]
    from mbi.estimation import CALLBACK_EVERY, MirrorDescent  # type: ignore[import-not-found]

    def theirs(case: Case, steps: int) -> Answer:
        domain = mbi.Domain(range(len(SIZES)), SIZES)
        given = [mbi.LinearMeasurement(m.values.ravel(), c, math.sqrt(m.variance.flat[0]))
                 for c, m in case.measurements.items()]
        times = [time.process_time()]
        for most in (CALLBACK_EVERY, steps):
            model = jax.block_until_ready(MirrorDescent().estimate(domain, given, iters=most))
            times.append(time.process_time())

        def probabilities(clique: Clique) -> Array:
            factor = model.project(clique).transpose(clique)
            return np.asarray(factor.datavector(flatten=False)) / float(model.total)

        measured, unmeasured = ({c: probabilities(c) for c in of} for of in (case.measurements, case.unmeasured))
        return Answer(measured, unmeasured, (times[1] - times[0], times[2] - times[1]))

    return theirs


def apart(a: Marginals, b: Marginals) -> float:
    """Largest difference of a probability."""
    return max(float(np.abs(a[c] - b[c]).max()) for c in a)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--their-steps", type=int, default=200_000)
    parser.add_argument("--only", default="", help="part of a case's name, such as 'pairs, mixed'")
    asked = parser.parse_args()
    given = [case for case in cases(asked.seed) if asked.only in f"{case.structure}, {case.noise}"]
    mine = [(ours(case, iterations=asked.steps, tolerance=0.0), ours(case)) for case in given]
    peaks = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]  # in KB
    theirs = reference()
    print(f"mbi {version('mbi')}, JAX {version('jax')}\n")
    print("| structure | noise | measured | unmeasured | ours at most off | theirs | loss, ours | theirs | s, ours | "
          "theirs | as shipped: off | s |\n|---|---|---|---|---|---|---|---|---|---|---|---|")
    worst = 0.0
    for case, (full, shipped) in zip(given, mine):
        other = theirs(case, asked.their_steps)
        off = apart(full.measured, other.measured)
        losses, reaches = zip(*(case.loss_and_reach(side.measured) for side in (full, other)))
        worst = max(worst, off)
        told = [case.structure, case.noise, f"{off:.1e}", f"{apart(full.unmeasured, other.unmeasured):.1e}",
                *(f"{reach:.1e}" for reach in reaches), *(f"{loss:.7g}" for loss in losses), str(full), str(other),
                f"{apart(full.measured, shipped.measured):.1e}", str(shipped)]
        print(f"| {' | '.join(told)} |", flush=True)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    print(f"\nPeak memory: {peaks[0] / 1024:.0f} MB with our fits alone, {peaks[1] / 1024:.0f} MB with theirs.")
    print(f"Largest difference of a measured probability: {worst:.1e}, allowed {AGREED:.0e}.")
    return int(worst > AGREED)


if __name__ == "__main__":
    sys.exit(main())
