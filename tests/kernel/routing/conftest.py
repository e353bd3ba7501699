"""One stage for all tests of routers: two subnets, an external network, guests in each."""

from collections.abc import Iterator

import pytest
from tests.support.plan_host import PlanHost, plan_host
from tests.support.programs import build_programs
from tests.support.routed_lan import a_lan, settle_guests


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlanHost]:
    with plan_host(build_programs(tmp_path_factory.mktemp("objects"))) as host:
        host.show(a_lan())
        settle_guests(host)
        yield host


@pytest.fixture
def host(made: PlanHost) -> PlanHost:
    """The stage without anything on top."""
    made.show(a_lan())
    return made
