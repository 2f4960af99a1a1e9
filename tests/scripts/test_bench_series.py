"""`scripts/bench --series`: what is counted, what is the same work, and what is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bench_lib import series, streamed
from bench_lib.process import Process, ProgramError
from bench_lib.series import BATCH, LOOK_BACK, Setup
from bench_lib.streamed import Compared, compare, prepared, told

from gpurnn.data.corpus import Corpus

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the weather."""
    path = tmp_path_factory.mktemp("bench") / "weather.h5"
    prepared(path)
    return path


def test_the_settings_are_the_defaults(corpus: Path):
    with Corpus.open(corpus) as opened:
        config = Setup(opened).config
    model = config.model
    assert (model.cell, model.hidden, model.layers, model.input_width, model.head) == ("gru", 32, 1, 8, "huber")
    assert (config.target, config.ahead) == (("temp",), ("24h",)) and config.burn_in == 12


def test_rows_that_end_a_whole_window_have_their_target(corpus: Path):
    with Corpus.open(corpus) as opened:
        scaled, targets, ends = Setup(opened).rows()
        split, columns = opened.split("train"), opened.columns
        raw = np.zeros((len(split), columns.inputs), np.float32)
        split.read_rows(0, raw)
        begins = np.zeros(len(split.documents), np.uint64)
        split.documents.read(0, begins)
    assert len(begins) == 2 and len(ends) > 11_000
    for end in ends[:: len(ends) // 50].tolist():
        change = (raw[end + 24, 0] - raw[end, 0]) / columns.scale[0]
        assert targets[end, 0] == pytest.approx(change, rel=1e-5)
    inside = set(ends.tolist())
    second = int(begins[1])
    assert not inside & set(range(LOOK_BACK - 1)) and not inside & set(range(second - 24, second + LOOK_BACK - 1))
    np.testing.assert_allclose(scaled[500], np.nan_to_num((raw[500] - columns.mean) / columns.scale), rtol=1e-4)


def test_targets_with_weight_count(corpus: Path):
    program = series.Program(corpus)
    try:
        first = program.outputs()
        targets, spent = program.run(0.05)
        assert len(first) == BATCH and len(set(first)) == BATCH and spent >= 0.05
        config = program._setup.config
        assert targets > 0 and targets % (config.lanes * config.bptt) != 0  # burn-in and missing ones are left out
    finally:
        program.close()


def test_the_process_answers(corpus: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    process = Process("gpurnn")
    try:
        outputs = process.ask("series", corpus=str(corpus))["outputs"]
        done = process.ask("series_run", seconds=0.02)
    finally:
        process.close()
    assert len(outputs) == BATCH and done["targets"] > 0 and done["seconds"] >= 0.02


def test_pytorch_computes_the_same_outputs(corpus: Path):
    pytest.importorskip("torch")
    from bench_lib import torch_series

    ours, theirs = series.Program(corpus), torch_series.Program(corpus)
    try:
        np.testing.assert_allclose(theirs.outputs(), ours.outputs(), atol=1e-5)
        targets, spent = theirs.run(0.05)
        assert targets > 0 and targets % BATCH == 0 and spent >= 0.05
    finally:
        ours.close()


class Fake:
    """Learns from so many targets a second, in rounds that are slow by turns."""

    def __init__(self, rate: float, output: float = 0.5) -> None:
        self.rate, self.output, self.rounds = rate, output, 0

    def ask(self, do: str, **fields: object) -> dict[str, object]:
        if do == "series":
            return {"outputs": [self.output]}
        self.rounds += 1
        return {"targets": 1000, "seconds": 1000 / self.rate * (1 + self.rounds % 2)}


def test_a_ratio_is_that_of_targets_a_second():
    fakes = {"gpurnn": Fake(300_000.0), "pytorch": Fake(6000.0)}
    found = compare(fakes, Path("c.h5"), 5)
    assert found.ratio.median == pytest.approx(50) and found.ratio.high == pytest.approx(50)
    assert [fake.rounds for fake in fakes.values()] == [5, 5]
    assert list(told(Compared({"gpurnn": [300_000.0], "pytorch": [6000.0]}))) == [
        "gpurnn      300,000 targets/s  from a stream, state carried",
        "pytorch       6,000 targets/s  from windows that are read again",
        "gpurnn learns from 50.0 times as many targets a second (50.0-50.0)",
    ]


@pytest.mark.parametrize("output", [0.5002, float("nan")])
def test_other_networks_are_not_compared(output: float):
    with pytest.raises(ProgramError, match="not the same network"):
        compare({"gpurnn": Fake(1.0), "pytorch": Fake(1.0, output)}, Path("c.h5"), 1)


def test_the_table_is_the_one_of_the_demo():
    assert streamed.TABLE.exists()
