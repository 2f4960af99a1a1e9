"""Decoding beside the model itself, which reads each source and each beginning of a text anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.exceptions import UsageError
from gpurnn.network import Model, ModelConfig
from gpurnn.training.beams import Decoded
from gpurnn.training.decoding import Decoding
from tests.pairmodels import END, KINDS, SOURCE, greedy, logs_of, model_of, sources_of, weights_of


def logs_of_text(model: Model, source: np.ndarray, found: Decoded) -> tuple[np.ndarray, list[int]]:
    """What the model says at each step of a text, and what comes there."""
    read = [END, *found.symbols.tolist()]
    targets = [*read[1:], END] if found.ended else read[1:]
    return logs_of(model, source, read[: len(targets)]), targets


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lanes", [1, 16])
def test_the_likeliest_next_symbol(be: Backend, kind: str, lanes: int) -> None:
    model = model_of(be, **KINDS[kind])
    sources = sources_of(model, 40)
    found = list(greedy(Decoding(model, lanes=lanes, longest=12), sources))
    assert len(found) == len(sources)
    for source, each in zip(sources, found, strict=True):
        logs, targets = logs_of_text(model, source, each)
        assert targets == logs.argmax(axis=1).tolist()
        assert each.score == pytest.approx(logs.max(axis=1).sum(), rel=1e-9)
        assert each.ended or len(targets) == 12
    assert len({len(each.symbols) for each in found}) > 2
    assert {each.ended for each in found} == {True, False}


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_beams_are_those_that_a_window_of_the_whole_text_has(be: Backend, kind: str) -> None:
    model = model_of(be, **KINDS[kind])
    sources = sources_of(model, 25)
    decoding = Decoding(model, lanes=16, longest=12)
    firsts = list(greedy(decoding, sources))
    better = 0
    for source, first, found in zip(sources, firsts, decoding.beam(sources, 4, 3), strict=True):
        assert len({tuple(each.symbols) for each in found}) == len(found) == 3
        for each in found:
            logs, targets = logs_of_text(model, source, each)
            assert each.score == pytest.approx(logs[range(len(targets)), targets].sum(), rel=1e-9)
        if first.ended:
            better += found[0].score > first.score + 1e-9
    assert better


def test_what_comes_with_others_does_not_matter(be: Backend) -> None:
    model = model_of(be, **KINDS["both directions"])
    sources = sources_of(model, 30, longest=40)
    together = list(Decoding(model, lanes=8).beam(sources, 3, 2))
    decoding = Decoding(model, lanes=8)
    waiting = [each for source in sources for each in (source, None)]
    for some, others in zip(together, decoding.beam(waiting, 3, 2), strict=True):
        for one, other in zip(some, others, strict=True):
            assert one.symbols.tolist() == other.symbols.tolist()
            assert one.score == pytest.approx(other.score, rel=1e-9)


def test_a_source_is_answered_before_another_is_taken(be: Backend) -> None:
    model = model_of(be, **KINDS["lstm"])
    taken: list[int] = []

    def given() -> Any:
        for number, source in enumerate(sources_of(model, 3)):
            taken.append(number)
            yield source
            yield None

    decoded = greedy(Decoding(model), given())
    next(decoded)
    assert taken == [0]


def test_a_text_is_cut_at_ten_more_than_twice_its_source(be: Backend) -> None:
    model = model_of(be, **KINDS["lstm"])
    model.params.value["output.c"][END] = -1e3
    for source, found in zip(sources_of(model, 5), greedy(Decoding(model), sources_of(model, 5)), strict=True):
        assert (len(found.symbols), found.ended) == (2 * len(source) + 10, False)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"source": np.array([], np.int32)}, "expected symbols, found"),
        ({"source": np.array([SOURCE])}, "whole numbers below 7"),
        ({"source": np.zeros(3)}, "expected symbols"),
        ({"width": 0}, "width"),
        ({"n_best": 3}, "at most the width of the beam, 2, found 3"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], error: str) -> None:
    model = model_of(**KINDS["lstm"])
    given = {"source": np.array([1]), "width": 2, "n_best": 1} | settings
    with pytest.raises(UsageError, match=error):
        list(Decoding(model).beam([given["source"]], given["width"], given["n_best"]))


def test_models_that_read_no_source_are_refused() -> None:
    with pytest.raises(UsageError, match="reads no source"):
        Decoding(Model(backend.get("cpu"), ModelConfig(symbols=3)))
    with pytest.raises(UsageError, match="without attention"):
        Decoding(model_of(**KINDS["lstm"]), attended=True)
    with pytest.raises(UsageError, match="a vector has none"):
        Decoding(model_of(**KINDS["vectors"]))


@pytest.mark.parametrize("kind", ["dot", "additive"])
@pytest.mark.parametrize("width", [1, 3])
def test_what_a_text_has_looked_at(be: Backend, kind: str, width: int) -> None:
    model = model_of(be, **KINDS[kind])
    sources = sources_of(model, 20)
    places = set()
    for source, (found, *_) in zip(sources, Decoding(model, lanes=16, attended=True).beam(sources, width), strict=True):
        assert found.attended is not None
        expected = weights_of(model, source, [END, *found.symbols.tolist()]).argmax(axis=1)
        assert found.attended.tolist() == expected[: len(found.symbols)].tolist()
        places |= set(found.attended.tolist())
    assert len(places) > 3
