"""Files of frames with their texts: each line of a list as it was, and what is heard in the file that it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.frames.files import read_frames
from gpurnn.data.labelled.lines import Place
from gpurnn.exceptions import DataError
from gpurnn.generation.inorder import batches, chunks
from gpurnn.generation.paired_texts import BREAKS, SCORE
from gpurnn.generation.texts import Row, Texts
from gpurnn.training.alignments import first_frames
from gpurnn.training.beside import beside
from gpurnn.training.collapse import collapsed
from gpurnn.training.hearing import Hearing
from gpurnn.training.load import Trained
from gpurnn.training.prefixes import Heard
from gpurnn.training.transcriber import Transcriber

TEXT, TIMES = "text", "times"
_AT_ONCE = 1 << 21
"""About so many numbers are dealt with at once."""
_OUTPUTS = 1 << 26
"""So many numbers a model may say of one sequence."""
_DIGITS, _TIME_DIGITS = 6, 3


class Transcript(NamedTuple):
    """A text. score: see `Heard`. times: where each label of it begins: seconds of sound, else the number of the frame
    as the file has them, from 0; None where they are not wanted.
    """

    text: str
    score: float
    times: list[float] | None


class TranscriptModel:
    """A model of frames, and how texts are found in what it says. times: whether it is said where labels begin."""

    def __init__(self, trained: Trained, hearing: Hearing, *, times: bool = False) -> None:
        """Raises DataError for a model of other things."""
        self.transcription = trained.transcription
        self._transcriber, self._hearing = Transcriber(trained.model, trained.config), hearing
        self._times = times

    def read(self, path: Path) -> NDArray[np.float32]:
        """The frames of a file, (n, F). Raises DataError for one that the model cannot read."""
        return self.fitting(read_frames(path, self.transcription.form), str(path))

    def fitting(self, frames: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """The frames themselves. name: what messages call them. Raises DataError for more than the model reads."""
        longest, most = self._transcriber.longest, _OUTPUTS // self.transcription.outputs
        most = most if longest is None else min(most, longest)
        if len(frames) > most:
            told = f"{len(frames):,} frames, the model reads at most {most:,}"
            raise DataError(f"{name}: it has {told}; cut it into parts")
        return frames

    def transcripts(self, sequences: Iterable[NDArray[np.float32]]) -> Iterator[list[Transcript]]:
        """The texts of each sequence, the likeliest first, in their order.

        sequences: (n, F), not scaled yet, as `read` gives them. Raises GpurnnError for what is not finite.
        """
        logs = self._transcriber.log_probabilities(map(self._scaled, sequences))
        for found, own in beside(self._hearing.texts, ((each, each) for each in logs)):
            yield [self._transcript(each, own) for each in found]

    def _transcript(self, heard: Heard, logs: NDArray[Any]) -> Transcript:
        times = self._times_of(logs, heard.labels) if self._times else None
        return Transcript(self.transcription.text_of(heard.labels), heard.score, times)

    def _scaled(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = np.empty_like(frames)
        self.transcription.columns.scaled(frames, scaled)
        return scaled

    def _times_of(self, logs: NDArray[Any], labels: NDArray[np.int32]) -> list[float]:
        form, (likeliest, begins) = self.transcription.form, collapsed(logs)
        if not np.array_equal(likeliest, labels):  # of which it would be the best alignment
            begins = first_frames(logs, labels)
        if form.unit is None:
            return [begin * form.skip for begin in begins.tolist()]
        return [round(begin * form.unit, _TIME_DIGITS) for begin in begins.tolist()]


class FilePredictions:
    """The lines of a list of files with what is heard in each; where several texts are handed on, a line so often.

    texts: whose texts are names of files, which begin in `folder`; one that cannot be read is a bad row. scores, times:
    whether these are there, too. jsonl: whether each line is a JSON object whatever the list is. A break of a line in a
    text becomes a space, but not in JSON.
    """

    def __init__(
        self,
        model: TranscriptModel,
        texts: Texts,
        folder: Path,
        *,
        scores: bool = False,
        times: bool = False,
        jsonl: bool = False,
    ) -> None:
        self._model, self._texts, self._folder = model, texts, folder
        self._names = [TEXT, *([SCORE] if scores else ()), *([TIMES] if times else ())]
        self._json = jsonl or texts.json

    def lines(self) -> Iterator[str]:
        """Whole lines with their ends, several at once. Raises BadRow, DataError, GpurnnError."""
        header = self._texts.header()
        if header is not None and not self._json:
            yield self._texts.joined(header, [self._texts.free(name) for name in self._names]) + "\n"
        for batch in batches(self._read(), lambda each: each[1].size, _AT_ONCE):
            yield from chunks(self._heard(batch))

    def _read(self) -> Iterator[tuple[Row, NDArray[np.float32]] | None]:
        """Each line with the frames of its file; None: no more has come yet."""
        for row in self._texts.rows():
            if row is None:
                yield None
                continue
            try:
                yield row, self._model.read(self._folder / row.text)
            except DataError as error:
                if not row.line:  # it is no line of a list
                    raise
                self._texts.left_out.add(f"{Place(self._texts.file, row.line)}: {error}")

    def _heard(self, batch: list[tuple[Row, NDArray[np.float32]]]) -> Iterator[str]:
        found = self._model.transcripts(frames for _, frames in batch)
        for (row, _), texts in zip(batch, found, strict=True):
            for each in texts:
                yield self._line(row, each) + "\n"

    def _line(self, row: Row, found: Transcript) -> str:
        if self._json:
            values = {TEXT: found.text, SCORE: round(found.score, _DIGITS), TIMES: found.times}
            return self._texts.object(row, {name: values[name] for name in self._names})
        times = " ".join(f"{time:g}" for time in found.times or ())
        cells = {TEXT: found.text.translate(BREAKS), SCORE: f"{found.score:.{_DIGITS}f}", TIMES: times}
        return self._texts.joined(row.raw, [cells[name] for name in self._names])
