"""The small types everything else is made of: schema, table, codecs, rules, registry, artifact, errors.

Needs numpy only. Read in this order: ``errors``, ``schema``, ``table``, ``codec``, ``coding``, ``rules``,
``synthesizer``, ``assemble``, ``draws``, ``identifiers``, ``finding``, ``registry``, ``artifact``, ``rng``.
"""
