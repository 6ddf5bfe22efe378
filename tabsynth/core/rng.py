"""Model randomness: one key drawn from the caller's generator, then one counter-based stream per name.

Output must not depend on chunk size or worker count, so nothing here is drawn "next in line": every
(block, purpose) pair has a stream of its own, reachable without drawing the ones before it.
Privacy noise is *not* drawn here; it has its own, non-seeded source in ``tabsynth.privacy.noise``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

BLOCK_ROWS: Final = 8192
"""Synthetic units that are drawn together; part of the format: changing it changes every seeded output."""


@dataclass(frozen=True, slots=True)
class Streams:
    """A family of independent generators named by (block, purpose).

    >>> a = Streams.from_rng(np.random.default_rng(1)).stream(3, "age").random()
    >>> b = Streams.from_rng(np.random.default_rng(1)).stream(3, "age").random()
    >>> a == b
    True
    """

    key: bytes

    @classmethod
    def from_rng(cls, rng: np.random.Generator) -> Streams:
        """Draw the 128-bit key of a family from `rng` (which advances by two 64-bit words)."""
        return cls(rng.integers(0, 2**64, size=2, dtype=np.uint64).tobytes())

    def stream(self, block: int, purpose: str) -> np.random.Generator:
        """The generator of one block and purpose. Philox keyed by BLAKE2b(key, block, purpose)."""
        digest = hashlib.blake2b(
            block.to_bytes(8, "little") + purpose.encode(), key=self.key, digest_size=16
        ).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))

    def child(self, purpose: str) -> Streams:
        """A family of its own, for a step that needs blocks of its own."""
        digest = hashlib.blake2b(purpose.encode(), key=self.key, digest_size=16).digest()
        return Streams(digest)
