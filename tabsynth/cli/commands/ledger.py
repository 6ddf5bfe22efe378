"""``tabsynth ledger show | reserve | close | verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tabsynth.cli.console import Console
from tabsynth.cli.options import AllowLargeOption, DeltaOption, JsonOption, UnitOption

app = typer.Typer(no_args_is_help=True, help="The privacy ledger: what was spent on whom, over all releases.")

Folder = Annotated[Path, typer.Option("--ledger", help="The ledger's folder.")]
Population = Annotated[str, typer.Argument(metavar="POPULATION", help="Name under which budget is booked.")]


@app.command(short_help="List the entries and the total to date.")
def show(population: Annotated[str | None, typer.Argument(metavar="POPULATION")] = None,
         ledger: Folder = Path("tabsynth-ledger"), as_json: JsonOption = False) -> None:
    """List the entries and the total to date, for one population or for all."""
    from tabsynth.pipeline.books import describe, populations

    console = Console(as_json)
    books = [describe(ledger, name) for name in ([population] if population else populations(ledger))]
    console.document({"ledger": str(ledger), "populations": books})
    if as_json:
        return
    for book in books:
        console.tell(f"{book['population']}: {book['text']}")
        for entry in book["entries"]:
            console.entry(f"  {entry['line']:>4}  {entry['date']}  {entry['kind']:<8}", entry["text"] or "-")


@app.command(short_help="Set the cap on what may ever be spent.")
def reserve(population: Population, epsilon: Annotated[str, typer.Option("--epsilon", help="Cap on the total.")],
            delta: DeltaOption = None, unit: UnitOption = "row", ledger: Folder = Path("tabsynth-ledger"),
            allow_large_epsilon: AllowLargeOption = False, as_json: JsonOption = False) -> None:
    """Set the cap: the total budget that all fits on this population may ever spend."""
    from tabsynth.pipeline.books import describe, set_cap

    set_cap(ledger, population, epsilon=epsilon, delta=delta, unit=unit or "row",
            allow_large=allow_large_epsilon)
    _tell(Console(as_json), describe(ledger, population))


@app.command()
def close(population: Population, ledger: Folder = Path("tabsynth-ledger"), as_json: JsonOption = False) -> None:
    """Freeze a population's ledger: nothing more is ever spent."""
    from tabsynth.pipeline.books import close as close_book
    from tabsynth.pipeline.books import describe

    close_book(ledger, population)
    _tell(Console(as_json), describe(ledger, population))


@app.command()
def verify(population: Annotated[str | None, typer.Argument(metavar="POPULATION")] = None,
           ledger: Folder = Path("tabsynth-ledger"), as_json: JsonOption = False) -> None:
    """Recompute the hash chain and the totals of the ledger."""
    from tabsynth.pipeline.books import describe, populations

    console = Console(as_json)
    names = [population] if population else populations(ledger)
    books = [describe(ledger, name) for name in names]
    console.document({"ledger": str(ledger), "verified": names})
    if not as_json:
        for book in books:
            console.tell(f"{book['population']}: chain of {len(book['entries'])} entries is intact; {book['text']}")


def _tell(console: Console, book: dict[str, object]) -> None:
    console.document(book)
    if not console.as_json:
        console.tell(f"{book['population']}: {book['text']}")
