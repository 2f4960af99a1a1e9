"""What a corpus of frames with texts was made of: for programs in fields, for people in lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gpurnn.data.frames.form import FrameForm
from gpurnn.data.report import Report
from gpurnn.data.text.tokens import Kind
from gpurnn.data.told import SHOWN_NAMES, counted


@dataclass(frozen=True, kw_only=True)
class FramesReport(Report):
    """What prepare made of files of frames with a text each.

    kind: "frames". tokens: what a label is; symbols: how many there are, without the blank; unlearnt: those that the
    train split lacks. form: how a file becomes frames. splits: frames, sequences and labels. longest: frames of the
    longest sequence; longest_text: labels of the longest text. left_out: sequences that were too long. sources: how
    many lists were read. The others: see `Report`.
    """

    kind: str
    tokens: Kind
    unlearnt: Sequence[str]
    form: FrameForm
    longest: int
    longest_text: int
    max_length: int | None = None
    left_out: int = 0

    def _lines(self) -> Iterator[str]:
        for name, size in self.splits.items():
            of = counted(size.documents, "sequence")
            yield f"  {name:<6}{size.steps:>15,} frames in {of}, {counted(size.strings, 'label')}"
        longest = counted(self.longest_text, "label")
        yield f"  the longest sequence has {counted(self.longest, 'frame')}, the longest text {longest}"
        if self.left_out:
            of = f"of more than {counted(self.max_length or 0, 'frame')}"
            yield f"  {counted(self.left_out, 'sequence')} {of} were left out"
        if self.unlearnt:
            shown = " ".join(f"{label!r:.40}" for label in self.unlearnt[:SHOWN_NAMES])
            more = f" and {len(self.unlearnt) - SHOWN_NAMES:,} more" if len(self.unlearnt) > SHOWN_NAMES else ""
            yield f"  not in train, so never learnt: {shown}{more}"

    def _what(self) -> str:
        form = self.form
        what = {
            "arrays": "arrays",
            "sound": f"sound of {form.rate:,} samples a second",
            "pictures": f"pictures {form.width:,} points high",
        }[form.kind]
        every = f" every {1000 * form.unit:g} ms" if form.unit is not None else ""
        labels = counted(self.symbols, self.tokens[:-1].replace("char", "character"))
        return f"{labels}, {what}, {counted(form.inputs, 'number')} a frame{every}"
