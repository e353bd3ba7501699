"""One deployment for all system tests of a run; each test makes its own networks and guests."""

import os
from collections.abc import Iterator

import pytest
from tests.support.deployment import Deployment, deployment


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Portlight, started as a user starts it."""
    assert os.geteuid() == 0, "the system suite makes namespaces and needs root"
    with deployment(tmp_path_factory.mktemp("portlight")) as cloud:
        yield cloud


@pytest.fixture
def cloud(running: Deployment) -> Iterator[Deployment]:
    """The deployment, emptied of what the test made."""
    before = {kind: ids(running, kind) for kind in KINDS}
    yield running
    for guest in running.guests:
        guest.end_background()
    running.guests.clear()
    for kind in KINDS:
        for identifier in ids(running, kind) - before[kind]:
            running.call("DELETE", f"{kind}/{identifier}")


KINDS = (
    "/portlight/v1/mirror-sessions",
    "/portlight/v1/mirror-filters",
    "/portlight/v1/instances",
    "/portlight/v1/virtual-ips",
    "/v2.0/ports",
    "/v2.0/networks",
    "/v2.0/security-groups",
    "/v2.0/address-groups",
)
"""In the order in which they can be deleted."""


def ids(cloud: Deployment, kind: str) -> set[str]:
    """Return the ids of all objects of a kind; the network's own ports go with their network."""
    listed = next(iter(v for v in cloud.ok("GET", kind).values() if isinstance(v, list)))
    return {o["id"] for o in listed if not o.get("device_owner", "").startswith("network:")}
