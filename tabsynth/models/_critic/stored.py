"""A critic as JSON values and arrays, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabsynth.core.synthesizer import State
from tabsynth.models._critic.critic import Critic
from tabsynth.models._critic.ensemble import Ensemble
from tabsynth.models._critic.view import View

TREES = ("root", "feature", "goes_left", "left", "right", "value")
"""Arrays of an ensemble."""


def state(critic: Critic) -> State:
    """Tables and factors of all columns end to end; the trees round by round."""
    view = critic.view
    arrays: dict[str, NDArray[Any]] = {
        "bytes": np.concatenate(view.tables), "factors": np.concatenate(critic.factors),
        "levels": np.concatenate([*view.level.values(), np.zeros(0, np.int32)])}
    for i, one in enumerate(critic.rounds):
        arrays |= {f"round.{i}.{name}": getattr(one, name) for name in TREES}
    values = {"categories": view.is_category.tolist(), "codes": [len(table) for table in view.tables],
              "pairs": [list(pair) for pair in view.pairs], "levels_of": list(view.level),
              "starts": [one.start for one in critic.rounds], "most": critic.most, "share": critic.share}
    return State(values, arrays)


def critic(stored: State, names: tuple[str, ...]) -> Critic:
    """The inverse of `state`. names: the coding's columns."""
    values, arrays = stored.values, stored.arrays
    ends = np.cumsum(values["codes"])[:-1]
    tables, factors = np.split(arrays["bytes"], ends), np.split(arrays["factors"], ends)
    lengths = [values["codes"][j] for j in values["levels_of"]]
    levels = np.split(arrays["levels"], np.cumsum(lengths)[:-1]) if lengths else []
    view = View(names, tables, np.array(values["categories"]), [(a, b) for a, b in values["pairs"]],
                dict(zip(values["levels_of"], levels, strict=True)))
    rounds = [Ensemble(**{name: arrays[f"round.{i}.{name}"] for name in TREES}, start=start)
              for i, start in enumerate(values["starts"])]
    return Critic(view, rounds, factors, values["most"], values["share"])
