"""Tables of series come back with the labels and tags that the model gives each stretch of rows alone."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from forecasting import columns, measured, with_clock

from gpurnn import backend
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.reader import BadRow
from gpurnn.exceptions import DataError
from gpurnn.generation import labelled_rows
from gpurnn.generation.label import LabelModel
from gpurnn.generation.labelled_rows import RowPredictions
from gpurnn.generation.predict import open_table
from gpurnn.network import Model, ModelConfig
from gpurnn.training import labeller
from gpurnn.training.config import TrainConfig
from gpurnn.training.labeller import Labeller

LABELS = ("idle", "on, off", "run")
BEGIN, MINUTE = 1_700_000_040, 60
BOTH, ONE = ("both_directions",), ("recurrent",)
TIMED = columns("temp", "load", clock=True, interval=MINUTE, fill=2)
PLAIN = columns("temp", "load", clock=False, interval=1, fill=3, time=())


def model_of(what: str, of: Columns, layout: str = "whole", stack: tuple[str, ...] = BOTH) -> LabelModel:
    config = ModelConfig(
        0, "gru", 6, inputs=of.inputs, outputs=3, input="real", dtype="float64", stack=stack, init="normal"
    )
    model = Model(backend.get("cpu"), config)
    model.params.initialise(model.be, 4)
    for array in model.params.value.values():
        array *= 4
    labelling = Labelling(what, LABELS, np.array([3, 2, 1]), columns=of)  # type: ignore[arg-type]
    return LabelModel(model, labelling, TrainConfig(config, layout=layout))


def shares(model: LabelModel, stretches: list[np.ndarray]) -> list[np.ndarray]:
    """The probabilities of each stretch, (n, F) as it was measured, or of its steps, worked out alone."""
    of = model.labelling.columns
    assert of is not None
    config = TrainConfig(model.model.config, layout="through" if model.through else "whole")
    given = [np.empty(rows.shape, np.float32) for rows in stretches]
    for rows, scaled in zip(stretches, given, strict=True):
        of.scaled(rows.astype(np.float32), scaled)
    alone = Labeller(model.model, config, model.labelling.what == "labels")
    return [np.exp(logs) for scaled in given for logs in alone.log_probabilities([scaled])]


def names(found: np.ndarray) -> list[str]:
    return [LABELS[number] for number in np.atleast_2d(found).argmax(axis=1).tolist()]


def iso(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def table(keys: dict[str, np.ndarray], times: dict[str, list[int]] | None = None) -> str:
    """Rows of two numbers by key, with times in seconds where they have some."""
    lines = ["where,load,temp,note\n" if times is None else "when,where,load,temp,note\n"]
    for key, rows in keys.items():
        for number, (temp, load) in enumerate(rows):
            when = "" if times is None else f"{iso(times[key][number])},"
            lines.append(f'{when}{key},{cell(load)},{cell(temp)},"n, {number}"\n')
    return "".join(lines)


def predicted(model: LabelModel, content: str, **more: Any) -> str:
    of = model.labelling.columns
    assert of is not None
    reader = open_table([content.encode()], "a.csv", of, skip=more.get("skip", False))
    return "".join(RowPredictions(model, reader, **more).lines())


def drawn(*lengths: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {f"k{n}": (4 * measured(length, 2, seed=seed + n) - 30).round(2) for n, length in enumerate(lengths)}


KINDS = [("whole", BOTH), ("whole", ONE), ("through", ONE)]


@pytest.mark.parametrize(("layout", "stack"), KINDS)
@pytest.mark.parametrize("at_once", [1, 1 << 16])
def test_each_row_gets_its_tag(
    layout: str, stack: tuple[str, ...], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled_rows, "_AT_ONCE", at_once)
    model, rows = model_of("tags", PLAIN, layout, stack), drawn(9, 1, 30)
    content = table(rows)
    expected = shares(model, list(rows.values()))
    tags = [tag for each in expected for tag in names(each)]
    assert len(set(tags)) > 1
    header, *lines = csv.reader(io.StringIO(predicted(model, content)))
    given = list(csv.reader(io.StringIO(content)))
    assert header == [*given[0], "tag"] and lines == [[*row, tag] for row, tag in zip(given[1:], tags, strict=True)]
    found = [
        float(line[-1]) for line in list(csv.reader(io.StringIO(predicted(model, content, probabilities=True))))[1:]
    ]
    np.testing.assert_allclose(found, np.concatenate(expected).max(axis=1), rtol=0, atol=0.6e-6)


@pytest.mark.parametrize(("layout", "stack"), KINDS)
def test_all_rows_of_a_key_get_its_label(layout: str, stack: tuple[str, ...]) -> None:
    model, rows = model_of("labels", PLAIN, layout, stack), drawn(9, 1, 30, 4, 12)
    expected = shares(model, list(rows.values()))
    found = list(csv.DictReader(io.StringIO(predicted(model, table(rows), probabilities=True))))
    given = [(key, each) for key, each in zip(rows, expected, strict=True) for _ in rows[key]]
    assert [(row["where"], row["label"]) for row in found] == [(key, names(each)[0]) for key, each in given]
    np.testing.assert_allclose(
        [float(row["probability"]) for row in found], [each.max() for _, each in given], atol=0.6e-6
    )


@pytest.mark.parametrize(("layout", "stack"), KINDS)
def test_short_gaps_are_filled_and_long_ones_part_stretches(layout: str, stack: tuple[str, ...]) -> None:
    rows = drawn(8, 5)
    steps = {"k0": [0, 1, 4, 5, 9, 10, 11, 13], "k1": [2, 3, 4, 5, 6]}
    times = {key: [BEGIN + MINUTE * step for step in each] for key, each in steps.items()}
    content = table(rows, times)
    nothing = np.full((1, 2), np.nan)
    one, two = rows["k0"], rows["k1"]
    first = with_clock(TIMED, np.concatenate((one[:2], nothing, nothing, one[2:4])), times["k0"][0])
    second = with_clock(TIMED, np.concatenate((one[4:7], nothing, one[7:])), times["k0"][4])
    other = with_clock(TIMED, two, times["k1"][0])
    model = model_of("tags", TIMED, layout, stack)
    tags = [names(each) for each in shares(model, [first, second, other])]
    expected = [*tags[0][:2], *tags[0][4:], *tags[1][:3], *tags[1][4:], *tags[2]]
    assert [row["tag"] for row in csv.DictReader(io.StringIO(predicted(model, content)))] == expected
    labels = model_of("labels", TIMED, layout, stack)
    found = list(csv.DictReader(io.StringIO(predicted(labels, content, probabilities=True))))
    of_each = shares(labels, [first, second, other])
    means = [(of_each[0] + of_each[1]) / 2] * 8 + [of_each[2]] * 5
    assert [row["label"] for row in found] == [names(each)[0] for each in means]
    np.testing.assert_allclose(
        [float(row["probability"]) for row in found], [each.max() for each in means], atol=0.6e-6
    )


def test_json_has_numbers_and_all_probabilities() -> None:
    model, rows = model_of("tags", PLAIN), drawn(9)
    content = table(rows).replace("note", "tag")
    (expected,) = shares(model, list(rows.values()))
    for n, line in enumerate(predicted(model, content, jsonl=True, probabilities=True).splitlines()):
        temp, load = (None if np.isnan(value) else pytest.approx(value) for value in rows["k0"][n].tolist())
        fields = json.loads(line)
        assert list(fields) == ["where", "load", "temp", "tag", "predicted_tag", "probabilities"]
        assert (fields["temp"], fields["load"], fields["tag"]) == (temp, load, f"n, {n}")
        assert fields["predicted_tag"] == names(expected[n])[0]
        np.testing.assert_allclose([fields["probabilities"][label] for label in LABELS], expected[n], atol=0.6e-6)


def test_a_model_that_goes_through_answers_each_row_of_any_series_as_it_comes() -> None:
    model, rows = model_of("tags", PLAIN, "through", ONE), drawn(5, 5)
    lines = table(rows).splitlines(keepends=True)
    mixed = [lines[0], *(lines[1 + n + 5 * key] for n in range(5) for key in range(2))]
    read: list[str] = []

    def live() -> Iterator[bytes]:
        for line in mixed:
            read.append(line)
            yield line.encode()

    reader = open_table(live(), "-", PLAIN)
    one, two = (names(each) for each in shares(model, list(rows.values())))
    expected = [tag for pair in zip(one, two, strict=True) for tag in pair]
    answers = RowPredictions(model, reader).lines()
    next(answers)
    for number, (line, tag) in enumerate(zip(answers, expected, strict=True), 2):
        assert len(read) == number and next(csv.reader([line]))[-1] == tag


@pytest.mark.parametrize(("layout", "stack"), KINDS)
@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"{iso(BEGIN)},k0,1,2,x\n", None),
        (
            f"{iso(BEGIN + 30)},k0,1,2,x\n",
            "2023-11-14T22:14:30Z is 30 s after the last row of k0, 2023-11-14T22:14:00Z; expected a multiple of the "
            "interval, 1 min; ",
        ),
        (
            f"{iso(BEGIN - 60)},k0,1,2,x\n",
            "2023-11-14T22:13:00Z is not after the last row of k0, 2023-11-14T22:14:00Z; ",
        ),
        (f"{iso(BEGIN + 60)},k0,1,1e30,x\n", "temp: 1e+30 is too large; NaN stands for a missing number; "),
    ],
)
def test_rows_that_do_not_follow_are_named_or_left_out(
    layout: str, stack: tuple[str, ...], line: str, told: str | None
) -> None:
    model = model_of("tags", TIMED, layout, stack)
    content = table(drawn(1), {"k0": [BEGIN]}) + line
    reader = open_table([content.encode()], "a.csv", TIMED, skip=True)
    predictions = RowPredictions(model, reader, skip=True)
    assert len("".join(predictions.lines()).splitlines()) == 2 and predictions.left_out == 1
    if told is None:
        assert len(predicted(model, content).splitlines()) == 2
        return
    assert predictions.first == f"a.csv, line 3: {told}".removesuffix("; ")
    with pytest.raises(BadRow) as error:
        predicted(model, content)
    assert str(error.value).startswith(f"a.csv, line 3: {told}")


def test_rows_of_a_series_have_to_be_together() -> None:
    content = table(drawn(2, 2)) + "k0,1,2,x\n"
    with pytest.raises(DataError) as error:
        predicted(model_of("labels", PLAIN), content)
    assert str(error.value) == (
        "a.csv, line 6: rows of 'k0' stood before others; sort the table, so that rows of a series are together"
    )


def test_a_series_that_no_window_holds_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labeller, "LONGEST", 64)
    with pytest.raises(DataError) as error:
        predicted(model_of("tags", PLAIN), table(drawn(3, 65)))
    assert str(error.value) == (
        "a.csv, line 5: 65 rows follow each other, the model reads at most 64; train with `cut`, or `layout=through`"
    )
