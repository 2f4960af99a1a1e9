"""What the commands have in common."""

from __future__ import annotations

from pathlib import Path

import click

run_argument = click.argument("run", type=click.Path(path_type=Path))
checkpoint_option = click.option(
    "--checkpoint",
    metavar="best|last|FILE",
    default="best",
    show_default=True,
    help="Which one of the run; best is the last one where the run has no best.",
)
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")


def warn(text: str) -> None:
    """One line that does not stop the work."""
    click.echo(f"gpurnn: {text}", err=True)
