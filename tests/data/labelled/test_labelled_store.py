"""Documents on disk, their order and their counts, held against plain lists."""

import random
from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.labelled.order import permutation, split_orders
from gpurnn.data.labelled.packing import count_by_split
from gpurnn.data.labelled.store import Store


@pytest.fixture
def documents() -> list[list[int]]:
    """Short ones, and two that are longer than what is written at once."""
    draw = random.Random(1)
    lengths = [draw.randint(1, 40) for _ in range(6000)]
    lengths[17], lengths[-1] = 150_000, 70_000
    return [[draw.choice((3, 300, 70_000)) for _ in range(length)] for length in lengths]


def test_documents_come_back_in_any_order_with_their_tags(tmp_path: Path, documents: list[list[int]]):
    store = Store(tmp_path, tagged=True)
    starts = np.zeros(1, np.int64)
    for document in documents:
        ids = np.array(document)
        store.append(ids, starts, ids % 7)
    store.finish()
    order = list(range(len(documents)))
    random.Random(2).shuffle(order)
    chosen = np.array(order[:5000])
    expected = [token for number in order[:5000] for token in documents[number]]
    assert np.concatenate(list(store.ordered(chosen))).tolist() == expected
    assert np.concatenate(list(store.ordered(chosen, tags=True))).tolist() == [token % 7 for token in expected]
    assert np.diff(store.edges).tolist() == [len(document) for document in documents]
    orders = [chosen, np.array(order[5000:5900]), np.array(order[5900:])]
    assert any(17 in each for each in orders)
    found, of_tags = count_by_split(store, orders, store.ceiling), count_by_split(store, orders, 7, tags=True)
    for number, each in enumerate(orders):
        tokens = np.array([token for document in each for token in documents[document]])
        assert found[number].tolist() == np.bincount(tokens, minlength=70_001).tolist()
        assert of_tags[number].tolist() == np.bincount(tokens % 7, minlength=7).tolist()
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_an_order_follows_from_its_seed():
    generator = np.random.Philox(counter=(0, 0, 2, 0), key=np.array((5, 0), np.uint64))
    words = [int(generator.random_raw()) for _ in range(1000)]
    assert permutation(1000, 5).tolist() == sorted(range(1000), key=words.__getitem__)
    assert permutation(6, 0).tolist() == GOLDEN
    assert permutation(0, 1).tolist() == []


GOLDEN = [3, 2, 4, 5, 1, 0]


def test_splits_are_by_documents():
    train, valid, test = split_orders([0, 10, 10, 10], (0.5, 0.3, 0.2), 1)
    assert (len(train), len(valid), len(test)) == (5, 3, 2)
    assert sorted([*train, *valid, *test]) == list(range(10))
    assert [*train, *valid, *test] == permutation(10, 1).tolist()
    assert [len(each) for each in split_orders([0, 7, 7, 7], (0.9, 0.1, 0), 1)] == [6, 1, 0]


def test_files_of_other_splits_keep_their_order():
    train, valid, test = split_orders([0, 4, 6, 9], None, 3)
    assert train.tolist() == permutation(4, 3).tolist()
    assert (valid.tolist(), test.tolist()) == ([4, 5], [6, 7, 8])
