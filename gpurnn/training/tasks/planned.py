"""Tasks of which one stream says all that a run has to know of its windows before it takes any."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import closing
from functools import cached_property
from typing import Any

from gpurnn.data.stream import Geometry, WindowStream
from gpurnn.fields import Field, Sizes
from gpurnn.training.tasks.base import Task


class PlannedTask(Task):
    """Windows are made for the sequences of the corpus, and their stream knows how many there are, and how large."""

    @abstractmethod
    def _stream(self, split: str, **more: Any) -> WindowStream:
        """The windows of a split. more: for the stream."""

    @cached_property
    def _planned(self) -> tuple[tuple[Field, ...], Geometry]:
        """What a stream of which no window is taken says."""
        with closing(self._stream("train", epochs=0, prefetch=False)) as stream:
            return stream.fields, stream.geometry

    @property
    def fields(self) -> tuple[Field, ...]:
        """See `Task`."""
        return self._planned[0]

    @property
    def sizes(self) -> Sizes:
        """See `Task`."""
        return self._planned[1].sizes

    @property
    def windows_per_epoch(self) -> int:
        """See `Task`."""
        return self._planned[1].windows
