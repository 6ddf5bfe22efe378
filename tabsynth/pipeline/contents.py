"""What a model file holds, for the person who answers for it: counts of what was learned, and none of its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tabsynth.core import artifact
from tabsynth.core.coding import ROWS, Coding, rows_column
from tabsynth.core.schema import Column
from tabsynth.pipeline.labels import Parentage, further_generation
from tabsynth.privacy.statement import Statement

NAMES: Final = {"levels": ("level", "levels"), "values": ("value", "values"),
                "atoms": ("single value", "single values"), "bins": ("range", "ranges")}
"""Sorts of codes in plain words, one and several of them."""
PURPOSE: Final = {
    "schema.json": "names, kinds and declared facts of the columns",
    "coding.json": "the levels, single values and ranges counted above",
    "state.json": "how the model is built",
    "arrays.safetensors": "the numbers that the model consists of",
}
NO_GUARANTEE: Final = "PERSONAL DATA"
MEASURED: Final = {"detection": "detection AUC", "dcr_share": "DCR share", "copy_ratio": "copy ratio"}
"""Names of what a refinement was judged by, and words for them."""


def inspect_model(path: Path, *, passphrase: str | None = None) -> dict[str, Any]:
    """Facts for ``--json`` and for `lines`; of an encrypted file without its passphrase, only what the header says.

    Raises:
        ArtifactError: see ``core.artifact.read``.
    """
    header = artifact.read_header(path)
    if artifact.is_sealed(header) and passphrase is None:
        return _facts(path, header, header["encryption"])
    contents = artifact.read(path, passphrase=passphrase)
    stored = artifact.assemble(contents, path)
    arrays = stored.state.arrays
    return {
        **_facts(path, contents.header, contents.encryption), "info": dict(stored.info),
        "unit": stored.schema.unit, "public_coding": stored.coding.is_public, "columns": columns(stored.coding),
        "members": {name: len(part) for name, part in contents.parts.items()},
        "arrays": {name: list(array.shape) for name, array in arrays.items()},
        "parameters": sum(array.size for array in arrays.values()),
    }


def _facts(path: Path, header: Mapping[str, Any], encryption: Mapping[str, Any] | None) -> dict[str, Any]:
    """What every header tells."""
    statement = header["privacy"].get("statement")
    with artifact.fitting(path):
        text = None if statement is None else Statement.from_json(statement).to_text()
    return {"file": path.name, "bytes": path.stat().st_size, "model": header["model"],
            "privacy": dict(header["privacy"]), "statement": text,
            "encryption": None if encryption is None else
            {name: encryption[name] for name in ("cipher", "kdf", "parameters")}}


def columns(coding: Coding) -> list[dict[str, Any]]:
    """One entry a column of the schema, then the rows per unit: how many codes of which sort, and what was pooled."""
    counted = [*coding.schema.columns, *([rows_column(coding.schema)] if ROWS in coding.codecs else [])]
    return [{"name": column.name, "kind": column.kind, "role": column.role, **_learned(column, coding)}
            for column in counted]


def _learned(column: Column, coding: Coding) -> dict[str, Any]:
    codec = coding.codecs.get(column.name)
    rule = next((rule for rule in coding.rules.maps if rule.to.name == column.name), None)
    pooled = getattr(codec, "pooled", {})
    formulas = next((one.each for one in coding.formulas if one.to.name == column.name), ())
    return {
        "modelled": codec is not None, "codes": None if codec is None else codec.size,
        "holds": {} if codec is None else codec.holds,
        "pooled": {"levels": pooled["levels"], "share": pooled["share"]} if pooled.get("levels") else None,
        "equals": [{"formula": formula.text, "share": formula.share} for formula in formulas],
        "computed_from": None if rule is None else list(rule.sources),
        "learned_entries": len(rule.keys) if rule is not None and rule.learned else None,
    }


def notice(facts: Mapping[str, Any]) -> str:
    """Whether the file is personal data, in one sentence."""
    privacy = facts["privacy"]
    if privacy["personal_data"]:
        return f"{NO_GUARANTEE}. {privacy.get('notice', artifact.PERSONAL_DATA)}"
    if facts["statement"] is None:
        return "The file claims differential privacy, but holds no privacy statement."
    budget = Statement.from_json(privacy["statement"]).budget
    stamps = "".join(f" {stamp}." for stamp in privacy["statement"]["stamps"])
    return f"Fitted with differential privacy: epsilon {float(budget.epsilon):g} at delta {float(budget.delta):g} " \
           f"per {budget.unit}.{stamps} The statement is at the end."


def lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(label, sentence) for a person: what the file is, how it is kept, and why this model."""
    yield "Privacy", notice(facts)
    yield "File", f"{facts['bytes']:,} bytes, {_kept(facts)}"
    if "info" not in facts:
        yield "Inside", "columns, settings and what was learned are shown with the passphrase: " \
                        f"tabsynth inspect {facts['file']} --passphrase-env NAME"
        return
    settings = facts["info"].get("settings") or {}
    yield "Reason", str(facts["info"].get("reason") or "not written down.")
    yield "Settings", ", ".join(f"{name} = {value}" for name, value in settings.items()) or "those of the model itself."
    if facts["info"].get("calibration"):
        found = facts["info"]["calibration"]
        yield "Choice", f"mode {found['mode']}: {found['reason']}"
    origin = Parentage.of(facts["info"])
    if origin.generation_depth > 1:
        yield "Parent", further_generation(origin)
    if "refinement" in facts["info"]:
        yield "Refined", refinement(facts["info"]["refinement"])
    yield "Unit", f"column {facts['unit']}, whose ids are made anew" if facts["unit"] else \
                  "every row is another person"
    yield "Codes", "follow from the public schema, or were bought from the budget." if facts["public_coding"] else \
                   "were learned from real rows; values that few people hold were pooled."


def _kept(facts: Mapping[str, Any]) -> str:
    encryption = facts["encryption"]
    if encryption is None:
        return "not encrypted: whoever has the file can read it."
    return f"encrypted with {encryption['cipher']} under a passphrase ({encryption['kdf']}, " \
           f"n = {encryption['parameters']['n']:,})."


def learned(column: Mapping[str, Any]) -> str:
    """What the file holds of a column, in a few words."""
    if column["computed_from"] is not None:
        entries = column["learned_entries"]
        table = "by the schema's table" if entries is None else f"by a table of {entries:,} learned entries"
        return f"computed from {', '.join(column['computed_from'])} {table}"
    if not column["modelled"]:
        return "nothing; made anew"
    text = ", ".join(f"{n:,} {NAMES[sort][n != 1]}" for sort, n in column["holds"].items() if n) or "no value"
    pooled = column["pooled"]
    if pooled is not None:
        share = f"{100 * pooled['share']:.1f}" if pooled["share"] >= 0.001 else "under 0.1"
        text += f"; {pooled['levels']:,} rare pooled ({share} % of rows)"
    return "; ".join([text, *(f"equals {one['formula']} in {100 * one['share']:.1f} % of rows"
                              for one in column["equals"])])


def refinement(facts: Mapping[str, Any]) -> str:
    """What `pipeline.refine` did, in one sentence; `facts` as a model file keeps them."""
    if not facts["kept"]:
        return f"refused, the plain model stands: {facts['reason']}"
    before, after = facts["before"], facts["after"]
    changes = (f"{text} from {before[name]['value']:.3f} to {after[name]['value']:.3f} (+- {after[name]['error']:.3f})"
               for name, text in MEASURED.items() if before[name] and after[name])
    return f"{facts['rounds']} rounds, {100 * facts['share_kept']:.0f} % of drawn rows kept; on people held back " \
           f"{', '.join(changes)}."
