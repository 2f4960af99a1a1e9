"""Which documents are in which split, in which order."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.shares import Shares

_PURPOSE = 2
"""The third word of the counter: dropout masks have 0 there and restarts of lanes 1."""

_ROUNDED = 1e-6
"""A part of so little less than a whole document is one: 0.7 and 0.1 are 0.7999999999999999."""


def permutation(count: int, seed: int) -> NDArray[Any]:
    """The numbers below `count` in an order that follows from the seed alone, (count,) uint32 or int64.

    They are put in order of raw 64-bit words of NumPy's Philox4x64-10 with key (seed, 0) and counter (0, 0, 2, 0),
    equal ones as they come.
    """
    bits = np.random.Philox(counter=(0, 0, _PURPOSE, 0), key=np.array((seed, 0), np.uint64))
    order = np.argsort(bits.random_raw(count), kind="stable") if count else np.zeros(0, np.int64)
    return order.astype(np.uint32) if count < 2**32 else order


def split_orders(edges: Sequence[int], shares: Shares | None, seed: int) -> list[NDArray[Any]]:
    """The documents of train, valid and test.

    edges: 0, and the number of documents behind the files of train, of valid and of test. With shares all are shuffled
    and then divided by number. Without, each file stays in its split: those of train are shuffled, others keep their
    order.
    """
    if shares is None:
        return [permutation(edges[1], seed), *(np.arange(a, b) for a, b in itertools.pairwise(edges[1:]))]
    count = edges[-1]
    order = permutation(count, seed)
    train = int(shares[0] * count + _ROUNDED)
    valid = count if shares[2] == 0 else max(train, int((shares[0] + shares[1]) * count + _ROUNDED))
    return [order[:train], order[train:valid], order[valid:]]
