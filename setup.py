"""Builds the compiled functions of the CPU backend, gpurnn.backend._native; all else stands in pyproject.toml."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, product
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

NATIVE = "gpurnn/backend/native"
FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
FOLDERS = [".", NATIVE]
"""Where #include looks."""


def found(pattern: str) -> list[str]:
    """The paths of files, in a fixed order."""
    return sorted(map(str, Path().glob(pattern)))


OF_EACH_SET = [
    *(f"{NATIVE}/{name}.c" for name in ("gemm", "loop", "masks", "pack", "set", "tiles")),
    "gpurnn/operations.c",
    *found("gpurnn/network/*/*.c"),
    *found("gpurnn/training/*.c"),
]
"""What is compiled for each instruction set and number type: with SET and REAL defined, see native/sets.h."""
ONCE = sorted(set(found(f"{NATIVE}/*.c")) - set(OF_EACH_SET))
"""What is compiled as it stands."""
REALS = ("float", "double")


def instruction_sets(compiler: list[str]) -> dict[str, list[str]]:
    """The options for each instruction set that this compiler knows; `base` is what every processor has."""
    done = subprocess.run([*compiler, "-dM", "-E", "-x", "c", "/dev/null"], capture_output=True, text=True, check=True)
    known = {line.split()[1] for line in done.stdout.splitlines()}
    if {"__GNUC__", "__x86_64__", "__linux__"} <= known and "__clang__" not in known:
        v3 = ["-mavx2", "-mfma", "-mbmi", "-mbmi2"]
        v4 = ["-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
        return {"v4": [*v3, *v4], "v3": v3, "base": []}
    return {"base": []}


class BuildNative(build_ext):
    """Compiles some files several times, and links all that comes of them."""

    def build_extension(self, ext: Extension) -> None:
        """Raises CompileError where there is no compiler: without the extension NumPy does the same work, slower."""
        try:
            sets = instruction_sets(self.compiler.compiler_so)
        except (OSError, subprocess.SubprocessError) as error:
            raise CompileError(f"no C compiler: {error}") from error
        if len(sets) > 1:
            ext.define_macros = [("SETS_OF_X86_64", None)]
        variants = list(product(sets.items(), REALS))
        with ThreadPoolExecutor(os.cpu_count()) as compilers:
            ext.extra_objects = list(chain.from_iterable(compilers.map(self.compile_variant, variants)))
        super().build_extension(ext)

    def compile_variant(self, variant: tuple[tuple[str, list[str]], str]) -> list[str]:
        """The objects of one instruction set, its name and options, and of one number type."""
        (name, options), real = variant
        objects: list[str] = self.compiler.compile(
            OF_EACH_SET,
            output_dir=str(Path(self.build_temp, f"{real}_{name}")),
            macros=[("SET", name), ("REAL", real)],
            include_dirs=FOLDERS,
            extra_postargs=[*FLAGS, *options],
        )
        return objects


if __name__ == "__main__":
    native = Extension(
        "gpurnn.backend._native",
        ONCE,
        include_dirs=FOLDERS,
        extra_compile_args=FLAGS,
        depends=OF_EACH_SET + found("gpurnn/**/*.h"),
        optional=True,
    )
    setup(ext_modules=[native], cmdclass={"build_ext": BuildNative})
