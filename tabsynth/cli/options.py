"""Options that several commands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TableArgument = Annotated[str, typer.Argument(
    metavar="TABLE", help="CSV, Parquet or JSON Lines file (.gz, .zst), - for stdin, or demo:NAME.")]
SchemaOption = Annotated[Path | None, typer.Option(
    "--schema", metavar="FILE", help="Reviewed schema file; see tabsynth inspect.")]
UnitOption = Annotated[str | None, typer.Option(
    "--unit", metavar="COLUMN", help="Column that names the person; row = every row is another person.")]
SeedOption = Annotated[int | None, typer.Option(
    "--seed", metavar="N", help="Seed of model randomness. Never reaches privacy noise: two fits with --epsilon "
                                "differ.")]
SplitSeedOption = Annotated[int | None, typer.Option(
    "--seed", metavar="N", help="Seed of the split's key. Leave it out before a fit with --epsilon: whoever knows "
                                "the key can tell who was in the training table.")]
RefineOption = Annotated[bool, typer.Option(
    "--refine", help="Thin the model's rows by a critic, if that makes them harder to tell from real ones without more "
                     "copying. Not with --epsilon.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]
DryRunOption = Annotated[bool, typer.Option(
    "--dry-run", help="Say what would be done; read no row, book and write nothing.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, human text on stderr.")]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")]
FormatOption = Annotated[str, typer.Option("--format", metavar="NAME", help="auto, csv, parquet or jsonl.")]
DelimiterOption = Annotated[str | None, typer.Option(
    "--delimiter", metavar="TEXT", help="CSV delimiter, when the guess is wrong.")]
EncodingOption = Annotated[str | None, typer.Option(
    "--encoding", metavar="NAME", help="Text encoding, such as cp1252.")]
DecimalOption = Annotated[str | None, typer.Option("--decimal", metavar="TEXT", help="Decimal mark, . or ,")]
NaOption = Annotated[list[str] | None, typer.Option(
    "--na", metavar="TOKEN", help="Further token that means 'not given'. Repeatable.")]
GuidanceOption = Annotated[str | None, typer.Option(
    "--guidance", metavar="NAMES", help="Guidance packs of the report, with commas: eu-2026-11, us-hipaa-2026-11, "
                                        "uk-2026-11. Default: the first two.")]
ContextOption = Annotated[Path | None, typer.Option(
    "--context", metavar="FILE", help="YAML with what you state of the release: purpose, recipient, legal_basis, "
                                      "data_sources, owner, review_date. What is left out stays a blank.")]
ModelOption = Annotated[str, typer.Option("--model", metavar="NAME", help="A name from tabsynth models, or auto.")]
EpsilonOption = Annotated[str | None, typer.Option(
    "--epsilon", metavar="E", help="Differential privacy per person; 1 is the recommended value.")]
DeltaOption = Annotated[str | None, typer.Option(
    "--delta", metavar="D", help="Default: min(1e-6, 1/(10 x declared units)).")]
LedgerOption = Annotated[Path | None, typer.Option(
    "--ledger", metavar="FOLDER", help="The privacy ledger. Default: tabsynth-ledger beside the input.")]
PopulationOption = Annotated[str | None, typer.Option(
    "--population", metavar="NAME", help="Whose budget is spent. Default: the schema's, else the file's name.")]
AllowLargeOption = Annotated[bool, typer.Option(
    "--allow-large-epsilon", help="Accept epsilon above 10, which protects next to nothing.")]
PassphraseOption = Annotated[str | None, typer.Option(
    "--passphrase-env", metavar="NAME", help="Environment variable with the passphrase of the encrypted model file.")]
NewPassphraseOption = Annotated[str | None, typer.Option(
    "--passphrase-env", metavar="NAME", help="Encrypt the model file under the passphrase in this environment "
                                             "variable.")]
PolicyOption = Annotated[str, typer.Option(
    "--policy", metavar="NAME", help="public, controlled, spe-export, internal-test, or a file; see tabsynth policy.")]
SetOption = Annotated[list[str] | None, typer.Option(
    "--set", metavar="NAME=VALUE", help="Setting of the model. Repeatable.")]
ModeOption = Annotated[str | None, typer.Option(
    "--mode", metavar="NAME", help="How closely a model without epsilon may follow the rows, checked on people held "
                                   "back: max_fidelity, balanced (the default), cautious, or off.")]
FailUnder = Annotated[list[str] | None, typer.Option(
    "--fail-under", metavar="ID=VALUE", help="Refuse, with exit code 1, if finding ID (kway.2, tstr, ...) is under "
                                             "VALUE.")]
FailOver = Annotated[list[str] | None, typer.Option(
    "--fail-over", metavar="ID=VALUE", help="Refuse, with exit code 1, if finding ID is over VALUE.")]
SyntheticArgument = Annotated[str, typer.Argument(metavar="SYNTHETIC", help="The synthetic table.")]
TrainOption = Annotated[str, typer.Option("--train", metavar="TABLE", help="The rows that the model learned from.")]
HoldoutOption = Annotated[str, typer.Option("--holdout", metavar="TABLE", help="Rows that the model has never seen.")]
EvaluationOption = Annotated[Path | None, typer.Option(
    "-o", "--output", metavar="FILE", help="evaluation.json, with real figures: stays in the house.")]
LogOption = Annotated[Path | None, typer.Option(
    "--log", metavar="FOLDER", help="The log of what was done to tables. Default: tabsynth-log beside the table.")]
NoLogOption = Annotated[bool, typer.Option("--no-log", help="Do not write down what was done.")]
AllowParentOption = Annotated[bool, typer.Option(
    "--allow-synthetic-parent", help="Learn from a table that says it is synthetic; what follows is marked as a "
                                     "further generation.")]
