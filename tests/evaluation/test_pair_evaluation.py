"""What a model makes of pairs and captions, and how good it is, against loops over single pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.cli.pairs_table import table_of
from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.pairs.language import PairLanguage
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.evaluation.pairs import COPY, evaluate_pairs
from gpurnn.exceptions import DataError, GpurnnError
from gpurnn.network import Model
from gpurnn.training.decoding import Decoding
from gpurnn.training.edits import edit_distance
from tests.corpora import Made
from tests.pairmodels import END, KINDS, greedy, logs_of, model_of, sources_of
from tests.pairs import LETTERS, SOUNDS

Pairs = list[tuple[np.ndarray, np.ndarray]]


def corpus_of(path: Path, pairs: Pairs, kind: str = "pairs") -> Corpus:
    begins = {name: np.cumsum([0, *(len(pair[side]) for pair in pairs)])[:-1] for side, name in enumerate("st")}
    found: dict[str, Any] = {
        "tokens": np.concatenate([target for _, target in pairs]).astype("u1"),
        "documents": begins["t"].astype("<u8"),
    }
    sources = np.concatenate([source for source, _ in pairs])
    counts = {"vocabulary": [1] * len(SOUNDS)}
    tables: dict[str, Any] = {"vocabulary": Vocabulary("chars", list(SOUNDS))}
    vectors = 0
    if kind == "pairs":
        found |= {"source": sources.astype("u1"), "source_documents": begins["s"].astype("<u8")}
        tables["source"], counts["source_vocabulary"] = Vocabulary("chars", list(LETTERS)), [1] * len(LETTERS)
    else:
        found["vectors"], vectors = sources.astype("<f4"), len(pairs[0][0])
    Made(kind, {"valid": found}, Tables(**tables), TextPolicy(), counts, vectors=vectors).write(path)
    return Corpus.open(path)


def some_pairs(model: Model) -> Pairs:
    """Of a third of the sources the target is what the model makes of it; some have several targets."""
    draw = np.random.default_rng(2)
    sources = list({each.tobytes(): each for each in sources_of(model, 30, longest=25)}.values())
    pairs = []
    for number, (source, made) in enumerate(zip(sources, greedy(Decoding(model, longest=20), sources), strict=True)):
        others = [draw.integers(0, len(SOUNDS), draw.integers(1, 9)) for _ in range(1 + number % 2)]
        if number % 3 == 0 and len(made.symbols):
            others.insert(draw.integers(0, len(others) + 1), made.symbols)
        pairs += [(source, each) for each in others]
    return [pairs[n] for n in draw.permutation(len(pairs))]


def text_of(symbols: np.ndarray) -> str:
    return "".join(SOUNDS[n] for n in symbols)


@pytest.mark.parametrize("kind", ["both directions", "vectors"])
def test_an_evaluation_is_that_of_single_pairs(tmp_path: Path, kind: str) -> None:
    model = model_of(**KINDS[kind])
    pairs = some_pairs(model)
    what = "captions" if kind == "vectors" else "pairs"
    longest = 18 if what == "captions" else None
    told: list[tuple[int, int]] = []
    with corpus_of(tmp_path / "made.h5", pairs, what) as corpus:
        language = PairLanguage.of(corpus)
        result = evaluate_pairs(model, language, corpus, longest=longest, on_progress=lambda *done: told.append(done))
    references: dict[bytes, list[str]] = {}
    for source, target in pairs:
        references.setdefault(source.tobytes(), []).append(text_of(target))
    sources = list({source.tobytes(): source for source, _ in pairs}.values())
    right = edits = symbols = cut = 0
    for source, made in zip(sources, greedy(Decoding(model, lanes=1, longest=longest), sources), strict=True):
        texts, found = references[source.tobytes()], text_of(made.symbols)
        right += found in texts
        nearest = min((edit_distance(found, text), -len(text)) for text in texts)
        edits, symbols, cut = edits + nearest[0], symbols - nearest[1], cut + (not made.ended)
    nats = []
    for source, target in pairs:
        logs = logs_of(model, source, [END, *target.tolist()])
        nats += (-logs[range(len(target) + 1), [*target, END]]).tolist()
    assert (result.pairs, result.sources, result.cut) == (len(pairs), len(sources), cut)
    assert told[-1] == (len(sources), len(sources))
    assert result.score.exact == pytest.approx(right / len(sources))
    assert 0 < result.score.exact < 1
    assert result.score.symbol_error == pytest.approx(edits / symbols)
    assert result.loss == pytest.approx(np.mean(nats), rel=1e-6)
    if what == "pairs":
        assert sum(each.sources for each in result.by_length) == len(sources)
        assert sum(each.sources * each.exact for each in result.by_length) == pytest.approx(right)
        assert {(each.longest - each.shortest, each.longest % 3) for each in result.by_length} == {(2, 0)}
        assert result.baselines[COPY].exact == 0
    else:
        assert (result.by_length, result.baselines) == ((), {})
    plain = result.to_json()
    assert {"pairs", "exact", "symbol_error", "word_error", "chrf", "bleu"} <= set(plain)
    assert (plain["pairs"], plain["exact"], plain["chrf"]) == (result.pairs, result.score.exact, result.score.chrf)


def test_the_table_has_the_model_above_a_copy(tmp_path: Path) -> None:
    model = model_of(**KINDS["lstm"])
    with corpus_of(tmp_path / "made.h5", some_pairs(model)) as corpus:
        result = evaluate_pairs(model, PairLanguage.of(corpus), corpus)
    lines = list(table_of(result))
    assert lines[0] == f"  pairs {result.pairs}, sources {result.sources}, loss {result.loss:.4f} nats a symbol"
    (row,) = (line for line in lines if line.startswith("  this model"))
    score = result.score
    assert row.split()[2:] == [
        *(f"{each:.4f}" for each in (score.exact, score.symbol_error, score.word_error)),
        *(f"{each:.2f}" for each in (score.chrf, score.bleu)),
    ]
    assert lines.index(row) + 1 == next(n for n, line in enumerate(lines) if line.startswith(f"  {COPY}"))
    assert "1 to 3" in "".join(lines)


def test_what_is_refused(tmp_path: Path) -> None:
    model = model_of(**KINDS["lstm"])
    pairs = some_pairs(model)
    with corpus_of(tmp_path / "made.h5", pairs) as corpus:
        language = PairLanguage.of(corpus)
        with pytest.raises(DataError, match="split train is empty"):
            evaluate_pairs(model, language, corpus, "train")
        other = PairLanguage(language.vocabulary, TextPolicy(), Vocabulary("chars", list("abcdefx")))
        with pytest.raises(DataError, match="source vocabulary is not the one"):
            evaluate_pairs(model, other, corpus)
        with pytest.raises(DataError, match="the model was trained on captions"):
            evaluate_pairs(model, PairLanguage(language.vocabulary, TextPolicy(), None, 3), corpus)
        model.params.value["output.c"][...] = np.nan
        with pytest.raises(GpurnnError, match="not finite"):
            evaluate_pairs(model, language, corpus)
