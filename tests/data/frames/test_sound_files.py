"""Frames of sound: how .wav files are read, the energies in bands against equations written down, and refusals."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from framefiles import tone, wav

from gpurnn.data.frames.files import form_of, read_frames
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.frames.sound import read_header, read_samples
from gpurnn.exceptions import DataError

FORM = FrameForm("sound", 40, 8000, 0.025, 0.01)
SOUND = tone()


def samples(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        return read_samples(file, path, read_header(file, path))


def test_samples_of_all_codings_are_the_same(tmp_path: Path) -> None:
    wide = SOUND.astype(np.int32)
    parts = wide.astype("<i4").view("u1").reshape(-1, 4)
    path = tmp_path / "x.wav"
    assert samples(wav(path, SOUND.tobytes())).dtype == np.float32
    for found in (
        samples(wav(path, SOUND.tobytes())),
        samples(wav(path, np.insert(parts[:, :2], 0, 0, axis=1).tobytes(), bits=24)),
        samples(wav(path, (wide << 16).astype("<i4").tobytes(), bits=32)),
        samples(wav(path, (SOUND / 32768).astype("<f4").tobytes(), bits=32, coding=3)),
        samples(wav(path, SOUND.tobytes(), between=b"LIST\x05\x00\x00\x00abcde\x00")),
        samples(wav(path, SOUND.tobytes(), coding=0xFFFE, extra=struct.pack("<HHIH14x", 22, 16, 4, 1))),
        samples(wav(path, np.repeat(SOUND, 2).tobytes(), channels=2)),
    ):
        assert np.array_equal(found, SOUND)
    eight = wav(path, (SOUND // 256 + 128).astype("u1").tobytes(), bits=8)
    assert np.array_equal(samples(eight), SOUND // 256 * 256)
    both = np.stack((SOUND, 3 * (SOUND // 8)), axis=1)
    assert np.array_equal(samples(wav(path, both.astype("<i2").tobytes(), channels=2)), both.mean(axis=1))
    finest = np.array([1, -1, 2**23 - 1, -(2**23)], "<i4").view("u1").reshape(-1, 4)[:, :3]
    assert samples(wav(path, finest.tobytes(), bits=24)).tolist() == [1 / 256, -1 / 256, (2**23 - 1) / 256, -32768]


def test_sound_of_which_the_header_does_not_know_how_much_there_is(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    for said in (0xFFFFFFFF, 0xFFFFFFFF - 36, 0x80000000, 0x7FFFF000):  # of ffmpeg, and of others
        assert np.array_equal(samples(wav(path, SOUND.tobytes(), said=said)), SOUND)
        assert np.array_equal(samples(wav(path, SOUND.tobytes() + b"\1", said=said)), SOUND)
    recorded = wav(path, SOUND.tobytes(), said=0).read_bytes()
    for whole in (0, 36):  # nobody came back to write how much was recorded
        path.write_bytes(recorded[:4] + struct.pack("<I", whole) + recorded[8:])
        assert np.array_equal(samples(path), SOUND)
    wav(path, b"LIST\x06\x00\x00\x00abcdef", said=0)
    with pytest.raises(DataError, match="it has no frames; leave it out"):
        samples(path)


def energies(sound: np.ndarray, rate: int, bands: int) -> np.ndarray:
    """What `read_wav` says that frames of sound are, in float64."""
    size, step = int(0.025 * rate), int(0.01 * rate)
    points = 1 << (size - 1).bit_length()
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / (size - 1))) ** 0.85
    hertz = np.arange(points // 2) * rate / points
    mel = 1127 * np.log(1 + hertz / 700)
    edges = np.linspace(1127 * np.log(1 + 20 / 700), 1127 * np.log(1 + rate / 2 / 700), bands + 2)
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.maximum(0, np.minimum((mel - low) / (mid - low), (high - mel) / (high - mid)))
    found = []
    for first in range(0, len(sound) - size + 1, step):
        piece = sound[first : first + size].astype(np.float64)
        piece -= piece.mean()
        piece -= 0.97 * np.append(piece[0], piece[:-1])
        power = np.abs(np.fft.rfft(piece * window, points)[:-1]) ** 2
        found.append(np.log(np.maximum(triangles @ power, 2.0**-23)))
    return np.array(found)


@pytest.mark.parametrize(("rate", "count"), [(8000, 1000), (8000, 200), (16000, 2000), (11025, 1500), (44100, 3000)])
def test_frames_are_the_logarithms_of_energies_in_bands(rate: int, count: int, tmp_path: Path) -> None:
    pytest.importorskip("kaldi_native_fbank")
    path = wav(tmp_path / "x.wav", tone(count).tobytes(), rate=rate)
    form = form_of(path)
    assert (form.kind, form.width, form.rate, form.window, form.step) == ("sound", 40, rate, 0.025, 0.01)
    found, expected = read_frames(path, form), energies(tone(count), rate, 40)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-3
    assert np.array_equal(found, read_frames(path, form))
    silence = read_frames(wav(tmp_path / "x.wav", bytes(2 * count), rate=rate), form)
    assert np.allclose(silence, np.log(2.0**-23))


A_LAW = (
    "its sound is coded as A-law of 8 bits, expected whole numbers of 8, 16, 24 or 32 bits or floating-point numbers"
)
WRONG = {
    "cut short": ((SOUND.tobytes()[:1000],), {"said": 2000}, "it was cut short: 1,000 bytes of sound, its header says"),
    "A-law": ((SOUND.tobytes(),), {"coding": 6, "bits": 8}, A_LAW),
    "an unknown coding": ((b"",), {"coding": 4711}, "its sound is coded as 4711 of 16 bits, expected whole"),
    "12 bits": ((b"",), {"bits": 12}, "its sound is coded as whole numbers of 12 bits, expected"),
    "half numbers": ((b"",), {"coding": 3}, "its sound is coded as floating-point numbers of 16 bits, expected"),
    "no channels": ((bytes(99),), {"channels": 0}, "it has 0 channels of 8,000 samples a second, expected 1 to 64"),
    "no rate": ((bytes(99),), {"rate": 0}, "it has 1 channels of 0 samples a second, expected 1 to 64 of 4,000 to"),
    "no sound": ((b"",), {}, "it has no frames; leave it out"),
    "short": ((SOUND[:199].tobytes(),), {}, "it is shorter than one frame of 25 ms; leave it out"),
    "another rate": ((SOUND.tobytes(),), {"rate": 16000}, "it has 16,000 samples a second, the others 8,000; resample"),
    "no number": (
        (np.array([0, np.nan] * 200, "<f4").tobytes(),),
        {"coding": 3, "bits": 32},
        "it has a sample that is no number, or one far too large",
    ),
    "too loud": (
        (np.array([0, 3e38] * 200, "<f4").tobytes(),),
        {"coding": 3, "bits": 32},
        "it has a sample that is no number, or one far too large",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_sound_is_one_line(name: str, tmp_path: Path) -> None:
    given, more, told = WRONG[name]
    path = wav(tmp_path / "x.wav", *given, **more)
    with pytest.raises(DataError) as caught:
        read_frames(path, FORM)
    assert str(caught.value).startswith(f"{path}: {told}")
    assert "\n" not in str(caught.value)


def test_what_is_no_wav_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    whole = wav(path, SOUND.tobytes()).read_bytes()
    for data, told in (
        (b"", r"no \.wav file"),
        (b"ID3" + bytes(99), r"no \.wav file"),
        (whole[:11], r"no \.wav file"),
        (whole[:20], "it has no sound, or was cut short"),
        (whole[:36], "it has no sound, or was cut short"),
        (whole[:12] + b"data" + bytes(90), "it does not say how its sound is coded"),
        (whole[:12] + b"junk\0\0\0\0" * 5000, "it has no sound, or was cut short"),
        (whole[:12] + b"junk\xff\xff\xff\xff" + whole[12:], "it has no sound, or was cut short"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=told):
            form_of(path)
    path.write_bytes(whole[:40] + struct.pack("<I", 2**31) + whole[44:])
    with path.open("r+b") as file:
        file.truncate(2**31 + 44)  # a hole
    with pytest.raises(DataError, match=r"1,073,741,824 numbers, at most 16,777,216 may be in one file; cut it"):
        form_of(path)


def test_forms_that_no_bands_fit_are_one_line(tmp_path: Path) -> None:
    pytest.importorskip("kaldi_native_fbank")
    path = wav(tmp_path / "x.wav", SOUND.tobytes())
    with pytest.raises(DataError, match="60000 bands of 8,000 samples a second: You may have set num_mel_bins too"):
        read_frames(path, FrameForm("sound", 60_000, 8000, 0.025, 0.01))
    with pytest.raises(DataError, match="2 bands of 8,000 samples a second: Must have at least 3 mel bins"):
        read_frames(path, FrameForm("sound", 2, 8000, 0.025, 0.01))


def test_a_missing_library_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kaldi_native_fbank", None)
    with pytest.raises(
        DataError, match=r"sound needs kaldi-native-fbank, which is not installed: pip install 'gpurnn\[s"
    ):
        read_frames(wav(tmp_path / "x.wav", SOUND.tobytes()), FORM)
