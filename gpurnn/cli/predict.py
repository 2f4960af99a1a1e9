"""`gpurnn predict`: forecasts from each row of a table, as it comes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from gpurnn import backend
from gpurnn.cli.console import Output, ReaderGoneError, standard_input, warn
from gpurnn.cli.model_options import checkpoint_option, device_option, run_argument
from gpurnn.cli.options import FILE_NAME, OUTPUT_FILE, Command
from gpurnn.data.text.inputs import Source, read_blocks
from gpurnn.exceptions import DataError
from gpurnn.files.output import find_output
from gpurnn.generation.forecaster import Forecaster
from gpurnn.generation.predict import Predictions, open_table
from gpurnn.signals import Notice, noticing
from gpurnn.training.load import load_trained

_BLOCK = 1 << 16
_LONGEST = 1 << 24  # bytes of a line that is waited for
_PATIENCE = 1.0  # seconds that a reader has for the last row after a signal to stop


@click.command(cls=Command)
@run_argument
@click.argument("file", type=FILE_NAME, metavar="FILE|-")
@click.option(
    "--state",
    type=OUTPUT_FILE,
    metavar="FILE",
    help="Go on from what was kept of each series in FILE, if it is there; keep it there at the end and after a stop.",
)
@click.option("--jsonl", is_flag=True, help="Print a JSON object a row instead of a table.")
@click.option(
    "--bad-rows",
    type=click.Choice(("stop", "skip")),
    default="stop",
    help="What to do at a row that is none, or that is not later than the one before it: stop, or leave it out.",
)
@checkpoint_option
@device_option
def predict(run: Path, file: str, state: Path | None, jsonl: bool, bad_rows: str, checkpoint: str, device: str) -> None:
    """Forecast with RUN from each row of FILE, or of standard input, as it comes.

    A row comes back at once with all its cells, then with a column for each
    forecast, such as temp+24h, then with the time that it is for. FILE is a
    table with the columns that RUN was trained on, each series in the order of
    its times; a missing number is left empty. Of a series its state is kept,
    so that a row costs one step, and it may come for ever.

    \b
      gpurnn predict runs/temp new.csv > forecast.csv
      tail -F station.csv | gpurnn predict runs/temp - --state station.state
    """
    if state is not None:
        find_output(state)
    trained = load_trained(run, backend.get(device), checkpoint=checkpoint, on_warning=warn)
    forecaster = Forecaster(trained.model, trained.forecast)
    if state is not None and state.exists():
        forecaster.load(state)
    kept = "nothing is lost" if state is None else f"{state} keeps the state"
    with noticing(kept) as notice:
        _predict(forecaster, file, state, notice, jsonl=jsonl, skip=bad_rows == "skip")


def _predict(forecaster: Forecaster, file: str, state: Path | None, notice: Notice, *, jsonl: bool, skip: bool) -> None:
    source = Source(None if file == "-" else Path(file), named=True)
    blocks = _blocks(source, notice)
    predictions = Predictions(
        forecaster,
        open_table(blocks, source.label, forecaster.forecast.columns, skip=skip),
        jsonl=jsonl,
        skip=skip,
    )
    try:
        with Output() as out:
            _write(out, predictions.lines(), notice)
    except ReaderGoneError:
        if notice.came is None:
            raise
    finally:
        if state is not None:
            forecaster.save(state)
        if predictions.left_out:
            rows = "1 row" if predictions.left_out == 1 else f"{predictions.left_out:,} rows"
            warn(f"left out {rows}; the first: {predictions.first}")


def _write(out: Output, lines: Iterator[str], notice: Notice) -> None:
    """Each line when it is there. After a signal, those of the rows that were read by then."""
    try:
        for line in lines:
            if out.descriptor is not None and not notice.writable(out.descriptor, _PATIENCE):
                return
            out.write(line)
    except DataError:
        if notice.came is None:  # otherwise it is the row that the signal has cut
            raise


def _blocks(source: Source, notice: Notice) -> Iterator[bytes]:
    """Whole lines of a table, those of a pipe as they come; none are taken after a signal."""
    stdin = standard_input() if source.path is None else None
    descriptor = None if stdin is None else _descriptor(stdin)
    if descriptor is None:
        pieces = _pieces(read_blocks(source, stdin, advance=lambda read: None))
    else:
        pieces = _as_they_come(descriptor, notice)
    held = b""
    for piece in pieces:
        held += piece
        edge = held.rfind(b"\n") + 1 or held.rfind(b"\r", 0, -1) + 1 or len(held) // _LONGEST * len(held)
        if edge:
            yield held[:edge]
            held = held[edge:]
        if notice.came is not None:
            return
    if held and notice.came is None:
        yield held


def _pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks cut into smaller ones, so that a signal need not wait for long."""
    for block in blocks:
        for start in range(0, len(block), _BLOCK):
            yield block[start : start + _BLOCK]


def _as_they_come(descriptor: int, notice: Notice) -> Iterator[bytes]:
    while notice.readable(descriptor):
        try:
            piece = os.read(descriptor, _BLOCK)
        except BlockingIOError:  # another program has taken it
            continue
        if not piece:
            return
        yield piece


def _descriptor(file: IO[bytes]) -> int | None:
    """None where a file is in memory."""
    try:
        return file.fileno()
    except (OSError, ValueError):
        return None
