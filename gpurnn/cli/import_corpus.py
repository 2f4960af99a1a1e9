"""`gpurnn import-corpus`: copies a corpus out of a file from a stranger."""

from pathlib import Path

import click

from gpurnn.api.corpora import prepare
from gpurnn.cli import console
from gpurnn.cli.options import OUTPUT_FILE, PATH, Command, options_of
from gpurnn.data.corpus.importing import import_corpus as copy_corpus
from gpurnn.data.corpus.schema import Manifest
from gpurnn.exceptions import shell_word
from gpurnn.signals import unwinding

_option = options_of(prepare)  # of an output they say the same


@click.command(cls=Command)
@click.argument("file", type=PATH)
@_option("-o", "--output", required=True, type=OUTPUT_FILE)
@_option("--force", is_flag=True)
def import_corpus(file: Path, output: Path, force: bool) -> None:
    """Copy a corpus out of a FILE that you did not make yourself.

    A child process with little memory and CPU time looks into it, and may open
    no other file and write none. Use the copy from then on, not the FILE.

    \b
      gpurnn import-corpus downloaded.h5 -o news.h5
    """
    with unwinding():
        manifest = copy_corpus(file, output, force=force)
    console.report("\n".join(_lines(output, manifest)))


def _lines(output: Path, manifest: Manifest) -> list[str]:
    held, steps = manifest.shape.called, "tokens"
    if manifest.version == 1 and manifest.vocabulary is not None:
        held = f"{manifest.vocabulary.count:,} {manifest.kind} in the vocabulary"
    elif manifest.columns is not None:
        held, steps = f"{held}, {manifest.columns.count:,} column{'' if manifest.columns.count == 1 else 's'}", "rows"
    lines = [f"{shell_word(output)}: {held}"]
    for name, size in manifest.splits.items():
        documents = f"{size.documents:,} document{'' if size.documents == 1 else 's'}"
        lines.append(f"  {name:<6}{size.steps:>15,} {steps} in {documents}")
    return lines
