"""Differential privacy for whole people: one gate to private rows, exact noise, a ledger, a checkable statement.

Small enough to audit in an afternoon. Reading order:

1. ``events.py``        what can be released, as data; the grid on which everything is counted
2. ``noise.py``         the exact discrete Gaussian and exponential mechanism; the only file with entropy;
   ``noise_opendp.py``: OpenDP's discrete Gaussian instead
3. ``accountant.py``    what events cost, what (epsilon, delta) pays for, the filter that refuses;
   ``second_accountant.py``: dp-accounting's opinion on the total
4. ``bounding.py``      at most k rows of a unit, integer weights: why the sensitivity is one unit
5. ``mechanisms.py``    the five questions: counts, L1 errors, selection, open categories, bounds of open numbers
6. ``budget.py``        defaults and refusals
7. ``ledger_file.py``, ``ledger.py``   reserve, run, settle: composition over releases
8. ``statement.py``     what is promised, recomputable without data
9. ``curator.py``       where all of it meets: check, charge, draw
10. ``synthesizer.py``  the contract of a model that learns through the gate

The root folder ``privacy/`` holds the claim and the proof of every mechanism.
"""
