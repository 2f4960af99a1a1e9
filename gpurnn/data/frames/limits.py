"""How much one file may have, so that a small one can take no more memory than a large one."""

from pathlib import Path

from gpurnn.exceptions import DataError

MOST_NUMBERS = 1 << 24
"""Of the frames of one file, of its samples of sound, of the points of a picture."""


def expect_numbers(path: Path, *sizes: int) -> None:
    """Raises DataError where a file has too many numbers: the product of sizes; or none."""
    count = 1
    for size in sizes:
        count *= size
    if count > MOST_NUMBERS:
        raise wrong(path, f"it has {count:,} numbers, at most {MOST_NUMBERS:,} may be in one file; cut it into pieces")
    if not count:
        raise wrong(path, "it has no frames; leave it out")


def wrong(path: Path, reason: str) -> DataError:
    """What is wrong with a file."""
    return DataError(f"{path}: {reason}")
