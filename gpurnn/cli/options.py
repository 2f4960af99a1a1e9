"""What the commands have in common."""

from __future__ import annotations

import inspect
import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from gpurnn.cli import console
from gpurnn.exceptions import UsageError
from gpurnn.settings import base_of, checked, choices_of, field_kinds

_F = TypeVar("_F", bound=Callable[..., Any])


class _Path(click.Path):
    """Any path but an empty one, which is what a variable that is not set leaves and would mean the current folder.

    file: whether it is one of a file, so that it cannot end with "/".
    """

    def __init__(self, path_type: type, *, file: bool = False) -> None:
        super().__init__(path_type=path_type, readable=False)  # the library says what is wrong with it
        self._file = file

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Called by click."""
        name = os.fsdecode(value)
        wrong = "the name is empty; was a variable of the shell not set?" if not name else ""
        if self._file and name.endswith("/"):
            wrong = f"{name} is the name of a folder, since it ends with /; give the name of a file"
        if wrong:
            raise UsageError(f"{_named(param)}: {wrong}")
        return super().convert(value, param, ctx)


def _named(param: click.Parameter | None) -> str:
    """What a person calls it."""
    if param is None:
        return "path"
    return param.opts[0] if isinstance(param, click.Option) else param.human_readable_name


PATH = _Path(Path)
OUTPUT_FILE = _Path(Path, file=True)
FILE_NAME = _Path(str)
"""A path as it was given, or a word that stands for one."""
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
    """section: the title it stands under."""

    def __init__(self, *arguments: Any, section: str = "", **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.section = section


def help_of(function: Callable[..., Any]) -> Mapping[str, str]:
    """What the docstring of a function says of each argument, after its name; "" of what it does not name.

    A text may go on in lines that are indented. Without docstrings, as under `python -OO`, all are empty.
    """
    found = re.findall(r"^(\w+): (.*(?:\n +.*)*)", inspect.getdoc(function) or "", re.MULTILINE)
    return defaultdict(str, {name: " ".join(text.split()) for name, text in found})


def options_of(function: Callable[..., Any], section: str = "") -> Callable[..., Callable[[_F], _F]]:
    """What declares options as `click.option` does, whose help is what `function` says of the argument of their name.

    section: the title under which a `SectionedCommand` shows them. more_help: of an option, is said besides.
    """
    helps = help_of(function)

    def option(*flags: str, more_help: str = "", **settings: Any) -> Callable[[_F], _F]:
        text = f"{helps[_name(flags[-1])]} {more_help}".rstrip()
        return click.option(*flags, cls=_SectionOption, section=section, help=text, **settings)

    return option


def setting(option: Callable[..., Callable[[_F], _F]], config: type, flag: str, **more: Any) -> Callable[[_F], _F]:
    """What declares an option that is a field of a configuration: its type, its default and what it may be are there.

    option: see `options_of`. more: what is otherwise, for `option`.
    """
    name = _name(flag)
    kind = field_kinds(config)[name]
    table = choices_of(kind)
    own = {
        "type": base_of(kind) if table is None else TableChoice(table),
        "default": getattr(config, name),
        "callback": as_declared(kind),
    }
    return option(flag, **(own | more))


def _name(flag: str) -> str:
    """The name of a setting, from its option."""
    return flag.removeprefix("--").replace("-", "_")


def as_declared(kind: Any) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback of an option whose value, where there is one, has to be what this annotation of a setting says."""

    def check(ctx: click.Context, option: click.Parameter, value: Any) -> Any:
        return None if value is None else checked(option.opts[-1], kind, value)

    return check


def given_to(ctx: click.Context) -> dict[str, Any]:
    """The parameters that stand on the command line, by name."""
    return {
        name: value
        for name, value in ctx.params.items()
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


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


def argument_text(value: str) -> str | bytes:
    """The text that was given, though the locale has no such characters; its bytes where they are not UTF-8 either."""
    if not any("\udc80" <= c <= "\udcff" for c in value):
        return value
    data = os.fsencode(value)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def parse_escapes(ctx: click.Context, option: click.Parameter, value: str | None) -> str | bytes | None:
    """As `argument_text`, but \\n, \\t and \\\\ stand for a newline, a tab and a backslash; callback of an option."""
    if value is None:
        return None
    pieces, index = [], 0
    while index < len(value):
        pair = value[index : index + 2]
        pieces.append(_ESCAPES.get(pair, pair[0]))
        index += 2 if pair in _ESCAPES else 1
    return argument_text("".join(pieces))
