"""Any model whose rows a critic has looked through: those it takes for drawn come less often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self, final

import numpy as np
from numpy.typing import NDArray

from tabsynth.core import registry
from tabsynth.core.coding import Coding
from tabsynth.core.synthesizer import Generative, State
from tabsynth.models._critic import stored
from tabsynth.models._critic.critic import Critic

CANDIDATES: Final = 8
"""Rows drawn for a given row, of which one is chosen by weight."""

Ints = NDArray[np.int32]


@final
class Refined(Generative):
    """A fitted model and its critic.

    Free rows are thinned by rejection, so that they follow the weighted distribution exactly. Of a row with given
    columns CANDIDATES are drawn and one is chosen by its weight (sampling importance resampling, Rubin 1987): exact in
    the limit of many. Given columns themselves are not weighted; so of a unit's rows the first is thinned and each
    further one chosen.

    Args:
        inner: the fitted model.
        critic: learned from rows that the model had not seen; see `pipeline.refine`.
    """

    name: ClassVar[str] = "refined"

    def __init__(self, inner: Generative, critic: Critic) -> None:
        self.inner, self.critic, self.coding_ = inner, critic, inner.coding_

    def draw(self, n: int, *, rng: np.random.Generator, given: Mapping[str, Ints] | None = None) -> dict[str, Ints]:
        if not given:
            return self.critic.thinned(lambda m: self.inner.draw(m, rng=rng), n, rng)
        many = {name: np.repeat(codes, CANDIDATES) for name, codes in given.items()}
        drawn = self.inner.draw(n * CANDIDATES, rng=rng, given=many)
        upto = np.cumsum(self.critic.chances(drawn).reshape(n, CANDIDATES), axis=1)
        wanted = rng.random(n) * upto[:, -1]
        chosen = np.arange(n) * CANDIDATES + np.minimum((upto <= wanted[:, None]).sum(axis=1), CANDIDATES - 1)
        return {name: codes[chosen] for name, codes in drawn.items()}

    def state(self) -> State:
        parts = {"inner": self.inner.state(), "critic": stored.state(self.critic)}
        values: dict[str, Any] = {part: state.values for part, state in parts.items()}
        arrays = {f"{part}.{name}": array for part, state in parts.items() for name, array in state.arrays.items()}
        return State({"refined": self.inner.name, **values}, arrays)

    @classmethod
    def from_state(cls, state: State, coding: Coding) -> Self:
        parts = {part: State(state.values[part], {name.removeprefix(f"{part}."): array
                                                  for name, array in state.arrays.items()
                                                  if name.startswith(f"{part}.")}) for part in ("inner", "critic")}
        inner = registry.load("models", state.values["refined"]).from_state(parts["inner"], coding)
        return cls(inner, stored.critic(parts["critic"], coding.names))


def restored(model: str, state: State, coding: Coding) -> Generative:
    """A fitted model from its state, in its wrapper if it was saved in one. model: its registry name."""
    build: type[Generative] = Refined if "refined" in state.values else registry.load("models", model)
    return build.from_state(state, coding)
