"""The shim by itself: what it imports, what it says where CuPy is missing, its examples."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from backend.processes import python

import gpurnn
from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.exceptions import BackendError, UsageError

PACKAGE = Path(gpurnn.__file__).parent
NO_CUPY = "import sys; sys.modules['cupy'] = None\n"  # every import of it fails, as where it is not installed


def test_cupy_is_imported_in_one_folder_only() -> None:
    pattern = re.compile(r"^\s*(?:import|from)\s+cupy|import_module\(.cupy|__import__\(.cupy", re.MULTILINE)
    importing = {path for path in PACKAGE.rglob("*.py") if pattern.search(path.read_text("utf-8"))}
    assert importing, "the pattern finds nothing"
    assert {path.parent for path in importing} == {PACKAGE / "backend" / "cuda"}


def test_training_on_the_cpu_never_imports_cupy() -> None:
    code = """
import sys
import numpy as np
from gpurnn import backend
from gpurnn.network import Model, ModelConfig
from gpurnn.training.control import Control
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
be = backend.get("cpu")
model = Model(be, ModelConfig(symbols=5, hidden=4, dropout=0.5))
model.params.initialise(be, 0)
ws, state = model.workspace(2, 3), model.state(2)
ws.batch.steps = 3
ws.batch.weight.fill(1); ws.batch.scale.fill(1 / 6); ws.batch.carry.fill(1)
before = model.params.values.copy()
model.forward(ws, state); model.backward(ws)
optimizer = Optimizer(be, model.params, OptimizerConfig())
optimizer.ctl[Control.RATE] = 0.01
optimizer.step(ws.loss, ws.batch.scale)
assert (model.params.values != before).any()
print(sorted(name for name in sys.modules if name.startswith(("cupy", "gpurnn.backend.cuda"))))
"""
    assert python(code) == "[]"


def test_importing_the_shim_imports_no_array_library_but_numpy_and_nothing_of_networks() -> None:
    code = "import sys, gpurnn.backend; print([n for n in sys.modules if n.startswith(('cupy', 'h5py', 'gpurnn.'))])"
    assert set(re.findall(r"'([^']+)'", python(code))) == {
        "gpurnn.backend",
        "gpurnn.backend.base",
        "gpurnn.backend.declared",
        "gpurnn.exceptions",
    }


def test_without_cupy_auto_is_the_cpu_and_says_why() -> None:
    code = (
        NO_CUPY + "from gpurnn import backend; be = backend.get('auto'); print(be.name, backend.available(), be.reason)"
    )
    assert python(code) == "cpu ('cpu',) CuPy is not installed"


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
def test_without_cupy_a_gpu_is_refused_in_one_line_that_names_the_extra(device: str) -> None:
    code = f"""{NO_CUPY}
from gpurnn import backend
from gpurnn.exceptions import BackendError
try:
    backend.get({device!r})
except BackendError as error:
    print(error)
"""
    lines = python(code).splitlines()
    assert len(lines) == 1
    advice = "install the GPU extra: pip install 'gpurnn[cuda12]' or 'gpurnn[cuda13]', to fit your driver"
    assert lines[0] == f"device '{device}': CuPy is not installed; {advice}"


def test_with_cupy_but_no_device_auto_is_the_cpu_and_a_gpu_is_refused(emulated: ModuleType) -> None:
    code = """
from gpurnn import backend
from gpurnn.exceptions import BackendError
be = backend.get("auto")
print(be.name, be.reason)
try:
    print(backend.get("cuda"))
except BackendError as error:
    print(error)
"""
    first, second = python(code).splitlines()  # that process has not put the emulated device in place
    assert re.fullmatch(r"cpu CuPy finds no usable GPU \(.*\)", first)
    assert re.match(r"device 'cuda': CuPy .*; install the GPU extra", second)


@pytest.mark.parametrize(
    "device",
    ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:\u0663", "cuda0", "", "cpu:0", "CUDA", None, 0, b"cpu", ["cpu"]],
)
def test_a_device_that_is_none_is_wrong_usage(device: object) -> None:
    with pytest.raises(UsageError, match=re.escape(f"device {device!r}: expected auto, cpu, cuda or cuda:N")):
        backend.get(device)


def test_the_cpu_is_always_there() -> None:
    be = backend.get("cpu")
    assert (be.name, be.device, be.xp) == ("cpu", "cpu", np)
    assert be.reason == "the CPU was asked for"
    assert backend.available()[-1] == "cpu"


def test_auto_takes_the_first_gpu(cuda: Backend) -> None:
    assert backend.available() == (*(f"cuda:{n}" for n in range(len(backend.available()) - 1)), "cpu")
    be = backend.get("auto")
    assert (be.device, be.reason) == ("cuda:0", "a GPU was found")
    assert cuda.device == "cuda:0"
    assert cuda.reason == "cuda was asked for"


def test_a_gpu_that_is_not_there_is_named(cuda: Backend) -> None:
    count = len(backend.available()) - 1
    with pytest.raises(BackendError, match=rf"device 'cuda:{count}': there is no such GPU; found cuda:0"):
        backend.get(f"cuda:{count}")


def test_what_decides_the_bits_is_described(cuda: Backend) -> None:
    described = cuda.describe()
    assert {
        "backend",
        "numpy",
        "cupy",
        "driver",
        "runtime",
        "cublas",
        "device",
        "compute_capability",
    } <= described.keys()


def test_array_namespace(be: Backend) -> None:
    assert backend.array_namespace(be.zeros((2,), "float32")) is be.xp
    with pytest.raises(UsageError, match="expected a numpy or cupy array, found list"):
        backend.array_namespace([1, 2])


def test_every_backend_has_the_contracts_signatures(be: Backend) -> None:
    for name, declared in inspect.getmembers(Backend, inspect.isfunction):
        if not name.startswith("_"):
            ours = inspect.signature(getattr(type(be), name))
            assert list(ours.parameters) == list(inspect.signature(declared).parameters), name


def test_the_examples_of_the_shim() -> None:
    result = doctest.testmod(backend)
    assert result.attempted >= 5
    assert result.failed == 0
