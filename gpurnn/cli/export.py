"""`gpurnn export`: writes what a run holds in a format of another program."""

from __future__ import annotations

from pathlib import Path

import click

from gpurnn.cli import console
from gpurnn.cli.model_options import run_argument
from gpurnn.cli.options import PATH, Command
from gpurnn.exceptions import shell_word
from gpurnn.export.tensorboard import TensorBoard
from gpurnn.signals import unwinding


@click.command(cls=Command)
@run_argument
@click.option("--format", "kind", type=click.Choice(("tensorboard",)), required=True, help="What to write.")
@click.option("-o", "--output", type=PATH, metavar="FOLDER", required=True, help="Where; it may exist.")
@click.option("--follow", is_flag=True, help="Go on for as long as a process writes RUN; Ctrl-C ends it before.")
@click.option("--force", is_flag=True, help="Replace what an export has left in FOLDER.")
def export(run: Path, kind: str, output: Path, follow: bool, force: bool) -> None:
    """Write the numbers of RUN's log for TensorBoard.

    Each line of the log becomes an event with all numbers that it has, by their
    keys. RUN is only read, also while it is trained.

    \b
      gpurnn export runs/book --format tensorboard -o board/book --follow
      tensorboard --logdir board
    """
    board = TensorBoard(run, output, force=force)
    with unwinding():
        board.write()
    console.report(f"{shell_word(board.path)}: {board.windows:,} windows")
    if follow:
        board.follow()
        console.report(f"no process writes {shell_word(run)} any more: it ended after {board.windows:,} windows")
