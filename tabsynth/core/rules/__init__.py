"""Rules over the columns of one row: written in the schema, compiled here, kept by every model in sampling.

Four forms, in YAML:

    rules:
      - mapped: {from: [education], to: education-num, table: {Bachelors: "13"}}   # table optional without DP
      - compare: "admitted <= discharged"
      - implies: {if: "sex == 'male'", then: "pregnancies == 0"}
      - forbid: "sex == 'male' and diag_1 in ['650', 'V27']"
"""

from __future__ import annotations

from tabsynth.core.rules.ruleset import Rules

__all__ = ["Rules"]
