"""Which way copies take: in the source's network, or where its router leads straight to."""

from dataclasses import replace

import pytest
from tests.support.builders import (
    HOST,
    a_mirror_filter,
    a_mirror_session,
    a_network,
    a_port,
    a_subnet,
    a_topology,
    an_instance,
    ip,
)
from tests.support.routing_builders import (
    a_floating_ip,
    a_gateway_port,
    a_route,
    a_route_table,
    a_router,
    an_interface,
)

from portlight.compiler.host import compile_host
from portlight.core.port import FixedIp
from portlight.core.topology import Entity
from portlight.plan.mirror import MirrorWayPlan

NEAR, FAR = an_interface(101, 1, 1, (1, "10.0.1.1")), an_interface(102, 1, 2, (2, "10.0.2.1"))


def a_target(**fields: object) -> Entity:
    """Return the target, which is in network 2."""
    place = FixedIp(subnet_id=a_subnet(2).id, address=ip("10.0.2.5"))
    return a_port(2, network_id=a_network(2).id, fixed_ips=(place,), **fields)


def the_way(*entities: Entity) -> MirrorWayPlan | None:
    """Return the way of copies from network 1 to network 2; the entities replace others."""
    place = FixedIp(subnet_id=a_subnet(1).id, address=ip("10.0.1.5"))
    topology = a_topology(
        *(a_network(number, mtu=1500 - number) for number in (1, 2)),
        *(
            a_subnet(n, f"10.0.{n}.0/24", network_id=a_network(n).id, gateway_ip=ip(f"10.0.{n}.1"))
            for n in (1, 2)
        ),
        *(an_instance(number) for number in (1, 2)),
        a_port(1, network_id=a_network(1).id, fixed_ips=(place,)),
        a_target(),
        *(NEAR, FAR, a_route_table(1), a_router()),
        *(a_mirror_filter(), a_mirror_session(1, (1,), 2, enabled=True)),
        *entities,
    )
    ways = compile_host(topology, HOST).mirror_ways
    return next((way for key, way in ways.items() if key[:2] == (1, 1)), None)


@pytest.mark.covers("H36")
def test_behind_the_source_s_gateway_a_copy_comes_from_the_router_and_fits_both_networks() -> None:
    way = the_way()
    assert way is not None
    assert (way.source_mac, way.target_mac) == (FAR.mac, a_port(2).mac)
    assert (way.source_address, way.target_address) == (ip("10.0.1.5"), ip("10.0.2.5"))
    assert way.mtu == 1498


@pytest.mark.parametrize(
    "entity",
    [
        a_route(1, 1, "10.0.2.4/30"),
        replace(NEAR, admin_state_up=False),
        replace(FAR, admin_state_up=False),
        replace(NEAR, fixed_ips=(FixedIp(subnet_id=a_subnet(1).id, address=ip("10.0.1.2")),)),
        a_target(admin_state_up=False),
        a_network(2, admin_state_up=False),
    ],
    ids=[
        "a longer prefix leads elsewhere",
        "near leg down",
        "far leg down",
        "not the gateway",
        "target down",
        "the target's network down",
    ],
)
def test_what_the_router_does_not_lead_straight_to_has_no_way(entity: Entity) -> None:
    assert the_way(entity) is None


OUTSIDE = "192.0.2.9"
TO_OUTSIDE = a_mirror_session(1, (1,), 2, target_port_id=None, target_ip=ip(OUTSIDE))


def test_a_target_outside_the_cloud_is_reached_by_the_leg_that_is_the_source_s_gateway() -> None:
    way = the_way(TO_OUTSIDE)
    assert way is not None
    assert (way.source_mac, way.target_mac) == (a_port(1).mac, NEAR.mac)
    assert (way.source_address, way.target_address) == (ip("10.0.1.5"), ip(OUTSIDE))
    assert (way.target_port, way.mtu) == (NEAR.number, 1499)


def test_a_copy_outward_fits_the_external_network_of_the_router() -> None:
    gateway = a_gateway_port(109, 1, 9, (9, "203.0.113.5"))
    external = a_subnet(9, "203.0.113.0/24", network_id=a_network(9).id)
    way = the_way(TO_OUTSIDE, a_network(9, mtu=1400), external, gateway, a_router(1, gateway))
    assert way is not None
    assert way.mtu == 1400


@pytest.mark.parametrize(
    "entity",
    [
        replace(NEAR, admin_state_up=False),
        a_router(admin_state_up=False),
        replace(NEAR, fixed_ips=(FixedIp(subnet_id=a_subnet(1).id, address=ip("10.0.1.2")),)),
        a_floating_ip(3, OUTSIDE, 9),
    ],
    ids=["leg down", "router down", "not the gateway", "a floating IP of the cloud"],
)
def test_there_is_no_way_out_without_the_router_or_to_a_floating_ip(entity: Entity) -> None:
    assert the_way(TO_OUTSIDE, entity) is None
