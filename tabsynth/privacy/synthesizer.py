"""The contract of a model with a guarantee: it is given a curator and never sees a row."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np

from tabsynth.core.progress import Progress, silent
from tabsynth.core.synthesizer import Generative
from tabsynth.privacy.curator import Curator


class PrivateSynthesizer(Generative):
    """A model whose every use of private rows is a noisy answer that the curator has booked.

    Attributes:
        total_: noisy number of units, at least 1; how many there really are is not known to a model.
    """

    total_: float

    @abstractmethod
    def fit(self, curator: Curator, *, rng: np.random.Generator, progress: Progress = silent) -> Self:
        """Learn from the curator's answers; sets `total_` and the curator's `coding_`; keeps no reference to it.

        Args:
            curator: answers questions until its budget is spent.
            rng: model randomness such as candidate sampling; never privacy noise.
            progress: stages and totals follow from the public schema and the budget alone.

        Raises:
            PrivacyError: more was asked than the budget allows.
        """
