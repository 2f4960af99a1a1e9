"""The command group: loads subcommands when they are called and turns errors into one line and an exit code."""

import importlib
import io
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from click.exceptions import Exit

import gpurnn
from gpurnn.cli import console
from gpurnn.cli.options import Command, show_and_leave
from gpurnn.exceptions import GpurnnError, OutOfMemoryError
from gpurnn.files.errors import explain
from gpurnn.signals import NOTHING_LOST, ending_at_once, ignore_all

COMMANDS = {
    "prepare": "Turn texts, tables, recordings or pictures into a corpus.",
    "import-corpus": "Copy a corpus out of a file from a stranger.",
    "info": "Show what a corpus, a run or a model is.",
    "train": "Train a network on a corpus, or go on with a run.",
    "evaluate": "Measure a run on a split of a corpus.",
    "doctor": "Look at a run: its windows, errors, state, units, and what to do.",
    "sample": "Generate text with a trained run.",
    "predict": "Forecast, label, translate or transcribe with a trained run.",
    "export": "Write a run's log for TensorBoard.",
    "explain": "Write a page that shows how truncated back-propagation through time learns.",
}
"""Name and one-line help of each subcommand; command NAME is the function NAME in the module gpurnn.cli.NAME."""

_LESS_MEMORY = "lower --lanes, --bptt or --hidden"


class _LazyGroup(Command, click.Group):
    """Imports a subcommand's module when it is asked for, so that `gpurnn --help` answers at once."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """The command as a process of its own, which a stop signal ends at any time."""
        try:
            with ending_at_once(NOTHING_LOST):
                return super().__call__(*arguments, **options)
        except SystemExit:
            ignore_all()
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gpurnn.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *arguments: Any, **options: Any) -> Any:
        console.hold_standard_descriptors()
        try:
            return super().main(*arguments, **options)
        finally:
            console.settle()

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _reported(debug=False):
            return super().make_context(*arguments, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            console.message(ctx.get_help())
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _reported(debug=ctx.params["debug"]):
            return super().invoke(ctx)


@contextmanager
def _reported(*, debug: bool) -> Iterator[None]:
    """Turns an error into one line on standard error, or its traceback, and the exit code of the process."""
    try:
        yield
    except console.ReaderGoneError:
        raise Exit(0) from None
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        console.message(shown.getvalue().rstrip("\n"))
        raise Exit(error.exit_code) from None
    except (GpurnnError, OSError, KeyboardInterrupt, MemoryError) as error:
        if debug:
            console.message(traceback.format_exc().rstrip("\n"))
        else:
            console.warn(_in_one_line(error))
        raise Exit(_exit_code(error)) from None


def _in_one_line(error: BaseException) -> str:
    """An error in one line, with its notes."""
    return "; ".join([_without_notes(error), *getattr(error, "__notes__", ())])


def _without_notes(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {explain(error)}" if error.filename else explain(error)
    if isinstance(error, MemoryError):
        return f"out of memory: {error}; {_LESS_MEMORY}"
    if isinstance(error, OutOfMemoryError):
        return f"{error}; {_LESS_MEMORY}"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)


def _exit_code(error: BaseException) -> int:
    if isinstance(error, GpurnnError):
        return error.exit_code
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def _show_version(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        show_and_leave(ctx, f"gpurnn, version {gpurnn.__version__}")


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120, "show_default": True},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.option("--debug", is_flag=True, help="Show the whole traceback when something fails.")
def main(debug: bool) -> None:
    """Train recurrent networks on long sequences, on a GPU or a CPU.

    prepare a corpus, train on it, evaluate the run, sample from it:

    \b
      gpurnn prepare book.txt -o book.h5
      gpurnn train book.h5 -o runs/book
      gpurnn evaluate runs/book
      gpurnn sample runs/book --length 500

    Results go to standard output; all else goes to standard error, and is dropped
    where that is closed or full. Exit codes: 0; 1 after an error, also where a
    result could not be written (but 0 where the reader of a pipe has left); 2
    after wrong usage; 128 + its number after a signal.
    """
