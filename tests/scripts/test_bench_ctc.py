"""`scripts/bench --ctc`: what is timed, that it is the same work, and what is said."""

from __future__ import annotations

import itertools
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from bench_lib import strings_ours
from bench_lib.process import THREADS, ProgramError
from bench_lib.strings import RANDOM, Strings, StringTimes, check_strings, compare_strings
from bench_lib.worker import Worker

SMALL = Strings(9, 4, 3, 5)


def test_random_strings_are_of_every_kind():
    labels, counts, frames = RANDOM.strings()
    strings = [tuple(each[:count].tolist()) for each, count in zip(labels, counts, strict=True)]
    alike = np.array([sum(a == b for a, b in itertools.pairwise(string)) for string in strings])
    fits = counts + alike <= frames
    assert (counts == 0).any() and (frames == 1).any() and (alike > 0).any() and not fits.all() and fits.sum() > 400
    assert (counts[fits] + alike[fits] == frames[fits]).any(), "some just fit"
    assert labels.max() == RANDOM.symbols - 2 and len(set(strings)) > 250


def test_all_strings_that_are_timed_have_all_labels_and_steps():
    case = Strings()
    labels, counts, frames = case.strings()
    assert (case.steps, case.lanes, case.labels, case.dtype) == (160, 64, 30, "float32")
    assert labels.shape == (64, 30) and set(counts) == {30} and set(frames) == {160}
    assert case.outputs().shape == (160, 64, 31) and case.outputs().dtype == np.float32


def test_windows_leave_the_outputs_as_they_are():
    program = strings_ours.Program(SMALL)
    first = {name: value.copy() for name, value in program.gradients().items()}
    assert np.abs(first["o"]).min() > 0 and (first["losses"] > 0).all()
    assert program.read_loss() == pytest.approx(first["losses"].sum())
    for name, again in program.gradients().items():
        np.testing.assert_array_equal(again, first[name])


def test_the_worker_answers():
    worker = Worker("gpurnn")
    ready = worker.strings(asdict(SMALL))
    assert ready["way"] == "" and ready["seconds"] > 0 and worker.run(windows=2, warm=1)["seconds"] > 0
    traced = worker.strings_trace(asdict(SMALL))["gradients"]
    assert len(traced["losses"]) == 4 and len(traced["o"]) == 9


def test_pytorch_computes_the_same():
    pytest.importorskip("torch")
    from bench_lib import torch_strings

    for case in (RANDOM, replace(SMALL, dtype="float64")):
        wanted = strings_ours.Program(case).gradients()
        for name, found in torch_strings.Program(case).gradients().items():
            np.testing.assert_allclose(found, wanted[name], rtol=0, atol=1e-10)


class Fake:
    """A program that takes so long, in rounds that are slow by turns. other: the batch on which it does not agree."""

    def __init__(self, seconds: float, other: int = -1) -> None:
        self.seconds, self.other, self.rounds = seconds, other, 0
        self.threads: list[int] = []

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        if do == "strings_trace":
            return {
                "gradients": {"o": [1.0], "losses": [1.0 + 1e-9 * (fields["case"]["seed"] == self.other)]},
                "losses": [],
            }
        if do == "strings":
            self.threads.append(fields["case"]["threads"])
            return {"way": "", "seconds": self.seconds}
        self.rounds += 1
        return {"seconds": self.seconds * fields["windows"] * (1 + self.rounds % 2)}


def test_what_differs_is_told():
    ((ok, line),) = check_strings({"gpurnn": Fake(1), "pytorch": Fake(1)})
    assert ok and line == "10,000 strings without an alignment: pytorch: largest difference 0.0e+00"
    ((ok, line),) = check_strings({"gpurnn": Fake(1), "pytorch": Fake(1, other=19)})
    assert not ok and line.endswith("largest difference 1.0e-09")
    assert not list(check_strings({"gpurnn": Fake(1)}))
    with pytest.raises(ProgramError, match=r"not the same loss$"):
        list(compare_strings({"gpurnn": Fake(1), "pytorch": Fake(1, other=0)}))


def test_a_ratio_is_that_of_each_round():
    fakes = {"gpurnn": Fake(0.5), "pytorch": Fake(2.0)}
    found = list(compare_strings(fakes, 5))
    assert [each.case.threads for each in found] == fakes["gpurnn"].threads == list(range(1, THREADS + 1))
    assert all(each.ratio.low == pytest.approx(4) == each.ratio.high for each in found)
    assert str(StringTimes(Strings(threads=1), {"gpurnn": [0.02], "pytorch": [0.05]})) == (
        "64 strings of 30 labels, 160 steps each, 31 symbols, 1 thread: gpurnn 20.0 ms, pytorch 50.0 ms; "
        "pytorch takes 2.50 (2.50-2.50) times as long"
    )
