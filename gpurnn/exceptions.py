"""Errors that a person can act on: each message says what was found, what was expected, and what to do.

Where a message tells a person to change a setting, its name stands in backquotes, `lr_floor`, or its name and a value,
`restart=0`. The command line shows the option that is meant, --lr-floor, --restart 0.
"""

import os
import shlex


class GpurnnError(Exception):
    """Base of every error that gpurnn raises on purpose; the command line prints it as one line and exits with 1."""

    exit_code = 1


class UsageError(GpurnnError):
    """Options that contradict each other or a value out of its range; exit code 2."""

    exit_code = 2


class BackendError(GpurnnError):
    """A device or array library that is missing, or was asked for something it cannot do."""


class OutOfMemoryError(BackendError):
    """A device without room for what was asked of it."""


class DataError(GpurnnError):
    """A text that cannot be read, or a symbol that a vocabulary lacks."""


class CorpusError(DataError):
    """A corpus file that is missing, truncated, hostile, or not a corpus at all."""


class CheckpointError(GpurnnError):
    """A checkpoint that is missing, damaged, or does not fit what it is loaded into."""


class RunError(GpurnnError):
    """A run directory that exists, is in use, cannot be written, or does not match what is asked of it."""


class TrainingError(GpurnnError):
    """Training that cannot go on: the loss stayed non-finite or diverged."""


def shell_word(path: str | os.PathLike[str]) -> str:
    """A path as one word of a command line that a shell takes for that path, whatever characters and bytes it has."""
    text = os.fspath(path)
    if text.startswith("-"):
        text = f"./{text}"  # it is no option
    if text.isprintable() and "`" not in text:  # which surrounds settings in messages
        return shlex.quote(text)
    plain = "".join(c if c.isprintable() and c not in "'\\`" else _octal(c) for c in text)
    return f"$'{plain}'"


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))
