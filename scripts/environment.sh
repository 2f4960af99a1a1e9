# Sourced by scripts that install into an environment of their own; they run in the checkout's root.
# Sets python (from PYTHON), driver, cuda_packages and, without a GPU, emulated_packages.

fail() {
    echo "scripts/$(basename "$0"): $1" >&2
    exit 1
}

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python: Python 3.11 or newer is needed"

driver=$("$python" tests/cudahost/probe.py) # the CUDA version of a GPU's driver; empty without a GPU

# What cupy needs here: on a GPU its own libraries, else what the emulated device is built with.
if [ -n "$driver" ]; then
    extra=cuda13
    [ "${driver%%.*}" -ge 13 ] || extra=cuda12
    cuda_packages=(--editable ".[$extra,dev]")
else
    emulated_packages=('cupy-cuda13x>=14,<15'
        'nvidia-cuda-runtime>=13,<14' 'nvidia-cuda-crt>=13,<14' 'nvidia-cuda-nvrtc>=13,<14')
    cuda_packages=(--editable '.[dev]' "${emulated_packages[@]}")
fi

# can_emulate: whether the emulated device can be built here.
can_emulate() {
    [ "$(uname -sm)" = "Linux x86_64" ] && command -v "${CUDAHOST_CXX:-g++}" >/dev/null
}

# environment DIRECTORY [--upon OTHER] PACKAGE...: made anew when its packages, pyproject.toml, setup.py or the
# interpreter changed. With --upon it sees all that stands in the environment OTHER, too, which must be there.
# Its status says whether it could be made.
environment() {
    local directory=$1 other='' stamp
    shift
    stamp=$({ "$python" --version && echo "$PWD" "$@" && cat pyproject.toml setup.py; } | cksum)
    [ "$(cat "$directory/stamp" 2>/dev/null)" = "$stamp" ] && return
    if [ "$1" = --upon ]; then
        other=$2
        shift 2
    fi
    "$python" -m pip --version >/dev/null || fail "$python: pip is needed"
    echo "== installing $directory" >&2
    "$python" -m venv --clear --without-pip "$directory" &&
        { [ -z "$other" ] || see "$directory" "$other"; } &&
        "$python" -m pip --python "$directory" install --quiet --disable-pip-version-check "$@" &&
        echo "$stamp" >"$directory/stamp"
}

# see DIRECTORY OTHER: the first environment finds the packages of the other.
see() {
    "$1/bin/python" -c '
import sys
import sysconfig
from pathlib import Path

here = Path(sysconfig.get_path("purelib"))
there = Path(sys.argv[2]).absolute() / here.relative_to(sys.prefix)
(here / "other.pth").write_text(f"import site; site.addsitedir({str(there)!r})\n")
' "$@"
}
