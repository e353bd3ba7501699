"""Random routers, routes and public addresses for the generated topologies of worlds.py."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from tests.support.builders import a_network, a_subnet, a_virtual_ip, an_instance, ip, port_id
from tests.support.routing_builders import (
    a_floating_ip,
    a_forwarding,
    a_gateway_port,
    a_nat_gateway,
    a_nat_port,
    a_peering,
    a_route,
    a_route_table,
    a_router,
    a_service_port,
    an_interface,
    an_internet_gateway,
)

from portlight.core.gateways import PeeringStatus
from portlight.core.port import Port
from portlight.core.route_table import HopKind, Route
from portlight.core.topology import Entity
from portlight.core.virtual_ip import VirtualIp

EXTERNAL = 3
KINDS = (
    "routers",
    "route_tables",
    "routes",
    "internet_gateways",
    "nat_gateways",
    "peerings",
    "floating_ips",
    "port_forwardings",
)
"""The fields of a topology that `some_routing` fills."""
_DESTINATIONS = ("0.0.0.0/0", "10.0.0.0/24", "10.0.0.128/25", "192.0.2.0/24", "::/0", "fd00:9::/64")
_HOPS = ("10.0.0.5", "10.0.0.6", "10.0.0.100", "203.0.113.9", "10.99.0.1")
INSIDE_LEGS = (201, 202)
"""Numbers of the interfaces of the routers in the networks of guests."""
_PORTS = range(201, 210)
"""Numbers of the ports of routers."""


def routing_ports() -> list[str]:
    """Return the ids of the ports that routers may have."""
    return [port_id(number) for number in (*_PORTS, *range(2_000_001, 2_000_004))]


def some_routing(random: Random, others: list[Entity]) -> list[Entity]:
    """Return two routers with an external network between them, and what may hang on them."""
    guests = [one for one in others if isinstance(one, Port) and one.device_index is not None]
    pairs = [str(one.address) for one in others if isinstance(one, VirtualIp)]
    gateway = a_gateway_port(203, 1, EXTERNAL, (5, "203.0.113.5"))
    nat_port = a_nat_port(204, 5, 1, (1, "10.0.0.200"))
    first = a_router(1, gateway if random.random() < 0.4 else None)
    cidrs = a_subnet(1, "10.0.0.0/16").cidr
    entities: list[Entity] = [
        a_network(EXTERNAL),
        a_subnet(5, "203.0.113.0/24", network_id=a_network(EXTERNAL).id),
        gateway,
        replace(first, cidrs=(cidrs,) if random.random() < 0.5 else ()),
        a_router(2, admin_state_up=random.random() < 0.9),
        an_interface(201, 1, 1, (1, "10.0.0.1"), (2, "fd00::1")),
        an_interface(202, 2, 2, (3, "10.0.0.1")),
        a_route_table(1, 1),
        a_route_table(2, 2),
        an_internet_gateway(1, EXTERNAL, 1),
        a_peering(1, 1, 2, status=random.choice(list(PeeringStatus))),
    ]
    if random.random() < 0.3:
        entities.append(a_route_table(3, 1, 1))
    if random.random() < 0.5:
        outer = a_service_port(2_000_001, EXTERNAL, (5, "203.0.113.51"))
        entities += [nat_port, a_nat_gateway(5, 1, nat_port, 1), outer]
    # Through a pair to the world: where most generated frames go.
    beyond = random.choice(("0.0.0.0/0", "192.0.2.0/24"))
    pair = a_route(9, 1, beyond, random.choice(pairs or _HOPS))
    routes: dict[str, Route] = {pair.id: pair}
    for number in range(1, random.randint(2, 9)):
        route = some_route(random, number)
        gone = displaced(route, routes.values())
        routes = {key: one for key, one in routes.items() if key not in gone} | {route.id: route}
    entities += routes.values()
    entities += _some_public_addresses(random, [port for port in guests if port.fixed_ips])
    return entities


def some_route(random: Random, number: int) -> Route:
    """Return a route of any kind; now and then its hop is not there."""
    target = {
        HopKind.PORT: port_id(random.randint(1, 8)),
        HopKind.INSTANCE: an_instance(random.randint(1, 8)).id,
        HopKind.VIRTUAL_IP: a_virtual_ip(random.randint(1, 4), "10.0.0.100", {}).id,
        HopKind.PEERING: a_peering(random.randint(1, 2), 1, 2).id,
        HopKind.NAT_GATEWAY: a_nat_port(204, 5, 1).device_id,
        HopKind.INTERNET_GATEWAY: an_internet_gateway(random.randint(1, 2), EXTERNAL, 1).id,
        HopKind.BLACKHOLE: "",
    }
    table, destination = random.randint(1, 3), random.choice(_DESTINATIONS)
    if random.random() < 0.4:
        return a_route(number, table, destination, random.choice(_HOPS))
    kind = random.choice(list(target))
    return replace(a_route(number, table, destination), kind=kind, target=target[kind])


def displaced(route: Route, others: Iterable[Route]) -> set[str]:
    """Return the ids of the routes that cannot be beside this one: only hops by address share."""
    return {
        one.id
        for one in others
        if (one.route_table_id, one.destination) == (route.route_table_id, route.destination)
        and {one.kind, route.kind} != {HopKind.ADDRESS}
    }


def _some_public_addresses(random: Random, guests: list[Port]) -> list[Entity]:
    entities: list[Entity] = [a_floating_ip(1, "203.0.113.51", EXTERNAL)]
    for number in (2, 3):
        guest = random.choice(guests) if guests and random.random() < 0.8 else None
        entities.append(
            a_floating_ip(
                number,
                f"203.0.113.5{number}",
                EXTERNAL,
                guest,
                router=random.choice((1, 1, 2)),
                cuts=random.randint(0, 2),
            )
        )
    if guests and random.random() < 0.5:
        forwarding = a_forwarding(1, random.choice((2, 3)), random.choice(guests), range(80, 82), 1)
        entities.append(replace(forwarding, internal_address=ip("10.0.0.5")))
    return entities
