"""One marginal at a time: the tables a choice compares with, the choice, and its measurement, in the engine's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tabsynth.models._marginal import pairwise
from tabsynth.models._marginal.estimation import Fitted, Measurement
from tabsynth.models._marginal.factor import Array, Clique, project
from tabsynth.models._marginal.one_way import UNSPENT
from tabsynth.models._marginal.view import View
from tabsynth.privacy.accountant import selection_epsilon
from tabsynth.privacy.curator import Curator


def tables(fitted: Fitted, cliques: Sequence[Clique]) -> dict[Clique, Array]:
    """The model's counts of single attributes and pairs, in patients."""
    tree, patients = fitted.tree, fitted.patients
    found = pairwise.pairs(tree, fitted.beliefs, [c for c in cliques if len(c) == 2])
    for clique in cliques:
        if len(clique) == 1:
            home = tree.home(clique)
            assert home is not None
            found[clique] = project(fitted.beliefs[home], tree.cliques[home], clique)
    return {clique: patients * found[clique] for clique in cliques}


def select(curator: Curator, view: View, models: Mapping[Clique, Array], budget: float,
           weights: Mapping[Clique, float], penalties: Mapping[Clique, float]) -> Clique:
    """A clique that the model gets wrong, by the exponential mechanism with `budget` of mu^2."""
    named = {_names(view, clique): clique for clique in models}
    chosen = curator.select(
        {names: models[clique] for names, clique in named.items()},
        epsilon=selection_epsilon(budget * (1 - UNSPENT)),
        weights={names: weights[clique] for names, clique in named.items()},
        penalties={names: penalties[clique] for names, clique in named.items()}, coarse=view.groups)
    return named[chosen]


def measure(curator: Curator, view: View, clique: Clique, sigma: float) -> Measurement:
    """Noisy counts of a clique."""
    counts = curator.measure(_names(view, clique), sigma=sigma, coarse=view.groups)
    return Measurement(clique, counts, np.full(counts.shape, sigma**2))


def _names(view: View, clique: Clique) -> tuple[str, ...]:
    return tuple(view.names[a] for a in clique)
