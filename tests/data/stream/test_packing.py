"""Sequences in lanes, against packing them one by one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gpurnn.data.stream import packing
from gpurnn.data.stream.packing import Side, block_of, dealt, packed


def drawn(seed: int, epoch: int, what: int, count: int) -> list[int]:
    """A permutation by its definition."""
    bits = np.random.Philox(counter=(0, epoch, 2, what), key=np.array((seed, 0), np.uint64))
    numbers = [int(each) for each in bits.random_raw(count)]
    return sorted(range(count), key=numbers.__getitem__)


def packed_naively(lengths: list[tuple[int, ...]], steps: tuple[int, ...], seed: int, block: int) -> list[list[int]]:
    """The sequences of each lane. lengths: of each its sides'; steps: what each side of a lane holds."""
    order, lanes = drawn(seed, 0, 0, len(lengths)), []

    def has_room(lane: list[int], sequence: int) -> bool:
        together = zip(*(lengths[i] for i in [*lane, sequence]), strict=True)
        return all(sum(each) <= most for each, most in zip(together, steps, strict=True))

    for start in range(0, len(order), block):
        mine: list[list[int]] = []
        for sequence in order[start : start + block]:
            lane = next((lane for lane in mine if has_room(lane, sequence)), None)
            if lane is None:
                mine.append(lane := [])
            lane.append(sequence)
        lanes += mine
    return lanes


def dealt_naively(lanes: list[list[int]], lengths: list[tuple[int, ...]], seed: int, epoch: int) -> list[list[int]]:
    """The sequences of each lane of an epoch: others of the same lengths, and the lanes in another order."""
    waiting: dict[tuple[int, ...], list[int]] = {}
    for sequence in drawn(seed, epoch, 1, len(lengths)):
        waiting.setdefault(lengths[sequence], []).append(sequence)
    filled = [[waiting[lengths[sequence]].pop(0) for sequence in lane] for lane in lanes]
    return [filled[i] for i in drawn(seed, epoch, 2, len(filled))]


CASES = [
    (1, (3,), (3,), 1024, 2**20),
    (50, (9,), (9,), 1024, 2**20),
    (300, (12,), (7,), 4, 2**20),
    (301, (40,), (40,), 8, 50),
    (9, (5,), (1,), 1, 1),
    (120, (9, 7), (9, 7), 1024, 2**20),
    (300, (12, 30), (7, 5), 4, 50),
    (40, (50, 2), (6, 2), 1024, 2**20),
    (60, (5, 40_000, 9), (5, 30_000, 1), 3, 7),
]


@pytest.mark.parametrize(("count", "steps", "longest", "block_lanes", "at_once"), CASES)
def test_lanes_and_epochs_are_those_of_packing_one_by_one(
    count: int,
    steps: tuple[int, ...],
    longest: tuple[int, ...],
    block_lanes: int,
    at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packing, "_BLOCK_LANES", block_lanes)
    monkeypatch.setattr(packing, "_AT_ONCE", at_once)
    draw = np.random.default_rng(count)
    sides = [
        Side(draw.integers(1, most, count, endpoint=True).astype(np.uint16), size)
        for size, most in zip(steps, longest, strict=True)
    ]
    lengths = list(zip(*(side.lengths.tolist() for side in sides), strict=True))
    lanes, seed = 3, 7
    found = packed(sides, seed)
    naive = packed_naively(lengths, steps, seed, block_of(sides))
    assert [found.sequences[a:b].tolist() for a, b in pairwise(found.first)] == naive
    windows = -(-len(naive) // lanes)
    for epoch in range(3):
        deals = dealt(found, lanes, epoch)
        for which, deal in enumerate(deals):
            expected: list[list[tuple[int, int]]] = [[] for _ in range(windows)]
            for number, lane in enumerate(dealt_naively(naive, lengths, seed, epoch)):
                begin = number % lanes * steps[which]
                for sequence in lane:
                    expected[number // lanes].append((sequence, begin))
                    begin += lengths[sequence][which]
            pairs = list(zip(deal.sequences.tolist(), deal.places.tolist(), strict=True))
            assert [pairs[a:b] for a, b in pairwise(deal.first)] == expected


def tweets(count: int, steps: int, seed: int = 0) -> np.ndarray:
    """Lengths as posts have them: 25 words, seldom fewer than 8 or more than 45."""
    return np.clip(np.rint(np.random.default_rng(seed).gamma(7.4, 3.34, count)), 1, steps).astype(np.uint16)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_little_of_a_window_is_left_over(seed: int) -> None:
    sides = [Side(tweets(38_000, 64, seed), 64)]
    (deal,) = dealt(packed(sides, seed), 32, 0)
    windows = len(deal.first) - 1
    assert 0.95 <= sides[0].lengths.sum() / (windows * 32 * 64) <= 1


def pronounced(count: int) -> list[np.ndarray]:
    """Lengths as words and their sounds have them: 8 letters and nearly as many sounds, which have an end."""
    draw = np.random.default_rng(0)
    letters = np.clip(np.rint(draw.gamma(11, 8 / 11, count)), 1, 32)
    sounds = np.clip(np.rint(0.85 * letters + draw.normal(0, 0.9, count)), 1, 31) + 1
    return [letters.astype(np.uint16), sounds.astype(np.uint16)]


@pytest.mark.parametrize("steps", [32, 48])
def test_little_of_a_window_of_pairs_is_left_over(steps: int) -> None:
    sides = [Side(lengths, steps) for lengths in pronounced(30_000)]
    deals = dealt(packed(sides, 0), 32, 0)
    size = (len(deals[0].first) - 1) * 32 * steps
    useful = [side.lengths.sum(dtype=int) / size for side in sides]
    assert 0.9 <= min(useful) <= max(useful) <= 1


@pytest.mark.parametrize(("count", "steps", "longest"), [(200_000, 64, 3), (1000, 40_000, 40_000), (3000, 20, 1)])
def test_unusual_lengths_lie_within_their_lanes_once_each(count: int, steps: int, longest: int) -> None:
    lengths = np.random.default_rng(1).integers(1, longest, count, endpoint=True).astype(np.uint16)
    found = packed([Side(lengths, steps)], 3)
    assert (np.bincount(found.sequences, minlength=count) == 1).all()
    used = np.add.reduceat(lengths[found.sequences], found.first[:-1], dtype=np.int64)
    assert used.max() <= steps and used.min() > 0
    assert used.sum() / (len(used) * steps) > 0.8


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    sides = [Side(tweets(500, 64), 64)]
    orders = []
    for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 1)):
        orders.append(dealt(packed(sides, seed), 4, epoch)[0].sequences)
    moved = [np.mean(a != b) for a, b in ((orders[0], orders[1]), (orders[0], orders[2]), (orders[1], orders[2]))]
    assert min(moved) > 0.9
    np.testing.assert_array_equal(orders[1], orders[3])
