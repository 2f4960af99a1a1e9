"""Windows of lanes that go through labelled sequences, and weights by label, against numbers worked out one by one."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.stream.labelled import ThroughStream, labelled_stream
from gpurnn.exceptions import DataError
from tests.sequences import LABELS, some_lengths, told

KINDS = [("tags", "symbols"), ("tags", "reals"), ("labels", "symbols"), ("labels", "reals")]


@pytest.mark.parametrize(("kind", "of"), KINDS)
@pytest.mark.parametrize(("lanes", "steps"), [(1, 7), (3, 5), (4, 50)])
@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_each_number_of_a_window(
    tmp_path: Path, kind: str, of: str, lanes: int, steps: int, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpurnn.data.stream.lanes._BLOCK_BYTES", block_bytes)
    what = told(tmp_path / "a.h5", kind, of, some_lengths(30, 20))
    inputs = np.concatenate(what.inputs)
    begins = np.zeros(len(inputs) + 1, bool)
    begins[np.append(0, np.cumsum([len(each) for each in what.inputs]))] = True
    if what.at_end:
        targets = np.zeros(len(inputs), int)
        targets[begins[1:]] = what.targets
    else:
        targets = np.concatenate(what.targets)
    weight = begins[1:] if what.at_end else np.ones(len(inputs))
    stream = ThroughStream(what.corpus, lanes=lanes, steps=steps, epochs=2)
    lane = len(inputs) // lanes
    assert stream.windows_per_epoch == -(-lane // steps)
    for window in stream:
        offset = window.index % stream.windows_per_epoch * steps
        for b in range(lanes):
            part = slice(b * lane + offset, b * lane + min(offset + steps, lane))
            np.testing.assert_allclose(window.fields[stream.fields[0].name][:, b], inputs[part], rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(window.targets[:, b], targets[part])
            np.testing.assert_array_equal(window.weight[:, b], weight[part])
            carry = 1 - begins[part]
            if offset == 0:
                carry[0] = 0
            np.testing.assert_array_equal(window.carry[:, b], carry)
        assert window.has_boundary == (window.carry == 0).any()
        assert window.weight_sum == window.weight.sum()


@pytest.mark.parametrize("layout", ["whole", "through"])
@pytest.mark.parametrize(("kind", "of"), KINDS)
def test_weights_by_label(tmp_path: Path, kind: str, of: str, layout: str) -> None:
    what = told(tmp_path / "a.h5", kind, of, some_lengths(30, 20))
    table = np.array([0, 0.5, 1, 3, 0.3], np.float32)
    assert len(table) == len(LABELS)
    weighted, plain = (
        labelled_stream(what.corpus, layout=layout, lanes=3, steps=24, epochs=1, weights=weights)
        for weights in (table, None)
    )
    for one, other in zip(weighted, plain, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight * table[other.targets])
        assert one.weight_sum == one.weight.sum(dtype=np.float64) and not one.uniform
        np.testing.assert_array_equal(one.targets, other.targets)


def test_a_cursor_goes_on(tmp_path: Path) -> None:
    what = told(tmp_path / "a.h5", "tags", "symbols", some_lengths(30, 20))
    first = list(islice(ThroughStream(what.corpus, lanes=2, steps=16, restart=0.5, seed=3), 9))
    again = ThroughStream(what.corpus, lanes=2, steps=16, restart=0.5, seed=3, cursor=first[3].cursor)
    for one, other in zip(first[4:], again, strict=False):
        for name in ("carry", "weight", "tokens", "targets"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_too_few_steps_are_named(tmp_path: Path) -> None:
    what = told(tmp_path / "a.h5", "tags", "symbols", [3])
    with pytest.raises(DataError, match="split train"):
        ThroughStream(what.corpus, lanes=4, steps=1)
