"""Answers one row in this process.

`python -m gpu_check_lib.one FILE` finds the row on standard input and leaves the answer in FILE.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path
from typing import Any

from gpu_check_lib.lifetime import end_with_parent
from gpu_check_lib.row import Context, LeftOut


def main() -> None:
    """Read the row, answer it, and leave the answer where the parent looks for it."""
    end_with_parent()
    asked = json.load(sys.stdin)
    answer = Path(sys.argv[1])
    found = _answer(asked["do"], Context(**asked["context"]), asked["arguments"])
    unfinished = answer.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(found, allow_nan=False), "utf-8")
    unfinished.replace(answer)


def _answer(do: str, context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        if context.emulated:
            import cudahost

            cudahost.activate()
        module, _, function = do.partition(":")
        result = getattr(importlib.import_module(module), function)(context, **arguments)
    except LeftOut as reason:
        return {"status": "left_out", "reason": str(reason)}
    except Exception as error:  # whatever it is, it is this row's
        text = " ".join(str(error).split()) or "no words"
        return {"status": "failed", "reason": f"{type(error).__name__}: {text}"}
    wrong = _not_finite(result)
    if wrong:
        return {"status": "failed", "reason": f"not finite: {', '.join(wrong)}"}
    return {"status": "done", "reason": None, **result}


def _not_finite(value: Any, name: str = "") -> list[str]:
    """Where in plain values a number is NaN or infinite."""
    if isinstance(value, dict):
        return [where for key, inner in value.items() for where in _not_finite(inner, f"{name}.{key}".lstrip("."))]
    if isinstance(value, list):
        return [where for index, inner in enumerate(value) for where in _not_finite(inner, f"{name}[{index}]")]
    return [name] if isinstance(value, float) and not math.isfinite(value) else []


if __name__ == "__main__":
    main()
