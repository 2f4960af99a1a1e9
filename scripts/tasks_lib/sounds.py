"""Sounds as arrays: files read and written, other rates, what is quiet left out."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float64]
"""Samples, (n,), -1 to 1."""
_SCALE = 32_768
_QUIET = 0.02
"""Samples of less than this part of the loudest are quiet."""


def read_sound(path: Path) -> tuple[Sound, int]:
    """The samples of a .wav file with one channel of 16 bits, and how many there are in a second."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2), path
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / _SCALE, file.getframerate()


def write_sound(path: Path, sound: Sound, rate: int) -> None:
    """Write a .wav file with one channel of 16 bits; what is louder than that can hold is cut."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.clip(np.rint(sound * _SCALE), -_SCALE, _SCALE - 1).astype("<i2").tobytes())


def stretched(sound: Sound, factor: float) -> Sound:
    """So many times as many samples; frequencies that they cannot hold are left out."""
    count = round(len(sound) * factor)
    spectrum = np.fft.rfft(sound)[: count // 2 + 1]
    return np.fft.irfft(spectrum, count) * (count / len(sound))


def trimmed(sound: Sound) -> Sound:
    """Without what is quiet before and after it."""
    loud = np.flatnonzero(np.abs(sound) > _QUIET * np.abs(sound).max())
    return sound[loud[0] : loud[-1] + 1]
