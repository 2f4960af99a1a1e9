"""What a model of frames and texts has to know to be used: how files become frames, and which labels spell a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.series.columns import Columns
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import DataError


@dataclass(frozen=True, eq=False)
class Transcription:
    """Frames are told in strings of labels, which are the symbols of a text; a label more, `blank`, says nothing.

    columns: how the numbers of a frame are scaled. vocabulary: the labels, characters or words, none unknown. policy:
    how a text becomes them. form: how a file becomes frames, which `columns` keep.
    Raises DataError where they do not fit each other.
    """

    columns: Columns
    vocabulary: Vocabulary
    policy: TextPolicy
    form: FrameForm = field(init=False)

    def __post_init__(self) -> None:
        form = FrameForm.from_json(dict(self.columns.form))
        if form.inputs != self.columns.inputs:
            raise DataError(f"frames: they have {self.columns.inputs:,} numbers, their form has {form.inputs:,}")
        if self.vocabulary.kind not in ("chars", "words") or self.vocabulary.unknown is not None:
            raise DataError("frames: expected labels that are chars or words, all known")
        object.__setattr__(self, "form", form)

    @property
    def blank(self) -> int:
        """The number of the label that says nothing, the last one."""
        return len(self.vocabulary)

    @property
    def outputs(self) -> int:
        """K, how many labels a model tells apart, the blank among them."""
        return len(self.vocabulary) + 1

    @property
    def inputs(self) -> int:
        """F, how many numbers a frame has."""
        return self.columns.inputs

    def text_of(self, labels: Iterable[int]) -> str:
        """The text that labels spell; none of them may be the blank."""
        return self.vocabulary.decode(labels)

    def differs(self, other: Transcription) -> str:
        """What is not the same in both, in words: "labels", "frames", "columns"; "" where they mean the same."""
        if self.vocabulary.fingerprint != other.vocabulary.fingerprint:
            return "labels"
        if self.form != other.form:
            return "frames"
        return "" if self.columns.same_inputs(other.columns) else "columns"

    @classmethod
    def of(cls, corpus: Corpus) -> Self:
        """That of a corpus. Raises DataError where it has no frames with texts."""
        if corpus.kind != "frames":
            raise DataError(f"{corpus.path}: it holds {corpus.manifest.shape.called}, no frames with texts")
        try:
            return cls(corpus.columns, corpus.strings, corpus.policy)
        except DataError as error:
            raise DataError(f"{corpus.path}: its {error}") from None

    def to_json(self) -> dict[str, Any]:
        """What checkpoints hold of it in their header, under `corpus`."""
        return {
            "frames": self.columns.to_json(),
            "tokens": self.vocabulary.kind,
            "policy": self.policy.to_json(),
        }

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What they hold of it as tensors, by their names there."""
        data, offsets = self.vocabulary.to_arrays()
        labels: dict[str, NDArray[Any]] = {"labels.data": data, "labels.offsets": offsets}
        return labels | self.columns.to_arrays()

    @classmethod
    def from_json(cls, known: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], source: str) -> Self:
        """What `to_json` and `to_arrays` described.

        source: where they come from, for the message. Raises DataError for anything else.
        """
        try:
            labels = Vocabulary.from_arrays(known["tokens"], arrays["labels.data"], arrays["labels.offsets"], None)
            columns = Columns.from_json(known["frames"], arrays, source)
            return cls(columns, labels, TextPolicy.from_json(known["policy"]))
        except (KeyError, TypeError, IndexError) as error:
            raise DataError(f"{source}: {error} is missing or of another type") from None


def plain(text: str, policy: TextPolicy) -> str:
    """A text as the policy has it, without white space at its ends, which nothing in frames tells of."""
    return policy.apply(text).strip()
