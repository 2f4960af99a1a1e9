"""What `gpurnn predict` tells a person at the end: what it has left out, and what it could not read as it is."""

from __future__ import annotations

from collections.abc import Iterator

from gpurnn.data.labelled.encoding import Encoder
from gpurnn.data.text.decoding import Losses
from gpurnn.data.told import counted
from gpurnn.generation.leftout import LeftOut


def told_of_rows(left_out: LeftOut) -> Iterator[str]:
    """Of rows that were left out."""
    if left_out.count:
        yield f"left out {counted(left_out.count, 'row')}; the first: {left_out.first}"


def told_of_symbols(encoder: Encoder, losses: Losses) -> Iterator[str]:
    """Of symbols and bytes that became others."""
    if encoder.lacking and encoder.stand_in:
        symbols = counted(encoder.lacking, "symbol")
        read = f"were read as {encoder.stand_in}: its vocabulary has no unknown symbol"
        yield f"{symbols} that the model has not met, such as {encoder.first:.60}, {read}"
    if losses.wrong_bytes:
        fate = f"became {losses.replacements:,} U+FFFD" if losses.replacements else "were dropped"
        yield f"{counted(losses.wrong_bytes, 'byte')} not in the encoding {fate}"
