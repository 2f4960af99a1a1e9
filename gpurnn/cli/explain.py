"""`gpurnn explain`: writes the page on which a learner sees every number of a small run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from gpurnn.cli import console
from gpurnn.cli.options import OUTPUT_FILE, Command, options_of, parse_escapes, setting
from gpurnn.diagnosis.explain.pages import explain as page_of
from gpurnn.diagnosis.explain.story import Story
from gpurnn.exceptions import GpurnnError, shell_word
from gpurnn.files.durable import write_durably
from gpurnn.files.errors import reported_as
from gpurnn.files.output import find_output
from gpurnn.signals import unwinding

_option = options_of(Story)
_of_story = partial(setting, _option, Story)


@click.command(cls=Command)
@click.option(
    "-o", "--output", type=OUTPUT_FILE, default="bptt.html", help="The page to write; of a symbolic link, its target."
)
@_of_story("--text", metavar="TEXT", callback=parse_escapes)
@_of_story("--cell")
@_of_story("--hidden")
@_of_story("--bptt")
@click.option("--force", is_flag=True, help="Replace an existing page, if that is a regular file.")
def explain(output: Path, text: str | bytes, force: bool, **given: Any) -> None:
    """Write a page that shows truncated back-propagation through time, number by number.

    A network of a few units reads a short text and learns; the page has the
    forward pass, every error and every gradient of each step, what the seam
    between two windows cuts, and how each number follows from others. It is one
    file for any browser, and asks nothing of a network.

    \b
      gpurnn explain
      gpurnn explain --cell lstm --text "to be or not" -o lstm.html
    """
    story = Story(text=text, **given)  # type: ignore[arg-type]  # it refuses bytes
    with unwinding(), reported_as(GpurnnError, f"cannot write {output}"):
        find_output(output, replace=force)
        write_durably(output, [page_of(story)], replace=force)
    rest = len(story.text) - story.steps - 1
    more = f"; the last {rest:,} symbol{'s are' if rest > 1 else ' is'} left out" if rest else ""
    console.report(f"{shell_word(output)}: {story.steps} steps in windows of {story.bptt}{more}; open it in a browser")
