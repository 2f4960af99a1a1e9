"""Which arguments of `gpurnn.prepare` belong to which kind of corpus, beside texts and series alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpurnn.exceptions import UsageError

KINDS = ("labels", "tags", "pairs", "vectors", "frames")
"""The arguments that say of which kind a corpus is; labels and tags may be of texts or of series."""
_OF: dict[str, tuple[Any, tuple[str, ...]]] = {
    "label_column": (None, ("labels",)),
    "tag_column": (None, ("tags",)),
    "text_column": ((), ("labels", "tags")),
    "source": ((), ("pairs",)),
    "target": ((), ("pairs",)),
    "target_tokens": (None, ("pairs",)),
    "max_length": (None, ("pairs", "vectors", "frames")),
    "text": (None, ("frames",)),
    "splice": (None, ("frames",)),
    "skip": (None, ("frames",)),
    "seed": (0, KINDS),
}
"""The arguments that only these have: the default, and what they are for."""


def refuse_other_kinds(given: Mapping[str, Any]) -> None:
    """Raises UsageError where two kinds are asked for, and where an argument is for another kind.

    given: at least all arguments of these kinds and of texts, by name.
    """
    kinds = [name for name in KINDS if given[name]]
    if len(kinds) > 1:
        raise UsageError(f"`{kinds[0]}` contradicts `{kinds[1]}`: a corpus is of one kind; leave one of them out")
    for name, (default, of) in _OF.items():
        value = given[name]
        if value != default and not (default == () and not value) and not set(kinds) & set(of):
            shown = " and ".join(filter(None, (", ".join(f"`{each}`" for each in of[:-1]), f"`{of[-1]}`")))
            raise UsageError(f"`{name}` is for {shown}; give {'it' if len(of) == 1 else 'one of them'}, too")
    if given["document_separator"] is not None and kinds and not given["series"]:
        raise UsageError(f"`document_separator` is for texts, not for `{kinds[0]}`; leave one of them out")
