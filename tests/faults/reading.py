"""Everything in a corpus that may be damaged, read as commands do it: what may come out are numbers or typed errors."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus, Split
from gpurnn.data.corpus.describe import describe_corpus
from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.stream.captionlanes import CaptionLanes
from gpurnn.data.stream.labelled import labelled_stream
from gpurnn.data.stream.pairs import CaptionStream, PairStream, longest_of, pair_geometry
from gpurnn.data.stream.sequences import pairs_of, sequences_of, strings_of
from gpurnn.data.stream.strings import StringStream
from gpurnn.data.stream.windows import Window
from gpurnn.exceptions import CorpusError, DataError

Array = NDArray[Any]
_BLOCK = 1 << 16
_STEPS = 64


def read_all(path: Path) -> str:
    """Read everything in a corpus; returns "", "refused", or what went wrong."""
    try:
        with Corpus.open(path) as corpus:
            describe_corpus(corpus)
            if corpus.manifest.version == 1:
                _ = corpus.counts, corpus.starts
            for name in corpus.splits:
                _read_split(corpus, corpus.split(name))
            if corpus.kind in ("labels", "tags"):
                _read_labelled(corpus)
            if corpus.kind in ("pairs", "captions"):
                _read_pairs(corpus)
            if corpus.kind == "frames":
                _read_frames(corpus)
            corpus.verify()
    except (CorpusError, DataError) as error:
        text = str(error)
        return "refused" if "\n" not in text and len(text) < 1000 else f"not a short line: {text[:200]!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:300]
    return ""


def _read_split(corpus: Corpus, split: Split) -> None:
    manifest, documents = corpus.manifest, len(split.documents)
    for start in range(0, len(split), _BLOCK):
        count = min(_BLOCK, len(split) - start)
        if split.symbols:
            split.read(start, np.empty(count, split.dtype))
        else:
            rows = np.empty((count, split.inputs), np.float32)
            split.read_rows(start, rows)
            scaled = np.empty_like(rows)
            corpus.columns.scaled(rows, scaled)
            if np.isnan(scaled).any():
                raise AssertionError("a scaled number is none")
        split.documents.mark(start, np.empty(count, np.uint8))
    if manifest.keys is not None:
        keys = split.keys().tolist()
        names = [corpus.key_names[key] for key in keys]
        if len(names) != documents or (manifest.shape.times and len(split.starts()) != documents):
            raise AssertionError("documents without a key or a time")
    if manifest.shape.labels:
        labels = np.empty(len(split.targets), split.targets.dtype)
        split.targets.read(0, labels)
        _ = [corpus.labels[label] for label in labels]
        if manifest.shape.labels == "strings" and documents:
            split.target_strings(0, documents)
    if manifest.vectors:
        split.vectors.read(0, np.empty((documents, manifest.vectors), np.float32))
    if manifest.source is not None:
        split.source.read(0, np.empty(len(split.source), split.source.dtype))
        split.source_documents.mark(0, np.empty(len(split.source), np.uint8))


def _read_labelled(corpus: Corpus) -> None:
    """Windows of both layouts, and sequences one by one: they have the same inputs, and the targets that are stored."""
    labelling = Labelling.of(corpus)
    for name, steps in corpus.splits.items():
        if not steps:
            continue
        split = corpus.split(name)
        stored = np.empty(len(split.targets), split.targets.dtype)
        split.targets.read(0, stored)
        single = [each for each, _ in sequences_of(split, labelling.columns)]
        lengths = [len(each) for each in single]
        count = np.bincount(stored, minlength=len(labelling.labels))
        for layout, more in (("whole", {"cut": True}), ("through", {})):
            given = {"layout": layout, "lanes": 1, "steps": min(steps, _STEPS), "epochs": 1, "prefetch": False}
            with labelled_stream(corpus, name, **given, **more) as stream:
                windows = [window.copy() for window in stream]
            weights, targets = (np.concatenate([getattr(w, n) for w in windows]) for n in ("weight", "targets"))
            if not np.array_equal(np.bincount(targets[weights > 0], minlength=len(count)), count):
                raise AssertionError(f"windows of {layout} have other targets")
            if layout == "through":
                inputs = np.concatenate([window.fields[stream.fields[0].name][:, 0] for window in windows])
                if not np.array_equal(inputs, np.concatenate(single)) or sum(lengths) != steps:
                    raise AssertionError("windows have other inputs than sequences")


def _read_pairs(corpus: Corpus) -> None:
    """Windows, and pairs one by one: they have the same symbols, and each pair is there once."""
    for name, steps in corpus.splits.items():
        if not steps:
            continue
        split, given = corpus.split(name), {"epochs": 1, "prefetch": False}
        pairs = list(pairs_of(split))
        lanes, source, target = pair_geometry(*longest_of(split), 1, _STEPS)
        captions = corpus.kind == "captions"
        with (
            CaptionStream(corpus, name, lanes=lanes, steps=target, **given)
            if captions
            else PairStream(corpus, name, lanes=lanes, steps=target, source_steps=source, **given)
        ) as stream:
            found = [pair for window in stream.recycled() for pair in _in_window(window, captions)]
        if sorted(found) != sorted((first.tobytes(), second.tobytes()) for first, second in pairs):
            raise AssertionError("windows have other pairs than there are")
        if captions:
            _read_lane(corpus, name, pairs)


def _read_lane(corpus: Corpus, name: str, pairs: list[tuple[Array, Array]]) -> None:
    """Windows of one lane that goes through all captions: each step has its symbol, and the vector of its caption."""
    steps, end = min(corpus.targets(name), _STEPS), corpus.split(name).symbols
    with CaptionLanes(corpus, name, lanes=1, steps=steps, epochs=1, prefetch=False) as stream:
        windows = [window.copy() for window in stream.recycled()]
    symbols = np.concatenate([window.targets[:, 0] for window in windows])
    vectors = np.concatenate([window.vectors[window.pair[:, 0]] for window in windows])
    lengths = [len(target) + 1 for _, target in pairs]
    if not np.array_equal(symbols, np.concatenate([np.append(target, end) for _, target in pairs])):
        raise AssertionError("a lane has other symbols than there are")
    if not np.array_equal(vectors, np.repeat([vector for vector, _ in pairs], lengths, axis=0)):
        raise AssertionError("a lane has other vectors than there are")


def _read_frames(corpus: Corpus) -> None:
    """Windows, and sequences one by one: they have the same frames and strings, whose texts come back."""
    meaning = Transcription.of(corpus)
    for name, steps in corpus.splits.items():
        if not steps:
            continue
        single = list(strings_of(corpus.split(name), meaning.columns))
        longest = max(len(frames) for frames, _ in single)
        with StringStream(corpus, name, lanes=1, steps=longest, epochs=1, prefetch=False) as stream:
            found = [each for window in stream.recycled() for each in _told_in(window)]
        if sorted(found) != sorted((frames.tobytes(), labels.tobytes()) for frames, labels in single):
            raise AssertionError("windows have other sequences than there are")
        if meaning.form.kind == "arrays" and corpus.path.name == "made.h5":
            for _, labels in single:
                text = meaning.text_of(labels.tolist())
                symbols = text.split() if meaning.vocabulary.kind == "words" else text
                if [meaning.vocabulary.id_of(symbol) for symbol in symbols] != labels.tolist():
                    raise AssertionError("a text is another one than that of its labels")


def _told_in(window: Window) -> Iterator[tuple[bytes, bytes]]:
    """Each sequence of a window of one lane: its frames, and its labels."""
    weight, targets = window.weight[:, 0], window.targets[:, 0]
    begins = [*np.flatnonzero(window.carry[:, 0] == 0).tolist(), len(weight)]
    for first, end in pairwise(begins):
        if weight[first]:
            labels = targets[first:end][weight[first:end] > 0]
            yield window.reals[first:end, 0].tobytes(), labels.astype(np.int32).tobytes()


def _in_window(window: Window, captions: bool) -> Iterator[tuple[bytes, bytes]]:
    """Each pair of a window: its source or its vector, and its target without the end, by what it says of them."""
    lanes = window.carry.shape[1]
    for n in np.flatnonzero(window.there).tolist():
        target = window.targets.reshape(-1)[window.target_first[n] : window.target_last[n] : lanes]
        if captions:
            yield window.vectors[n].tobytes(), target.tobytes()
        else:
            source = window.source.reshape(-1)[window.source_first[n] : window.source_last[n] + 1 : lanes]
            yield source.tobytes(), target.tobytes()
