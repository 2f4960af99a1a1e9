"""Scheduled sampling: which symbols are read, the gradients of these, the bits of a resume and of captured windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.backend.cpu import CpuBackend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Window
from gpurnn.exceptions import UsageError
from gpurnn.training.config import Limits
from gpurnn.training.feed import Feed
from gpurnn.training.learner import Learner
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.sampling import OwnSymbols
from gpurnn.training.session import new_run
from gpurnn.training.step import TrainingStep
from tests.network.allocation import check_no_allocation

from .alike import check_resumes, refuse_warnings, tensors
from .test_pair_runs import begin, learnable, settings


def learner_of(be: Backend, folder: Path, kind: str = "pairs") -> Learner:
    return Learner(be, learnable(folder / "a.h5", kind), settings(kind, "float64"), refuse_warnings)


def likeliest(learner: Learner) -> np.ndarray:
    """(T B,), of each row of the pass that was run."""
    return learner.model.be.to_host(learner._workspace.o).argmax(axis=1)


def gradients(learner: Learner) -> np.ndarray:
    return learner.model.be.to_host(learner.model.params.gradients)


def mixture(learner: Learner, window: Window, chosen: np.ndarray) -> np.ndarray:
    """(T, B), the symbols that are read where those of the rows `chosen` (T, B) are the model's own."""
    own = likeliest(learner)[: window.tokens.size].reshape(window.tokens.shape)
    expected = window.tokens.copy()
    for t in range(1, len(expected)):
        read = chosen[t] & (window.carry[t] == 1)
        expected[t, read] = own[t - 1, read]
    return expected


def draws(seed: int, window: int, shape: tuple[int, int], share: float) -> np.ndarray:
    """Where a step reads its own symbol, by NumPy's own generator."""
    words = np.random.Philox(counter=(0, window, 0, 0), key=np.array((seed, 2**63), np.uint64)).random_raw(2048)
    halves = np.stack((words & 0xFFFFFFFF, words >> np.uint64(32)), axis=1).reshape(-1)
    return ((halves >> np.uint64(8))[: shape[0] * shape[1]] / 2**24 < share).reshape(shape)


@pytest.mark.parametrize(("kind", "share"), [("pairs", 1.0), ("pairs", 0.4), ("captions", 1.0)])
def test_steps_read_what_the_pass_before_finds_likeliest(be: Backend, tmp_path: Path, kind: str, share: float) -> None:
    learner = learner_of(be, tmp_path, kind)
    model, ws, state = learner.model, learner._workspace, learner.state
    own = OwnSymbols(ws, share, learner.config.seed)
    with learner.windows() as stream:
        for window, _ in zip(learner.feed(stream), range(3), strict=False):
            model.forward(ws, state)
            chosen = draws(learner.config.seed, window.index, window.tokens.shape, share)
            expected = mixture(learner, window, chosen)
            assert (expected != window.tokens).any()
            own.put_in()
            np.testing.assert_array_equal(be.to_host(ws.batch.tokens), expected.reshape(-1))
            model.decode(ws, state)
            model.backward(ws)
            found = gradients(learner)
            own.take_out()
            np.testing.assert_array_equal(be.to_host(ws.batch.tokens), window.tokens.reshape(-1))
            read = replace_tokens(window, expected)
            Feed(be, ws.batch).load(read)  # the gradient is that of a window of these symbols
            model.forward(ws, state)
            model.backward(ws)
            assert found.tobytes() == gradients(learner).tobytes() and np.abs(found).max() > 0
            Feed(be, ws.batch).load(window)


def replace_tokens(window: Window, tokens: np.ndarray) -> Window:
    return replace(window, fields={**window.fields, "tokens": tokens})


def test_of_symbols_that_are_as_likely_the_first_is_read(be: Backend, tmp_path: Path) -> None:
    learner = learner_of(be, tmp_path)
    ws = learner._workspace
    own = OwnSymbols(ws, 1.0, 1)
    with learner.windows() as stream:
        window = next(learner.feed(stream))
        learner.model.forward(ws, learner.state)
        ws.o[...] = ws.be.from_host(np.array([0, 2, 1, 2], np.float64))
        own.put_in()
        expected = mixture(learner, window, np.ones_like(window.tokens, bool))
        np.testing.assert_array_equal(be.to_host(ws.batch.tokens), expected.reshape(-1))
        assert set(expected[1:][window.carry[1:] == 1]) == {1}


def test_a_resumed_run_has_the_bits_of_one_that_was_not_stopped(be: Backend, tmp_path: Path) -> None:
    corpus, config = learnable(tmp_path / "a.h5", "pairs"), settings("pairs", scheduled_sampling=0.3)
    lines = check_resumes(be, corpus, config, tmp_path, (23, 40))
    assert lines[-1]["loss"] < 0.9 * lines[0]["loss"]
    new_run(be, corpus, replace(config, scheduled_sampling=0.0), tmp_path / "true", refuse_warnings).run(
        Limits(windows=40)
    )
    assert not np.array_equal(*(tensors(tmp_path / name, 40)["layers.0.W"] for name in ("whole", "true")))


def test_captured_windows_have_the_bits_of_eager_ones(cuda: Backend, tmp_path: Path) -> None:
    corpus, config = learnable(tmp_path / "a.h5", "pairs"), settings("pairs", scheduled_sampling=0.5)
    for name, be in (("graph", cuda), ("eager", backend.get("cuda", graphs=False))):
        new_run(be, corpus, config, tmp_path / name, refuse_warnings).run(Limits(windows=12))
    graph, eager = (tensors(tmp_path / name, 12) for name in ("graph", "eager"))
    assert {name: array.tobytes() for name, array in graph.items()} == {
        name: array.tobytes() for name, array in eager.items()
    }


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "numpy"])
def test_no_window_allocates(tmp_path: Path, compiled: bool) -> None:
    be = CpuBackend(compiled=compiled)
    config = settings("captions", lanes=64, bptt=40)
    learner = Learner(be, learnable(tmp_path / "a.h5", "captions"), config, refuse_warnings)
    ws = learner._workspace
    optimizer = Optimizer(be, learner.model.params, OptimizerConfig())
    step = TrainingStep(learner.model, ws, learner.state, optimizer, own=OwnSymbols(ws, 0.5, 1))
    with learner.task.windows(be, None) as stream:
        Feed(be, ws.batch).load(next(stream))
    check_no_allocation({"step": lambda: step(1e-3)})


def test_files_of_runs_without_it_do_not_speak_of_it() -> None:
    assert "scheduled_sampling" not in settings("pairs").to_json()
    assert settings("pairs", scheduled_sampling=0.5).to_json()["scheduled_sampling"] == 0.5


def test_it_is_for_pairs_and_captions_alone(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`scheduled_sampling` is for pairs and captions"):
        begin(corpus, tmp_path / "r", scheduled_sampling=0.5)
    with pytest.raises(UsageError, match=r"`scheduled_sampling`: expected 0 <= value <= 1, found 1\.5"):
        begin(learnable(tmp_path / "a.h5", "pairs"), tmp_path / "r", scheduled_sampling=1.5)
