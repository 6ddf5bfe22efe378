"""Rounds of score, choose, measure and fit (select - measure - generate, batched).

Each round asks for the noisy L1 error of the model on every candidate pair, chooses a batch of pairs in closed form,
measures them, and fits again from where the last fit stopped, to denoised counts. The first batch is a forest; what it
explains need not be measured, nor what the rules explain, whose impossible cells join the tree after it. All choices
are functions of noisy answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt

from tabsynth.core.progress import Progress, silent
from tabsynth.models._marginal import choosing, pairwise, plan, selection, zeros
from tabsynth.models._marginal.denoising import denoised
from tabsynth.models._marginal.estimation import LAST_STEPS, ROUND_STEPS, Fitted, Measurement, combine, fit
from tabsynth.models._marginal.factor import Array, Clique
from tabsynth.models._marginal.junction_tree import JunctionTree
from tabsynth.models._marginal.selection import Candidate, Choice
from tabsynth.models._marginal.triangulation import Triangulation
from tabsynth.models._marginal.view import View
from tabsynth.models._marginal.workload import pair_weights
from tabsynth.privacy.curator import Curator

UNSPENT = 1e-9
"""Share of a budget that is left to the rounding of sigma."""
MAX_CANDIDATES = 20_000


@dataclass(frozen=True, slots=True)
class Settings:
    """max_cells: cap of the junction tree; rounds: of selection; weights: column -> weight (``workload``); target: the
    column whose pairs go before others, since few of them are as far off as those that would fill the tree."""

    max_cells: float
    rounds: int
    weights: Mapping[str, float]
    target: str | None = None


def learn(curator: Curator, view: View, one_ways: list[Measurement], settings: Settings,
          progress: Progress = silent) -> tuple[Fitted, dict[Clique, Measurement]]:
    """Spend the rest of the curator's budget on pairs (as far as any is worth it) and fit the model.

    Returns:
        The model, fitted to denoised pairs; the pairs as they were measured.
    """
    possible = zeros.possible(curator.coding, view)
    triangulation = Triangulation.empty(view.sizes)
    measured: list[Measurement] = []
    believed = list(one_ways)
    fitted = fit(_tree(triangulation), combine(one_ways), possible=possible)
    candidates = candidate_pairs(view, settings)
    for index in range(settings.rounds):
        progress("rounds", index, settings.rounds)
        last = index == settings.rounds - 1
        budget = curator.remaining * plan.round_share(index, settings.rounds) * (1 - UNSPENT)
        gains = _gains(curator, view, fitted, candidates, plan.SCORE_SHARE * budget)
        left = (curator.remaining if last else (1 - plan.SCORE_SHARE) * budget) * (1 - UNSPENT)
        choice = selection.choose(candidates, gains, left, triangulation, settings.max_cells,
                                  forest=index == 0 and not last)
        triangulation = choice.triangulation
        if index == 0:  # not before: pairs that rules tie are among the strongest, and the forest should measure them
            triangulation = zeros.joined(triangulation, possible, settings.max_cells)
        fresh = _measure(curator, view, choice)
        measured += fresh
        believed += _denoised(fresh, fitted)
        fitted = fit(_tree(triangulation), combine(believed), start=fitted.potentials, possible=possible,
                     iterations=LAST_STEPS if last else ROUND_STEPS, progress=progress)
    progress("rounds", settings.rounds, settings.rounds)
    return fitted, combine(measured)


def _tree(triangulation: Triangulation) -> JunctionTree:
    return JunctionTree.of(triangulation.sizes, triangulation.cliques)


def candidate_pairs(view: View, settings: Settings) -> list[Candidate]:
    """Every pair of columns, with their sizes and its weight."""
    return [Candidate((a, b), (view.sizes[a], view.sizes[b]), weight, settings.target in (view.names[a], view.names[b]))
            for (a, b), weight in pair_weights(view.names, settings.weights).items()]


def _gains(curator: Curator, view: View, fitted: Fitted, candidates: list[Candidate],
           budget: float) -> dict[Clique, float]:
    """How far the model is off on each candidate beyond what sampling explains (L1, in patients)."""
    patients = fitted.patients
    able = selection.worthwhile(candidates, patients, curator.remaining, MAX_CANDIDATES)
    if not able:
        return {}
    tables = {pair: patients * share
              for pair, share in pairwise.pairs(fitted.tree, fitted.beliefs, [c.pair for c in able]).items()}
    named: dict[tuple[str, ...], Array] = {(view.names[a], view.names[b]): table for (a, b), table in tables.items()}
    sigma = sqrt(len(able) / budget)
    noisy = curator.errors(named, sigma=sigma, coarse=view.groups)
    scores = {pair: noisy[view.names[pair[0]], view.names[pair[1]]] - selection.sampling_noise(table)
              for pair, table in tables.items()}
    return selection.shrink(scores, sigma)


def _measure(curator: Curator, view: View, choice: Choice) -> list[Measurement]:
    return [choosing.measure(curator, view, pair, sigma) for pair, sigma in sorted(choice.sigmas.items())]


def _denoised(fresh: list[Measurement], fitted: Fitted) -> list[Measurement]:
    """New measurements as the fit sees them; those that are stored stay as they came."""
    tables = pairwise.pairs(fitted.tree, fitted.beliefs, [m.clique for m in fresh])
    return [replace(m, values=denoised(m.values, fitted.patients * tables[m.clique], sqrt(float(m.variance.flat[0]))))
            for m in fresh]
