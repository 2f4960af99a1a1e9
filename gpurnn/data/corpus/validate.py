"""Checks a corpus file before anything in it is used, and says where its data are.

The file may come from a stranger. HDF5 is asked, through its low-level interface, only for what the format needs:
the links, classes and layouts below are checked before they are followed, and the data themselves are never read by
HDF5 but by plain reads at the checked places (`gpurnn.data.corpus.chunks`).
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5l, h5o, h5p, h5s, h5t

from gpurnn.data.corpus.chunks import ChunkedData, Descriptor
from gpurnn.data.corpus.inuse import describe_writer
from gpurnn.data.corpus.schema import ATTRIBUTE, Manifest
from gpurnn.exceptions import CorpusError
from gpurnn.files.output import open_regular

MAX_ATTRIBUTE_BYTES = 64 * 1024
MAX_CHUNK_BYTES = 1024 * 1024
MIN_CHUNK_BYTES = 4096
"""Of a dataset of several chunks: bounds the chunk map by the size of the file."""
ALLOWED_FILTERS: frozenset[int] = frozenset()
"""Filters that a dataset may have: none, because none is written; so a chunk holds exactly its declared bytes."""
_TYPES = {"u": "unsigned integers", "i": "signed integers", "f": "IEEE floating-point numbers"}
_SIGNS = {"u": h5t.SGN_NONE, "i": h5t.SGN_2}
_FLOATS = {4: h5t.IEEE_F32LE, 8: h5t.IEEE_F64LE}
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def open_validated(path: Path) -> tuple[Descriptor, Manifest, dict[str, ChunkedData]]:
    """The open file, what its manifest says, and its datasets by path.

    Raises CorpusError, one line with the reason, when the file is missing, cannot be read, or is not exactly a
    corpus. The caller closes the descriptor.
    """
    try:
        descriptor = Descriptor(open_regular(path, os.O_RDONLY), str(path))
    except OSError as error:
        raise CorpusError(f"{path}: cannot open the corpus: {error.strerror}") from None
    try:
        with _reasons(path, descriptor):
            _check_beginning(descriptor)
            with _hdf5(path, descriptor) as root:
                manifest = Manifest.from_json(_read_attribute(root))
                return descriptor, manifest, _datasets(root, manifest, descriptor)
    except BaseException:
        descriptor.close()
        raise


@contextmanager
def _reasons(path: Path, descriptor: Descriptor) -> Iterator[None]:
    """Puts the path before each reason and makes an error of HDF5 a CorpusError of one line."""
    try:
        yield
    except (CorpusError, OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        writer = describe_writer(descriptor.number)
        if writer is not None:
            raise CorpusError(f"{path}: cannot open the corpus: {writer}") from None
        reason = " ".join(str(error).split())
        wrong = reason if isinstance(error, CorpusError) else f"truncated or damaged ({reason:.160})"
        raise CorpusError(f"{path}: not a corpus: {wrong}") from None


def _check_beginning(descriptor: Descriptor) -> None:
    if os.fstat(descriptor.number).st_size == 0:
        raise CorpusError("an empty file")
    if os.pread(descriptor.number, len(_SIGNATURE), 0) != _SIGNATURE:
        raise CorpusError("not an HDF5 file; make one with gpurnn prepare")


@contextmanager
def _hdf5(path: Path, descriptor: Descriptor) -> Iterator[Any]:
    """The root group of the file, opened by HDF5 for the time of the validation."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fapl_sec2()
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_file_locking(False, True)
    file = h5f.open(os.fsencode(path), h5f.ACC_RDONLY, fapl=access)
    try:
        if not os.path.sameopenfile(file.get_vfd_handle(access), descriptor.number):
            raise CorpusError("it was replaced while it was opened; try again")
        if file.get_create_plist().get_userblock() != 0:
            raise CorpusError("it has a user block, expected none")
        yield h5g.open(file, b"/")
    finally:
        file.close()


def _read_attribute(root: Any) -> bytes:
    count = h5a.get_num_attrs(root)
    name = ATTRIBUTE.encode()
    if count != 1 or not h5a.exists(root, name):
        raise CorpusError(f"it has {count} attributes, expected one named {ATTRIBUTE}; make one with gpurnn prepare")
    attribute = h5a.open(root, name)
    kind = attribute.get_type()
    if kind.get_class() != h5t.STRING or kind.is_variable_str():
        raise CorpusError(f"its attribute {ATTRIBUTE} is {_type_name(kind)}, expected a fixed-length string")
    if attribute.get_space().get_simple_extent_type() != h5s.SCALAR:
        raise CorpusError(f"its attribute {ATTRIBUTE} is an array, expected one string")
    size = kind.get_size()
    if not 0 < size <= MAX_ATTRIBUTE_BYTES:
        raise CorpusError(f"its attribute {ATTRIBUTE} has {size} bytes, expected at most {MAX_ATTRIBUTE_BYTES}")
    text = np.zeros((), f"S{size}")
    attribute.read(text, mtype=kind)
    return text.tobytes().rstrip(b"\0")


def _datasets(root: Any, manifest: Manifest, descriptor: Descriptor) -> dict[str, ChunkedData]:
    expected = manifest.datasets()
    file_bytes = os.fstat(descriptor.number).st_size
    declared = sum(length * dtype.itemsize for length, dtype in expected.values())
    if declared > file_bytes:
        raise CorpusError(f"it declares {declared} bytes of data, the file has only {file_bytes}")
    folders = sorted({path.split("/")[0] for path in expected})
    addresses: set[int] = set()
    _check_links(root, "/", folders, h5o.TYPE_GROUP, addresses)
    found = {}
    for folder in folders:
        group = h5g.open(root, folder.encode())
        names = sorted(path.split("/")[1] for path in expected if path.startswith(folder + "/"))
        _check_links(group, folder, names, h5o.TYPE_DATASET, addresses)
        for name in names:
            path = f"{folder}/{name}"
            dataset = h5d.open(group, name.encode())
            found[path] = _check_dataset(dataset, path, *expected[path], descriptor, file_bytes)
    return found


def _check_links(group: Any, where: str, names: list[str], kind: int, addresses: set[int]) -> None:
    """Refuses a group that holds anything but these names, each a hard link to its own object without attributes."""
    count = group.get_num_objs()
    if count != len(names):
        raise CorpusError(f"its group {where} holds {count} objects, expected exactly {', '.join(names)}")
    for name in names:
        label = f"{where.rstrip('/')}/{name}".lstrip("/")
        if not group.links.exists(name.encode()):
            raise CorpusError(f"it has no object {label}")
        link = group.links.get_info(name.encode()).type
        if link != h5l.TYPE_HARD:
            what = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "an external link"}.get(link, "an unknown link")
            raise CorpusError(f"its object {label} is {what}, expected the object itself")
        info = h5o.get_info(group, name.encode())
        if info.type != kind:
            raise CorpusError(f"its object {label} is not a {'group' if kind == h5o.TYPE_GROUP else 'dataset'}")
        if info.num_attrs != 0:
            raise CorpusError(f"its object {label} has {info.num_attrs} attributes, expected none")
        if info.addr in addresses:
            raise CorpusError(f"its object {label} is there twice, under another name")
        addresses.add(info.addr)


def _check_dataset(
    dataset: Any, path: str, length: int, dtype: np.dtype[Any], descriptor: Descriptor, file_bytes: int
) -> ChunkedData:
    kind, space = dataset.get_type(), dataset.get_space()
    _check_storage(dataset.get_create_plist(), path, kind.get_size())
    _check_type(kind, path, dtype)
    if space.get_simple_extent_type() != h5s.SIMPLE or space.get_simple_extent_ndims() != 1:
        raise CorpusError(f"its dataset {path} is not an array of one dimension")
    if space.get_simple_extent_dims() != (length,) or space.get_simple_extent_dims(True) != (length,):
        shape = space.get_simple_extent_dims()
        raise CorpusError(f"its dataset {path} has the shape {shape}, expected ({length},), fixed")
    (chunk,) = dataset.get_create_plist().get_chunk()
    chunk_bytes = chunk * dtype.itemsize
    if chunk < length and chunk_bytes < MIN_CHUNK_BYTES:
        raise CorpusError(f"its dataset {path} has chunks of {chunk_bytes} bytes, expected {MIN_CHUNK_BYTES} or more")
    addresses = _chunk_map(dataset, path, length, chunk, chunk_bytes, file_bytes)
    return ChunkedData(descriptor, path, length, dtype, chunk, addresses)


def _check_storage(properties: Any, path: str, itemsize: int) -> None:
    if properties.get_external_count() != 0:
        raise CorpusError(f"its dataset {path} is stored in external files, expected none")
    layout = properties.get_layout()
    if layout != h5d.CHUNKED:
        names = {h5d.COMPACT: "compact", h5d.CONTIGUOUS: "contiguous", h5d.VIRTUAL: "virtual"}
        raise CorpusError(f"its dataset {path} has the layout {names.get(layout, layout)}, expected chunked")
    chunk_bytes = math.prod(properties.get_chunk()) * itemsize
    if chunk_bytes > MAX_CHUNK_BYTES:
        raise CorpusError(f"its dataset {path} has chunks of {chunk_bytes} bytes, expected at most {MAX_CHUNK_BYTES}")
    for index in range(properties.get_nfilters()):
        number = properties.get_filter(index)[0]
        if number not in ALLOWED_FILTERS:
            raise CorpusError(f"its dataset {path} has the filter {number}, expected none")


def _check_type(kind: Any, path: str, dtype: np.dtype[Any]) -> None:
    real, expected = dtype.kind == "f", _TYPES[dtype.kind]
    if kind.get_class() != (h5t.FLOAT if real else h5t.INTEGER):
        raise CorpusError(f"its dataset {path} holds {_type_name(kind)}, expected {expected}")
    exact = (
        kind.get_size() == dtype.itemsize
        and (dtype.itemsize == 1 or kind.get_order() == h5t.ORDER_LE)
        and kind.get_precision() == 8 * dtype.itemsize
        and kind.get_offset() == 0
        and (kind.equal(_FLOATS[dtype.itemsize]) if real else kind.get_sign() == _SIGNS[dtype.kind])
    )
    if not exact:
        raise CorpusError(
            f"its dataset {path} holds {'floating-point numbers' if real else 'integers'} of {kind.get_size()} bytes "
            f"of another kind, expected {expected.split()[0]} little-endian ones of {dtype.itemsize}"
        )


def _chunk_map(
    dataset: Any, path: str, length: int, chunk: int, chunk_bytes: int, file_bytes: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where each chunk begins in the file, (chunks,) int64; refuses chunks that are missing or outside the file."""
    count = -(-length // chunk)
    addresses = np.full(count, -1, np.int64)

    def visit(info: Any) -> str | None:
        index, rest = divmod(info.chunk_offset[0], chunk)
        if rest or index >= count or addresses[index] >= 0:
            return f"a chunk at {info.chunk_offset[0]} that does not belong there"
        if info.filter_mask != 0 or info.size != chunk_bytes:
            return f"a chunk of {info.size} bytes, expected {chunk_bytes}"
        if info.byte_offset is None or not 0 <= info.byte_offset <= file_bytes - chunk_bytes:
            return "a chunk outside the file"
        addresses[index] = info.byte_offset
        return None

    if dataset.get_num_chunks() != count:
        raise CorpusError(
            f"its dataset {path} has {dataset.get_num_chunks()} chunks, expected {count}; some are missing"
        )
    reason = dataset.chunk_iter(visit)
    if reason is not None or (addresses < 0).any():
        raise CorpusError(f"its dataset {path} has {reason or 'missing chunks'}")
    return addresses


def _type_name(kind: Any) -> str:
    names = {
        h5t.INTEGER: "integers",
        h5t.FLOAT: "floating-point numbers",
        h5t.STRING: "strings",
        h5t.BITFIELD: "bit fields",
        h5t.OPAQUE: "an opaque type",
        h5t.COMPOUND: "a compound type",
        h5t.REFERENCE: "references to objects",
        h5t.ENUM: "an enumeration",
        h5t.VLEN: "a variable-length type",
        h5t.ARRAY: "an array type",
    }
    name = names.get(kind.get_class(), "an unknown type")
    return "a variable-length string" if kind.get_class() == h5t.STRING and kind.is_variable_str() else name
