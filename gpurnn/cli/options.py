"""What the commands have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from gpurnn.cli import console

_F = TypeVar("_F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path, readable=False)
"""Any path: the library says what is wrong with it."""
corpus_help = "The corpus file to write; of a symbolic link, its target."
force_help = "Replace an existing output, if that is a regular file."
run_argument = click.argument("run", type=PATH)
checkpoint_option = click.option(
    "--checkpoint",
    metavar="best|last|FILE",
    default="best",
    help="Which one of the run; best is the last one where there was no validation.",
)
device_help = "cpu, cuda or cuda:N; auto: a GPU where there is one."
device_option = click.option("--device", default="auto", help=device_help)

_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\\\": "\\"}


class TableChoice(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click only
    """The name of an entry of a table, among those that it has when the option is read."""

    name = "choice"

    def __init__(self, table: Collection[str]) -> None:
        self._table = table

    def _now(self) -> click.Choice[str]:
        return click.Choice(list(self._table))

    def get_metavar(self, *context: Any, **more: Any) -> str | None:
        """Called by click for --help."""
        return self._now().get_metavar(*context, **more)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Called by click; it refuses other names with those that there are."""
        return self._now().convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Called by click."""
        return self._now().shell_complete(ctx, param, incomplete)


class _SectionOption(click.Option):
    def __init__(self, *arguments: Any, section: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.section = section


def section(title: str) -> Callable[..., Callable[[_F], _F]]:
    """What declares options as `click.option` does, for a `SectionedCommand` to show under this title."""
    return partial(click.option, cls=_SectionOption, section=title)


class Command(click.Command):
    """Shows its --help as a result."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Called by click."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _show_help
        return option


def _show_help(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        show_and_leave(ctx, ctx.get_help())


def show_and_leave(ctx: click.Context, text: str) -> None:
    """Print a text instead of what the command does."""
    if not ctx.resilient_parsing:
        console.show(text)
        ctx.exit()


class SectionedCommand(Command):
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


def as_text(ctx: click.Context, option: click.Parameter, value: str | None) -> str | bytes | None:
    """The text that was given, though the locale has no such characters; its bytes where they are not UTF-8 either.

    Callback of an option.
    """
    if value is None or not any("\udc80" <= c <= "\udcff" for c in value):
        return value
    data = os.fsencode(value)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def parse_escapes(ctx: click.Context, option: click.Parameter, value: str | None) -> str | bytes | None:
    """As `as_text`, but \\n, \\t and \\\\ stand for a newline, a tab and a backslash; callback of an option."""
    if value is None:
        return None
    pieces, index = [], 0
    while index < len(value):
        pair = value[index : index + 2]
        pieces.append(_ESCAPES.get(pair, pair[0]))
        index += 2 if pair in _ESCAPES else 1
    return as_text(ctx, option, "".join(pieces))
