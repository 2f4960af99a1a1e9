"""Builds the emulated device with g++, once per version of its sources, CuPy and the compiler's target."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "cudahost"
PACKAGES = ("cupy-cuda13x", "nvidia-cuda-runtime", "nvidia-cuda-crt")

# The libraries that CuPy loads, by the prefix of their functions. A function that is not emulated returns the code.
SONAMES = {
    "cuda": "libcuda.so.1",
    "nvrtc": "libnvrtc.so.13",
    "cudart": "libcudart.so.13",
    "cublas": "libcublas.so.13",
    "cublasLt": "libcublasLt.so.13",
    "curand": "libcurand.so.10",
    "cusolver": "libcusolver.so.12",
    "cusparse": "libcusparse.so.12",
    "cufft": "libcufft.so.12",
}
SHIMS = ("plain.h", "headers.h")  # one of them comes before each kernel
UNSUPPORTED = {"cublas": 15, "curand": 203, "cusolver": 7, "cusparse": 10, "cufft": 11}

DEVICE_FLAGS = "-O3 -march=native -fPIC -std=gnu++20 -Wall -fvisibility=hidden -fvisibility-inlines-hidden"
KERNEL_FLAGS = (
    "-O1 -g0 -march=native -fPIC -std=gnu++17 -w -fvisibility=hidden "
    "-fno-gnu-unique -fno-strict-aliasing -ffp-contract=off"
)


@dataclass(frozen=True)
class Build:
    """Where the parts of a built device are."""

    folder: Path
    cupy: Path  # the folder that holds the packages cupy and cupy_backends
    compiler: str
    includes: str
    nvrtc: Path | str  # the real NVRTC; empty where it is not installed
    sonames: tuple[str, ...] = tuple(SONAMES.values())

    def finished(self) -> bool:
        """Whether all of it is there, not the remains of a cache that somebody deleted."""
        headers = [f"shim/{name}.gch" for name in SHIMS]
        return all((self.folder / name).exists() for name in ("libcudahost.so", *headers, *self.sonames))

    @property
    def kernel_flags(self) -> str:
        """The options that compile a kernel, and the precompiled headers that go with it."""
        core = f"{self.cupy}/cupy/_core/include"
        parts = ("", "/cupy/_cccl/cub", "/cupy/_cccl/thrust", "/cupy/_cccl/libcudacxx")
        return " ".join([KERNEL_FLAGS, self.includes, *(f"-I{core}{part}" for part in parts)])


def build() -> Build:
    """The device, built now if need be; processes that ask at the same time wait for each other."""
    made = _plan()
    if made.finished():
        return made
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.finished():
            unfinished = CACHE / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.rmtree(made.folder, ignore_errors=True)
            for part in ("native", "shim"):
                shutil.copytree(HERE / part, unfinished / part)
            _compile(made, unfinished)
            _make_libraries(made, unfinished)
            unfinished.rename(made.folder)
    return made


def _plan() -> Build:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise RuntimeError("the emulated CUDA device runs on Linux on x86-64 only")
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            raise RuntimeError(f"the emulated CUDA device needs: pip install {' '.join(PACKAGES)}") from None
    compiler = os.environ.get("CUDAHOST_CXX", "g++")
    if shutil.which(compiler) is None:
        raise RuntimeError(f"the emulated CUDA device needs {compiler}: apt-get install g++, or dnf install gcc-c++")
    cupy = Path(_package("cupy_backends")).parent
    nvidia = Path(_package("nvidia")) / "cu13"
    nvrtc = next((nvidia / "lib").glob("libnvrtc.so.13"), "")
    flags = [DEVICE_FLAGS, KERNEL_FLAGS, compiler, str(cupy), str(nvrtc), _processor()]
    folder = CACHE / _digest(versions + flags)
    return Build(folder, cupy, compiler, f"-I{nvidia}/include", nvrtc)


def _package(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the package {name} is not installed")
    return spec.submodule_search_locations[0]


def _processor() -> str:
    """What -march=native depends on."""
    found = re.search(r"^flags.*$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[0] if found else ""


def _digest(words: list[str]) -> str:
    digest = hashlib.sha256("\n".join(words).encode())
    for source in sorted([Path(__file__), *HERE.glob("native/*"), *HERE.glob("shim/*")]):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _compile(made: Build, folder: Path) -> None:
    """libcudahost.so, the precompiled headers of the kernels and nvrtc_check."""
    sources = [path for path in sorted((folder / "native").glob("*.cpp")) if path.stem != "nvrtc_check"]
    headers = [folder / "shim" / name for name in SHIMS]
    cxx, flags = made.compiler, [*DEVICE_FLAGS.split(), *made.includes.split()]
    header_flags = [*made.kernel_flags.split(), "-x", "c++-header"]
    commands = [[cxx, *header_flags, str(header), "-o", f"{header}.gch"] for header in headers]
    commands += [[cxx, *flags, "-c", str(path), "-o", str(path.with_suffix(".o"))] for path in sources]
    commands += [[cxx, "-O1", str(folder / "native/nvrtc_check.cpp"), "-o", str(folder / "nvrtc_check"), "-ldl"]]
    _run_two_at_a_time(commands)
    objects = [str(path.with_suffix(".o")) for path in sources]
    library = ["-shared", "-o", str(folder / "libcudahost.so"), "-Wl,-soname,libcudahost.so"]
    _run_two_at_a_time([[cxx, *library, *objects, "-ldl", "-lpthread"]])


def _make_libraries(made: Build, folder: Path) -> None:
    """Small libraries with the names of NVIDIA's, which lead to libcudahost.so."""
    emulated = set(re.findall(r" [TWD] (\w+)", _symbols(folder / "libcudahost.so", "--defined-only")))
    modules = [*made.cupy.glob("cupy_backends/cuda/libs/*.so"), *made.cupy.glob("cupy/cuda/*.so")]
    wanted = {name for module in modules for name in re.findall(r" U (\w+)", _symbols(module, "--undefined-only"))}
    commands = []
    for family, soname in SONAMES.items():
        source = folder / f"{family}.cpp"
        missing = sorted(name for name in wanted - emulated if re.match(f"{family}[A-Z]", name))
        source.write_text(
            'extern "C" int hk_unimplemented(const char*);\n'
            + "".join(
                f'extern "C" int {name}() {{ hk_unimplemented("{name}"); return {UNSUPPORTED.get(family, 1)}; }}\n'
                for name in missing
            )
        )
        names = ["-o", str(folder / soname), f"-Wl,-soname,{soname}", "-Wl,--no-as-needed"]
        commands.append([made.compiler, "-shared", "-fPIC", *names, str(source), str(folder / "libcudahost.so")])
    _run_two_at_a_time(commands)


def _symbols(path: Path, which: str) -> str:
    return subprocess.run(["nm", "-D", which, path], capture_output=True, text=True, check=True).stdout


def _run_two_at_a_time(commands: list[list[str]]) -> None:
    waiting = list(commands)
    running: list[tuple[list[str], subprocess.Popen[str]]] = []
    while waiting or running:
        while waiting and len(running) < 2:
            command = waiting.pop(0)
            running.append((command, subprocess.Popen(command, stderr=subprocess.PIPE, text=True)))
        command, process = running.pop(0)
        errors = process.communicate()[1]
        if process.returncode:
            raise RuntimeError(f"the emulated CUDA device does not build: {' '.join(command)}\n{errors[-4000:]}")
