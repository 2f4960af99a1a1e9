"""Frames as they come, a line of numbers each: the text of them, each symbol as soon as it is heard."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.frames.transcription import Transcription
from gpurnn.data.labelled.lines import Place
from gpurnn.data.text.tokens import Decoder
from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.paired_texts import BREAKS
from gpurnn.generation.texts import Lines
from gpurnn.network import Model
from gpurnn.network.stepper import Stepper
from gpurnn.training.finite import expect_finite
from gpurnn.training.tasks.base import BOTH_DIRECTIONS

_BETWEEN = re.compile(r"[,;\s]+")


class LiveText:
    """Hears one text after the other, a frame at a time, always the likeliest label. Nothing grows with a text.

    Raises UsageError for a model of both directions, which hears nothing before a text has ended.
    """

    def __init__(self, model: Model, transcription: Transcription) -> None:
        if BOTH_DIRECTIONS in model.config.stack:
            raise UsageError(
                "`rows`: the model reads in both directions, so it hears nothing before a text has ended; train one "
                "without `both_directions`, or give files"
            )
        self._transcription, self._form = transcription, transcription.form
        self._stepper = Stepper(model)
        self._start = model.state(1)
        model.begin(self._start)
        self._to_host = model.be.to_host
        self._begin()

    def _begin(self) -> None:
        self._stepper.begin(self._start)
        self._near: deque[NDArray[np.float32]] = deque(maxlen=2 * self._form.splice + 1)
        self._frames, self._last = 0, self._transcription.blank
        self._decoder: Decoder = self._transcription.vocabulary.decoder()

    @property
    def begun(self) -> bool:
        """Whether a frame has come since the last end."""
        return bool(self._near)

    def push(self, frame: NDArray[np.float32]) -> str:
        """What is heard now that another frame, (width,), has come. Raises GpurnnError for outputs that are not finite.

        It is that of the frame which has `splice` frames behind it now.
        """
        self._near.extend([frame] * (1 if self._near else self._form.splice + 1))
        return self._heard() if len(self._near) == self._near.maxlen else ""

    def end(self) -> str:
        """The rest of the text; the next frame begins another one. Raises as `push`."""
        rest = "".join(self.push(self._near[-1]) for _ in range(self._form.splice)) if self.begun else ""
        self._begin()
        return rest

    def _heard(self) -> str:
        """What the frame in the middle of those near says."""
        number, self._frames = self._frames, self._frames + 1
        if number % self._form.skip:
            return ""
        frame = np.concatenate(self._near)[None]
        self._transcription.columns.scaled(frame, frame)
        outputs = self._to_host(self._stepper.step(frame[0]))[0]
        expect_finite("an output", outputs)
        label, before = int(outputs.argmax()), self._last
        self._last = label
        return "" if label in (before, self._transcription.blank) else str(self._decoder.push(label))


class FrameRows:
    """Lines of numbers, one for each frame, and what is heard of them: a line of text for each; an empty line ends one.

    Numbers are parted by commas, semicolons or white space. left_out: takes rows that are none.
    """

    def __init__(self, text: LiveText, lines: Lines, file: str, left_out: LeftOut, width: int) -> None:
        self._text, self._lines, self._file, self._left_out, self._width = text, lines, file, left_out, width

    def lines(self) -> Iterator[str]:
        """Symbols as they are heard, and a newline at the end of each text. Raises BadRow, GpurnnError."""
        for each in self._lines:
            if each is None:
                continue
            number, line = each
            if not line.strip():
                yield from self._end()
                continue
            try:
                heard = self._text.push(self._frame(line))
            except DataError as error:
                self._left_out.add(f"{Place(self._file, number)}: {error}")
                continue
            if heard:
                yield heard.translate(BREAKS)
        yield from self._end()

    def _end(self) -> Iterator[str]:
        if self._text.begun:
            yield f"{self._text.end().translate(BREAKS)}\n"

    def _frame(self, line: str) -> NDArray[np.float32]:
        """Raises DataError for what is no frame."""
        cells = _BETWEEN.split(line.strip())
        if len(cells) != self._width:
            raise DataError(f"expected {self._width:,} numbers, found {len(cells):,}")
        try:
            with np.errstate(over="ignore"):
                frame = np.array([float(cell) for cell in cells], np.float32)
        except ValueError as error:
            raise DataError(f"expected numbers; {error!s:.80}") from None
        if not np.isfinite(frame).all():
            place = int(np.isfinite(frame).argmin())
            raise DataError(f"number {place + 1:,} is {cells[place]:.40}, expected a finite one")
        return frame
