"""What a disk may hold after the power fails: any part of what was not yet synced.

The model promises no more than POSIX does. What was written to a file lasts once that file is synced; that a name was
made, renamed or removed lasts once its folder is synced. Of the rest any subset survives, of each write any subset of
its blocks; what is lost of a file that has grown reads as zeros or as rubbish.
"""

import copy
import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.cases import Outcome, Scenario, run_child
from faults.shim import Shim, resolve
from gpurnn.exceptions import GpurnnError

BLOCK = 512


@dataclass(frozen=True, eq=False)
class Operation:
    """One recorded call; see shim.c. Two calls are never equal."""

    call: str
    path: str
    other: str
    inode: int
    offset: int
    data: bytes


@dataclass
class File:
    """A file or folder: what of it is safe, and what was done since its last sync.

    For a folder, what is not yet safe are operations on its names.
    """

    is_folder: bool = False
    content: bytes = b""
    pending: list[Operation] = field(default_factory=list)


@dataclass
class Disk:
    """Names and files as far as they are safe, and what may or may not be."""

    names: dict[str, File] = field(default_factory=dict)
    current: dict[int, File] = field(default_factory=dict)  # by inode, as the running system sees them
    made: dict[Operation, File] = field(default_factory=dict)
    folders: dict[str, File] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)

    def do(self, operation: Operation) -> None:
        """Take in one recorded call."""
        if operation.call == "mark":
            self.marks.append(operation.path)
        elif operation.call in ("create", "mkdir"):
            file = self.current[operation.inode] = File(operation.call == "mkdir")
            self.made[operation] = file
            if file.is_folder:
                self.folders[operation.path] = file
            self._parent(operation.path).pending.append(operation)
        elif operation.call in ("rename", "unlink"):
            self.made[operation] = self.current[operation.inode]
            self._parent(operation.path).pending.append(operation)
        elif operation.call in ("write", "truncate"):
            self.current[operation.inode].pending.append(operation)
        elif operation.call == "fsync":
            self._sync(self.current[operation.inode])

    def _parent(self, path: str) -> File:
        return self.folders[str(Path(path).parent)]

    def _sync(self, file: File) -> None:
        for operation in file.pending:
            if file.is_folder:
                self.change_names(self.names, operation)
            else:
                file.content = changed(file.content, operation)
        file.pending.clear()

    def change_names(self, names: dict[str, File], operation: Operation) -> None:
        """Let one operation on names take place in `names`."""
        file = self.made[operation]
        if operation.call == "unlink" or names.get(operation.path) is file:
            names.pop(operation.path, None)
        if operation.call == "rename":
            names[operation.other] = file
        elif operation.call != "unlink":
            names[operation.path] = file

    def uncertain(self) -> list[tuple[File, Operation]]:
        """What was done since the last sync of the file or folder it was done to."""
        files = {id(file): file for file in (*self.current.values(), *self.made.values(), *self.folders.values())}
        return [(file, operation) for file in files.values() for operation in file.pending]


def changed(content: bytes, operation: Operation) -> bytes:
    """The content of a file after a write or truncation."""
    if operation.call == "truncate":
        return content[: operation.offset].ljust(operation.offset, b"\0")
    end = operation.offset + len(operation.data)
    return content[: operation.offset].ljust(operation.offset, b"\0") + operation.data + content[end:]


def read_record(path: Path) -> list[Operation]:
    """The calls that the library recorded."""
    operations = []
    with open(path, "rb") as file:
        for line in file:
            call, name, other, inode, offset, size = line.decode().rstrip("\n").split("\t")
            operations.append(Operation(call, name, other, int(inode), int(offset), file.read(int(size))))
    return operations


def snapshot(folder: Path) -> Disk:
    """A disk on which all of `folder` is safe."""
    disk = Disk()
    for path in (folder, *sorted(folder.rglob("*"))):
        file = File(path.is_dir(), b"" if path.is_dir() else path.read_bytes())
        disk.current[path.stat().st_ino] = disk.names[str(path)] = file
        if file.is_folder:
            disk.folders[str(path)] = file
    return disk


Tear = Callable[[bytes, Operation], bytes]
State = tuple[Disk, list[tuple[File, Operation]], Tear]


def lay_out(disk: Disk, survivors: list[tuple[File, Operation]], tear: Tear, source: Path, target: Path) -> None:
    """Write to `target` what is left of `source` where only the survivors took place, each write as `tear` has it."""
    names = dict(disk.names)
    contents: dict[int, bytes] = {}
    for file, operation in survivors:
        if file.is_folder:
            disk.change_names(names, operation)
        else:
            contents[id(file)] = tear(contents.get(id(file), file.content), operation)
    for name, file in sorted(names.items()):
        path = target / Path(name).relative_to(source)
        if path != target and not path.parent.is_dir():
            continue  # the folder itself is lost
        if file.is_folder:
            path.mkdir()
        else:
            path.write_bytes(contents.get(id(file), file.content))


def torn(generator: random.Random) -> Tear:
    """Writes of which each block survives by chance; what is lost beyond the old end is cut, zeros or rubbish."""

    def tear(content: bytes, operation: Operation) -> bytes:
        if operation.call == "truncate" or generator.random() < 0.5:
            return changed(content, operation)
        whole = changed(content, operation)
        kept = bytearray(whole if generator.random() < 0.7 else whole[: generator.randint(len(content), len(whole))])
        for start in range(operation.offset - operation.offset % BLOCK, len(kept), BLOCK):
            if generator.random() < 0.5:
                end = min(start + BLOCK, len(kept))
                old = content[start:end]
                rubbish = generator.randbytes if generator.random() < 0.3 else bytes
                kept[start:end] = old + rubbish(end - start - len(old))
        return bytes(kept)

    return tear


def _sampled(operations: list[Operation], disk: Disk, count: int, seed: int) -> Iterator[State]:
    """(disk, survivors, tear) of `count` random states."""
    generator = random.Random(seed)
    cuts = sorted(generator.randrange(len(operations) + 1) for _ in range(count))
    done = 0
    for cut in cuts:
        for operation in operations[done:cut]:
            disk.do(operation)
        done = cut
        chance = generator.choice([0.0, 0.2, 0.5, 0.8, 1.0])
        yield disk, [each for each in disk.uncertain() if generator.random() < chance], torn(generator)


def _all(operations: list[Operation], disk: Disk, most_bits: int) -> Iterator[State]:
    """(disk, survivors, tear) of every subset of whole operations after every call.

    Of more than `most_bits` uncertain operations, the oldest are taken as lost in one half and as safe in the other.
    """
    for operation in (None, *operations):
        if operation is not None:
            disk.do(operation)
        uncertain = disk.uncertain()
        old, new = uncertain[: max(0, len(uncertain) - most_bits)], uncertain[max(0, len(uncertain) - most_bits) :]
        for bits in itertools.product((False, True), repeat=len(new)):
            chosen = [each for each, bit in zip(new, bits, strict=True) if bit]
            yield disk, chosen, changed
            if old:
                yield disk, old + chosen, changed


def replay(scenario: str, scratch: str, count: int, seed: int, most_bits: int = 0) -> dict[str, Any]:
    """Record the scenario's work once, then check what `count` random power losses would leave.

    most_bits: if not 0, every subset of up to that many uncertain operations is checked after every call as well.

    Returns {"calls": recorded, "states": checked, "violations": one line each}.
    """
    chosen: Scenario = resolve(scenario)
    source = Path(scratch).resolve() / "source"
    source.mkdir()
    chosen.prepare(source)
    before = snapshot(source)
    record = source.with_name("record")
    outcome = run_child(chosen, source, shim=Shim(), record=str(record))
    assert outcome.ending == "done", outcome.text
    operations = read_record(record)
    report: dict[str, Any] = {"calls": outcome.counted, "states": 0, "violations": []}
    plans = [_sampled(operations, copy.deepcopy(before), count, seed)]
    if most_bits:
        plans.append(_all(operations, copy.deepcopy(before), most_bits))
    for disk, survivors, tear in itertools.chain(*plans):
        target = source.with_name("state")
        lay_out(disk, survivors, tear, source, target)
        report["states"] += 1
        try:
            chosen.check(target, Outcome(marks=list(disk.marks)))
        except (AssertionError, GpurnnError) as exc:
            report["violations"].append(f"state {report['states']} after {disk.marks[-1:]}: {exc}")
        shutil.rmtree(target)
    return report
