"""The former name of `gpurnn.training.optimizer`."""

import warnings
from typing import Any

from gpurnn.training import optimizer


def __getattr__(name: str) -> Any:
    value = getattr(optimizer, name)
    text = f"gpurnn.training.optim has a new name: import {name} from gpurnn.training.optimizer"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    return value
