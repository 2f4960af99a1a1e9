"""Which backend the tests run on: NumPy, or CuPy on a GPU or on the emulated device."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))  # `import cudahost`, here and in the processes that tests start

import cudahost  # noqa: E402
from cudahost.probe import real_driver  # noqa: E402
from outside_cell import register as register_outside_cell  # noqa: E402

ON_A_BACKEND = frozenset({"be", "cuda", "emulated"})
"""Fixtures that make a test part of the CuPy suite."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        choices=["cpu", "cuda"],
        default="cpu",
        help="what the fixture `be` is; with cuda only the tests that depend on the backend run",
    )


def pytest_configure(config: pytest.Config) -> None:
    register_outside_cell()  # every suite that reads the table of cells takes it like any other
    if config.getoption("--backend") == "cpu":
        return
    if importlib.util.find_spec("cupy") is None:
        raise pytest.UsageError("--backend cuda: cupy is not installed here; scripts/test installs it")
    if real_driver():
        os.environ.setdefault("CUPY_CACHE_DIR", str(HERE.parent / ".cache" / "cupy"))
    else:
        try:
            cudahost.activate()
        except RuntimeError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_report_header(config: pytest.Config) -> str:
    if config.getoption("--backend") == "cpu":
        return "backend: cpu"
    return "backend: cuda, " + ("on the emulated device" if cudahost.active() else "on a real GPU")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The CuPy suite leaves out what does not depend on the backend: the NumPy suite has run it."""
    if config.getoption("--backend") == "cpu":
        return
    chosen: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        (chosen if ON_A_BACKEND.intersection(getattr(item, "fixturenames", ())) else left_out).append(item)
    items[:] = chosen
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def be(pytestconfig: pytest.Config):
    """The backend of this run, see --backend."""
    from gpurnn import backend

    return backend.get(pytestconfig.getoption("--backend"))


@pytest.fixture(scope="session")
def eager(be, pytestconfig: pytest.Config):
    """The backend of this run without CUDA graphs: for tests that hook into a window, which a graph would not call."""
    from gpurnn import backend

    return be if be.name == "cpu" else backend.get(pytestconfig.getoption("--backend"), graphs=False)


@pytest.fixture(scope="session")
def cuda(pytestconfig: pytest.Config, request: pytest.FixtureRequest):
    """The backend `be` for tests that only make sense on CUDA; skips elsewhere."""
    if pytestconfig.getoption("--backend") == "cpu":
        pytest.skip("needs CUDA, real or emulated: pytest --backend cuda")
    return request.getfixturevalue("be")


@pytest.fixture
def emulated() -> Iterator[ModuleType]:
    """The module `cudahost`, for tests that read its counters or set its strictness; skips on other devices."""
    if not cudahost.active():
        pytest.skip("needs the emulated CUDA device: pytest --backend cuda, with cupy installed and no GPU")
    yield cudahost
    cudahost.clear_error()
