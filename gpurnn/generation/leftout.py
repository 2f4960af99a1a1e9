"""Rows that cannot be read: they end a prediction, or are left out and counted."""

from __future__ import annotations

from gpurnn.data.series.reader import BadRow


class LeftOut:
    """skip: whether bad rows are left out. count: how many were. first: what was wrong with the first of them."""

    def __init__(self, *, skip: bool) -> None:
        self._skip = skip
        self.count, self.first = 0, ""

    def add(self, why: str) -> None:
        """A bad row, where it is and what is wrong. Raises BadRow unless they are left out."""
        if not self._skip:
            raise BadRow(f"{why}; `bad_rows=skip` leaves such rows out")
        self.count += 1
        self.first = self.first or why
