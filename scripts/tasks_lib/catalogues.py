"""Short texts of programs and their translations, out of the catalogues of Debian's packages."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks_lib.debian import unpack
from tasks_lib.packages import CACHE, FetchError
from tasks_lib.tables import write_splits

PACKAGES = (
    "audacity-data",
    "claws-mail-i18n",
    "coreutils",
    "evolution-common",
    "geany-common",
    "gimp-data",
    "git",
    "gnome-control-center-data",
    "gnucash-common",
    "gnumeric-common",
    "libgtk-3-common",
    "pidgin-data",
    "vlc-l10n",
)
_MAGIC = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}


def fetch_catalogues(language: str = "de", folder: Path = CACHE / "catalogues") -> list[Path]:
    """The catalogues of a language in those packages, fetched by apt once, in `folder`; nothing is installed.

    Raises FetchError, where there is no apt, too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for package in PACKAGES:
        there = folder / f"{package}-{language}"
        if not there.exists():
            _fetch(package, language, there)
        found += sorted(there.iterdir())
    return found


def _fetch(package: str, language: str, there: Path) -> None:
    """Make a folder with the catalogues of a package."""
    with TemporaryDirectory(dir=there.parent) as name:
        folder = Path(name)
        unpack(package, folder)
        catalogues = sorted(folder.glob(f"usr/share/locale/{language}/LC_MESSAGES/*.mo"))
        if not catalogues:
            raise FetchError(f"{package}: there is no catalogue of {language} in it")
        chosen = folder / "chosen"
        chosen.mkdir()
        for each in catalogues:
            each.replace(chosen / each.name)
        chosen.replace(there)


def read_catalogue(path: Path) -> Iterator[tuple[str, str]]:
    """The texts of a .mo file and their translations; of such with a plural the singular, and no context."""
    data = path.read_bytes()
    order = _MAGIC[data[:4]]
    count, sources, targets = struct.unpack_from(f"{order}3I", data, 8)
    for number in range(count):
        found = []
        for table in (sources, targets):
            length, begin = struct.unpack_from(f"{order}2I", data, table + 8 * number)
            found.append(data[begin : begin + length].split(b"\0")[0].decode("utf-8", "replace"))
        yield found[0].rpartition("\x04")[2], found[1]


def write_translations(catalogues: Sequence[Path], folder: Path) -> Mapping[str, Mapping[str, Path]]:
    """Tables of texts and their translations, those of the splits.

    Texts of one line, the marks _ and & of keys taken away from both sides; all translations of a text are in one
    split.
    """
    translations: dict[str, dict[str, None]] = {}
    for path in catalogues:
        for both in read_catalogue(path):
            if any("\n" in text.strip() for text in both):
                continue
            source, target = (" ".join(text.replace("_", "").replace("&", "").split()) for text in both)
            if source and target:
                translations.setdefault(source, {})[target] = None
    found = ["".join(f"{source}\t{target}\n" for target in each) for source, each in translations.items()]
    return {"": write_splits(folder, found)}
