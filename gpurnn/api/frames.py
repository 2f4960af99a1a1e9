"""What `gpurnn.prepare` and the command do with frames that have texts."""

from __future__ import annotations

from gpurnn.api.request import Request
from gpurnn.data.frames.options import frame_options
from gpurnn.data.frames.report import FramesReport
from gpurnn.data.prepare_frames import prepare_frames


def prepare_frames_with_texts(asked: Request) -> FramesReport:
    """Makes a corpus of frames. Raises UsageError, DataError, OSError (of the disk)."""
    names = ("text", "tokens", "splice", "skip", "min_count", "max_length", "split", "seed")
    options = frame_options(**asked.options(*names))
    more = asked.handed_on("vocab_from")
    return prepare_frames(asked["texts"], asked["output"], options, policy=asked.policy, **more)
