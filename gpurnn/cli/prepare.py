"""`gpurnn prepare`: turns text files into a corpus."""

from pathlib import Path
from typing import Any

import click

from gpurnn.cli import console
from gpurnn.cli.options import (
    FILE_NAME,
    OUTPUT_FILE,
    SectionedCommand,
    corpus_help,
    force_help,
    parse_escapes,
    section,
)
from gpurnn.cli.progress import Bar
from gpurnn.data.prepare import prepare as prepare_corpus
from gpurnn.data.text.tokens import ERROR_MODES, KINDS, NEWLINES, NORMAL_FORMS
from gpurnn.signals import unwinding


def _parse_split(ctx: click.Context, option: click.Parameter, value: str | None) -> list[float] | None:
    try:
        return None if value is None else [float(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value!r}: expected fractions like 0.9,0.05,0.05") from None


_corpus, _splits, _text = section("Corpus"), section("Splits"), section("How bytes become text")


@click.command(cls=SectionedCommand)
@click.argument("texts", type=FILE_NAME, metavar="TEXT...", nargs=-1, required=True)
@_corpus("-o", "--output", required=True, type=OUTPUT_FILE, help=corpus_help)
@_corpus("--force", is_flag=True, help=force_help)
@_corpus("--tokens", type=click.Choice(KINDS), help="What a token is.  [default: chars]")
@_corpus("--min-count", type=click.IntRange(1), default=1, help="Words rarer than this in train become unknown.")
@_corpus("--vocab-from", type=FILE_NAME, metavar="CORPUS", help="Use the tokens and the vocabulary of this corpus.")
@_corpus(
    "--document-separator",
    metavar="TEXT",
    callback=parse_escapes,
    help="Cuts files into documents; \\n is a newline.  [default: each file is one]",
)
@_splits("--split", metavar="A,B,C", callback=_parse_split, help="Train, valid, test.  [default: 0.9,0.05,0.05]")
@_splits(
    "--valid",
    type=FILE_NAME,
    metavar="FILE",
    multiple=True,
    help="Text of the valid split, instead of --split; may be repeated.",
)
@_splits("--test", type=FILE_NAME, metavar="FILE", multiple=True, help="Text of the test split, likewise.")
@_text("--encoding", metavar="NAME", help="Encoding of the text.  [default: utf-8]")
@_text("--errors", type=click.Choice(ERROR_MODES), help="On bytes not in the encoding.  [default: strict]")
@_text("--newline", type=click.Choice(NEWLINES), help="Make CR LF and CR one LF, or keep them.  [default: lf]")
@_text("--normalise", type=click.Choice(NORMAL_FORMS), help="Unicode normal form.  [default: as it is]")
@_text("--lower", is_flag=True, default=None, help="Make letters lower case.")
def prepare(texts: tuple[str, ...], output: Path, **options: Any) -> None:
    """Turn text files into a corpus.

    TEXT is a file, a folder (all files under it, in path order, except those
    whose name begins with a dot), or - for standard input. Each file is a
    document. What gzip packed is unpacked; other formats than text are refused,
    but --tokens bytes takes them as they are.

    \b
      gpurnn prepare book.txt -o book.h5
      gpurnn prepare letters/ -o letters.h5 --tokens words --min-count 3
      zcat news.gz | gpurnn prepare - -o news.h5 --document-separator '\\n\\n'
    """
    names = ("encoding", "errors", "newline", "normalise", "lower")
    policy = {name: options[name] for name in names if options[name] is not None}
    with unwinding(), Bar() as bar:
        report = prepare_corpus(
            texts,
            output,
            tokens=options["tokens"],
            policy=policy,
            split=options["split"],
            valid=options["valid"],
            test=options["test"],
            document_separator=options["document_separator"],
            min_count=options["min_count"],
            vocab_from=options["vocab_from"],
            force=options["force"],
            stdin=console.standard_input(),
            progress=bar if bar.shown else None,
        )
    console.report(str(report))
    if report.separators == 0:
        console.warn("--document-separator was found nowhere: each file is one document")
