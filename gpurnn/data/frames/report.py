"""What a corpus of frames with texts was made of: for programs in fields, for people in lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpurnn.data.corpus.sizes import SplitSize
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.text.tokens import Kind
from gpurnn.data.told import SHOWN_NAMES, counted, told_of_bytes
from gpurnn.exceptions import shell_word


@dataclass(frozen=True)
class FramesReport:
    """What prepare made of files of frames with a text each.

    kind: "frames". tokens: what a label is; symbols: how many there are, without the blank; unlearnt: those that the
    train split lacks. form: how a file becomes frames. splits: frames, sequences and labels by split. longest: frames
    of the longest sequence; longest_text: labels of the longest text. left_out: sequences that were too long. sources:
    how many lists were read. wrong_bytes, replacements, damaged: as in the report of texts.
    It stands for the corpus wherever a path of one is asked for; as a text it says all this to people.
    """

    output: Path
    kind: str
    tokens: Kind
    symbols: int
    unlearnt: Sequence[str]
    form: FrameForm
    splits: Mapping[str, SplitSize]
    longest: int
    longest_text: int
    sources: int
    fingerprint: str
    max_length: int | None = None
    left_out: int = 0
    wrong_bytes: int = 0
    replacements: int = 0
    damaged: int = 0

    def __fspath__(self) -> str:
        return str(self.output)

    def __str__(self) -> str:
        noun = self.tokens[:-1].replace("char", "character")
        lines = [f"{shell_word(self.output)}: {counted(self.symbols, noun)}, {self._frames()}"]
        for name, size in self.splits.items():
            of = counted(size.documents, "sequence")
            lines.append(f"  {name:<6}{size.steps:>15,} frames in {of}, {counted(size.strings, 'label')}")
        longest = counted(self.longest_text, "label")
        lines.append(f"  the longest sequence has {counted(self.longest, 'frame')}, the longest text {longest}")
        if self.left_out:
            of = f"of more than {counted(self.max_length or 0, 'frame')}"
            lines.append(f"  {counted(self.left_out, 'sequence')} {of} were left out")
        if self.unlearnt:
            shown = " ".join(f"{label!r:.40}" for label in self.unlearnt[:SHOWN_NAMES])
            more = f" and {len(self.unlearnt) - SHOWN_NAMES:,} more" if len(self.unlearnt) > SHOWN_NAMES else ""
            lines.append(f"  not in train, so never learnt: {shown}{more}")
        lines.extend(told_of_bytes(self.wrong_bytes, self.replacements, self.damaged))
        return "\n".join(lines)

    def _frames(self) -> str:
        form = self.form
        what = {
            "arrays": "arrays",
            "sound": f"sound of {form.rate:,} samples a second",
            "pictures": f"pictures {form.width:,} points high",
        }[form.kind]
        every = f" every {1000 * form.unit:g} ms" if form.unit is not None else ""
        return f"{what}, {counted(form.inputs, 'number')} a frame{every}"
