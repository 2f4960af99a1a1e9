"""A corpus as a dictionary, for `gpurnn info` and for programs."""

from typing import Any

import numpy as np

from gpurnn.data.corpus.corpus import Corpus

_COMMONEST = 5


def describe_corpus(corpus: Corpus) -> dict[str, Any]:
    """The corpus as a dictionary of JSON values.

    Keys: path, kind, symbols, unknown (the id of the unknown symbol or None), splits (tokens and documents by
    name), policy, unigram_nats (entropy of the train split's symbol frequencies in nats a token), commonest (symbol and
    share of the train split, the five most frequent), fingerprint.
    """
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
