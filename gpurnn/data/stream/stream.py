"""The stream of training windows: lanes over a split, prefetched, with a cursor that can be saved and put back."""

import threading
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from gpurnn.data.corpus import Corpus, Split
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream.restarts import Restarts
from gpurnn.data.stream.series import SeriesWindows
from gpurnn.data.stream.text import TextWindows, text_fields
from gpurnn.data.stream.windows import AHEAD, Cursor, Geometry, Window, WindowMaker
from gpurnn.exceptions import DataError, UsageError
from gpurnn.settings import Natural, checked
from gpurnn.signals import kept_by_this_thread

__all__ = ["Cursor", "Geometry", "Window", "WindowStream"]


class _Prefetcher:
    """Makes windows in a thread of its own, a few ahead of the consumer, and hands errors over with them."""

    def __init__(self, maker: WindowMaker, first: int, end: int | None) -> None:
        self._maker = maker
        self._end = end
        self._ready: list[Window | None] = [None] * (AHEAD + 1)
        self._made = self._taken = first
        self._error: BaseException | None = None
        self._stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="gpurnn-stream", daemon=True)
        with kept_by_this_thread():
            self._thread.start()

    def _work(self) -> None:
        try:
            while self._may_go_on():
                window = self._maker.make(self._made)
                with self._changed:
                    self._ready[self._made % len(self._ready)] = window
                    self._made += 1
                    self._changed.notify_all()
                del window
        except BaseException as error:  # of any kind: the consumer raises it
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _may_go_on(self) -> bool:
        with self._changed:
            while not self._stopped and self._made > self._taken + AHEAD - 1:
                self._changed.wait()
            return not self._stopped and (self._end is None or self._made < self._end)

    def take(self) -> Window | None:
        """The next window, None after the last one and after `stop`; raises what ended the thread."""
        with self._changed:
            while self._to_come():
                if not self._thread.is_alive():
                    raise UsageError("stream: its thread stayed in the process that made it; make another one in this")
                self._changed.wait()
            if self._stopped:
                return None
            if self._made == self._taken:
                if self._error is not None:
                    raise self._error
                return None
            place = self._taken % len(self._ready)
            window, self._ready[place] = self._ready[place], None
            self._taken += 1
            self._changed.notify_all()
        return window

    def _to_come(self) -> bool:
        """Whether the next window is one that the thread has yet to make."""
        ended = self._stopped or self._error is not None or (self._end is not None and self._made >= self._end)
        return self._made == self._taken and not ended

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()


class WindowStream:
    """An iterator over the windows of a split, endless unless `epochs` is given.

        with WindowStream(corpus, "train", lanes=32, steps=64) as stream:
            for window in stream:
                ...

    Its windows have arrays of their own; `recycled` gives them without copies.
    lanes: B, parallel stretches of the text. steps: T, steps of a window.
    cursor: where to go on; from a window of a stream of the same geometry. epochs: how many, counted from the
    run's beginning, also with a cursor. prefetch: make windows ahead in a thread. plan: compute the plan of `tokens`.
    tail: after the lanes' last window go on, with the state carried, over the fewer than B targets that are left at
    the end of the last lane, so that an evaluation counts every target; the other lanes have weight 0 there.
    restart: the probability with which each lane begins anew, from a state of zeros, at a window's start; seed: of
    those draws, which follow from seed, lane and window alone.
    forecast: of a corpus of series, what its windows have as targets; burn_in: rows at the beginning of a lane and of a
    stretch whose targets have no weight, since the state has seen too few.
    fields: what its windows have of each step.

    The stream reads through a descriptor of its own: closing the corpus does not end it. Its thread ends with
    `close`, at the end of a `with` block, or when the stream is garbage-collected. Several threads may iterate over it:
    each window goes to one of them.
    Raises DataError when lanes, steps or cursor do not fit, UsageError for values of another type or out of range;
    CorpusError when the file changed.
    """

    def __init__(
        self,
        source: Corpus | Split,
        split: str = "train",
        *,
        lanes: int,
        steps: int,
        cursor: Cursor | None = None,
        epochs: int | None = None,
        prefetch: bool = True,
        plan: bool = True,
        tail: bool = False,
        restart: float = 0.0,
        seed: int = 0,
        forecast: Forecast | None = None,
        burn_in: int = 0,
    ) -> None:
        if not isinstance(source, Corpus | Split):
            raise UsageError(f"source: expected a corpus or a split of one, found {type(source).__name__}")
        part = source.split(split) if isinstance(source, Corpus) else source
        geometry = split_geometry(part, len(part) + (forecast is not None), lanes, steps, tail=tail)
        restarts = Restarts(restart, seed, geometry.lanes)
        maker = _maker(part.independent(), geometry, restarts, plan, forecast, burn_in)
        self._begin(maker, cursor, epochs, prefetch)

    def _begin(self, maker: WindowMaker, cursor: Cursor | None, epochs: int | None, prefetch: bool) -> None:
        """Begin, or go on at a cursor, with the windows of a maker, whose geometry is the stream's."""
        epochs, self.geometry = checked("epochs", Natural | None, epochs), maker.geometry
        self._maker, self._next = maker, 0 if cursor is None else _expect_cursor(cursor, maker.geometry)
        self._end = None if epochs is None else epochs * maker.geometry.windows
        self._closed = False
        self._turn = threading.Lock()  # of those that take windows
        self.fields = maker.fields
        self._prefetcher = _Prefetcher(self._maker, self._next, self._end) if prefetch else None
        if self._prefetcher is not None:
            weakref.finalize(self, self._prefetcher.stop)

    @property
    def windows_per_epoch(self) -> int:
        """Windows of an epoch, short ones included."""
        return self.geometry.windows

    @property
    def cursor(self) -> Cursor:
        """Where the stream goes on after the last window that was taken."""
        g = self.geometry
        return Cursor(self._next, g.lanes, g.steps, g.tokens)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Window:
        with self._turn:
            window = self._take()
            if window is None:
                raise StopIteration
            return window.copy()

    def recycled(self) -> Iterator[Window]:
        """The same windows with the stream's own arrays, for who is done with each before the third after it is taken.

        This is what `Feed` reads: nothing is allocated for a window.
        """
        while True:
            with self._turn:
                window = self._take()
            if window is None:
                return
            yield window

    def _take(self) -> Window | None:
        """The next window, None where there is none. One call at a time."""
        if self._closed or (self._end is not None and self._next >= self._end):
            return None
        window = self._maker.make(self._next) if self._prefetcher is None else self._prefetcher.take()
        if window is not None:
            self._next += 1
        return window

    def close(self) -> None:
        """Ends the stream and its thread; a second call does nothing."""
        self._closed = True
        if self._prefetcher is not None:
            self._prefetcher.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _maker(
    split: Split, geometry: Geometry, restarts: Restarts, plan: bool, forecast: Forecast | None, burn_in: int
) -> WindowMaker:
    if forecast is None:
        if not split.symbols:
            raise DataError(f"{split.path}: it holds rows of numbers, no tokens; give the stream a forecast")
        return TextWindows(split, geometry, text_fields(split.symbols, planned=plan), restarts)
    if not split.inputs:
        raise DataError(f"{split.path}: it holds tokens, no rows of numbers; leave the forecast out")
    return SeriesWindows(split, geometry, forecast, checked("burn_in", Natural, burn_in), restarts)


def split_geometry(split: Split, tokens: int, lanes: int, steps: int, *, tail: bool = False) -> Geometry:
    """See `Geometry`; the DataError for lanes or steps that do not fit names the split."""
    try:
        return Geometry(tokens, lanes, steps, tail)
    except DataError as error:
        raise DataError(f"{split.path}, split {split.name}: {error}") from None


def _expect_cursor(cursor: Cursor, geometry: Geometry) -> int:
    """The window at which a cursor of this geometry goes on. Raises DataError for one of another."""
    cursor = Cursor.from_json(checked("cursor", Cursor, cursor).to_json())
    found = (cursor.tokens, cursor.lanes, cursor.steps)
    expected = (geometry.tokens, geometry.lanes, geometry.steps)
    if found != expected:
        raise DataError(
            f"the cursor is for {found[0]} tokens in {found[1]} lanes and {found[2]} steps, "
            f"this stream has {expected[0]} in {expected[1]} and {expected[2]}; go on with the same"
        )
    return cursor.window
