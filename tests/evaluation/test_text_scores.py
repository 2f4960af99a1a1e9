"""Edit distances, chrF and BLEU, beside a table of distances and stored values of sacrebleu."""

from __future__ import annotations

import json
import random
from collections.abc import Hashable, Sequence
from pathlib import Path

import pytest

from gpurnn.evaluation.bleu import Bleu, tokenized
from gpurnn.evaluation.chrf import Chrf
from gpurnn.training.edits import ErrorRate, edit_distance

STORED = json.loads((Path(__file__).parents[1] / "goldens/sacrebleu.json").read_text("utf-8"))
"""What sacrebleu 2.6.0 says of pairs of a text and its references, with the settings it has unless told otherwise."""


def by_table(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
    return row[-1]


@pytest.mark.parametrize("longest", [3, 12, 150])
def test_edit_distance(longest: int) -> None:
    draw = random.Random(longest)
    for _ in range(20_000 // longest**2 + 20):
        a, b = ("".join(draw.choices("abc", k=draw.randint(0, longest))) for _ in range(2))
        assert edit_distance(a, b) == edit_distance(b, a) == by_table(a, b), (a, b)


def test_edit_distance_takes_symbols_of_any_kind() -> None:
    assert edit_distance(["AH0", "K", "T"], ["AH0", "T"]) == 1
    assert edit_distance([1, 2, 3], (3, 2, 1)) == 2
    assert edit_distance("naïve 漢字😀", "naive 漢😀") == 2
    assert edit_distance([], []) == 0


def test_the_nearest_reference_counts() -> None:
    rate = ErrorRate()
    rate.add("abcd", ["xyz", "abce", "abc"])
    assert (rate.edits, rate.symbols) == (1, 4)
    rate.add("", ["abcd", "ab"])
    assert (rate.edits, rate.symbols, rate.rate) == (3, 6, 0.5)


@pytest.mark.parametrize("case", range(len(STORED)))
def test_chrf_and_bleu_are_those_of_sacrebleu(case: int) -> None:
    stored, chrf, bleu = STORED[case], Chrf(), Bleu()
    for found, references in stored["pairs"]:
        chrf.add(found, references)
        bleu.add(found, references)
    assert chrf.score == pytest.approx(stored["chrf"], rel=0, abs=1e-9)
    assert bleu.score == pytest.approx(stored["bleu"], rel=0, abs=1e-9)


def test_tokens_of_13a() -> None:
    said = 'He said: &quot;1,000.5 -- or 3-4&quot;, (it\'s "well-known").'
    assert tokenized(said) == [
        *("He", "said", ":", '"', "1,000.5", "--", "or", "3", "-", "4", '"', ",", "("),
        *("it's", '"', "well-known", '"', ")", "."),
    ]
