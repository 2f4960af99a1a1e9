"""The beginning of a file of each format that is no text; made by Python's own writers where it has them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import marshal
import pickle
import sqlite3
import struct
import sys
import tarfile
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

TEXT = b"To be, or not to be, that is the question.\n" * 40
_KEYED = struct.pack("<Q", 64) + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(64) + bytes(4)


def tar(kind: int = tarfile.GNU_FORMAT) -> bytes:
    file, member = io.BytesIO(), tarfile.TarInfo("book.txt")
    member.size = len(TEXT)
    with tarfile.open(fileobj=file, mode="w", format=kind) as archive:
        archive.addfile(member, io.BytesIO(TEXT))
    return file.getvalue()


def old_tar() -> bytes:
    """Without the magic of POSIX."""
    made = bytearray(tar())
    made[257:512] = bytes(255)
    return bytes(made)


def zipped(*names: str, first: tuple[str, bytes] | None = None) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        if first is not None:
            archive.writestr(zipfile.ZipInfo(first[0]), first[1])
        for name in names:
            archive.writestr(name, TEXT)
    return file.getvalue()


def office(folder: str) -> bytes:
    return zipped("[Content_Types].xml", "_rels/.rels", f"{folder}/theme/theme1.xml", f"{folder}/_rels/document.rels")


def _sqlite() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (x)")
    made = connection.serialize()
    connection.close()
    return made


def _hdf5(user_block: int = 0) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=user_block) as made:
        made["x"] = np.arange(4)
    return file.getvalue()


def _wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(100))
    return file.getvalue()


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(10))
    return file.getvalue()


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.arange(10))
    return file.getvalue()


def _pyc() -> bytes:
    import importlib.util

    return importlib.util.MAGIC_NUMBER + bytes(4) + struct.pack("<II", 1_700_000_000, 9) + marshal.dumps([1, 2])


def _program() -> Iterator[tuple[str, bytes]]:
    yield "an ELF program or library", b"\x7fELF\2\1\1" + bytes(60)
    yield "a Mach-O program or library", b"\xcf\xfa\xed\xfe\7\0\0\1" + bytes(60)
    yield "a Mach-O program or library", b"\xfe\xed\xfa\xce\0\0\0\7" + bytes(60)
    yield "a Mach-O program or library", b"\xca\xfe\xba\xbe\0\0\0\2" + bytes(60)
    if sys.platform == "linux":
        yield "an ELF program or library", Path(sys.executable).read_bytes()[:200_000]
    yield "a Java class", b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(60)
    yield "a Windows program or library", b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff" + bytes(50)
    yield "a Windows program or library", b"MZ" + b"z" * 58 + struct.pack("<I", 128) + b"z" * 64 + b"PE\0\0d\x86"
    yield "compiled Python (.pyc)", _pyc()
    yield "a WebAssembly module", b"\0asm\1\0\0\0\1\4"
    yield "LLVM bitcode", b"BC\xc0\xde5\x14\0\0"
    yield "compiled Lua", b"\x1bLua\x54\0\x19\x93"
    yield "a Windows link", b"L\0\0\0\1\x14\2\0" + bytes(12)
    for head in (b"OTTO\0\x0a", b"\0\1\0\0\0\x0e", b"true\0\x0b", b"ttcf\0\1\0\0", b"wOFF\0\1\0\0", b"wOF2OTTO"):
        yield "a font", head + bytes(40)


def _archives() -> Iterator[tuple[str, bytes]]:
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        yield "a tar archive", tar(kind)
    yield "a tar archive", old_tar()
    yield "a 7-Zip archive", b"7z\xbc\xaf'\x1c\0\4" + bytes(24)
    yield "a RAR archive", b"Rar!\x1a\7\1\0" + bytes(24)
    yield "a RAR archive", b"Rar!\x1a\7\0\xcf" + bytes(24)
    yield "a cpio archive", b"070701" + b"0000001F" * 13 + b"book.txt\0"
    yield "a cpio archive", b"070707" + b"000123" * 11 + b"0000" + b"book.txt\0"
    yield "a cpio archive", b"\xc7\x71\1\xfd\0\x12\xa4\x81" + bytes(18) + b"book.txt\0"
    yield "a cpio archive", b"\x71\xc7\xfd\1\x12\0\x81\xa4" + bytes(18) + b"book.txt\0"
    yield "an ar archive or Debian package", b"!<arch>\ndebian-binary   1700000000  0     0     100644  4"
    yield "an RPM package", b"\xed\xab\xee\xdb\3\0" + bytes(90)
    yield "a cabinet archive", b"MSCF\0\0\0\0\x40\1" + bytes(30)
    yield "an ISO 9660 disk image", bytes(32768) + b"\1CD001\1\0" + bytes(2040)
    yield "a xar archive", b"xar!\0\x1c\0\1" + bytes(20)
    yield "an LHA archive", b"\x24\x6d-lh5-" + struct.pack("<II", 100, 200) + b"\x20\1"
    yield "a Word document (DOCX)", office("word")
    yield "an Excel workbook (XLSX)", office("xl")
    yield "a PowerPoint presentation (PPTX)", office("ppt")
    yield "an Office document", zipped("[Content_Types].xml", "media/image.png")
    yield "an EPUB book", zipped("OEBPS/a.xhtml", first=("mimetype", b"application/epub+zip"))
    for kind in (b"text", b"spreadsheet", b"presentation"):
        mime = b"application/vnd.oasis.opendocument." + kind
        yield "an OpenDocument file (ODT, ODS, ODP)", zipped("content.xml", first=("mimetype", mime))
    yield "a file of PyTorch tensors", zipped("model/data.pkl", "model/data/0")
    yield "a file of PyTorch tensors", zipped("archive/.format_version", "archive/data.pkl")
    yield "a file of NumPy arrays (NPZ)", _npz()
    yield "a Java archive", zipped("META-INF/MANIFEST.MF", "A.class")
    yield "a zip archive", zipped("book.txt")
    yield "a zip archive", zipped()
    yield "a zip archive", b"PK\7\x08" + zipped("book.txt")


def _compressed() -> Iterator[tuple[str, bytes]]:
    yield "a bzip2 file", bz2.compress(TEXT)
    yield "a bzip2 file", bz2.compress(b"")
    yield "an xz file", lzma.compress(TEXT)
    yield "an LZMA file", lzma.compress(TEXT, lzma.FORMAT_ALONE)
    yield "a Zstandard file", b"\x28\xb5\x2f\xfd\x24\x01\x09\0" + TEXT[:1]
    yield "a Zstandard file", b"\x50\x2a\x4d\x18\4\0\0\0abcd"
    yield "an LZ4 file", b'\4"M\x18\x64\x40\xa7' + TEXT
    yield "an LZ4 file", b"\2!L\x18\x10\0\0\0" + TEXT
    yield "a file of compress (.Z)", b"\x1f\x9d\x90To\0"
    yield "an lzip file", b"LZIP\1\x0c\0"
    yield "an lzop file", b"\x89LZO\0\r\n\x1a\n\x10\x40"
    yield "a snappy file", b"\xff\6\0\0sNaPpY\0"


def _documents() -> Iterator[tuple[str, bytes]]:
    yield "a PDF document", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
    yield "a PDF document", b"\xef\xbb\xbf\n%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\n"
    yield "a document of Word, Excel or the like (OLE2)", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
    yield "an RTF document", b"{\\rtf1\\ansi\\deff0 {\\fonttbl {\\f0 Times;}}\nTo be\\par\n}\n"
    yield "a DjVu document", b"AT&TFORM\0\0\1\0DJVU"
    yield "a Kindle or Palm book", b"Hamlet".ljust(60, b"\0") + b"BOOKMOBI" + bytes(20)
    yield "a Kindle or Palm book", b"Hamlet".ljust(60, b"\0") + b"TEXtREAd" + bytes(20)
    yield "a compiled help file (CHM)", b"ITSF\3\0\0\0`\0\0\0"


def _images() -> Iterator[tuple[str, bytes]]:
    yield "a PNG image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(17)
    yield "a JPEG image", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1"
    yield "a JPEG image", b"\0\0\0\x0cjP  \r\n\x87\n"
    yield "a GIF image", b"GIF89a" + struct.pack("<HH", 640, 480) + b"\xf7\0\0"
    yield "a GIF image", b"GIF87a" + struct.pack("<HH", 8224, 8224) + b"ab\0"
    yield "a BMP image", struct.pack("<2sIIIIii", b"BM", 1000, 0, 54, 40, 16, 16) + bytes(28)
    yield "a TIFF image", b"II*\0\x08\0\0\0"
    yield "a TIFF image", b"MM\0*\0\0\0\x08"
    yield "a WebP image", b"RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0"
    yield "an icon", b"\0\0\1\0\2\0\x20\x20\0\0\1\0\x20\0\xa8\x10"
    yield "a Photoshop image", b"8BPS\0\1\0\0"
    yield "a HEIF or AVIF image", b"\0\0\0\x1cftypheic\0\0\0\0"
    yield "a HEIF or AVIF image", b"\0\0\0\x1cftypavif\0\0\0\0"


def _sound_and_video() -> Iterator[tuple[str, bytes]]:
    yield "a WAV file", _wav()
    yield "an AVI video", b"RIFF\x24\0\0\0AVI LIST\x18\1\0\0"
    yield "an AIFF file", b"FORM\0\0\0\x24AIFFCOMM\0\0\0\x12"
    yield "a FLAC file", b"fLaC\0\0\0\x22" + bytes(34)
    yield "an Ogg file", b"OggS\0\2" + bytes(20)
    yield "an MP3 file", b"ID3\4\0\0\0\0\0\x23TSSE"
    yield "an MP3 file", b"\xff\xfb\x90\x64\0\0" + bytes(30)
    yield "an AAC file", b"\xff\xf1\x50\x80\2\x1f\xfc\0"
    yield "a MIDI file", b"MThd\0\0\0\6\0\1\0\2"
    yield "an MP4 or QuickTime video", b"\0\0\0\x20ftypisom\0\0\2\0"
    yield "an MP4 or QuickTime video", b"\0\0\0\x08wide\0\0\2\0mdat"
    yield "a Matroska or WebM video", b"\x1aE\xdf\xa3\x9fB\x86\x81\1"
    yield "an MPEG video", b"\0\0\1\xba\x44\0\4\0"
    yield "a Windows Media file", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa"
    yield "a Flash video", b"FLV\1\5\0\0\0\x09"
    yield "a Flash video", b"CWS\x0a\x10\x20\0\0"


def _data() -> Iterator[tuple[str, bytes]]:
    for block in (0, 512, 1024, 2048):
        yield "an HDF5 file", _hdf5(block)
    yield "a NumPy array", _npy()
    yield "a file of tensors (safetensors)", _KEYED
    yield "a file of tensors (GGUF)", b"GGUF\3\0\0\0\x25\1"
    yield "a TensorFlow Lite model", b"\x1c\0\0\0TFL3\0\0"
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        for value in ({"a": [1, 2]}, [1, "x"], (1,), "text", np.arange(3), {1, 2}, None, 2.5, b"x", 7, 2**40):
            yield "a Python pickle", pickle.dumps(value, protocol)
    yield "an SQLite database", _sqlite()
    yield "a Parquet file", b"PAR1\x15\4\x15\x10\x15\x14L\x15"
    yield "an Arrow or Feather file", b"ARROW1\0\0\xff\xff\xff\xff"
    yield "an Arrow or Feather file", b"FEA1\0\0\0\0\1\0"
    yield "an Arrow stream", b"\xff\xff\xff\xff\x78\0\0\0\x10\0\0\0\0\0"
    yield "an Avro file", b"Obj\1\4\x16avro.schema"
    yield "an ORC file", b"ORC\x11\0\0\n\6\x12\4"
    yield "a MATLAB file", b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\1IM"
    yield "a NetCDF file", b"CDF\1\0\0\0\0\0\0\0\n"
    yield "a FITS file", b"SIMPLE  =                    T / conforms".ljust(80)
    yield "a DICOM image", bytes(128) + b"DICM\2\0\0\0UL"
    yield "a git pack", b"PACK\0\0\0\2\0\0\0\3"


def samples() -> list[tuple[str, bytes]]:
    """(name of the format, bytes of a file) of every format but gzip, which is read."""
    parts = (_archives, _compressed, _documents, _images, _sound_and_video, _data, _program)
    return [sample for part in parts for sample in part()]


def packed(data: bytes) -> bytes:
    """In two members, as `cat a.gz b.gz` makes them."""
    return gzip.compress(data[: len(data) // 2], mtime=0) + gzip.compress(data[len(data) // 2 :], mtime=0)
