"""Writes tests/goldens/sacrebleu.json: chrF and BLEU of made-up texts and references, as sacrebleu has them.

pip install sacrebleu==2.6.0
python tests/evaluation/make_text_score_values.py
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from sacrebleu.metrics import BLEU, CHRF  # type: ignore[import-not-found]

VALUES = Path(__file__).resolve().parents[1] / "goldens" / "sacrebleu.json"
WORDS = [
    "the",
    "a",
    "mouse",
    "cat",
    "sat",
    "ran",
    "on",
    "1,000.5",
    "3-4",
    "it's",
    "well,",
    "end.",
    "(so)",
    "&quot;hi&quot;",
    "&amp;",
    "naïve",
    "漢字",
    "😀",
    "x",
]
BY_HAND = [
    [("", ["a b"])],
    [("a", ["a"])],
    [("a b c d e", ["a b c d e"])],
    [("abc", [""])],
    [("a b c d", ["e f g h"])],
    [(" a \u00a0b\tc d <skipped>x-\ny", ["a b c d xy"])],
]
Pairs = list[tuple[str, list[str]]]


def sentence(draw: random.Random, longest: int) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(draw.randrange(longest)))


def changed(draw: random.Random, text: str) -> str:
    words = text.split()
    for _ in range(draw.randrange(4)):
        if words:
            words[draw.randrange(len(words))] = draw.choice(WORDS)
    return " ".join(words)


def made_up(draw: random.Random) -> Pairs:
    pairs = []
    for _ in range(draw.randrange(1, 4)):
        text = sentence(draw, draw.choice([3, 9, 14]))
        references = draw.randrange(1, 4)
        pairs.append(
            (text, [changed(draw, text) if draw.random() < 0.8 else sentence(draw, 10) for _ in range(references)])
        )
    return pairs


def scored(pairs: Pairs) -> dict[str, object]:
    found, references = zip(*pairs, strict=True)
    most = max(map(len, references))
    streams = [[each[at] if at < len(each) else None for each in references] for at in range(most)]
    bleu, chrf = (metric().corpus_score(list(found), streams).score for metric in (BLEU, CHRF))
    return {"pairs": pairs, "bleu": bleu, "chrf": chrf}


if __name__ == "__main__":
    source = random.Random(5)
    cases = [scored(pairs) for pairs in [*BY_HAND, *(made_up(source) for _ in range(18))]]
    VALUES.write_text("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n", "utf-8")
