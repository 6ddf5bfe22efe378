"""Other people's generators behind one command. Runs in an environment of its own; tabsynth never imports any of them.

    VENV/bin/pip install sdv mostlyai-engine arfpy seqtrees python-synthpop xgboost "numpy<2.4"   # for arfpy
    VENV/bin/python scripts/peers.py list                                       # what is installed, with versions
    VENV/bin/python scripts/peers.py NAME TRAIN.csv N SEED OUT.csv [--epochs E] [--gpu]

Beside a CPU build of torch, uninstall torchvision: its usual build does not load there, and mostlyai-engine needs none.

Settings are each package's defaults; --epochs shortens those that train a network, --gpu trains them on a GPU. All get
the same table: text columns as text ("?" and an empty cell are levels), whole numbers as whole numbers, no identifiers.
Packages that know only numbers get text and whole numbers of at most 20 values as codes; whole numbers come back
rounded. SDV samples from a fixed seed of its own: its copula gives the same rows for every SEED. Prints one JSON
object: version, settings, CPU seconds of fit and of sampling (imports, reading and writing left out).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import random
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

CODED_VALUES = 20
"""Whole numbers with at most so many values are taken for codes, as the judge does."""

Draw = Callable[[int], pd.DataFrame]


@dataclass(frozen=True)
class Peer:
    """A generator: the package that is installed, the module to import, and how to fit it."""

    package: str
    module: str
    fit: Callable[[pd.DataFrame, int, dict[str, Any]], Draw]
    trains_a_network: bool = False


def sdv_copula(train: pd.DataFrame, seed: int, settings: dict[str, Any]) -> Draw:
    return sdv("GaussianCopulaSynthesizer", train, settings)


def sdv_ctgan(train: pd.DataFrame, seed: int, settings: dict[str, Any]) -> Draw:
    return sdv("CTGANSynthesizer", train, on_device(settings, "enable_gpu", True, False))


def sdv_tvae(train: pd.DataFrame, seed: int, settings: dict[str, Any]) -> Draw:
    return sdv("TVAESynthesizer", train, on_device(settings, "enable_gpu", True, False))


def sdv(name: str, train: pd.DataFrame, settings: dict[str, Any]) -> Draw:
    """A synthesizer of SDV 2 on the metadata that SDV detects."""
    from sdv import single_table
    from sdv.metadata import Metadata

    tables = {"train": train}
    synthesizer = getattr(single_table, name)(Metadata.detect_from_dataframes(tables), **settings)
    synthesizer.fit(tables)
    return lambda n: synthesizer.sample(num_rows=n)["train"]


def mostlyai(train: pd.DataFrame, seed: int, settings: dict[str, Any]) -> Draw:
    """TabularARGN."""
    from mostlyai.engine import TabularARGN

    asked = on_device(settings, "device", "cuda", "cpu")
    renamed = {"max_epochs" if name == "epochs" else name: value for name, value in asked.items()}
    model = TabularARGN(random_state=seed, **renamed)
    model.fit(train)
    return lambda n: model.sample(n_samples=n)


def arfpy(train: pd.DataFrame, seed: int, settings: dict[str, Any]) -> Draw:
    """Adversarial random forests."""
    from arfpy import arf

    model = arf.arf(as_text(train), verbose=False, random_state=seed)
    model.forde()
    return model.forge


def seqtrees(train: pd.DataFrame, seed: int, settings: dict[str, Any]) -> Draw:
    """A chain of trees in the order of the columns."""
    from seqtrees import SequentialTreeSynthesizer

    codes, decode = coded(train)
    discrete = discrete_columns(train)
    model = SequentialTreeSynthesizer(continuous_columns=[c for c in train if c not in discrete],
                                      discrete_columns=discrete, random_state=seed)
    model.fit(codes)
    return lambda n: decode(pd.DataFrame(model.sample(n), columns=codes.columns))


def synthpop(train: pd.DataFrame, seed: int, settings: dict[str, Any]) -> Draw:
    """CART of python-synthpop, past its own coding, which fails on ten or more levels with a current scikit-learn."""
    from synthpop import CARTMethod

    codes, decode = coded(train)
    discrete = set(discrete_columns(train))
    model = CARTMethod({c: "categorical" if c in discrete else "numerical" for c in train}, random_state=seed)
    model.fit(codes)
    return lambda n: decode(model.sample(n))


PEERS = {
    "sdv-copula": Peer("sdv", "sdv.single_table", sdv_copula),
    "sdv-ctgan": Peer("sdv", "sdv.single_table", sdv_ctgan, trains_a_network=True),
    "sdv-tvae": Peer("sdv", "sdv.single_table", sdv_tvae, trains_a_network=True),
    "mostlyai-engine": Peer("mostlyai-engine", "mostlyai.engine", mostlyai, trains_a_network=True),
    "arfpy": Peer("arfpy", "arfpy.arf", arfpy),
    "seqtrees": Peer("seqtrees", "seqtrees", seqtrees),
    "python-synthpop": Peer("python-synthpop", "synthpop", synthpop),
}


def on_device(settings: dict[str, Any], name: str, gpu: Any, cpu: Any) -> dict[str, Any]:
    """The settings with the package's own word for where it computes."""
    rest = {key: value for key, value in settings.items() if key != "gpu"}
    return {name: gpu if settings.get("gpu") else cpu, **rest}


def discrete_columns(train: pd.DataFrame) -> list[str]:
    """Text, and whole numbers of few values."""
    return [c for c in train if not pd.api.types.is_numeric_dtype(train[c]) or pd.api.types.is_bool_dtype(train[c])
            or (pd.api.types.is_integer_dtype(train[c]) and train[c].nunique() <= CODED_VALUES)]


def as_text(train: pd.DataFrame) -> pd.DataFrame:
    """Discrete columns as text."""
    return train.assign(**{c: train[c].astype(str).astype(object) for c in discrete_columns(train)})


def coded(train: pd.DataFrame) -> tuple[pd.DataFrame, Callable[[pd.DataFrame], pd.DataFrame]]:
    """Discrete columns as codes from 0, the others as floats; and the way back."""
    levels = {c: pd.factorize(train[c], sort=True)[1] for c in discrete_columns(train)}
    codes = pd.DataFrame({c: levels[c].get_indexer(train[c]) if c in levels else train[c].astype(float)
                          for c in train})

    def decode(drawn: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({c: levels[c][drawn[c].astype(int)] if c in levels else drawn[c].astype(float)
                             for c in train})
    return codes, decode


def like(drawn: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """The columns of the training table, whole numbers rounded."""
    whole = [c for c in train if pd.api.types.is_integer_dtype(train[c])]
    return drawn[list(train)].assign(**{c: pd.to_numeric(drawn[c]).round().astype("Int64") for c in whole})


def installed() -> dict[str, str]:
    """Version of every peer that this interpreter can import."""
    return {name: importlib.metadata.version(peer.package) for name, peer in PEERS.items()
            if importlib.util.find_spec(peer.module.partition(".")[0]) is not None}


def network_settings(given: argparse.Namespace) -> dict[str, Any]:
    """What the caller asks of packages that train a network."""
    return {**({} if given.epochs is None else {"epochs": given.epochs}), **({"gpu": True} if given.gpu else {})}


def seed_everything(seed: int) -> None:
    """Some packages take no seed and draw from global generators."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def cpu_seconds() -> float:
    """Of this process and its children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main() -> None:
    if sys.argv[1:] == ["list"]:
        print(json.dumps(installed()))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("train")
    parser.add_argument("n", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("out")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--gpu", action="store_true")
    given = parser.parse_args()
    peer = PEERS[given.name]
    importlib.import_module(peer.module)
    train = pd.read_csv(given.train, keep_default_na=False, low_memory=False)
    settings = network_settings(given) if peer.trains_a_network else {}
    seed_everything(given.seed)
    start = cpu_seconds()
    draw = peer.fit(train, given.seed, settings)
    fitted = cpu_seconds()
    drawn = draw(given.n)
    sampled = cpu_seconds()
    like(drawn, train).to_csv(given.out, index=False)
    print(json.dumps({"version": importlib.metadata.version(peer.package), "settings": settings or "default",
                      "fit_cpu_s": round(fitted - start, 2), "sample_cpu_s": round(sampled - fitted, 2)}))


if __name__ == "__main__":
    main()
