"""The junction-tree engine behind `marginal`, `mst` and `aim`: numpy only, no randomness but the sampler's argument.

Attributes are small integers here (columns that take part), with sizes; a clique is a rising tuple of attributes.
Everything is a function of the curator's noisy answers and public facts; nothing in this folder touches rows or noise.

Reading order. The engine: factor, triangulation, junction_tree, propagation, estimation, pairwise, draws, sampling.
The process around it: plan, histogram, coarsening, one_way, view, zeros, selection, rounds, choosing, model.
What the measurements tell by themselves: least_squares, intervals, answers. What a fit would learn: forecast.
"""

from __future__ import annotations
