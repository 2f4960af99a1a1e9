"""What `gpurnn.prepare` or the command was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

_POLICY = ("encoding", "errors", "newline", "normalise", "lower")


@dataclass(frozen=True)
class Request:
    """The arguments of `gpurnn.prepare` by name, files as paths or as "-"; those that a kind lacks left out or not.

    stdin: what "-" stands for. progress: see `on_progress`.
    """

    given: Mapping[str, Any]
    stdin: IO[bytes] | None = None
    progress: Callable[[str, int, int], None] | None = None

    def __getitem__(self, name: str) -> Any:
        return self.given[name]

    def options(self, *names: str) -> dict[str, Any]:
        """Arguments as they are, and `files`: whether the splits valid and test come from files."""
        return {name: self.given[name] for name in names} | {"files": bool(self.given["valid"] or self.given["test"])}

    def handed_on(self, *names: str) -> dict[str, Any]:
        """What everything that makes a corpus is given as it is; names: of more arguments."""
        found = {name: self.given[name] for name in ("valid", "test", "force", *names)}
        return found | {"stdin": self.stdin, "progress": self.progress}

    @property
    def policy(self) -> dict[str, Any]:
        """What was said of how bytes become text."""
        return {name: self.given[name] for name in _POLICY if self.given[name] is not None}
