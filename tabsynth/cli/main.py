"""The ``tabsynth`` command: one file a subcommand, one place where errors become sentences and exit codes."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Final, NoReturn

import typer

from tabsynth.cli.console import wrap
from tabsynth.core.errors import TabsynthError

NAME: Final = "tabsynth"
INTERRUPTED: Final = 130

app = typer.Typer(
    name=NAME, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]},
    help="Synthetic tables that are measured, attacked and documented before they leave the house.\n\n"
         "The main job: tabsynth release patients.csv --schema schema.yaml --epsilon 1 -o release/",
)


def register() -> None:
    """Attach the subcommands in the order of the main job; importing this module alone attaches nothing."""
    from tabsynth.cli.commands import (
        answer,
        attack,
        audit,
        doctor,
        evaluate,
        fit,
        impute,
        inspect,
        keys,
        ledger,
        log,
        models,
        plan,
        policy,
        release,
        report,
        sample,
        split,
        verify,
        version,
        view,
    )

    for module in (inspect, split, plan, fit, sample, impute, answer, evaluate, attack, report, release, view, verify,
                   audit, models, policy, doctor, version):
        app.command(module.NAME, short_help=module.SHORT)(module.command)
    for name, group in (("ledger", ledger.app), ("log", log.app), ("keys", keys.app)):
        app.add_typer(group, name=name)


def entry() -> NoReturn:
    """What the installed command calls: `run`, and after an error the end of the process at once.

    A file that was left half-read has a thread of the reader's, on which the interpreter's orderly end aborts now and
    then. Whatever had to be cleaned up has been by then.
    """
    try:
        run()
    except SystemExit as end:
        if end.code in (None, 0, 1):
            raise
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)


def run() -> NoReturn:
    """The command. Every ending is one of the exit codes of the README; a traceback only with TABSYNTH_DEBUG=1."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # spinning threads cost more than they give; --jobs is for processes
    if os.environ.get("TABSYNTH_DEBUG"):
        register()
        sys.exit(app(prog_name=NAME, standalone_mode=False) or 0)
    sys.exit(_guarded())


def _guarded() -> int:
    try:
        register()
        code = int(app(prog_name=NAME, standalone_mode=False) or 0)
        if code == INTERRUPTED:  # typer turns the interrupt into its return value
            raise KeyboardInterrupt
        return code
    except TabsynthError as error:
        _say(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _say("interrupted. Nothing half-written was left under its name; what a ledger had reserved stays reserved.")
        return INTERRUPTED
    except typer.Exit as end:
        return end.exit_code
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  so that the interpreter's last flush is quiet
        return 0
    except MemoryError:
        _say("not enough memory for this table on this machine.", "Use fewer columns or rows.")
        return 4
    except Exception as error:
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    """Usage errors of the parser speak for themselves; anything else is a bug, told without its message.

    The message of an unforeseen error may quote a cell of a private table, so only its type and place are shown.
    """
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        if not error.format_message():
            return 2
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)  # the help itself
            return 2
        _say(error.format_message(), f"See: {context.command_path if context else 'tabsynth'} --help")
        return int(getattr(error, "exit_code", 2))
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}" if frame is not None else "unknown"
    _say(f"internal error: {type(error).__name__} in {place}.",
         "This is a bug; its message is withheld because it may quote a cell. TABSYNTH_DEBUG=1 shows it.")
    return 4


def _say(message: str, fix: str = "") -> None:
    """On a terminal in lines of its width, else in one line, which programs find again."""
    text = f"{NAME}: {message}" + (f" {fix}" if fix else "")
    print(wrap(text) if sys.stderr.isatty() else text, file=sys.stderr)
