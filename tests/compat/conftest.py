"""One server for all tests of the faces; each test makes its own things in it."""

from collections.abc import Iterator

import pytest
from tests.support.api_server import ApiServer, api_server


@pytest.fixture(scope="session")
def server() -> Iterator[ApiServer]:
    with api_server() as running:
        yield running
