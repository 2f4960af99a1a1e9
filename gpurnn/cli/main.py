"""The command group: loads subcommands when they are called and turns errors into one line and an exit code."""

import importlib
import os
import sys
from typing import Any

import click

import gpurnn
from gpurnn.exceptions import GpurnnError

COMMANDS = {
    "prepare": "Turn text files into a corpus.",
    "import-corpus": "Copy a corpus out of a file from a stranger.",
    "info": "Show what a corpus or a run is.",
    "train": "Train a network on a corpus, or go on with a run.",
    "evaluate": "Measure a run on a split of a corpus.",
    "sample": "Generate text with a trained run.",
}
"""Name and one-line help of each subcommand; command NAME is the function NAME in the module gpurnn.cli.NAME."""


class _LazyGroup(click.Group):
    """Imports a subcommand's module when it is asked for, so that `gpurnn --help` answers at once."""

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

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GpurnnError as error:
            _fail(ctx, str(error), error.exit_code)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing to report
            ctx.exit(0)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            _fail(ctx, f"{where}{error.strerror or error}", 1)
        except KeyboardInterrupt:
            _fail(ctx, "interrupted", 130)
        except MemoryError as error:
            _fail(ctx, f"out of memory: {error}; lower --lanes, --bptt or --hidden", 1)


def _fail(ctx: click.Context, message: str, exit_code: int) -> None:
    if ctx.find_root().params.get("debug"):
        raise  # called while the error is handled: --debug shows it whole
    click.echo(f"gpurnn: {message}", err=True)
    ctx.exit(exit_code)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120, "show_default": True},
)
@click.version_option(gpurnn.__version__, prog_name="gpurnn")
@click.option("--debug", is_flag=True, help="Show the whole traceback when something fails.")
def main(debug: bool) -> None:
    """Train recurrent networks on long text, on a GPU or a CPU.

    prepare a corpus, train on it, evaluate the run, sample from it:

    \b
      gpurnn prepare book.txt -o book.h5
      gpurnn train book.h5 -o runs/book
      gpurnn evaluate runs/book
      gpurnn sample runs/book --length 500
    """
