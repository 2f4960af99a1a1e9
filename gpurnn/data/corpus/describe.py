"""A corpus as a dictionary, for `gpurnn info` and for programs."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from gpurnn.data.corpus.corpus import Corpus
from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.data.corpus.split import FIRST_TIME, LAST_TIME, Split
from gpurnn.data.series.columns import Columns

_COMMONEST = 5
_BLOCK = 1 << 16
_EPOCH = datetime(1970, 1, 1)


def describe_corpus(corpus: Corpus) -> dict[str, Any]:
    """The corpus as a dictionary of JSON values.

    Keys of all: path, kind, splits, fingerprint. Of text besides: symbols, unknown (the id of the unknown symbol or
    None), splits with tokens and documents by name, policy, unigram_nats (entropy of the train split's symbol
    frequencies in nats a token), commonest (symbol and share of the train split, the five most frequent).
    Of series: columns (of each its name, mean and scale), interval (seconds), season (rows), keys (their names),
    splits with steps, documents and the times of the first and the last row, begin and end (None without rows).
    Of other kinds: columns, or symbols; labels (of each its name and its count in the train split, of documents or
    steps), vectors and the symbols of the source, where there are any. Of frames instead of columns: inputs (numbers of
    a frame), form (how a file becomes frames, but for what is 0), tokens (what labels are) and policy; and the labels
    of each split.
    """
    if corpus.manifest.version == 1:
        return _text(corpus)
    facts: dict[str, Any] = {"path": str(corpus.path), "kind": corpus.kind}
    if corpus.manifest.shape.labels == "strings":
        form = {name: value for name, value in corpus.columns.form.items() if value}
        facts |= {"inputs": corpus.columns.inputs, "form": form}
        facts |= {"tokens": corpus.strings.kind, "policy": corpus.policy.to_json()}
    elif corpus.manifest.columns is not None:
        facts |= _columns(corpus.columns)
    if corpus.manifest.keys is not None and corpus.manifest.shape.times:
        facts["keys"] = list(corpus.key_names)
    if corpus.manifest.vocabulary is not None:
        facts["symbols"] = len(corpus.vocabulary)
    if corpus.manifest.source is not None:
        facts["source_symbols"] = len(corpus.source_vocabulary)
    if corpus.manifest.labels is not None:
        counts = corpus.label_counts.tolist()
        facts["labels"] = [{"name": n, "count": count} for n, count in zip(corpus.labels, counts, strict=True)]
    if corpus.manifest.vectors:
        facts["vectors"] = corpus.manifest.vectors
    return facts | {"splits": {name: _split(corpus, name) for name in SPLITS}, "fingerprint": corpus.fingerprint}


def _text(corpus: Corpus) -> dict[str, Any]:
    counts = corpus.counts.astype(np.float64)
    shares = counts / max(counts.sum(), 1)
    present = shares[shares > 0]
    order = np.argsort(-shares, kind="stable")[:_COMMONEST]
    return {
        "path": str(corpus.path),
        "kind": corpus.kind,
        "symbols": len(corpus.vocabulary),
        "unknown": corpus.vocabulary.unknown,
        "splits": {n: {"tokens": s.tokens, "documents": s.documents} for n, s in corpus.manifest.splits.items()},
        "policy": corpus.policy.to_json(),
        "unigram_nats": float(-(present * np.log(present)).sum()),
        "commonest": [[corpus.vocabulary.decode([i]), float(shares[i])] for i in order.tolist()],
        "fingerprint": corpus.fingerprint,
    }


def _columns(columns: Columns) -> dict[str, Any]:
    numbers = zip(columns.names, columns.mean.tolist(), columns.scale.tolist(), strict=True)
    return {
        "columns": [{"name": name, "mean": mean, "scale": scale} for name, mean, scale in numbers],
        "interval": columns.interval,
        "season": columns.season,
    }


def _split(corpus: Corpus, name: str) -> dict[str, Any]:
    size = corpus.manifest.splits[name]
    facts: dict[str, Any] = {"steps": size.steps, "documents": size.documents}
    if corpus.manifest.shape.labels == "strings":
        facts["labels"] = size.strings
    if corpus.manifest.keys is not None and corpus.manifest.shape.times:
        begin, end = _times(corpus.split(name), corpus.columns.interval) if size.steps else (None, None)
        facts |= {"begin": begin, "end": end}
    return facts


def _times(split: Split, interval: int) -> tuple[str, str]:
    """When the first row and the last one of a split were."""
    begin, end = LAST_TIME, FIRST_TIME
    for first in range(0, len(split.documents), _BLOCK):
        count = min(_BLOCK, len(split.documents) - first)
        starts, edges = split.starts(first, count), np.full(count + 1, len(split), np.uint64)
        split.documents.read(first, edges[: min(count + 1, len(split.documents) - first)])
        lasts = starts + (np.diff(edges.astype(np.int64)) - 1) * interval
        begin, end = min(begin, int(starts.min())), max(end, int(lasts.max()))
    return _shown(begin), _shown(end)


def _shown(seconds: int) -> str:
    """ISO 8601, UTC; what a damaged file says beyond the year 9999 is shown as its end."""
    time = _EPOCH + timedelta(seconds=max(min(seconds, LAST_TIME), FIRST_TIME))
    return f"{time.isoformat()}Z"
