"""Messages of the library name settings, in backquotes; the command line shows their options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import gpurnn
from gpurnn.cli import console
from gpurnn.cli.main import COMMANDS, main

FLAG = re.compile(r"(?<![\w-])--[a-z]")
NAMED = re.compile(r"`([a-z][a-z0-9_]*)[`=]")
OTHERS = {"soffice --convert-to"}
"""Programs that messages advise, with options of their own."""


def texts() -> Iterator[tuple[Path, str]]:
    """Each text in the library outside the command line that is no docstring, and its file."""
    root = Path(gpurnn.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if root / "cli" in path.parents:
            continue
        tree = ast.parse(path.read_text())
        described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
                yield path, node.value


def options() -> set[str]:
    """The name of every option that sets something."""
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in COMMANDS]
    return {parameter.name for command in commands if command for parameter in command.params if parameter.name}


def test_no_message_of_the_library_names_an_option():
    found = [(path.name, text) for path, text in texts() if FLAG.search(text)]
    assert [each for each in found if not any(other in each[1] for other in OTHERS)] == []


def test_a_setting_that_a_message_names_is_an_option():
    known = options()
    found = {(path.name, name) for path, text in texts() for name in NAMED.findall(text)}
    assert {name for _, name in found} > {"bptt", "lr", "clip", "vocab_from", "allow_inexact", "resume"}
    assert {each for each in found if each[1] not in known} == set()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("use at most 3 steps (`bptt`)", "use at most 3 steps (--bptt)"),
        ("`lr_floor` or `clip`: lower", "--lr-floor or --clip: lower"),
        ("`on_divergence=rollback` would go back", "--on-divergence rollback would go back"),
        ("with `init_from='my runs/a=b'`", "with --init-from 'my runs/a=b'"),
        ("a `shell command` stays, so do `LANES` and `", "a `shell command` stays, so do `LANES` and `"),
    ],
)
def test_what_is_shown_of_a_setting_is_its_option(text: str, shown: str, capsys: pytest.CaptureFixture[str]):
    console.warn(text)
    assert capsys.readouterr().err == f"gpurnn: {shown}\n"
