"""The lines of writing and the speech of `scripts/tasks`."""

from __future__ import annotations

from tasks_lib import lines
from tasks_lib.framed import FramesTask
from tasks_lib.spoken import PACKAGE, fetch_sounds, write_recorded
from tasks_lib.voices import fetch_voices, write_voices

_SPEECH = {"tokens": "words", "splice": 1, "skip": 3}

FRAMED = {
    "lines": FramesTask(
        title="lines of 3 to 7 handwritten digits, a column of 8 points a step",
        package=lines.PACKAGE,
        members=[lines.MEMBER],
        licence="BSD-3-Clause",
        write=lines.write_lines,
        prepare={},
        baselines={"nearest picture, told where each digit is": lines.nearest_scores},
        grammar="dates",
    ),
    "spoken": FramesTask(
        title="3 to 7 digits said by one speaker, the same recordings in all splits",
        package=PACKAGE,
        licence="CC-BY-SA-3.0",
        fetch=fetch_sounds,
        write=write_recorded,
        prepare=_SPEECH,
    ),
    "voices": FramesTask(
        title="3 to 7 digits said by a program in voices that train lacks",
        package="espeak-ng",
        licence="GPL-3",
        fetch=fetch_voices,
        write=write_voices,
        prepare=_SPEECH,
    ),
}
