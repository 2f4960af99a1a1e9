"""On the CPU every test here that takes `be` runs twice: with compiled bodies and with those in NumPy."""

from __future__ import annotations

import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.backend.cpu import CpuBackend


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "be" in metafunc.fixturenames and metafunc.config.getoption("--backend") == "cpu":
        metafunc.parametrize("be", ["compiled", "numpy"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def be(request: pytest.FixtureRequest) -> Backend:
    if not hasattr(request, "param"):
        return backend.get(request.config.getoption("--backend"))
    made = CpuBackend(compiled=request.param == "compiled")
    if made.describe()["pointwise"] != {"compiled": "compiled", "numpy": "numpy"}[request.param]:
        pytest.skip("gpurnn was installed without a C compiler: there are no compiled bodies to test")
    return made
