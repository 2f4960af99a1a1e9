"""Lists of files, and files of arrays, sound and pictures, changed at random: typed errors alone, and always the same.

Lists are read in one block and in many; some become corpora, from a file and from a pipe, and are read by windows.
"""

import contextlib
import io
import random
import re
import resource
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from faults import fuzzlabelled
from faults.fuzzlabelled import LONGEST_MESSAGE, WHOLE_EVERY
from faults.reading import read_all
from gpurnn.data.frames.files import form_of, read_frames
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.frames.lists import read_list
from gpurnn.data.frames.options import FrameOptions, frame_options
from gpurnn.data.labelled.lines import Opener
from gpurnn.data.prepare_frames import prepare_frames
from gpurnn.data.text import inputs
from gpurnn.data.text.inputs import Source
from gpurnn.data.text.tokens import TextPolicy
from gpurnn.exceptions import DataError, UsageError

FILES = 6
"""Files that a list names; each case changes the first of them at most."""
LISTS: dict[str, tuple[Callable[[str], str], str | None]] = {
    "tsv": (lambda end: "".join(f"{i}{end}\tab{i} é\n" for i in range(FILES)), None),
    "crlf": (lambda end: "".join(f"{i}{end}\tb\r\n" for i in range(FILES)), None),
    "header": (lambda end: "id\tpath\tsaid\n" + "".join(f"x\t{i}{end}\ta b\n" for i in range(FILES)), "said"),
    "jsonl": (lambda end: "".join(f'{{"frames": "{i}{end}", "text": "a\\u00e9b"}}\n' for i in range(FILES)), None),
    "nemo": (
        lambda end: "".join(f'{{"audio_filepath": "{i}{end}", "duration": 1, "said": "aa"}}\n' for i in range(FILES)),
        "said",
    ),
}
PIECES = (
    *(b"nan", b"1e9", b"(9, 3)", b"(3, 9)", b"'|O'", b"True", b"[", b"(" * 99, b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f"),
    *(b"PK\5\6", b"PK\1\2", b"PK\3\4", b"data", b"fmt ", b"IDAT", b"IHDR", b"PLTE", b"tRNS", b"\xfe\xff", b"\3\0"),
    *(struct.pack("<I", value) for value in (0, 1, 8000, 2**16, 2**31, 2**32 - 1)),
)


def fuzz_frames(count: int, seed: int, scratch: str) -> dict[str, Any]:
    """Read `count` changed files, and make corpora of some; each depends on the seed and its number alone.

    Returns {"cases", "accepted": that could be read, "corpora": that were made, "peak_growth": bytes, "violations"}.
    """
    folder, before = Path(scratch), 0
    report: dict[str, Any] = {"cases": count, "accepted": 0, "corpora": 0, "peak_growth": 0, "violations": []}
    samples = _samples(folder)
    for case in range(count):
        chance = random.Random(seed * 1_000_003 + case)
        try:
            _case(folder, samples, chance, report, whole=case % WHOLE_EVERY == 0)
        except (DataError, UsageError) as error:
            if len(str(error)) > LONGEST_MESSAGE or len(str(error).splitlines()) != 1:
                report["violations"].append(f"case {case}: a message of {len(str(error))}: {str(error)[:100]!r}")
        except Exception as error:
            report["violations"].append(f"case {case}: {type(error).__name__}: {error}"[:400])
        if case == min(1000, count // 2):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report["peak_growth"] = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return report


def _samples(folder: Path) -> list[tuple[str, bytes]]:
    """Sound files by the end of their names; all files but the first, which cases change, lie in the folder."""
    draw = np.random.default_rng(0)
    found = []
    for kind, order in (("<f4", "C"), (">f8", "F"), ("u1", "C")):
        for save, end in ((np.save, ".npy"), (np.savez, ".npz"), (np.savez_compressed, ".npz")):
            file = io.BytesIO()
            save(file, draw.normal(9, 1, (9, 3)).astype(kind, order=order))
            found.append((end, file.getvalue()))
    for bits in (8, 16, 24, 32):
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setparams((1 + bits % 3, bits // 8, 8000, 0, "NONE", ""))
            sound.writeframes(draw.integers(0, 256, 600 * (1 + bits % 3) * bits // 8).astype("u1").tobytes())
        found.append((".wav", file.getvalue()))
    found += [(".png", data) for data in _pictures(draw)]
    for end, data in found:
        for number in range(1, FILES):
            (folder / f"{number}{end}").write_bytes(data)
    return found


def _pictures(draw: np.random.Generator) -> list[bytes]:
    """Pictures of several kinds; none where Pillow is not there."""
    try:
        from PIL import Image
    except ImportError:
        return []
    grey = Image.fromarray(draw.integers(0, 256, (3, 9)).astype("u1"))
    found = []
    for picture in (grey, grey.convert("RGBA"), grey.convert("P"), grey.convert("1")):
        file = io.BytesIO()
        picture.save(file, "PNG")
        found.append(file.getvalue())
    return found


def _changed(data: bytes, chance: random.Random) -> bytes:
    """A file, changed in its header or its data, or not at all."""
    found = bytearray(data)
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        at = chance.randrange(len(found) if chance.random() < 0.4 else min(len(found), 160))
        kind = chance.randrange(5)
        if kind == 0:
            found[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            found[at] = chance.randrange(256)
        elif kind == 2 and chance.random() < 0.5:
            del found[at:]
            break
        else:
            piece = chance.choice(PIECES)
            found[at : at + chance.choice((0, len(piece)))] = piece
    return bytes(found) or b"\0"


def _case(
    folder: Path, samples: list[tuple[str, bytes]], chance: random.Random, report: dict[str, Any], *, whole: bool
) -> None:
    """One file that is changed, and a list that may be."""
    end, data = chance.choice(samples)
    (folder / f"0{end}").write_bytes(_changed(data, chance))
    form, text = LISTS[chance.choice(sorted(LISTS))]
    said = fuzzlabelled.mutate(form(end), chance) if chance.random() < 0.5 else form(end).encode()
    in_one, in_parts = (_answer(lambda size=size: _listed(said, text, size)) for size in (1 << 20, 7))
    if in_one != in_parts and not (isinstance(in_one, str) and isinstance(in_parts, str)):
        raise AssertionError(f"in blocks it is another one: {in_one!r:.150} and {in_parts!r:.150}")
    if whole:
        report["corpora"] += _make_corpora(folder, said, text, chance)
    _read(folder / f"0{end}", chance)
    if isinstance(in_one, str):
        raise DataError(in_one)
    report["accepted"] += 1


def _read(path: Path, chance: random.Random) -> None:
    """What is read is finite, the same when it is read again, and as spliced and skipped frames are."""
    splice, skip = chance.choice((0, 0, 1, 20)), chance.choice((1, 1, 2, 7))
    plain, form = form_of(path), form_of(path, splice=splice, skip=skip)
    frames, again = read_frames(path, plain), read_frames(path, plain)
    if not np.isfinite(frames).all() or not np.array_equal(frames, again) or frames.dtype != np.float32:
        raise AssertionError("frames are not what they are")
    beside, width = read_frames(path, form), plain.width
    if not np.array_equal(beside[:, splice * width : (splice + 1) * width], frames[::skip]):
        raise AssertionError("spliced frames are others")
    read_frames(path, FrameForm("arrays", 3) if plain.kind == "arrays" else plain)


def _answer(read: Callable[[], Any]) -> Any:
    """What is read, or the message of its error."""
    try:
        return read()
    except DataError as error:
        return str(error)


def _listed(data: bytes, text: str | None, size: int) -> list[Any]:
    """The entries of a list, as they are read in blocks of `size`."""
    inputs.BLOCK = size
    try:
        lines = Opener(TextPolicy(errors="replace"), io.BytesIO(data), lambda count: None).lines(Source(None, True))
        return list(read_list(lines, fuzzlabelled.FILE, text))
    finally:
        inputs.BLOCK = 1 << 20


def _make_corpora(folder: Path, data: bytes, text: str | None, chance: random.Random) -> bool:
    """Whether a corpus can be made; from a file and from a pipe."""
    options = frame_options(
        text=text,
        tokens=chance.choice((None, "words")),
        splice=chance.choice((None, 1)),
        max_length=chance.choice((None, 9)),
        split=(0.75, 0.25, 0),
    )
    (folder / "list").write_bytes(data)
    with contextlib.chdir(folder):  # paths of a pipe are relative to it
        made, piped = _prepared("list", options), _prepared("-", options, io.BytesIO(data))
    if isinstance(made, str):
        made = re.sub(r"\blist(?=[:,] )", fuzzlabelled.FILE, made)
    if made != piped:
        raise AssertionError(f"from a pipe it is another one: {made!r:.150} and {piped!r:.150}")
    return not isinstance(made, str)


def _prepared(source: str, options: FrameOptions, stdin: io.BytesIO | None = None) -> Any:
    """The fingerprint of what is made, or the message of its error."""
    before = set(Path().iterdir())
    try:
        report = prepare_frames([source], "made.h5", options, force=True, stdin=stdin, policy={"errors": "replace"})
    except DataError as error:
        return str(error)
    finally:
        assert set(Path().iterdir()) <= before | {Path("made.h5")}, set(Path().iterdir()) - before
    problem = read_all(Path("made.h5"))
    if problem:
        raise AssertionError(f"what was made is {problem}")
    return (report.fingerprint,)
