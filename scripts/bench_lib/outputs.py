"""Types of arguments for argparse: where a script's files go, by the rule of the program's own outputs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from gpurnn.exceptions import UsageError
from gpurnn.files.errors import explain
from gpurnn.files.output import find_folder, find_output


def output_file(name: str) -> Path:
    """A file that may be made or replaced."""
    return _checked(Path(name), find_output)


def output_folder(name: str) -> Path:
    """A folder that is there or may be made."""
    return _checked(Path(name), find_folder)


def _checked(name: Path, find: Callable[[Path], Path]) -> Path:
    try:
        find(name)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{name}: {explain(error)}") from None
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name
