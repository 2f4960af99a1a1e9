"""`gpurnn prepare`: turns texts, pairs of texts, tables of series or recordings and pictures into a corpus."""

from pathlib import Path
from typing import Any

import click

from gpurnn.api.corpora import prepare as prepare_texts
from gpurnn.api.preparing import prepare_asked
from gpurnn.api.request import Request
from gpurnn.cli import console
from gpurnn.cli.options import FILE_NAME, OUTPUT_FILE, SectionedCommand, options_of, parse_escapes
from gpurnn.cli.progress import Bar
from gpurnn.data.report import PrepareReport
from gpurnn.data.series.dates import ORDERS
from gpurnn.data.series.numbers import DECIMALS
from gpurnn.data.series.options import BAD_ROWS
from gpurnn.data.text.tokens import ERROR_MODES, KINDS, NEWLINES, NORMAL_FORMS
from gpurnn.signals import unwinding


def _parse_split(ctx: click.Context, option: click.Parameter, value: str | None) -> list[float] | None:
    try:
        return None if value is None else [float(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value!r}: expected fractions like 0.9,0.05,0.05") from None


_corpus = options_of(prepare_texts, "Corpus")
_splits = options_of(prepare_texts, "Splits")
_text = options_of(prepare_texts, "How bytes become text")
_series = options_of(prepare_texts, "Series")
_labels = options_of(prepare_texts, "Labels")
_tags = options_of(prepare_texts, "Tags")
_pairs = options_of(prepare_texts, "Pairs, and texts with vectors")
_frames = options_of(prepare_texts, "Frames with texts")


@click.command(cls=SectionedCommand)
@click.argument("texts", type=FILE_NAME, metavar="TEXT...", nargs=-1)
@_corpus("-o", "--output", required=True, type=OUTPUT_FILE)
@_corpus("--force", is_flag=True)
@_corpus("--tokens", type=click.Choice(KINDS))
@_corpus("--min-count", type=click.IntRange(1), default=1)
@_corpus("--vocab-from", type=FILE_NAME, metavar="CORPUS")
@_corpus("--document-separator", metavar="TEXT", callback=parse_escapes, more_help="\\n is a newline.")
@_splits("--split", metavar="A,B,C", callback=_parse_split)
@_splits("--valid", type=FILE_NAME, metavar="FILE", multiple=True, more_help="May be repeated.")
@_splits("--test", type=FILE_NAME, metavar="FILE", multiple=True)
@_text("--encoding", metavar="NAME")
@_text("--errors", type=click.Choice(ERROR_MODES))
@_text("--newline", type=click.Choice(NEWLINES))
@_text("--normalise", type=click.Choice(NORMAL_FORMS))
@_text("--lower", is_flag=True, default=None)
@_series("--series", is_flag=True)
@_series("--time", metavar="COLUMN[,COLUMN]")
@_series("--key", metavar="COLUMN")
@_series("--columns", metavar="COLUMN,...")
@_series("--clock", is_flag=True, default=None)
@_series("--fill", metavar="N", type=click.IntRange(0))
@_series("--every", metavar="TIME")
@_series("--columns-from", type=FILE_NAME, metavar="RUN|CORPUS")
@_series("--header", is_flag=True)
@_series("--date-order", type=click.Choice(ORDERS))
@_series("--decimal", type=click.Choice(list(DECIMALS)))
@_series("--missing", metavar="TEXT", multiple=True, more_help="May be repeated.")
@_series("--bad-rows", type=click.Choice(BAD_ROWS), default="stop")
@_labels("--labels", is_flag=True)
@_labels("--label-column", metavar="COLUMN")
@_labels("--text-column", metavar="COLUMN", multiple=True, more_help="May be repeated.")
@_labels("--seed", metavar="N", type=click.IntRange(0), default=0)
@_tags("--tags", is_flag=True)
@_tags("--tag-column", metavar="COLUMN")
@_pairs("--pairs", is_flag=True)
@_pairs("--source", type=FILE_NAME, metavar="FILE", multiple=True, more_help="May be repeated.")
@_pairs("--target", type=FILE_NAME, metavar="FILE", multiple=True)
@_pairs("--target-tokens", type=click.Choice(KINDS))
@_pairs("--max-length", metavar="N", type=click.IntRange(1))
@_pairs("--vectors", type=FILE_NAME, metavar="FILE")
@_frames("--frames", is_flag=True)
@_frames("--text", metavar="KEY")
@_frames("--splice", metavar="N", type=click.IntRange(0))
@_frames("--skip", metavar="N", type=click.IntRange(1))
def prepare(texts: tuple[str, ...], output: Path, **options: Any) -> None:
    """Turn texts, pairs, tables of series, recordings or pictures into a corpus.

    TEXT is a file, a folder (all files under it, in path order, except those
    whose name begins with a dot), or - for standard input. Each file is a
    document. What gzip packed is unpacked; other formats than text are refused,
    but --tokens bytes takes them as they are.

    \b
      gpurnn prepare book.txt -o book.h5
      gpurnn prepare letters/ -o letters.h5 --tokens words --min-count 3
      zcat news.gz | gpurnn prepare - -o news.h5 --document-separator '\\n\\n'
      gpurnn prepare weather.csv -o weather.h5 --series --time date --key station
      gpurnn prepare posts.tsv -o posts.h5 --labels --label-column first
      gpurnn prepare train.conll -o names.h5 --tags --valid dev.conll
      gpurnn prepare moves.csv -o moves.h5 --series --key recording --labels
      gpurnn prepare words.tsv -o words.h5 --pairs --target-tokens words
      gpurnn prepare -o de.h5 --pairs --source news.en --target news.de
      gpurnn prepare names.txt -o names.h5 --vectors pictures.npy
      gpurnn prepare lines.jsonl -o lines.h5 --frames --valid more.jsonl
    """
    with unwinding(), Bar() as bar:
        given = {"texts": texts, "output": output, **options}
        report = prepare_asked(Request(given, console.standard_input(), bar if bar.shown else None))
    console.report(str(report))
    if isinstance(report, PrepareReport) and report.separators == 0:
        console.warn("--document-separator was found nowhere: each file is one document")
