"""No function of the built extension uses instructions that the processors may lack on which it is called."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from gpurnn.backend.cpu import _native

FUNCTION = re.compile(r"[0-9a-f]+ <(?P<name>[^>]+)>:")
INSTRUCTION = re.compile(r" *[0-9a-f]+:\t(?P<code>[0-9a-f ]+)\t(?P<text>.+)")
PREFIXES = frozenset({"26", "2e", "36", "3e", "64", "65", "67"})  # that may stand before any instruction
ALLOWED = {
    r"\w+_v4": {"AVX", "AVX-512"},
    r"\w+_v3": {"AVX"},
    r"pack_bf16_(rows|panels)|any_tile|two_avx512_tiles": {"AVX", "AVX-512", "BF16"},
    r"two_amx_tiles|shape_registers|release_registers": {"AVX", "AVX-512", "AMX"},
}
"""Functions, and what they may use that not every x86-64 has. AVX: all that is encoded as it is, FMA and BMI too."""


def kind(code: str, text: str) -> str | None:
    """What an instruction belongs to, from its first byte that is no prefix: with 62 all of AVX-512 begins but what has
    to do with masks alone, with c4 and c5 that and all of AVX. None: every x86-64 has it."""
    first = next(byte for byte in code.split() if byte not in PREFIXES)
    if first not in ("62", "c4", "c5"):
        return None
    if "tmm" in text or text.startswith(("tile", "ldtilecfg", "sttilecfg")):
        return "AMX"
    if re.match(r"\w*(bf16|pbh)", text):
        return "BF16"
    return "AVX-512" if first == "62" or re.search(r"%(k[0-7]|zmm)", text) else "AVX"


def instructions_of(disassembly: str) -> Iterator[tuple[str, str, str]]:
    """Of `objdump -dw`: the function, with what GCC has made of a part of it, such as f.cold or f.part.0, under its own
    name; the bytes; and the text of each instruction."""
    function = ""
    for line in disassembly.splitlines():
        if begun := FUNCTION.match(line):
            function = begun["name"].partition(".")[0]
        elif found := INSTRUCTION.match(line):
            yield function, found["code"], found["text"]


def used(disassembly: str) -> dict[str, dict[str, str]]:
    """For each function one instruction of each kind that it uses."""
    found: dict[str, dict[str, str]] = {}
    for function, code, text in instructions_of(disassembly):
        of = found.setdefault(function, {})
        if this := kind(code, text):
            of.setdefault(this, text)
    return found


def strays(disassembly: str) -> list[str]:
    """Instructions that stand in a function that may not use them."""
    found = []
    for function, kinds in used(disassembly).items():
        allowed = next((may for names, may in ALLOWED.items() if re.fullmatch(names, function)), set())
        found += [f"{function}: {each}: {text}" for each, text in kinds.items() if each not in allowed]
    return found


MULTIPLY_512 = "    1000:\t62 f1 7c 48 59 c0       \tvmulps %zmm0,%zmm0,%zmm0"
MULTIPLY_256 = "    1000:\tc5 fc 59 c0             \tvmulps %ymm0,%ymm0,%ymm0"
MULTIPLY_128 = "    1000:\tc5 f8 59 c0             \tvmulps %xmm0,%xmm0,%xmm0"
MULTIPLY_XMM16 = "    1000:\t62 e1 7c 08 59 c0       \tvmulps %xmm0,%xmm0,%xmm16"
MULTIPLY_SSE = "    1000:\t0f 59 c0                \tmulps  %xmm0,%xmm0"
MASK = "    1000:\tc5 f8 92 c8             \tkmovw  %eax,%k1"
SHIFT = "    1000:\tc4 e2 f9 f7 c3          \tshlx   %rax,%rbx,%rax"
FROM_THREAD = "    1000:\t64 62 f1 7c 48 10 04 25 00 00 00 00 \tvmovups %fs:0x0,%zmm0"
DOT_BF16 = "    1000:\t62 f2 7e 48 52 c0       \tvdpbf16ps %zmm0,%zmm0,%zmm0"
DOT_AMX = "    1000:\tc4 e2 42 5c c6          \ttdpbf16ps %tmm7,%tmm6,%tmm0"
RELEASE = "    1000:\tc4 e2 78 49 c0          \ttilerelease"
ADD_K = "    1000:\t48 01 c3                \tadd    %rax,%rbx"


@pytest.mark.parametrize(
    "function", ["gemm", "tanh_base", "f_base.cold", "v4_of", "f_v4_base", "times_packed_amx_bf16"]
)
@pytest.mark.parametrize("line", [MULTIPLY_512, MULTIPLY_256, MULTIPLY_128, MASK, SHIFT, FROM_THREAD, DOT_AMX, RELEASE])
def test_anything_beyond_x86_64_elsewhere_is_found(function: str, line: str) -> None:
    text = line.split("\t")[-1]
    (found,) = strays(f"0000000000001000 <{function}>:\n{MULTIPLY_SSE}\n{line}\n{ADD_K}")
    assert found.startswith(f"{function.partition('.')[0]}: ")
    assert found.endswith(text)


@pytest.mark.parametrize(
    ("function", "allowed", "not_allowed"),
    [
        (
            "f_v3",
            [MULTIPLY_256, MULTIPLY_128, SHIFT, MULTIPLY_SSE],
            [MULTIPLY_512, MULTIPLY_XMM16, MASK, DOT_BF16, DOT_AMX],
        ),
        ("f_v4", [MULTIPLY_512, MULTIPLY_256, MULTIPLY_XMM16, MASK, SHIFT, FROM_THREAD], [DOT_BF16, DOT_AMX, RELEASE]),
        ("any_tile", [MULTIPLY_512, MASK, DOT_BF16], [DOT_AMX, RELEASE]),
        ("two_amx_tiles", [MULTIPLY_256, DOT_AMX, RELEASE], [DOT_BF16]),
    ],
)
@pytest.mark.parametrize("part", ["", ".cold", ".part.0", ".constprop.1", ".isra.0.constprop.0"])
def test_what_each_set_may_use(function: str, part: str, allowed: list[str], not_allowed: list[str]) -> None:
    head = f"0000000000001000 <{function}{part}>:\n"
    assert strays(head + "\n".join(allowed)) == []
    for line in not_allowed:
        assert len(strays(head + line)) == 1, line


def test_every_function_uses_what_its_processors_have() -> None:
    if _native is None:
        pytest.skip("needs the compiled operations: install with a C compiler")
    if shutil.which("objdump") is None:
        pytest.skip("needs objdump, of binutils")
    done = subprocess.run(["objdump", "-dw", _native.__file__], capture_output=True, text=True, check=True, timeout=120)
    found = used(done.stdout)
    if "tile_1_1_float_v4" not in found:
        pytest.skip("needs an extension with names that GCC built on x86-64 Linux: others have one instruction set")
    assert "AVX-512" in found["tile_1_1_float_v4"], "the disassembly is not understood"
    assert set(found["tile_1_1_float_v3"]) == {"AVX"}, "the disassembly is not understood"
    assert found["tile_1_1_float_base"] == {}
    assert strays(done.stdout) == []
