"""On the emulated device every test here that takes `be` runs three times: as it is, and in two strict ways.

A long one that shows nothing new in a strict way takes `cuda` instead.

Strict: each array is an allocation of its own, streams run as late as CUDA permits, and threads and blocks run in
reverse or random order. What is hidden by the order in which a test happens to run shows up then.
"""

from __future__ import annotations

from collections.abc import Iterator

import cudahost
import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "be" in metafunc.fixturenames:
        ways = ["as-is", "reverse", "random"] if cudahost.active() else ["as-is"]
        metafunc.parametrize("strictness", ways, indirect=True)


@pytest.fixture(autouse=True)
def strictness(request: pytest.FixtureRequest) -> Iterator[str]:
    order = getattr(request, "param", "as-is")
    if order == "as-is":
        yield order
    else:
        with cudahost.strict(order):
            yield order
