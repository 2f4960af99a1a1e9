"""Digits said by a program, espeak-ng, in voices of which some are held out."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks_lib.debian import run, unpack
from tasks_lib.packages import CACHE, FetchError
from tasks_lib.spoken import read_voice, write_spoken

PACKAGES = ("espeak-ng", "espeak-ng-data", "libespeak-ng1", "libpcaudio0", "libsonic0")
ACCENTS = ("en-us", "en", "en-gb-x-rp", "en-029", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
VOICES = (
    *("Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee"),
    *("Marco", "Mario", "Michael", "Mike", "Nguyen", "adam", "anika", "antonio", "aunty", "belinda", "benjamin"),
    *("boris", "caleb", "david", "ed", "edward", "f1", "f2", "f3", "f4", "f5", "grandma", "grandpa", "gustave"),
    *("iven", "john", "linda", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "marcelo", "max", "michel", "miguel"),
    *("norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph", "travis"),
    *("victor", "zac"),
)
"""Those of the program that sound like people; each speaks with one of the accents, in turn."""
HELD_OUT = {"test": 12, "valid": 6}


def fetch_voices(folder: Path = CACHE / "espeak") -> list[Path]:
    """A folder with the digits 0 to 9 for each voice, in `folder`; the program is fetched by apt once.

    Raises FetchError.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as name:
            for package in PACKAGES:
                unpack(package, Path(name))
            said = Path(name) / "said"
            for number, voice in enumerate(VOICES):
                _say(Path(name), f"{ACCENTS[number % len(ACCENTS)]}+{voice}", said / voice)
            said.replace(folder)
    return [folder / voice for voice in VOICES]


def _say(program: Path, voice: str, folder: Path) -> None:
    """Make a folder with the digits of a voice."""
    libraries = next(program.glob("usr/lib/*/espeak-ng-data"), None)
    if libraries is None:
        raise FetchError("espeak-ng-data: it lacks what it is named after")
    folder.mkdir(parents=True)
    command = [str(program.absolute() / "usr/bin/espeak-ng"), f"--path={libraries.parent.absolute()}", "-v", voice]
    for digit in "0123456789":
        given = {"LD_LIBRARY_PATH": str(libraries.parent.absolute())}
        run([*command, "-w", f"{digit}.wav", digit], folder, given)


def write_voices(sources: Sequence[Path], folder: Path) -> Mapping[str, Mapping[str, Path]]:
    """Strings of those digits, the voices of the splits apart. sources: a folder for each voice."""
    left = list(sources)
    random.Random("voices").shuffle(left)
    voices = {}
    for split, count in (HELD_OUT | {"train": len(left)}).items():
        taken, left = left[:count], left[count:]
        voices[split] = [read_voice([voice / f"{digit}.wav" for digit in range(10)]) for voice in taken]
    return {"": write_spoken(voices, folder)}
