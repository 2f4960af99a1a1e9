"""`scripts/bench --pairs`: what is timed, that it is the same work, and what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_lib import pairs, pairs_ours
from bench_lib.pairs import PairCase, PairTimes, cases, check_pairs, compare_pairs, prepared, sequences, stream_of
from bench_lib.process import Process, ProgramError

from gpurnn.data.corpus import Corpus
from gpurnn.data.stream.sequences import pairs_of

ROOT = Path(__file__).resolve().parents[2]
SMALL = PairCase("gru", True, hidden=4, embedding=3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "pairs.h5"
    prepared(path)
    return path


def test_pairs_are_as_long_as_words_and_their_sounds(corpus: Path):
    with Corpus.open(corpus) as opened:
        lengths = np.array([(len(source), len(target)) for source, target in pairs_of(opened.split("train"))])
        symbols, letters = len(opened.vocabulary), len(opened.source_vocabulary)
    assert lengths.mean(axis=0) == pytest.approx([8, 6.8], abs=0.1) and lengths.max() <= 20
    assert (letters, symbols) == (27, 39)


def test_the_sequences_of_windows_are_the_pairs_of_the_corpus(corpus: Path):
    with Corpus.open(corpus) as opened:
        wanted = {(source.tobytes(), target.tobytes()) for source, target in pairs_of(opened.split("train"))}
        window = next(stream_of(opened, plan=False))
    found = list(sequences(window))
    assert len(found) > 200 and sum(len(targets) for _, _, targets in found) == window.weight_sum
    for source, read, targets in found:
        assert (source.astype(np.int32).tobytes(), targets[:-1].astype(np.int32).tobytes()) in wanted
        assert read[0] == targets[-1] == len(pairs.SOUNDS) and (read[1:] == targets[:-1]).all()


def test_the_cases_leave_no_cell_or_direction_out():
    assert {(each.cell, each.both) for each in cases()} == {(c, b) for c in ("gru", "lstm") for b in (False, True)}
    assert all((each.hidden, each.embedding) == (256, 64) for each in cases())
    assert {each.hidden for each in cases(hidden=7)} == {7}


def test_windows_come_round_and_the_loss_is_that_of_each(corpus: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairs, "POOL", 2)
    program = pairs_ours.Program(SMALL, corpus)
    assert len(program.pool) == 2
    gradients = program.gradients()
    assert set(gradients) == set(SMALL.parameters()) and all(np.any(each) for each in gradients.values())
    losses = []
    for _ in range(4):
        program.window()
        losses.append(program.read_loss())
    assert len(set(losses)) == 4 and losses[2] < losses[0] and losses[3] < losses[1]
    assert losses[0] == pytest.approx(np.log(40), rel=0.1)


def test_the_process_answers(corpus: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    asked: dict[str, Any] = {"case": vars(SMALL), "corpus": str(corpus)}
    process = Process("gpurnn")
    try:
        ready = process.ask("pairs", **asked)
        done = process.ask("run", windows=2, warm=1)
        traced = process.ask("pairs_trace", windows=3, **asked)
    finally:
        process.close()
    assert ready["way"] == "" and ready["seconds"] > 0 and done["seconds"] > 0
    assert len(traced[""]["losses"]) == 3


def test_pytorch_computes_the_same(corpus: Path):
    pytest.importorskip("torch")
    from bench_lib import torch_pairs

    for case in cases(hidden=6, embedding=5):
        ours = pairs_ours.Program(case, corpus)
        wanted = ours.gradients()
        for way in torch_pairs.WAYS:
            found = torch_pairs.Program(case, corpus, way).gradients()
            assert set(found) == set(wanted)
            for name, gradient in wanted.items():
                np.testing.assert_allclose(found[name], gradient, rtol=1e-4, atol=1e-6)


class Fake:
    """A program whose windows take so long, in rounds that are slow by turns. loss: of all cases but one."""

    def __init__(self, seconds: float, ways: tuple[str, ...], other: int = -1) -> None:
        self.seconds, self.ways, self.other = seconds, ways, other
        self.traced = self.rounds = 0

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        if do == "pairs_trace":
            self.traced += 1
            loss = 1.0 + (self.traced - 1 == self.other)
            return {way: {"gradients": {"output.c": [1.0]}, "losses": [loss]} for way in self.ways}
        if do == "pairs":
            return {"way": self.ways[-1], "seconds": self.seconds}
        self.rounds += 1
        return {"seconds": self.seconds * fields["windows"] * (1 + self.rounds % 2)}


def test_each_way_is_checked_and_what_differs_is_told():
    fakes = {"gpurnn": Fake(1, ("",)), "pytorch": Fake(1, ("packed", "padded"), other=1), "jax": Fake(1, ("",), 0)}
    found = list(check_pairs(fakes, Path("c.h5")))
    assert [ok for ok, _ in found] == [True, True, False, False, True, True, True, True]
    assert found[3][1].startswith("pairs, gru, encoder in both directions: pytorch padded: largest difference 1")
    assert not list(check_pairs({"gpurnn": Fake(1, ("",))}, Path("c.h5")))


def test_a_ratio_is_that_of_each_round():
    fakes = {"gpurnn": Fake(0.5, ("",)), "pytorch": Fake(0.4, ("packed", "padded"))}
    found = list(compare_pairs(fakes, Path("c.h5"), 5))
    assert [each.case for each in found] == cases() and fakes["gpurnn"].rounds == 5 * len(found)
    assert all(each.ratio.low == pytest.approx(1.25) == each.ratio.high for each in found)
    times = PairTimes(PairCase("lstm", False), {"gpurnn": [0.02], "pytorch": [0.04]}, "packed")
    assert str(times) == (
        "lstm, encoder in one direction   gpurnn 20.0 ms, pytorch 40.0 ms a window (packed): "
        "gpurnn takes 0.50 (0.50-0.50) times as long"
    )


def test_other_training_is_not_timed():
    fakes = {"gpurnn": Fake(0.5, ("",)), "pytorch": Fake(0.4, ("padded",), other=3)}
    with pytest.raises(ProgramError, match=r"lstm, encoder in both directions.*not the same training"):
        list(compare_pairs(fakes, Path("c.h5"), 1))
