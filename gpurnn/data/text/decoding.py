"""From the bytes of a text to its characters: other formats are refused, lost bytes are counted."""

import codecs
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from gpurnn.data.text.formats import NULS, WIDE_ENCODINGS, mostly_nuls, recognise, wide_encoding
from gpurnn.data.text.tokens import TextPolicy
from gpurnn.exceptions import DataError


@dataclass(frozen=True)
class Advice:
    """What messages advise about a text that cannot be read.

    wrong_byte: about bytes that are not in the encoding. encoding: about a text in {encoding}.
    pipe: how the output of another program is read. any_file: what takes other formats; empty where nothing does.
    """

    wrong_byte: str
    encoding: str
    pipe: str
    any_file: str


PREPARE_ADVICE = Advice(
    "give the right `encoding`, or `errors=replace`; `tokens=bytes` takes any file",
    "give `encoding={encoding}`",
    "| gpurnn prepare - -o CORPUS",
    "; `tokens=bytes` takes any file as it is",
)


@dataclass
class Losses:
    """What decoding and cutting did to texts.

    wrong_bytes: bytes that are not in the encoding and were dropped or replaced. replacements: how many U+FFFD stand
    for them. damaged: texts that had any. cuts: how often the separator was found.
    """

    wrong_bytes: int = 0
    replacements: int = 0
    damaged: int = 0
    cuts: int = 0


def decode_blocks(
    blocks: Iterable[bytes], label: str, policy: TextPolicy, advice: Advice, losses: Losses | None = None
) -> Iterator[str]:
    """The characters of blocks of bytes, newlines as the policy says.

    losses: takes what the policy's errors dropped or replaced.
    Raises DataError with the offset of the first byte that is not in the encoding, and with the advice.
    """
    counting = _CountingDecoder(policy) if losses is not None and policy.errors != "strict" else None
    decoder = text_decoder(policy, counting)
    fed = 0

    def decode(block: bytes, final: bool) -> str:
        try:
            return cast(str, decoder.decode(block, final))
        except UnicodeDecodeError as error:
            offset = fed - len(error.object) + error.start
            wrong = error.object[error.start : min(error.end, error.start + 4)].hex(" ")
            raise DataError(
                f"{label}: byte {offset} ({wrong}) is not {policy.encoding}: {error.reason}; {advice.wrong_byte}"
            ) from None
        except UnicodeError as error:
            raise DataError(f"{label}: it is not {policy.encoding}: {error}; {advice.wrong_byte}") from None

    for block in blocks:
        fed += len(block)
        yield decode(block, False)
    yield decode(b"", True)
    if losses is not None and counting is not None:
        counting.add_to(losses)


def text_decoder(policy: TextPolicy, counting: "_CountingDecoder | None" = None) -> Any:
    """An incremental decoder for the policy's encoding, errors and newlines; DataError when Python has none."""
    decoder = counting or _decoder(policy, policy.errors)
    return io.IncrementalNewlineDecoder(decoder, translate=True) if policy.newline == "lf" else decoder


def as_text(given: str | bytes, label: str, policy: TextPolicy, advice: Advice) -> str:
    """A text from a person; bytes, which the person's locale could not read, are decoded as the policy says."""
    return given if isinstance(given, str) else "".join(decode_blocks((given,), label, policy, advice))


def as_bytes(given: str | bytes) -> bytes:
    """A text from a person as bytes, in UTF-8. Raises DataError for half a character, which has no bytes."""
    try:
        return given.encode("utf-8", "surrogateescape") if isinstance(given, str) else given
    except UnicodeEncodeError as error:
        place = f"character {error.start}, {given[error.start]!a}"
        raise DataError(f"{place}: half a character has no bytes; leave it out") from None


def _decoder(policy: TextPolicy, errors: str) -> codecs.IncrementalDecoder:
    try:
        "a".encode(policy.encoding)
        name = "utf-8-sig" if codecs.lookup(policy.encoding).name == "utf-8" else policy.encoding
        decoder = codecs.getincrementaldecoder(name)
        decoder("backslashreplace").decode(b"", True)  # those of host names know no errors but their own
        return decoder(errors)
    except (LookupError, UnicodeError):
        raise DataError(f"{policy.encoding!r} is not a text encoding Python knows; try utf-8 or latin-1") from None


class _CountingDecoder(codecs.IncrementalDecoder):
    """Decodes as the policy says, and a second time with four characters (\\xhh) for each wrong byte to count those."""

    def __init__(self, policy: TextPolicy) -> None:
        super().__init__(policy.errors)
        self._decoder, self._second = _decoder(policy, policy.errors), _decoder(policy, "backslashreplace")
        self._shorter = self._replacements = 0

    def decode(self, data: Any, final: bool = False) -> str:
        """The characters of the next bytes."""
        text, second = self._decoder.decode(data, final), self._second.decode(data, final)
        self._shorter += len(second) - len(text)
        if len(second) != len(text):
            self._replacements += text.count("\ufffd") - second.count("\ufffd")
        return text

    def add_to(self, losses: Losses) -> None:
        """Adds what was found."""
        losses.wrong_bytes += (self._shorter + self._replacements) // 4
        losses.replacements += self._replacements
        losses.damaged += self._shorter > 0


def refuse_other_formats(
    label: str, policy: TextPolicy, separator: str, advice: Advice, head: bytes, packed: bool
) -> None:
    """Raises DataError where a file that begins with `head` is no text in the policy's encoding, and says what it is.

    separator: what divides documents; where it has a NUL, NULs say nothing. packed: head was packed with gzip.
    """
    encoding = codecs.lookup(policy.encoding).name
    text = head.replace(b"\0", b"") if "\0" in separator else head
    wide = wide_encoding(text)
    found = None if wide is not None and wide.marked else recognise(head)
    if found is None and wide is not None:
        if not wide.is_read_as(encoding):
            what = advice.encoding.format(encoding=wide.option)
            raise DataError(f"{label}: text in {wide}, not in {policy.encoding}; {what}")
    elif found is None and encoding not in WIDE_ENCODINGS and mostly_nuls(text):
        found = NULS
    if found is not None:
        remedy = found.remedy.format(pipe=advice.pipe)
        raise DataError(f"{label}: {found.name}{' packed with gzip' * packed}, no text; {remedy}{advice.any_file}")
