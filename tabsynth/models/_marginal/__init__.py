"""The junction-tree engine behind the `marginal` model: numpy only, no randomness but the sampler's argument.

Attributes are small integers here (columns that take part), with sizes; a clique is a rising tuple of attributes.
Everything is a function of noisy measurements and public facts; nothing in this folder touches rows or noise.

Reading order: factor, triangulation, junction_tree, propagation, estimation, pairwise, selection, coarsening,
plan, sampling.
"""

from __future__ import annotations
