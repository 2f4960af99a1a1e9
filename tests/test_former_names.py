"""Import paths that the README has shown: they work, and those that have moved since say where to."""

from __future__ import annotations

import importlib

import pytest

from gpurnn.training import optimizer

STAYED = {
    "gpurnn.backend": ("available", "get", "array_namespace"),
    "gpurnn.data.corpus": ("Corpus",),
    "gpurnn.data.stream": ("Window", "WindowStream"),
    "gpurnn.network": ("Model", "ModelConfig"),
    "gpurnn.network.through_time": ("error_norms", "through_time"),
    "gpurnn.training.feed": ("Feed",),
    "gpurnn.training.optimizer": ("Optimizer", "OptimizerConfig"),
    "gpurnn.training.step": ("TrainingStep",),
}


@pytest.mark.parametrize("module", STAYED)
def test_the_names_of_the_readme_are_where_it_says(module: str):
    found = importlib.import_module(module)
    assert [name for name in STAYED[module] if getattr(found, name).__name__ != name] == []


def test_optim_is_now_optimizer():
    with pytest.warns(DeprecationWarning, match="import Optimizer from gpurnn.training.optimizer") as told:
        from gpurnn.training.optim import Optimizer
    assert Optimizer is optimizer.Optimizer
    assert [warning.filename for warning in told] == [__file__]


def test_a_name_that_optim_never_had_is_missing_there():
    with pytest.raises(ImportError, match="cannot import name 'Sgd'"):
        from gpurnn.training.optim import Sgd  # noqa: F401
