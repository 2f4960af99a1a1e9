"""Frames of recorded sound: .wav files to the logarithms of the energies in bands of frequencies."""

import os
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.frames.form import RATES, FrameForm
from gpurnn.data.frames.limits import expect_numbers, wrong

BANDS, WINDOW, STEP = 40, 0.025, 0.01
"""Bands of frequencies, seconds that a frame sees, and seconds from one to the next, of new corpora."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_CODINGS = {(_PCM, 8): "u1", (_PCM, 16): "<i2", (_PCM, 24): "u1", (_PCM, 32): "<i4", (_FLOAT, 32): "<f4"}
_NAMES = {2: "ADPCM", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 49: "GSM", 80: "MPEG", 85: "MP3", 255: "AAC"}
_CHUNKS = 1000
_MOST_CHANNELS = 64
_UNKNOWN = 0x7FFFF000
"""Who writes into a pipe says 0xFFFFFFFF bytes of sound, or about 2 GiB; no file may have as many as that."""
_LOUDEST = 1e12
"""Energies of larger samples may be no numbers of 32 bits."""


class Wave(NamedTuple):
    """What the header of a .wav file says. samples: of each channel. bits: of one sample. begin: byte of the first."""

    coding: int
    bits: int
    rate: int
    channels: int
    samples: int
    begin: int


def look_wav(file: IO[bytes], path: Path) -> FrameForm:
    """The form of the frames of a .wav file. Raises DataError."""
    return FrameForm("sound", BANDS, read_header(file, path).rate, WINDOW, STEP)


def read_wav(file: IO[bytes], path: Path, form: FrameForm) -> NDArray[np.float32]:
    """The energies in bands of each piece of sound, (n, F) float32, by kaldi-native-fbank.

    A frame sees `window` seconds, with nothing dithered: their mean is taken off, each sample gets 0.97 of the one
    before taken off, and they are weighted by Povey's window and padded with zeros to a power of two. The power
    spectrum is summed in F triangles that are evenly spaced on the mel scale, 1127 ln(1 + Hz / 700), from 20 Hz to half
    of the rate; a number is the natural logarithm of the sum, or of 2^-23 where that is more. The next frame is `step`
    seconds later; only whole windows become frames: n = 1 + (samples - window) // step, in samples.
    Source: Kaldi's compute-fbank-feats. Raises DataError: also where the library is not installed, for another rate
    than the form's and for sound shorter than a window.
    """
    wave = read_header(file, path)
    if wave.rate != form.rate:
        raise wrong(path, f"it has {wave.rate:,} samples a second, the others {form.rate:,}; resample one or the other")
    window, step = (int(form.rate * seconds) for seconds in (form.window, form.step))
    count = 1 + (wave.samples - window) // step
    if count < 1:
        raise wrong(path, f"it is shorter than one frame of {1000 * form.window:g} ms; leave it out")
    expect_numbers(path, count, form.width)
    return _energies(read_samples(file, path, wave), form, path)


def read_header(file: IO[bytes], path: Path) -> Wave:
    """What the header of a .wav file says. Raises DataError for codings that are not read, and for one cut short.

    Read are whole numbers of 8, 16, 24 and 32 bits, and floating-point ones of 32.
    """
    begin = file.read(12)
    if begin[:4] != b"RIFF" or begin[8:] != b"WAVE":
        raise wrong(path, "no .wav file; save the sound as one")
    said = b""
    for _ in range(_CHUNKS):
        head = file.read(8)
        size = int.from_bytes(head[4:], "little")
        if len(head) < 8:
            break
        if head[:4] == b"data":
            return _wave(file, path, said, size, 8 + int.from_bytes(begin[4:8], "little"))
        if head[:4] == b"fmt ":
            said = file.read(min(size, 40))
            size -= len(said)
        file.seek(size + size % 2, os.SEEK_CUR)
    raise wrong(path, "it has no sound, or was cut short; get it again")


def _wave(file: IO[bytes], path: Path, said: bytes, size: int, whole: int) -> Wave:
    """said: what describes the sound. size, whole: bytes of the sound, which comes next, and of the file, as it says.

    A header may be of a time at which nobody knew how much sound there would be: then all that is there is sound.
    """
    if len(said) < 16:
        raise wrong(path, "it does not say how its sound is coded; get it again")
    coding, channels, rate, _, _, bits = (
        int.from_bytes(said[a:b], "little") for a, b in ((0, 2), (2, 4), (4, 8), (8, 12), (12, 14), (14, 16))
    )
    if coding == _EXTENSIBLE and len(said) >= 26:
        coding = int.from_bytes(said[24:26], "little")
    if (coding, bits) not in _CODINGS:
        name = {_PCM: "whole numbers", _FLOAT: "floating-point numbers"}.get(coding) or _NAMES.get(coding, f"{coding}")
        raise wrong(
            path,
            f"its sound is coded as {name} of {bits} bits, expected whole numbers of 8, 16, 24 or 32 bits or "
            "floating-point numbers of 32; convert it",
        )
    if not 1 <= channels <= _MOST_CHANNELS or not RATES[0] <= rate <= RATES[1]:
        raise wrong(
            path,
            f"it has {channels} channels of {rate:,} samples a second, expected 1 to {_MOST_CHANNELS} of "
            f"{RATES[0]:,} to {RATES[1]:,}",
        )
    begin = file.tell()
    there = file.seek(0, os.SEEK_END) - begin
    if size >= _UNKNOWN or (not size and whole <= begin):
        size = there
    if there < size:
        raise wrong(path, f"it was cut short: {there:,} bytes of sound, its header says {size:,}; get it again")
    samples = size // (channels * bits // 8)
    expect_numbers(path, samples, channels)
    return Wave(coding, bits, rate, channels, samples, begin)


def read_samples(file: IO[bytes], path: Path, wave: Wave) -> NDArray[np.float32]:
    """The sound, (n,) float32, with -32768 to 32767 for the whole range: the mean of all channels."""
    file.seek(wave.begin)
    size = wave.samples * wave.channels * wave.bits // 8
    data = np.frombuffer(file.read(size), np.dtype(_CODINGS[wave.coding, wave.bits]))
    values: NDArray[Any]
    if data.nbytes != size:
        raise wrong(path, "it became shorter while it was read; try again")
    if wave.bits == 8:
        values = (data.astype(np.float32) - 128) * 256
    elif wave.bits == 24:
        parts = data.reshape(-1, 3)
        low = parts[:, 0].astype(np.float32) / 256 + parts[:, 1]
        values = low + np.float32(256) * parts[:, 2].view(np.int8)
    elif wave.coding == _FLOAT:
        with np.errstate(over="ignore"):
            values = data * np.float32(32768)
    else:
        values = data.astype(np.float32) if wave.bits == 16 else data.astype(np.float32) / 65536
    if not (np.abs(values) < _LOUDEST).all():  # nor is NaN
        raise wrong(path, "it has a sample that is no number, or one far too large; correct it")
    mean: NDArray[np.float32] = values.reshape(-1, wave.channels).mean(axis=1, dtype=np.float32)
    return mean


def _energies(samples: NDArray[np.float32], form: FrameForm, path: Path) -> NDArray[np.float32]:
    """See `read_wav`."""
    try:
        import kaldi_native_fbank as kaldi
    except ImportError:
        raise wrong(
            path, "sound needs kaldi-native-fbank, which is not installed: pip install 'gpurnn[speech]'"
        ) from None
    options = kaldi.FbankOptions()
    options.frame_opts.samp_freq = form.rate
    options.frame_opts.frame_length_ms = 1000 * form.window
    options.frame_opts.frame_shift_ms = 1000 * form.step
    options.frame_opts.dither = 0
    options.frame_opts.preemph_coeff = 0.97
    options.frame_opts.window_type = "povey"
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = form.width
    options.mel_opts.low_freq = 20
    options.mel_opts.high_freq = 0  # half of the rate
    try:
        bank = kaldi.OnlineFbank(options)
    except ValueError as error:
        raise wrong(path, f"{form.width} bands of {form.rate:,} samples a second: {error!s:.80}") from None
    bank.accept_waveform(form.rate, samples)
    bank.input_finished()
    return np.stack([bank.get_frame(i) for i in range(bank.num_frames_ready)])
