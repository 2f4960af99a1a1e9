"""What a model says of each frame of sequences of any length, and the labels that are left of the likeliest ones."""

from __future__ import annotations

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.exceptions import DataError
from gpurnn.training import labeller as labellers
from gpurnn.training.collapse import collapsed
from gpurnn.training.config import TrainConfig
from gpurnn.training.transcriber import Transcriber

from .test_labeller import BOTH, alone, model_of, sequences

BLANK = 3


def named(*likeliest: int) -> np.ndarray:
    """Outputs of frames of which these symbols are the likeliest."""
    outputs = np.full((len(likeliest), BLANK + 1), -2.0)
    outputs[np.arange(len(likeliest)), likeliest] = 1.5
    return outputs


@pytest.mark.parametrize(
    ("likeliest", "labels", "first"),
    [
        ((0, 0, 1), [0, 1], [0, 2]),
        ((3, 0, 3, 0, 0, 3), [0, 0], [1, 3]),
        ((3, 3), [], []),
        ((2,), [2], [0]),
        ((3,), [], []),
        ((1, 2, 1, 1, 3, 3, 2, 2), [1, 2, 1, 2], [0, 1, 2, 6]),
    ],
)
def test_equal_neighbours_are_one_label_and_blanks_are_none(
    likeliest: tuple[int, ...], labels: list[int], first: list[int]
) -> None:
    found, begins = collapsed(named(*likeliest))
    assert (found.tolist(), begins.tolist()) == (labels, first)
    assert found.dtype == np.int32


def test_of_equal_outputs_the_first_is_taken() -> None:
    assert collapsed(np.zeros((2, 4)))[0].tolist() == [0]


@pytest.mark.parametrize("stack", [BOTH, ("recurrent", "dropout")])
def test_what_is_said_of_frames_is_what_is_said_of_each_sequence_alone(be: Backend, stack: tuple[str, ...]) -> None:
    model = model_of(be, "reals", stack)
    given = sequences("reals", [1, 5, 300, 2, 77, 30])
    said = list(Transcriber(model, TrainConfig(model.config)).log_probabilities(given))
    assert [len(each) for each in said] == [1, 5, 300, 2, 77, 30]
    for found, each in zip(said, given, strict=True):
        np.testing.assert_allclose(found, alone(model, each), rtol=1e-6, atol=1e-9)


def test_one_direction_reads_any_number_of_frames_and_both_as_many_as_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labellers, "LONGEST", 40)
    for stack, longest in ((("recurrent", "dropout"), None), (BOTH, 64)):
        model = model_of(backend.get("cpu"), "reals", stack)
        transcriber = Transcriber(model, TrainConfig(model.config))
        assert transcriber.longest == longest
        given = sequences("reals", [65])
        if longest is None:
            assert len(next(transcriber.log_probabilities(given))) == 65
            continue
        with pytest.raises(
            DataError, match=r"sequence 0 .* 65 steps, a window at most 64; cut it into parts, or train"
        ):
            next(transcriber.log_probabilities(given))
