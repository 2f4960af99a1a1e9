"""What the commands have in common."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path, readable=False)
"""Any path: the library says what is wrong with it."""
run_argument = click.argument("run", type=PATH)
checkpoint_option = click.option(
    "--checkpoint",
    metavar="best|last|FILE",
    default="best",
    help="Which one of the run; best is the last one where there was no validation.",
)
device_help = "cpu, cuda or cuda:N; auto: a GPU where there is one."
device_option = click.option("--device", default="auto", help=device_help)

CLEAR_LINE = "\r\x1b[2K"
"""Empties the line that a terminal's cursor is in."""

_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\\\": "\\"}


class _SectionOption(click.Option):
    def __init__(self, *arguments: Any, section: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.section = section


def section(title: str) -> Callable[..., Callable[[_F], _F]]:
    """What declares options as `click.option` does, for a `SectionedCommand` to show under this title."""
    return partial(click.option, cls=_SectionOption, section=title)


class SectionedCommand(click.Command):
    """Shows its options under the titles of their sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Called by click for --help."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "section", "Other options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


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
