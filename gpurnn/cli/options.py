"""What the commands have in common."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

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

CLEAR_LINE = "\r\x1b[2K"
"""Empties the line that a terminal's cursor is in."""

_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\\\": "\\"}


def warn(text: str) -> None:
    """One line that does not stop the work; on a terminal it takes the place of a line that renews itself."""
    click.echo(f"{CLEAR_LINE if sys.stderr.isatty() else ''}gpurnn: {text}", err=True)


def parse_escapes(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """A text in which \\n, \\t and \\\\ stand for a newline, a tab and a backslash; callback of an option."""
    if value is None:
        return None
    pieces, index = [], 0
    while index < len(value):
        pair = value[index : index + 2]
        pieces.append(_ESCAPES.get(pair, pair[0]))
        index += 2 if pair in _ESCAPES else 1
    return "".join(pieces)


@contextmanager
def terminate_cleanly() -> Iterator[None]:
    """Makes SIGTERM unwind like an exception, so that temporary files go; exit code 143."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
