"""A window of a search: the same part on every store as of the whole, sorted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.stores import KINDS, a_url

from portlight.core.meta import Meta
from portlight.core.network import Network
from portlight.store.protocol import Store, Window
from portlight.store.sql import open_store
from portlight.values.ids import NetworkId, ProjectId

NAMES = ("a", "b", "")
IDS = [f"{number:04x}" for number in range(0, 60, 2)]
PLACES = st.one_of(st.none(), st.sampled_from([f"{number:04x}" for number in range(61)]))
WINDOWS = st.builds(
    Window,
    limit=st.one_of(st.none(), st.integers(1, 40)),
    after=PLACES,
    descending=st.booleans(),
)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(a_url(request.param, tmp_path, request))
    yield opened
    opened.close()


def fill(store: Store) -> None:
    with store.writing() as tx:
        if not tx.count(Network):
            tx.insert(
                *(
                    Network(
                        id=NetworkId(identifier),
                        number=place + 1,
                        meta=Meta(project_id=ProjectId("p"), name=NAMES[place % len(NAMES)]),
                        mtu=1500,
                    )
                    for place, identifier in enumerate(IDS)
                )
            )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(window=WINDOWS, names=st.lists(st.sampled_from([*NAMES, "other"]), max_size=3))
def test_a_window_is_that_part_of_the_sorted_whole(
    store: Store, window: Window, names: list[str]
) -> None:
    fill(store)
    where = {"name": names} if names else {}

    with store.reading() as tx:
        whole = [network.id for network in tx.find(Network, where)]
        part = [network.id for network in tx.find(Network, where, (), window)]

    ordered = sorted(whole, reverse=window.descending)
    after = window.after
    if after is not None:
        ordered = [one for one in ordered if (one < after if window.descending else one > after)]
    assert part == ordered[: window.limit]
