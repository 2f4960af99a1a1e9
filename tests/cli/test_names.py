"""Names of files and folders that are no names: every option and argument that takes one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gpurnn.cli.main import COMMANDS, main
from gpurnn.cli.options import OUTPUT_FILE

NO_NAMES = {"device", "encoding", "document_separator", "prompt", "stop", "split"}
NO_NAMES |= {"time", "key", "columns", "every", "missing", "target", "ahead"}
NO_NAMES |= {"label_column", "text_column", "tag_column", "text"}
"""Parameters that take a text which is no name."""


def takers() -> Iterator[tuple[str, click.Parameter]]:
    """Each command and each of its parameters that takes a name."""
    for command in COMMANDS:
        found = main.get_command(click.Context(main), command)
        assert found is not None
        for parameter in found.params:
            if isinstance(parameter.type, click.Path) or (
                isinstance(parameter.type, click.types.StringParamType) and parameter.name not in NO_NAMES
            ):
                yield command, parameter


TAKERS = list(takers())


def call(command: str, parameter: click.Parameter, value: str) -> tuple[int, str]:
    """What a command answers where one parameter is this and the others are sound names."""
    arguments = [command]
    for other in (each for name, each in TAKERS if name == command and (each.required or each is parameter)):
        given = value if other is parameter else f"some-{other.name}"
        arguments += [other.opts[0], given] if isinstance(other, click.Option) else [given]
    done = CliRunner().invoke(main, arguments)
    return done.exit_code, done.stderr


@pytest.mark.parametrize(("command", "parameter"), TAKERS, ids=[f"{name} {each.name}" for name, each in TAKERS])
def test_an_empty_name_is_wrong_usage(
    command: str, parameter: click.Parameter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("what an empty name must not stand for")
    named = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
    told = f"gpurnn: {named}: the name is empty; was a variable of the shell not set?\n"
    assert call(command, parameter, "") == (2, told)
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_the_names_are_found() -> None:
    assert {name for name, _ in TAKERS} == set(COMMANDS)
    assert {each.name for _, each in TAKERS} > {"texts", "output", "valid", "vocab_from", "prompt_file", "checkpoint"}


@pytest.mark.parametrize("name", ["new/", "text.txt/", "folder/"])
@pytest.mark.parametrize("command", ["prepare", "import-corpus"])
def test_the_name_of_a_folder_is_not_that_of_a_corpus(
    command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("some text")
    (tmp_path / "folder").mkdir()
    (output,) = (each for of, each in TAKERS if of == command and each.type is OUTPUT_FILE)
    told = f"gpurnn: -o: {name} is the name of a folder, since it ends with /; give the name of a file\n"
    assert call(command, output, name) == (2, told)
    assert {path.name for path in tmp_path.iterdir()} == {"text.txt", "folder"}
