"""The rooms of the package, drawn from the imports of its modules: nobody imports from a floor above its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import gpurnn

HOUSE = Path(gpurnn.__file__).parent

COMMON = {"exceptions", "settings", "signals", "fields", "files"}
LIBRARY = COMMON | {"backend", "network", "data", "runs", "training"}
MAY_IMPORT: dict[str, set[str]] = {
    "exceptions": set(),
    "settings": {"exceptions"},
    "signals": {"exceptions"},
    "fields": {"exceptions", "settings"},
    "files": {"exceptions"},
    "backend": COMMON,  # knows arrays and devices, nothing of networks
    "network": COMMON | {"backend"},
    "data": COMMON,
    "runs": COMMON | {"data"},  # knows no network
    "training": LIBRARY - {"training"},
    "evaluation": LIBRARY,
    "generation": LIBRARY,
    "diagnosis": LIBRARY,
    "export": LIBRARY,
    "api": LIBRARY | {"evaluation", "generation"},
    "cli": LIBRARY | {"evaluation", "generation", "diagnosis", "export", "api"},
    "__main__": {"signals", "cli"},
    "__init__": {"backend", "api"},  # when they are first asked for
}
"""The rooms from which each room may import, besides itself."""

Module = tuple[str, ...]
"""Where a module stands: ("data", "text", "tokens"); a folder's `__init__.py` is ("data", "text", "__init__")."""


def read_modules(house: Path) -> dict[Module, list[Module]]:
    """What each module of the package imports from the package, in functions and for type checkers too."""
    texts = {file.relative_to(house).with_suffix("").parts: file.read_text("utf-8") for file in house.rglob("*.py")}
    return {module: list(imported(module, text, texts)) for module, text in texts.items()}


def imported(module: Module, text: str, modules: dict[Module, str]) -> Iterator[Module]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ("gpurnn", *module[:-1])[: len(module) + 1 - node.level] if node.level else ()
            start = (*above, *node.module.split(".")) if node.module else above
            names = [(*start, alias.name) for alias in node.names]
        else:
            continue
        for root, *place in names:
            if root == "gpurnn":
                yield found(tuple(place), modules)


def found(place: Module, modules: dict[Module, str]) -> Module:
    """The module that has what is imported under this name: ("data", "corpus", "Corpus") is in ("data", "corpus",
    "__init__").
    """
    beginnings = (place[:end] for end in range(len(place), -1, -1))
    return next(module for start in beginnings for module in (start, (*start, "__init__")) if module in modules)


def upward_arrows(house: Path) -> list[str]:
    """The imports that `MAY_IMPORT` does not allow, in words."""
    arrows = []
    for module, targets in read_modules(house).items():
        allowed = MAY_IMPORT.get(module[0])
        if allowed is None:
            arrows.append(f"{module[0]} is in no list of rooms")
            continue
        for target in targets:
            if target[0] not in {module[0], "__init__", *allowed}:
                arrows.append(f"{'.'.join(module)} imports {'.'.join(target)}")
    return sorted(set(arrows))


def circles(house: Path) -> list[str]:
    """Files and folders beside each other that import each other, one circle for each folder that has any, in words."""
    graphs: dict[Module, dict[str, set[str]]] = {}
    for module, targets in read_modules(house).items():
        for target in targets:
            depth = next((i for i, (a, b) in enumerate(zip(module, target, strict=False)) if a != b), None)
            if depth is not None and "__init__" not in (module[depth], target[depth]):
                graphs.setdefault(module[:depth], {}).setdefault(module[depth], set()).add(target[depth])
    told = []
    for folder, graph in graphs.items():
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            told.append("/".join(folder) + ": " + " < ".join(error.args[1]))
    return sorted(told)


def test_nobody_imports_from_a_floor_above():
    assert upward_arrows(HOUSE) == []


def test_nobody_imports_each_other():
    assert circles(HOUSE) == []


def test_the_floors_have_no_circle():
    order = list(TopologicalSorter({room: below - {room} for room, below in MAY_IMPORT.items()}).static_order())
    assert order.index("data") < order.index("runs") < order.index("training") < order.index("cli")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small house in order, to plant arrows in."""
    texts = {
        "__init__": "",
        "exceptions": "",
        "backend/__init__": "from gpurnn.backend.base import Backend",
        "backend/base": "from gpurnn.exceptions import BackendError",
        "network/__init__": "",
        "network/model": "from gpurnn.backend import Backend",
        "data/__init__": "",
        "data/corpus/__init__": "from gpurnn.data.corpus.corpus import Corpus",
        "data/corpus/corpus": "from gpurnn.data.text.tokens import Vocabulary",
        "data/text/__init__": "",
        "data/text/tokens": "import numpy",
        "evaluation/__init__": "",
        "generation/__init__": "import gpurnn, gpurnn.data.corpus",
        "generation/sampler": "from gpurnn.network import model",
    }
    for name, text in texts.items():
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert (upward_arrows(tmp_path), circles(tmp_path)) == ([], [])
    return tmp_path


@pytest.mark.parametrize(
    ("module", "text", "arrow"),
    [
        ("data/text/tokens", "from gpurnn.backend import Backend", "data.text.tokens imports backend.__init__"),
        ("data/text/tokens", "from gpurnn import backend", "data.text.tokens imports backend.__init__"),
        ("data/text/tokens", "import gpurnn.backend.base as b", "data.text.tokens imports backend.base"),
        ("data/text/tokens", "from ...network.model import Model", "data.text.tokens imports network.model"),
        ("data/corpus/__init__", "from ...network import model", "data.corpus.__init__ imports network.model"),
        ("backend/base", "def f():\n    from gpurnn.network.model import Model", "backend.base imports network.model"),
        ("exceptions", "if TYPE_CHECKING:\n    import gpurnn.data.corpus", "exceptions imports data.corpus.__init__"),
        ("evaluation/__init__", "import gpurnn.generation.sampler", "evaluation.__init__ imports generation.sampler"),
        ("__init__", "from gpurnn.network import model", "__init__ imports network.model"),
        ("attic", "", "attic is in no list of rooms"),
    ],
)
def test_a_planted_arrow_is_found(house: Path, module: str, text: str, arrow: str):
    (house / f"{module}.py").write_text(text)
    assert upward_arrows(house) == [arrow]


@pytest.mark.parametrize(
    ("module", "text", "circle"),
    [
        ("data/text/tokens", "from gpurnn.data.corpus import Corpus", {"corpus", "text"}),
        ("data/text/tokens", "def f():\n    from ..corpus import corpus", {"corpus", "text"}),
        ("backend/base", "from gpurnn.network import model", {"backend", "network"}),
    ],
)
def test_a_planted_circle_is_found(house: Path, module: str, text: str, circle: set[str]):
    (house / f"{module}.py").write_text(text)
    [told] = circles(house)
    assert set(told.split(": ")[1].split(" < ")) == circle
