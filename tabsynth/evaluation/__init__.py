"""How good a synthetic table is and what it gives away: measures, attacks, and the verdict on them.

Reading order: ``protocol`` (what is compared with what), ``intervals`` (how sure), one file a measure in
``fidelity/``, ``utility/`` and ``attacks/``, ``verdict`` (what a policy makes of it). Evaluation sees tables,
never models. The definitions in words are in ``evaluation/PROTOCOL.md`` at the root of the repository.
"""
