"""Recognises by content what is no text in an 8-bit encoding: files of other formats, and UTF-16 and UTF-32.

PostScript, HTML, XML and the like are text. Nothing here looks at names.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

HEAD = 1 << 16
"""How many bytes of a file's beginning `recognise` and `wide_encoding` look at; more is not needed."""
WIDE_ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
GZIP = b"\x1f\x8b"
_NUL_SHARE = 0.3
_FEWEST = 32  # bytes: of less nothing is said but by a signature


@dataclass(frozen=True)
class Format:
    """A kind of file that is no text.

    name: what messages call it, with its article. remedy: what makes text of it; {pipe} stands for what reads the
    text, as in "xzcat FILE {pipe}". signature: the regular expression that its first bytes match.
    """

    name: str
    remedy: str
    signature: bytes


_PLAIN = "give plain text instead"
_CONVERT = "make text of it first: pandoc -t plain FILE {pipe}"
_OFFICE = "make text of it first: soffice --convert-to txt:Text FILE"
_SHEET = "make text of it first: soffice --convert-to csv FILE"
_SEVEN = "unpack it first: 7z x FILE"
_ZIP = rb"(?=PK\x03\x04)"
_HDF5 = rb"\x89HDF\r\n\x1a\n|.{512}\x89HDF\r\n\x1a\n|.{1024}\x89HDF\r\n\x1a\n|.{2048}\x89HDF\r\n\x1a\n"

_TABLE: tuple[tuple[str, str, bytes], ...] = (
    # archives
    ("a tar archive", "unpack it first: tar -xf FILE", rb".{257}ustar(?:\0\d\d|  \0)"),
    ("a tar archive", "unpack it first: tar -xf FILE", rb"[^\0].{98}\0(?:[0-7 ]{6,7}[ \0]{1,2}){3}"),
    ("a 7-Zip archive", _SEVEN, rb"7z\xbc\xaf'\x1c"),
    ("a RAR archive", "unpack it first: unrar x FILE", rb"Rar!\x1a\x07"),
    ("a cpio archive", "unpack it first: cpio -id < FILE", rb"07070[12][\da-fA-F]{104}|070707[0-7]{70}"),
    ("a cpio archive", "unpack it first: cpio -id < FILE", rb"(?:\xc7\x71|\x71\xc7)(?=.{0,24}\0)"),
    ("an ar archive or Debian package", "unpack it first: ar x FILE", rb"!<(?:arch|thin)>\n"),
    ("an RPM package", "unpack it first: rpm2cpio FILE | cpio -id", rb"\xed\xab\xee\xdb"),
    ("a cabinet archive", "unpack it first: cabextract FILE", rb"MSCF\0{4}"),
    ("an ISO 9660 disk image", _SEVEN, rb".{32768}[\0-\x03\xff]CD001\x01"),
    ("an LHA archive", _SEVEN, rb"..-lh[\dd]-(?=.{0,16}\0)"),
    ("a xar archive", "unpack it first: xar -xf FILE", rb"xar!\0"),
    # documents and data in zip archives, before those of any kind
    ("a Word document (DOCX)", _CONVERT, _ZIP + rb"(?=.*PK\x03\x04.{26}word/(?:document|_rels))"),
    ("an Excel workbook (XLSX)", _SHEET, _ZIP + rb"(?=.*PK\x03\x04.{26}xl/(?:workbook|_rels))"),
    ("a PowerPoint presentation (PPTX)", _OFFICE, _ZIP + rb"(?=.*PK\x03\x04.{26}ppt/(?:presentation|_rels))"),
    ("an Office document", _OFFICE, rb"PK\x03\x04.{26}\[Content_Types\]\.xml"),
    ("an EPUB book", _CONVERT, rb"PK\x03\x04.{26}mimetypeapplication/epub"),
    ("an OpenDocument file (ODT, ODS, ODP)", _OFFICE, rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis"),
    ("a file of PyTorch tensors", _PLAIN, rb"PK\x03\x04.{26}[^/\0]{1,200}/(?:data\.pkl|\.format_version|\.data/)"),
    ("a file of NumPy arrays (NPZ)", _PLAIN, rb"PK\x03\x04.{26}[^\0]{1,200}\.npy"),
    ("a Java archive", _PLAIN, rb"PK\x03\x04.{26}META-INF/"),
    ("a zip archive", "unpack it first: unzip FILE", rb"PK(?:\x03\x04|\x05\x06|\x07\x08)"),
    # compressed files; a gzip file is read, so that only one inside another is met here
    ("a gzip file", "unpack it first: zcat FILE {pipe}", re.escape(GZIP)),
    ("a bzip2 file", "unpack it first: bzcat FILE {pipe}", rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
    ("an xz file", "unpack it first: xzcat FILE {pipe}", rb"\xfd7zXZ\0"),
    ("an LZMA file", "unpack it first: xzcat FILE {pipe}", rb"\x5d\0\0.{2}(?:\xff{8}|.{5}\0{3})"),
    ("a Zstandard file", "unpack it first: zstdcat FILE {pipe}", rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
    ("an LZ4 file", "unpack it first: lz4 -dc FILE {pipe}", rb"\x04\"M\x18|\x02!L\x18"),
    ("a file of compress (.Z)", "unpack it first: zcat FILE {pipe}", rb"\x1f[\x9d\xa0\x1e]"),
    ("an lzip file", "unpack it first: lzip -dc FILE {pipe}", rb"LZIP[\0\x01]"),
    ("an lzop file", "unpack it first: lzop -dc FILE {pipe}", rb"\x89LZO\0\r\n\x1a\n"),
    ("a snappy file", "unpack it first: snzip -dc FILE {pipe}", rb"\xff\x06\0\0sNaPpY"),
    # documents
    ("a PDF document", "make text of it first: pdftotext FILE - {pipe}", rb"(?:\xef\xbb\xbf)?\s{0,8}%PDF-\d"),
    ("a document of Word, Excel or the like (OLE2)", _OFFICE, rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("an RTF document", _CONVERT, rb"\{\\rtf"),
    ("a DjVu document", "make text of it first: djvutxt FILE {pipe}", rb"AT&TFORM"),
    ("a Kindle or Palm book", "make text of it first: ebook-convert FILE book.txt", rb".{60}(?:BOOKMOBI|TEXtREAd)"),
    ("a compiled help file (CHM)", _SEVEN, rb"ITSF[\x01-\x04]\0"),
    # images
    ("a PNG image", _PLAIN, rb"\x89PNG\r\n\x1a\n"),
    ("a JPEG image", _PLAIN, rb"\xff\xd8\xff[\xc0-\xfe]|\0\0\0\x0cjP  |\xff\x4f\xff\x51|\0\0\0\x0cJXL "),
    ("a GIF image", _PLAIN, rb"GIF8[79]a(?=.{0,6}\0)"),
    ("a BMP image", _PLAIN, rb"BM.{4}\0{4}..\0\0[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3}"),
    ("a TIFF image", _PLAIN, rb"II[*+]\0|MM\0[*+]"),
    ("a WebP image", _PLAIN, rb"RIFF.{4}WEBP.{7}\0"),
    ("an icon", _PLAIN, rb"\0\0\x01\0[^\0]\0.{3}\0[\0\x01]\0[\0\x01\x04\x08\x10\x18\x20]\0"),
    ("a Photoshop image", _PLAIN, rb"8BPS\0[\x01\x02]"),
    ("a HEIF or AVIF image", _PLAIN, rb"\0\0..ftyp(?:hei|hev|mif1|msf1|avif|avis)"),
    # sound and video
    ("a WAV file", _PLAIN, rb"(?:RIFF|RF64).{4}WAVE.{7}\0"),
    ("an AVI video", _PLAIN, rb"RIFF.{4}AVI .{7}\0"),
    ("an AIFF file", _PLAIN, rb"FORM.{4}AIF[FC].{4}\0"),
    ("a FLAC file", _PLAIN, rb"fLaC[\0\x80]\0\0"),
    ("an Ogg file", _PLAIN, rb"OggS\0"),
    ("an MP3 file", _PLAIN, rb"ID3[\x02-\x04].|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef](?=.{0,64}\0)"),
    ("an AAC file", _PLAIN, rb"\xff[\xf0\xf1\xf8\xf9][\x40-\x7f](?=.{0,64}\0)"),
    ("a MIDI file", _PLAIN, rb"MThd\0\0\0\x06"),
    ("an MP4 or QuickTime video", _PLAIN, rb"\0\0..(?:ftyp|moov|mdat|free|wide)"),
    ("a Matroska or WebM video", _PLAIN, rb"\x1aE\xdf\xa3"),
    ("an MPEG video", _PLAIN, rb"\0\0\x01[\xb3\xba]"),
    ("a Windows Media file", _PLAIN, rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("a Flash video", _PLAIN, rb"FLV\x01|[FCZ]WS[\x01-\x20].{2}\0"),
    # data
    ("an HDF5 file", "if it is a corpus, train on it: gpurnn train FILE -o RUN", _HDF5),
    ("a NumPy array", _PLAIN, rb"\x93NUMPY[\x01-\x03]\0"),
    ("a file of tensors (safetensors)", _PLAIN, rb".{3}[\0-\x06]\0{4}\{\s*[\"}]"),
    ("a file of tensors (GGUF)", _PLAIN, rb"GGUF[\x01-\x09]\0{3}"),
    ("a TensorFlow Lite model", _PLAIN, rb"..\0\0TFL3"),
    ("a Python pickle", _PLAIN, rb"\x80[\x02-\x05]"),
    ("an SQLite database", "export its text first: sqlite3 FILE .dump {pipe}", rb"SQLite format 3\0"),
    ("a Parquet file", "export its text first, with pandas or duckdb", rb"PAR1[\x15\x19]"),
    ("an Arrow or Feather file", "export its text first, with pandas or pyarrow", rb"ARROW1\0\0|FEA1\0"),
    ("an Arrow stream", "export its text first, with pandas or pyarrow", rb"\xff{4}.{2}[\0-\xff]\0\x10\0{3}"),
    ("an Avro file", "export its text first: avrocat FILE {pipe}", rb"Obj\x01"),
    ("an ORC file", "export its text first, with pandas or pyarrow", rb"ORC(?=.{0,16}\0)"),
    ("a MATLAB file", _PLAIN, rb"MATLAB 5\.0 MAT-file.{107}(?:IM|MI)"),
    ("a NetCDF file", _PLAIN, rb"CDF[\x01\x02\x05]"),
    ("a FITS file", _PLAIN, rb"SIMPLE  = {20}T"),
    ("a DICOM image", _PLAIN, rb".{128}DICM"),
    ("a git pack", _PLAIN, rb"PACK\0\0\0[\x02\x03]"),
    # programs
    ("an ELF program or library", _PLAIN, rb"\x7fELF"),
    ("a Mach-O program or library", _PLAIN, rb"\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe"),
    ("a Mach-O program or library", _PLAIN, rb"\xca\xfe\xba\xbe\0{3}[\x01-\x13]"),
    ("a Java class", _PLAIN, rb"\xca\xfe\xba\xbe"),
    ("a Windows program or library", _PLAIN, rb"MZ(?=.{62,4096}PE\0\0)|MZ\x90\0\x03\0"),
    ("compiled Python (.pyc)", _PLAIN, rb".[\x0b-\x0f]\r\n[\0-\x03]\0{3}"),
    ("a WebAssembly module", _PLAIN, rb"\0asm[\x01-\x0f]\0"),
    ("LLVM bitcode", _PLAIN, rb"BC\xc0\xde"),
    ("compiled Lua", _PLAIN, rb"\x1bLua"),
    ("a Windows link", _PLAIN, rb"L\0\0\0\x01\x14\x02\0"),
    ("a font", _PLAIN, rb"OTTO\0|\0\x01\0\0\0|true\0|ttcf\0|wOF[F2](?:\0\x01\0\0|OTTO|true)"),
)
FORMATS = tuple(Format(*row) for row in _TABLE)
NULS = Format("binary data (more than 30 % NULs)", _PLAIN, b"")


def recognise(head: bytes) -> Format | None:
    """The format of a file that begins with `head` (its first HEAD bytes, or all of it); None: it may be text."""
    return next((known for known in FORMATS if re.match(known.signature, head, re.DOTALL)), None)


def mostly_nuls(head: bytes) -> bool:
    """Whether so many of these bytes are NULs that they are no text in an 8-bit encoding."""
    return len(head) >= _FEWEST and head.count(0) > _NUL_SHARE * len(head)


@dataclass(frozen=True)
class WideEncoding:
    """UTF-16 or UTF-32 as found in a file. name: as Python calls it. marked: by a byte order mark."""

    name: str
    marked: bool

    def __str__(self) -> str:
        return f"{self.name} with{'' if self.marked else 'out'} a byte order mark"

    @property
    def option(self) -> str:
        """What to give as `encoding`; where there is a mark, the name that takes it away."""
        return self.name[: len("utf-16")] if self.marked else self.name

    def is_read_as(self, encoding: str) -> bool:
        """Whether text in this encoding is read rightly when `encoding` (Python's own name) is asked for."""
        return encoding in (self.name, self.option)


_MARKS = (  # those of UTF-32 first: they begin like those of UTF-16
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def wide_encoding(head: bytes) -> WideEncoding | None:
    """UTF-16 or UTF-32 where a text that begins with `head` (its first HEAD bytes, or all of it) is in one of them.

    A byte order mark decides. Without one a text is UTF-32 where it can be decoded as that. It is UTF-16 where, of
    each two bytes, one (the same everywhere) is below 32 at three of four places, NUL at some of them, and the
    other one rarely NUL: so look all scripts whose letters have numbers below 8192. In both cases (nearly) every
    character found has to be an assigned one and no control character. Chinese, Japanese and Korean in UTF-16 without
    a mark are not seen; they are no UTF-8 either.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return WideEncoding(name, True)
    if 0 not in head:
        return None
    for name, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        units = head[: len(head) - len(head) % width]
        if len(units) >= 4 and (width == 4 or _looks_wide(units, name)) and _is_readable(units, name):
            return WideEncoding(name, False)
    return None


_CONTROLS = bytes(range(32))


def _looks_wide(units: bytes, name: str) -> bool:
    high, low = (units[1::2], units[::2]) if name == "utf-16-le" else (units[::2], units[1::2])
    below = len(high) - len(high.translate(None, _CONTROLS))
    return below >= 0.75 * len(high) and high.count(0) >= 0.02 * len(high) and low.count(0) < 0.5 * high.count(0)


def _is_readable(units: bytes, name: str) -> bool:
    """Whether these bytes are characters of this encoding, (nearly) all assigned and no control characters."""
    try:
        text = units.decode(name)
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return False
        text = units[: error.start].decode(name)
    counts = Counter(text)
    bad = (c for c in counts if c not in "\t\n\r\f" and unicodedata.category(c) in ("Cc", "Cn", "Cs"))
    return sum(counts[c] for c in bad) <= 0.05 * len(text)
