"""Windows whose weights sum to 0: nothing is learnt from them, their state is carried, and the run goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trained import make_corpus

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import WindowStream
from gpurnn.network.cells import CELLS
from gpurnn.training.config import Limits
from gpurnn.training.control import Control
from gpurnn.training.learner import Learner
from gpurnn.training.session import new_run
from gpurnn.training.validation import ForwardPass

from .alike import log_without_clock, refuse_warnings
from .test_resume import settings

LANES, STEPS, WINDOWS = 1, 8, 30


@pytest.fixture(scope="module")
def stretches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of one character each, many in a row, among longer ones."""
    folder = tmp_path_factory.mktemp("unweighted")
    return make_corpus(folder / "made.h5", ["abcabca" * 9, *"cab" * 24, "bcabcab" * 9], split=(1, 0, 0))


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_is_learnt_and_the_state_is_carried(be: Backend, stretches: Path, tmp_path: Path, cell: str):
    with Corpus.open(stretches) as corpus:
        config = settings(corpus, cell, lanes=LANES, bptt=STEPS, log_every=1, validate_every=0, restart=0.0)
        config = replace(config, model=replace(config.model, dropout=0.0))
        with WindowStream(corpus, "train", lanes=LANES, steps=STEPS, prefetch=False) as stream:
            windows = [replace(w, **{n: getattr(w, n).copy() for n in ("tokens", "targets", "carry", "weight")})
                       for w in (next(stream) for _ in range(WINDOWS))]  # fmt: skip
        unweighted = {w.index for w in windows if w.weight_sum == 0}
        assert 6 < len(unweighted) < WINDOWS / 2
        trainer = new_run(be, corpus, config, tmp_path / "run", refuse_warnings)
        kept: list[list[np.ndarray]] = []

        def keep(learner: Learner) -> None:
            learnt = [trainer.learner.model.params.values, *trainer.learner.optimizer.flats.values()]
            kept.append([be.to_host(array) for array in learnt])
            states.append({name: be.to_host(array) for name, array in trainer.learner.state.named().items()})

        states: list[dict[str, np.ndarray]] = []
        trainer.run(Limits(windows=WINDOWS), on_window=keep)
        for index in range(1, WINDOWS):
            same = [one.tobytes() == other.tobytes() for one, other in zip(kept[index - 1], kept[index], strict=True)]
            assert all(same) if index in unweighted else not any(same), index
        assert be.to_host(trainer.learner.optimizer.ctl)[Control.UPDATES] == WINDOWS - len(unweighted)
        entries = log_without_clock(tmp_path / "run")
        assert {e["window"] - 1 for e in entries if e["nats_per_token"] is None} == unweighted
        assert not any("skipped_windows" in e for e in entries)
        last = max(unweighted)
        trainer.learner.model.params.values[...] = be.from_host(kept[last][0])
        forward = ForwardPass(trainer.learner.model, LANES, STEPS)
        for name, array in forward.state.named().items():
            be.from_host(states[last - 1][name], out=array)
        list(forward.losses([windows[last]]))
        for name, array in forward.state.named().items():
            np.testing.assert_allclose(be.to_host(array), states[last][name], rtol=1e-5, atol=1e-7)
            assert states[last][name].tobytes() != states[last - 1][name].tobytes()
