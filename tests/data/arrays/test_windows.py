"""Windows of whole sequences, by value."""

from __future__ import annotations

import numpy as np

from gpurnn.data.arrays.arrays import Scaling
from gpurnn.data.arrays.windows import SequenceStream

N, T, E, K = 5, 7, 2, 3
X_SCALING = Scaling(np.array([1.0, 2.0]), np.array([0.5, 4.0]))
Y_SCALING = Scaling(np.array([3.0, 0.0, -1.0]), np.array([2.0, 1.0, 0.1]))
ORDER = np.array([4, 0, 2, 1, 3])


def test_every_sequence_lies_whole_in_a_lane():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(N, T, E)), rng.normal(size=(N, T, K))
    x[0, 3, 1] = np.nan
    y[4, 2], y[4, 5, 0] = np.nan, np.nan
    stream = SequenceStream(x, X_SCALING, ORDER, lanes=3, steps=T, outputs=K, y=y, y_scaling=Y_SCALING, real=np.float64)
    windows = [window.copy() for window in stream.recycled()]
    assert [window.carry.shape for window in windows] == [(T, 3), (T, 3)]
    for number, sequence in enumerate(ORDER):
        window, lane = windows[number // 3], number % 3
        wanted = np.nan_to_num((x[sequence] - [1, 2]) / [0.5, 4])
        np.testing.assert_allclose(window.reals[:, lane], wanted, rtol=1e-15)
        np.testing.assert_allclose(window.targets[:, lane], (y[sequence] - [3, 0, -1]) / [2, 1, 0.1], rtol=1e-15)
        assert window.carry[:, lane].tolist() == [0, 1, 1, 1, 1, 1, 1]
        assert window.weight[:, lane].tolist() == ([1, 1, 0, 1, 1, 1, 1] if sequence == 4 else [1] * T)
    assert [window.weight_sum for window in windows] == [3 * T - 1, 2 * T] and not windows[1].uniform
    left = windows[1]
    assert not left.reals[:, 2].any() and not left.weight[:, 2].any() and np.isnan(left.targets[:, 2]).all()


def test_targets_of_the_last_step_alone():
    x, y = np.zeros((N, T, E)), np.arange(N * K, dtype=float).reshape(N, 1, K)
    stream = SequenceStream(x, X_SCALING, ORDER, lanes=5, steps=T, outputs=K, y=y, y_scaling=Y_SCALING)
    (window,) = stream.recycled()
    assert not window.weight[:-1].any() and window.weight[-1].all() and np.isnan(window.targets[:-1]).all()
    np.testing.assert_allclose(window.targets[-1], (y[ORDER, 0] - [3, 0, -1]) / [2, 1, 0.1], rtol=1e-6)


def test_longer_sequences_than_a_window_go_on_in_the_next_one():
    x = np.arange(N * T * E).reshape(N, T, E)
    y = np.arange(N, dtype=float).reshape(N, 1, 1)
    unscaled = Scaling(np.zeros(1), np.ones(1))
    stream = SequenceStream(
        x, Scaling(np.zeros(2), np.ones(2)), ORDER, lanes=3, steps=3, outputs=1, y=y, y_scaling=unscaled
    )
    read: list[np.ndarray] = [np.zeros((0, E)) for _ in range(N)]
    for place, window in zip(stream.places(), stream.recycled(), strict=True):
        assert window.carry[0].tolist() == [float(place.begin > 0)] * 3 and (window.carry[1:] == 1).all()
        assert window.has_boundary == (place.begin == 0)
        assert window.weight_sum == (len(place.sequences) if place.end == T else 0)
        for lane, sequence in enumerate(place.sequences):
            read[sequence] = np.concatenate([read[sequence], window.reals[:, lane]])
    assert np.array_equal(np.array(read), x)


def test_windows_stay_as_they_are_until_three_more_were_taken():
    x = np.random.default_rng(1).normal(size=(12, 2, E))
    stream = SequenceStream(x, X_SCALING, np.arange(12), lanes=2, steps=2, outputs=1)
    taken = []
    for window in stream.recycled():
        taken.append((window, window.copy()))
        for mine, copy in taken[-4:]:
            assert np.array_equal(mine.reals, copy.reals)
