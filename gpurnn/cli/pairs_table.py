"""What `gpurnn evaluate` prints of pairs and captions: the model above a copy of the source, then by length."""

from __future__ import annotations

from collections.abc import Iterator

from gpurnn.evaluation.pairs import PairEvaluation

_HEADS = ("exact", "symbol error", "word error", "chrF", "BLEU")


def table_of(result: PairEvaluation) -> Iterator[str]:
    """The lines of the table."""
    yield f"  pairs {result.pairs:,}, sources {result.sources:,}, loss {result.loss:.4f} nats a symbol"
    if result.cut:
        yield f"  came to no end and were cut: {result.cut:,}"
    yield ""
    rows = {"this model": result.score} | result.baselines
    first = max(map(len, rows))
    yield f"  {'':<{first}}" + "".join(f"{head:>14}" for head in _HEADS)
    for name, each in rows.items():
        shares = (each.exact, each.symbol_error, each.word_error)
        figures = [*(f"{share:.4f}" for share in shares), *(f"{score:.2f}" for score in (each.chrf, each.bleu))]
        yield f"  {name:<{first}}" + "".join(f"{figure:>14}" for figure in figures)
    if len(result.by_length) > 1:
        yield ""
        yield f"  {'symbols of the source':<21}{'exact':>9}{'sources':>11}"
        for length in result.by_length:
            span = f"{length.shortest} to {length.longest}" if length.longest > length.shortest else f"{length.longest}"
            yield f"  {span:>21}{length.exact:>9.4f}{length.sources:>11,}"
