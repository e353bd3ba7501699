"""Two subnets behind a router, an external network, and guests: the stage of routing tests."""

import os
from collections.abc import Iterable
from dataclasses import replace

from tests.support.builders import a_network, a_port, a_subnet, a_topology, an_instance, ip
from tests.support.plan_host import PlanHost
from tests.support.routing_builders import (
    a_gateway_port,
    a_route_table,
    a_router,
    an_interface,
)

from portlight.core.port import FixedIp, Port
from portlight.core.router import Router
from portlight.core.topology import Entity, Topology

EXTERNAL = 9
WORLD = f"198.18.{os.getpid() % 250}"
"""The external network's first three numbers: runs beside each other do not meet."""
WEB, DATABASE, STRANGER = 1, 2, 3
"""Guests in subnet 1, in subnet 2 and on the external network."""
ADDRESS = {WEB: "10.0.1.5", DATABASE: "10.0.2.5", STRANGER: f"{WORLD}.200"}
ADDRESS_IPV6 = {WEB: "fd00:1::5", DATABASE: "fd00:2::5"}
ROUTER_ADDRESS = {WEB: "10.0.1.1", DATABASE: "10.0.2.1"}
GATEWAY = a_gateway_port(109, 1, EXTERNAL, (9, f"{WORLD}.5"))


def a_guest(number: int, network: int, *addresses: str) -> Port:
    """Return the port of guest `number`; its groups let everything pass."""
    fixed = tuple(
        FixedIp(subnet_id=a_subnet(network if ":" not in one else network + 20).id, address=ip(one))
        for one in addresses
    )
    return a_port(
        number,
        network_id=a_network(network).id,
        fixed_ips=fixed,
        port_security_enabled=False,
    )


GUEST = {
    WEB: a_guest(WEB, 1, ADDRESS[WEB], ADDRESS_IPV6[WEB]),
    DATABASE: a_guest(DATABASE, 2, ADDRESS[DATABASE], ADDRESS_IPV6[DATABASE]),
    STRANGER: a_guest(STRANGER, EXTERNAL, ADDRESS[STRANGER]),
}


def a_lan(*others: Entity, router: Router | None = None) -> Topology:
    """Return the stage; `others` come on top, and replace what has their id."""
    entities: Iterable[Entity] = (
        a_network(1),
        a_network(2, mtu=1400),
        a_network(EXTERNAL),
        a_subnet(1, "10.0.1.0/24", network_id=a_network(1).id),
        a_subnet(2, "10.0.2.0/24", network_id=a_network(2).id),
        a_subnet(21, "fd00:1::/64", network_id=a_network(1).id),
        a_subnet(22, "fd00:2::/64", network_id=a_network(2).id),
        a_subnet(9, f"{WORLD}.0/24", network_id=a_network(EXTERNAL).id),
        *(an_instance(number) for number in GUEST),
        *GUEST.values(),
        an_interface(101, 1, 1, (1, "10.0.1.1"), (21, "fd00:1::1")),
        an_interface(102, 1, 2, (2, "10.0.2.1"), (22, "fd00:2::1")),
        GATEWAY,
        router or a_router(1, GATEWAY),
        a_route_table(1),
    )
    return a_topology(*{entity.id: entity for entity in (*entities, *others)}.values())


def without_snat() -> Router:
    """Return the router as one that lets private addresses out."""
    router = a_router(1, GATEWAY)
    assert router.gateway is not None
    return replace(router, gateway=replace(router.gateway, enable_snat=False))


def settle_guests(host: PlanHost) -> None:
    """Give the guests their addresses and routes."""
    for number, port in GUEST.items():
        lengths = {4: 24, 6: 64}
        addresses = (fixed.address for fixed in port.fixed_ips)
        host.address(number, *(f"{one}/{lengths[one.version]}" for one in addresses))
    for number, network in ((WEB, 1), (DATABASE, 2)):
        host.inside(number, "ip", "route", "add", "default", "via", ROUTER_ADDRESS[number])
        gateway = f"fd00:{network}::1"
        host.inside(number, "ip", "-6", "route", "add", "default", "metric", "1", "via", gateway)


def reaches(host: PlanHost, number: int, address: str) -> bool:
    """Whether a guest's ping is answered."""
    return "1 received" in host.inside(number, "ping", "-nc1", "-W1", address, check=False)
