"""What holds for every suite: the order, who needs root, and that unit tests open no socket."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests.support.postgresql import Cluster, cluster

# How long one example takes says nothing on a machine that does other things as well.
settings.register_profile("portlight", deadline=None)
settings.load_profile("portlight")

SUITES = (
    "unit",
    "property",
    "abi",
    "architecture",
    "kernel",
    "system",
    "compat",
)
"""In the order of running: the cheap ones first."""
NEED_ROOT = frozenset({"kernel", "system"})
WITHOUT_SOCKETS = frozenset({"unit", "property", "architecture"})
TESTS = Path(__file__).parent


def suite_of(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if suite_of(item) in WITHOUT_SOCKETS:
            item.add_marker("disable_socket")
    items.sort(key=lambda item: SUITES.index(suite_of(item)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    # A skipped packet test would look like a proof: without root it fails.
    if suite_of(item) in NEED_ROOT and os.geteuid() != 0:
        pytest.fail(f"the {suite_of(item)} suite needs root: run it with sudo", pytrace=False)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """Run one PostgreSQL for all tests that ask for it; each takes a database of its own."""
    with cluster() as running:
        yield running
