"""Sequences on their way into a corpus: their frames in a file without a name, their texts as provisional labels."""

import os
import tempfile
from array import array
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.frames.transcription import plain
from gpurnn.data.labelled.lines import Place
from gpurnn.data.labelled.store import Store
from gpurnn.data.pairs.side import Parted
from gpurnn.data.text.tokenise import Characters
from gpurnn.data.text.tokens import Kind, TextPolicy
from gpurnn.data.told import counted
from gpurnn.exceptions import DataError


class FrameSpool:
    """Frames of sequences, one after the other. folder: of the file. 8 bytes a sequence are in memory."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._edges = array("q", [0])
        self.width = 0

    def append(self, frames: NDArray[np.float32]) -> None:
        """Adds a sequence, (n, F); F is the same of all."""
        self.width = frames.shape[1]
        self._file.write(np.ascontiguousarray(frames, np.float32).data)
        self._edges.append(self._edges[-1] + len(frames))

    def finish(self) -> None:
        """Says that all are there."""
        self._file.flush()

    @property
    def edges(self) -> NDArray[np.int64]:
        """Where each sequence begins, and the end of the last one, (sequences + 1,)."""
        return np.array(self._edges, np.int64)

    def read(self, number: int) -> NDArray[np.float32]:
        """The frames of a sequence, (n, F)."""
        first, last = self._edges[number], self._edges[number + 1]
        out = np.empty((last - first, self.width), np.float32)
        target, at = out.view(np.uint8).reshape(-1).data, 4 * self.width * first
        while len(target):
            got = os.preadv(self._file.fileno(), [target], at)
            if not got:
                raise DataError("a temporary file beside the corpus became shorter; prepare again")
            target, at = target[got:], at + got
        return out

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()


class Strings:
    """Texts as provisional labels. folder: where these are. skip: of the frames; see `FrameForm`."""

    def __init__(self, folder: Path, kind: Kind, policy: TextPolicy, skip: int) -> None:
        self.tokens: Characters | Parted = Parted() if kind == "words" else Characters()
        self.store = Store(folder, tagged=False)
        self._policy = policy
        self._remedy = "leave it out" if skip == 1 else "give a smaller `skip`, or leave it out"

    def add(self, text: str, frames: int, place: Place) -> None:
        """Adds the text of a sequence of so many frames. Raises DataError where it has none, or too long a one."""
        text = plain(text, self._policy)
        if not text:
            raise DataError(f"{place}: the text is empty; give it one, or leave the line out")
        if any(character in text for character in "\t\n\r"):
            raise DataError(f"{place}: the text has a tab or a line end; put a space there")
        labels, starts = self.tokens.feed([(text, True)])
        repeated = int(np.count_nonzero(labels[1:] == labels[:-1]))
        if len(labels) + repeated > frames:
            repeats = f", {'one' if repeated == 1 else f'{repeated:,}'} repeated," if repeated else ""
            raise DataError(
                f"{place}: {counted(len(labels), 'label')}{repeats} need{'s' if len(labels) == 1 else ''} "
                f"{counted(len(labels) + repeated, 'frame')}, it has {frames:,}; {self._remedy}"
            )
        self.store.append(labels, starts)
