"""Options that several commands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TableArgument = Annotated[str, typer.Argument(metavar="TABLE", help="CSV, Parquet or JSON Lines file (.gz, .zst), "
                                                                    "- for stdin, or demo:NAME.")]
SchemaOption = Annotated[Path | None, typer.Option("--schema", help="Reviewed schema file; see inspect.")]
UnitOption = Annotated[str | None, typer.Option("--unit", help="Column that names the person; 'row' = every row is "
                                                               "another person.")]
OutputFile = Annotated[Path, typer.Option("-o", "--output", help="Where to write.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of model randomness. Never reaches privacy noise, "
                                                               "split or bounding keys.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, human text on stderr.")]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")]
FormatOption = Annotated[str, typer.Option("--format", help="auto, csv, parquet or jsonl.")]
DelimiterOption = Annotated[str | None, typer.Option("--delimiter", help="CSV delimiter, when the guess is wrong.")]
EncodingOption = Annotated[str | None, typer.Option("--encoding", help="Text encoding, such as cp1252.")]
DecimalOption = Annotated[str | None, typer.Option("--decimal", help="Decimal mark, . or ,")]
NaOption = Annotated[list[str] | None, typer.Option("--na", help="Further token that means 'not given'. Repeatable.")]
ModelOption = Annotated[str, typer.Option("--model", help="A name from 'tabsynth models', or auto.")]
EpsilonOption = Annotated[str | None, typer.Option("--epsilon", help="Differential privacy per person; 1 is the "
                                                                     "recommended value.")]
DeltaOption = Annotated[str | None, typer.Option("--delta", help="Default: min(1e-6, 1/(10 x declared units)).")]
LedgerOption = Annotated[Path | None, typer.Option("--ledger", help="Folder of the privacy ledger. Default: "
                                                                    "tabsynth-ledger beside the input.")]
PopulationOption = Annotated[str | None, typer.Option("--population", help="Whose budget is spent. Default: the "
                                                                           "schema's, else the file's name.")]
AllowLargeOption = Annotated[bool, typer.Option("--allow-large-epsilon", help="Accept epsilon above 10, which protects "
                                                                              "next to nothing.")]
PolicyOption = Annotated[str, typer.Option("--policy", help="public, controlled, spe-export, internal-test, a file.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Setting of the model, NAME=VALUE. Repeatable.")]
FailUnder = Annotated[list[str] | None, typer.Option("--fail-under", help="Exit 1 if ID is under VALUE: ID=VALUE.")]
FailOver = Annotated[list[str] | None, typer.Option("--fail-over", help="Exit 1 if ID is over VALUE: ID=VALUE.")]
