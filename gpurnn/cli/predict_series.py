"""`gpurnn predict` with a model of measured series: forecasts from each row of a table, as it comes."""

from __future__ import annotations

from pathlib import Path

from gpurnn.cli.console import warn
from gpurnn.cli.live import source_of, whole_lines, write_all
from gpurnn.files.output import find_output
from gpurnn.generation.forecaster import Forecaster
from gpurnn.generation.predict import Predictions, open_table
from gpurnn.signals import NOTHING_LOST, noticing
from gpurnn.training.load import Trained


def predict_series(trained: Trained, file: str, state: Path | None, *, jsonl: bool, skip: bool) -> None:
    """Writes the table with its forecasts. state: the file in which what was kept of each series is."""
    if state is not None:
        find_output(state)
    forecaster = Forecaster(trained.model, trained.forecast)
    if state is not None and state.exists():
        forecaster.load(state)
    source = source_of(file)
    with noticing(NOTHING_LOST if state is None else f"{state} keeps the state") as notice:
        table = open_table(whole_lines(source, notice), source.label, forecaster.forecast.columns, skip=skip)
        predictions = Predictions(forecaster, table, jsonl=jsonl, skip=skip)
        try:
            write_all(predictions.lines(), notice)
        finally:
            if state is not None:
                forecaster.save(state)
            if predictions.left_out:
                rows = "1 row" if predictions.left_out == 1 else f"{predictions.left_out:,} rows"
                warn(f"left out {rows}; the first: {predictions.first}")
