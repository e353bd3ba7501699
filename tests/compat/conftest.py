"""One server for all tests of the faces; each test makes its own things in it."""

from collections.abc import Iterator

import pytest
from tests.support.api_server import ApiServer, api_server
from tests.support.vpc_sdk import VpcSdk, vpc_sdk


@pytest.fixture(scope="session")
def server() -> Iterator[ApiServer]:
    with api_server() as running:
        yield running


@pytest.fixture(scope="session")
def sdk(server: ApiServer) -> VpcSdk:
    return vpc_sdk(server)


@pytest.fixture(scope="session")
def network(server: ApiServer) -> str:
    return str(server.a_network_with_subnet("10.1.0.0/16")[0]["id"])


@pytest.fixture(scope="session")
def ports(server: ApiServer, network: str) -> Iterator[str]:
    """Ports that nobody else uses, one for each `next`."""

    def made() -> Iterator[str]:
        while True:
            yield str(server.make("port", network_id=network)["id"])

    return made()
