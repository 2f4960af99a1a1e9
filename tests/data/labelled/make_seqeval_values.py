"""Writes tests/goldens/seqeval.json: which spans seqeval's strict mode finds in random tags, and how it scores them.

    python tests/data/labelled/make_seqeval_values.py

Needs seqeval (1.2.2 wrote the file). Many of the sequences break their scheme, as those that a model gives do.
`spans`: scheme, tags, spans of type, begin and end. `scores`: sentences, what was found in them, and by type (and in
`micro avg`) precision, recall, F1 and how many there are.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from seqeval.metrics import classification_report
from seqeval.scheme import IOB1, IOB2, IOBES, Tokens

VALUES = Path(__file__).resolve().parents[2] / "goldens" / "seqeval.json"
SCHEMES = (("IOB1", IOB1, "BI"), ("IOB2", IOB2, "BI"), ("IOBES", IOBES, "BIES"))


def tags_of(rng: random.Random, marks: str, words: int, types: str, outside: float) -> list[str]:
    return ["O" if rng.random() < outside else f"{rng.choice(marks)}-{rng.choice(types)}" for _ in range(words)]


def main() -> None:
    rng = random.Random(7)
    made: dict[str, list] = {"spans": [], "scores": []}
    for name, scheme, marks in SCHEMES:
        for number in range(60):
            types, outside = ("X" if number % 4 == 0 else "XY"), rng.choice((0.1, 0.3, 0.6))
            tags = tags_of(rng, marks, rng.randint(1, 12), types, outside)
            spans = [[each.tag, each.start, each.end] for each in Tokens(tags, scheme).entities]
            made["spans"].append([name, " ".join(tags), spans])
        truth = [tags_of(rng, marks, rng.randint(1, 15), "XYZ", 0.5) for _ in range(40)]
        found = [[tag if rng.random() < 0.8 else tags_of(rng, marks, 1, "XYZW", 0.25)[0] for tag in s] for s in truth]
        report = classification_report(truth, found, mode="strict", scheme=scheme, output_dict=True, zero_division=0)
        scores = {
            kind: [float(each[key]) for key in ("precision", "recall", "f1-score", "support")]
            for kind, each in report.items()
            if kind not in ("macro avg", "weighted avg")
        }
        made["scores"].append([name, list(map(" ".join, truth)), list(map(" ".join, found)), scores])
    VALUES.write_text(json.dumps(made, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
