from collections.abc import Iterator

import pytest

from tests.faults.warm import Nursery, nursery


@pytest.fixture(scope="session")
def warm() -> Iterator[Nursery]:
    with nursery() as opened:
        yield opened
