"""`gpurnn import-corpus`: copies a corpus out of a file from a stranger."""

from pathlib import Path

import click

from gpurnn.api.corpora import prepare
from gpurnn.cli import console
from gpurnn.cli.options import OUTPUT_FILE, PATH, Command, options_of
from gpurnn.data.corpus.importing import import_corpus as copy_corpus
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
    lines = [f"{shell_word(output)}: {manifest.symbols:,} {manifest.kind} in the vocabulary"]
    for name, size in manifest.splits.items():
        documents = f"{size.documents:,} document{'' if size.documents == 1 else 's'}"
        lines.append(f"  {name:<6}{size.tokens:>15,} tokens in {documents}")
    console.report("\n".join(lines))
