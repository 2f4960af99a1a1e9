"""Lines of a text on their way in, for a model that answers as soon as no more has come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count

from gpurnn.data.labelled.lines import LineCutter
from gpurnn.data.text.decoding import Advice, Losses, decode_blocks, refuse_other_formats
from gpurnn.data.text.formats import GZIP
from gpurnn.data.text.tokens import TextPolicy
from gpurnn.exceptions import DataError


def incoming_lines(
    blocks: Iterable[bytes], label: str, policy: TextPolicy, losses: Losses
) -> Iterator[tuple[int, str] | None]:
    """The lines of blocks of bytes with their ends and their numbers, from 1; None where a block is empty.

    label: what messages call the text. policy: how its bytes are read. losses: takes what decoding lost.
    Raises DataError for bytes that are not in the encoding.
    """
    cutter, numbers = LineCutter(label), count(1)
    for text in decode_blocks(blocks, label, replace(policy, newline="keep"), _advice(policy), losses):
        yield from ((next(numbers), line) for line in cutter.feed(text))
        if not text:
            yield None
    yield from ((next(numbers), line) for line in cutter.finish())


def refuse_no_text(label: str, policy: TextPolicy, head: bytes, packed: bool) -> None:
    """Raises DataError where what begins with `head` is no text. packed: it was unpacked by whoever reads it."""
    if head.startswith(GZIP) and not packed:
        raise DataError(f"{label}: it is packed with gzip; give its name, or pipe it through gunzip -c")
    refuse_other_formats(label, policy, "", _advice(policy), head, packed)


def _advice(policy: TextPolicy) -> Advice:
    own = f"the model reads {policy.encoding}; convert it with iconv"
    return Advice(own, f"{own} from {{encoding}}", "| gpurnn predict RUN -", "")
