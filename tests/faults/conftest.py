"""A scratch folder for the harness."""

from collections.abc import Iterator

import pytest

from faults import shim


@pytest.fixture
def scratch() -> Iterator[str]:
    with shim.scratch_folder() as folder:
        yield folder
