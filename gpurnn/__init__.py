"""gpurnn: recurrent networks trained on long sequences by truncated back-propagation through time.

    corpus = gpurnn.prepare("book.txt", "book.h5")
    run = gpurnn.train(corpus, "runs/book", cell="gru", minutes=3)
    model = gpurnn.load(run)
    print(model.generate("It was", length=300))

These functions, `gpurnn.evaluate`, `gpurnn.fit`, which learns from arrays, and the array shim `gpurnn.backend` are
loaded when they are first used; importing this package loads nothing. The rooms behind them, each importing only from
those before it: `exceptions`, `settings`, `signals`, `files`; `backend`, usable alone, and `network`; `data`, `runs`,
`training`; `evaluation`, `generation`, `diagnosis`, `export`; `api`, whose functions are those above; `cli`.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["backend", "evaluate", "fit", "load", "prepare", "train"]

TYPE_CHECKING = False  # importing it from typing takes longer than all of this
if TYPE_CHECKING:
    from gpurnn import backend
    from gpurnn.api.arrays import fit
    from gpurnn.api.corpora import prepare
    from gpurnn.api.models import evaluate, load
    from gpurnn.api.runs import train
else:
    _HOMES = {
        "evaluate": "gpurnn.api.models",
        "fit": "gpurnn.api.arrays",
        "load": "gpurnn.api.models",
        "prepare": "gpurnn.api.corpora",
        "train": "gpurnn.api.runs",
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "backend":
            return import_module("gpurnn.backend")
        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
