"""Chapter 13: where the release came from and how to check it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tabsynth.reports import wording
from tabsynth.reports.blocks import Block, Chapter, Code, Heading, Pairs, Text
from tabsynth.reports.cells import plural
from tabsynth.reports.chapters.reading import Reading
from tabsynth.reports.context import UNSIGNED


def chapter(reading: Reading) -> Chapter:
    """Versions, seeds, looks at the table, commands, hashes."""
    return Chapter("provenance", "Provenance", tuple(_blocks(reading.document)))


def _blocks(document: Mapping[str, Any]) -> Iterator[Block]:
    source = document["provenance"]
    facts = (("Signature of the manifest", _signature(source["signature"])),
             ("Sampling seed", _seed(source["sampling_seed"])), ("Evaluation seed", _seed(source["evaluation_seed"])),
             ("Seeds and keys", source["seed_policy"]),
             ("Looks at this table", _looks(source["selection"], document)),
             ("Versions", ", ".join(f"{k} {v}" for k, v in source["versions"].items())))
    yield Pairs(tuple((name, value) for name, value in facts if value))
    if source["commands"]:
        yield Heading("Commands")
        yield Code(tuple(source["commands"]))
    if source["files"]:
        yield Heading("Released files")
        yield Pairs(tuple((name, f"sha256 {sha}") for name, sha in sorted(source["files"].items())), code=True)
        yield Text(wording.OTHER_FILES, small=True)


def _signature(signer: str) -> str:
    """Who vouches for the release, and how a reader finds out whether it is so."""
    return wording.UNSIGNED if signer == UNSIGNED else wording.SIGNED.format(fingerprint=signer)


def _looks(chosen: Mapping[str, Any] | None, document: Mapping[str, Any]) -> str:
    """How often the training table was evaluated, as far as the class says it, and what the fit itself tried."""
    if chosen is None:
        return "not recorded" if document["report_class"] in ("internal", "recipient") else wording.LOOKS_ARE_INTERNAL
    looks = f"{plural(chosen['evaluations'], 'evaluation')}, {plural(chosen['models_compared'], 'model')} compared"
    found = document["model"]["calibration"]
    tried = 0 if found is None else len(found["candidates"])
    return looks + (f"; within the fit, {plural(tried, 'candidate')} on people held back from it" if tried else "")


def _seed(seed: int | None) -> str:
    return "" if seed is None else str(seed)
