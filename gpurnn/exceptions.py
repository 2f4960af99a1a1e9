"""Errors that a person can act on: each message says what was found, what was expected, and what to do."""


class GpurnnError(Exception):
    """Base of every error that gpurnn raises on purpose; the command line prints it as one line and exits with 1."""

    exit_code = 1


class UsageError(GpurnnError):
    """Options that contradict each other or a value out of its range; exit code 2."""

    exit_code = 2


class BackendError(GpurnnError):
    """A device or array library that is missing, out of memory, or was asked for something it cannot do."""


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
