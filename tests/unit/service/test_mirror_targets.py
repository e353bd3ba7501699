"""Mirror targets outside the cloud: which addresses they may be, and how they change."""

from pathlib import Path

import pytest
from tests.support.clouds import (
    HOST,
    MEMBER,
    World,
    a_network,
    a_port,
    a_subnet,
    a_world,
    an_external_network,
)

from portlight.core.drafts_mirror import MirrorSessionDraft
from portlight.core.drafts_routing import InterfaceDraft, RouterDraft
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_mirror import MirrorTargetInsideError
from portlight.core.mirror import MirrorSession
from portlight.core.network import Network
from portlight.store.sql import open_store, sqlite_url
from portlight.values.addresses import parse_ip
from portlight.values.ids import MirrorSessionId

OUTSIDE = "192.0.2.9"


def a_session(world: World, target: str = OUTSIDE, **fields: object) -> MirrorSession:
    draft = MirrorSessionDraft(name="out", priority=1, target_ip=parse_ip(target), **fields)  # type: ignore[arg-type]  # fields of the draft
    return world.cloud.mirror_sessions.create(MEMBER, draft)


def change(world: World, session: MirrorSessionId, **fields: object) -> MirrorSession:
    draft = MirrorSessionDraft(**fields)  # type: ignore[arg-type]  # fields of the draft
    return world.cloud.mirror_sessions.update(MEMBER, session, draft)


def joined(world: World, *cidrs: str) -> list[Network]:
    """Return networks with one subnet each that a router joins."""
    router = world.cloud.routers.create(MEMBER, RouterDraft())
    networks = []
    for cidr in cidrs:
        network = a_network(world)
        subnet = a_subnet(world, network, cidr)
        draft = InterfaceDraft(subnet_id=subnet.id)
        world.cloud.routers.add_interface(MEMBER, router.id, draft)
        networks.append(network)
    return networks


def test_a_port_and_an_address_take_each_other_s_place_as_the_target() -> None:
    world = a_world()
    port = a_port(world, a_network(world))
    made = a_session(world)

    by_port = change(world, made.id, target_port_id=port.id)
    assert (by_port.target_port_id, by_port.target_ip) == (port.id, None)
    back = change(world, made.id, target_ip=parse_ip(OUTSIDE))
    assert (back.target_port_id, back.target_ip) == (None, parse_ip(OUTSIDE))
    assert change(world, made.id, target_ip=None).target_ip is None
    with pytest.raises(InvalidRequestError, match="one target"):
        change(world, made.id, target_port_id=port.id, target_ip=parse_ip(OUTSIDE))


@pytest.mark.parametrize(
    "address",
    ["0.1.2.3", "127.0.0.1", "169.254.169.254", "224.0.0.5", "255.255.255.255"],
)
def test_a_target_outside_is_the_address_of_one_host(address: str) -> None:
    with pytest.raises(InvalidRequestError, match=address):
        a_session(a_world(), address)


def test_an_address_of_an_external_network_is_not_outside() -> None:
    world = a_world()
    an_external_network(world, "203.0.113.0/24")
    with pytest.raises(MirrorTargetInsideError):
        a_session(world, "203.0.113.77")


def test_what_a_router_joins_to_a_source_s_network_is_not_outside() -> None:
    world = a_world()
    near, _ = joined(world, "10.0.1.0/24", "10.0.2.0/24")
    source = a_port(world, near)

    for address in ("10.0.1.77", "10.0.2.77"):
        with pytest.raises(MirrorTargetInsideError):
            a_session(world, address, source_port_ids=(source.id,))
    made = a_session(world, "10.0.2.77")
    with pytest.raises(MirrorTargetInsideError):
        world.cloud.mirror_sessions.add_sources(MEMBER, made.id, [source.id])
    assert world.cloud.mirror_sessions.get(MEMBER, made.id) == made


def test_a_target_outside_is_kept_and_told_to_hosts(tmp_path: Path) -> None:
    world = a_world(open_store(sqlite_url(tmp_path / "cloud.db")))
    made = a_session(world)
    again = a_world(open_store(sqlite_url(tmp_path / "cloud.db")))

    assert again.cloud.mirror_sessions.get(MEMBER, made.id) == made
    told = again.cloud.changes_after(HOST, 0)
    assert made in [change.entity for change in told.changes]


def test_an_address_that_only_somebody_else_uses_inside_is_outside() -> None:
    world = a_world()
    near, _ = joined(world, "10.0.1.0/24", "10.0.2.0/24")
    joined(world, "172.16.0.0/24")
    source = a_port(world, near)

    made = a_session(world, "172.16.0.9", source_port_ids=(source.id,))

    assert made.target_ip == parse_ip("172.16.0.9")
