"""Routers of a host, from small topologies. docs/design/routing.md"""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from tests.support.builders import (
    HOST,
    a_network,
    a_port,
    a_subnet,
    a_topology,
    a_virtual_ip,
    an_instance,
    ip,
    net,
)
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

from portlight.compiler.host import compile_host
from portlight.compiler.memo import Memo
from portlight.core.gateways import PeeringStatus
from portlight.core.instance import PowerState
from portlight.core.port import FixedIp, Port
from portlight.core.route_table import HopKind
from portlight.core.topology import Entity
from portlight.plan.delta import delta
from portlight.plan.host import HostPlan
from portlight.plan.routers import (
    FIRST_TABLE,
    INSIDE_TABLE,
    OUTSIDE_TABLE,
    ForwardingPlan,
    HopPlan,
    PublicAddressPlan,
    RoutePlan,
    RulePlan,
)
from portlight.values.addresses import IpAddress

EXTERNAL = 9
GATEWAY = a_gateway_port(109, 1, EXTERNAL, (9, "203.0.113.5"))
VPC = (net("10.0.0.0/16"),)


def in_subnet(number: int, network: int, address: str) -> Port:
    """Return the port of instance `number` in the subnet that has the network's number."""
    fixed = FixedIp(subnet_id=a_subnet(network).id, address=ip(address))
    return a_port(number, network_id=a_network(network).id, fixed_ips=(fixed,))


WEB = in_subnet(1, 1, "10.0.1.5")


def a_lan() -> tuple[Entity, ...]:
    """Two subnets of router 1 with an instance in the first, and an external network."""
    return (
        *(a_network(number) for number in (1, 2, EXTERNAL)),
        a_subnet(1, "10.0.1.0/24", network_id=a_network(1).id),
        a_subnet(2, "10.0.2.0/24", network_id=a_network(2).id),
        a_subnet(9, "203.0.113.0/24", network_id=a_network(EXTERNAL).id),
        an_interface(101, 1, 1, (1, "10.0.1.1")),
        an_interface(102, 1, 2, (2, "10.0.2.1")),
        a_route_table(1),
        an_instance(1),
        WEB,
    )


def compiled(*entities: Entity) -> HostPlan:
    """Compile the network with these, of which later ones replace earlier ones."""
    return compile_host(a_topology(*a_lan(), *entities), HOST)


def routes(plan: HostPlan, table: int = FIRST_TABLE + 1, router: int = 1) -> dict[str, RoutePlan]:
    """Return the routes of a kernel table by destination."""
    return {
        str(prefix): route
        for (owner, number, prefix), route in plan.routes.items()
        if (owner, number) == (router, table)
    }


def via(ifname: str, address: IpAddress | str | None = None) -> RoutePlan:
    hop = ip(address) if isinstance(address, str) else address
    return RoutePlan(hops=(HopPlan(ifname=ifname, address=hop),))


BLACKHOLE = RoutePlan()


def test_a_router_is_here_with_all_its_networks_when_one_of_them_is() -> None:
    plan = compiled(a_router())

    assert [leg.port_number for leg in plan.routers[1].legs] == [101, 102]
    assert plan.bridges.keys() == {1, 2}
    assert routes(plan) == {"10.0.1.0/24": via("p101"), "10.0.2.0/24": via("p102")}
    assert plan.uplinks == {}


def test_a_router_that_is_down_or_without_a_network_here_is_nowhere() -> None:
    elsewhere = compile_host(a_topology(*a_lan()[:-2], a_router()), HOST)

    assert compiled(a_router(admin_state_up=False)).routers == {}
    assert elsewhere == HostPlan(router_revisions={1: 0})


def test_an_external_network_does_not_bring_the_other_routers_on_it() -> None:
    other = a_gateway_port(110, 2, EXTERNAL, (9, "203.0.113.6"))
    lonely = (a_network(3), a_subnet(3, "10.0.3.0/24", network_id=a_network(3).id))

    plan = compiled(
        a_router(1, GATEWAY),
        GATEWAY,
        a_router(2, other),
        other,
        *lonely,
        an_interface(103, 2, 3, (3, "10.0.3.1")),
    )

    assert plan.routers.keys() == {1}
    assert plan.bridges.keys() == {1, 2, EXTERNAL}


def test_a_plain_router_leads_everything_out_through_its_gateway() -> None:
    plan = compiled(a_router(1, GATEWAY), GATEWAY)

    assert routes(plan)["0.0.0.0/0"] == via("p109", "203.0.113.1")
    assert routes(plan)["203.0.113.0/24"] == via("p109")
    assert plan.routers[1].snat == ip("203.0.113.5")
    assert plan.uplinks[EXTERNAL].addresses == ((ip("203.0.113.1"), 24),)


def test_a_default_route_in_the_table_wins_over_the_gateway() -> None:
    plan = compiled(a_router(1, GATEWAY), GATEWAY, a_route(1, 1, "0.0.0.0/0", "10.0.2.9"))

    assert routes(plan)["0.0.0.0/0"] == via("p102", "10.0.2.9")
    assert routes(plan, OUTSIDE_TABLE)["0.0.0.0/0"] == via("p109", "203.0.113.1")


@pytest.mark.covers("H148")
def test_a_marked_packet_asks_its_table_for_everything_but_the_default_route_first() -> None:
    rules = compiled(a_router(1, GATEWAY), GATEWAY).routers[1].rules

    order = [
        (rule.table, rule.only_specific, rule.is_marked)
        for rule in rules
        if rule.version == 4 and rule.ifname in {"p101", ""}
    ]
    table = FIRST_TABLE + 1
    assert order == [
        (table, True, False),
        (OUTSIDE_TABLE, False, True),
        (table, False, False),
        (3, False, False),
    ]


@pytest.mark.covers("H107")
def test_a_vpc_leads_nothing_out_but_by_its_internet_gateway() -> None:
    vpc = a_router(1, GATEWAY, cidrs=VPC)
    out = a_route(1, 1, "0.0.0.0/0", kind=HopKind.INTERNET_GATEWAY)
    out = replace(out, target=an_internet_gateway(1, EXTERNAL, 1).id)

    closed = compiled(vpc, GATEWAY)
    opened = compiled(vpc, GATEWAY, out, an_internet_gateway(1, EXTERNAL, 1))

    assert "0.0.0.0/0" not in routes(closed)
    assert routes(opened)["0.0.0.0/0"] == via("p109", "203.0.113.1")


def test_a_subnet_follows_its_own_table_and_the_others_the_default_one() -> None:
    plan = compiled(a_router(), a_route_table(7, 1, 2), a_route(1, 7, "192.0.2.0/24", "10.0.1.9"))

    follows = {
        rule.ifname: rule.table
        for rule in plan.routers[1].rules
        if rule.version == 4 and rule.ifname.startswith("p")
    }
    assert follows == {"p101": FIRST_TABLE + 1, "p102": FIRST_TABLE + 7}
    assert routes(plan, FIRST_TABLE + 7)["192.0.2.0/24"] == via("p101", "10.0.1.9")
    assert "192.0.2.0/24" not in routes(plan)


def test_the_own_subnets_win_over_equal_prefixes_of_the_table_and_lose_to_longer_ones() -> None:
    plan = compiled(
        a_router(),
        a_route(1, 1, "10.0.2.0/24", "10.0.1.9"),
        a_route(2, 1, "10.0.2.128/25", "10.0.1.9"),
    )

    assert routes(plan)["10.0.2.0/24"] == via("p102")
    assert routes(plan)["10.0.2.128/25"] == via("p101", "10.0.1.9")


def test_equal_routes_to_addresses_share_the_flows() -> None:
    plan = compiled(
        a_router(),
        a_route(1, 1, "192.0.2.0/24", "10.0.1.9"),
        a_route(2, 1, "192.0.2.0/24", "10.0.2.9"),
    )

    assert len(routes(plan)["192.0.2.0/24"].hops) == 2


@pytest.mark.covers("H109")
@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        (HopKind.PORT, WEB.id, via("p101", "10.0.1.5")),
        (HopKind.INSTANCE, an_instance(1).id, via("p101", "10.0.1.5")),
        (HopKind.VIRTUAL_IP, a_virtual_ip(1, "10.0.1.100", {}).id, via("p101", "10.0.1.100")),
        (HopKind.BLACKHOLE, "", BLACKHOLE),
        (HopKind.PORT, "gone", BLACKHOLE),
        (HopKind.PEERING, "gone", BLACKHOLE),
        (HopKind.NAT_GATEWAY, "gone", BLACKHOLE),
        (HopKind.INTERNET_GATEWAY, "gone", BLACKHOLE),
    ],
)
def test_a_next_hop_of_each_kind_is_found_or_is_a_blackhole(
    kind: HopKind, target: str, expected: RoutePlan
) -> None:
    plan = compiled(
        a_router(),
        a_virtual_ip(1, "10.0.1.100", {1: None}, subnet_id=a_subnet(1).id),
        a_route(1, 1, "192.0.2.0/24", kind=kind, target=target),
    )

    assert routes(plan)["192.0.2.0/24"] == expected


def test_a_stopped_instance_is_no_next_hop() -> None:
    stopped = an_instance(1, power_state=PowerState.STOPPED)

    plan = compiled(
        a_router(), stopped, a_route(1, 1, "192.0.2.0/24", kind=HopKind.PORT, target=WEB.id)
    )

    assert routes(plan)["192.0.2.0/24"] == BLACKHOLE


@pytest.mark.covers("H147")
def test_a_floating_ip_stands_for_one_address_behind_the_router_with_its_gateway() -> None:
    plan = compiled(a_router(1, GATEWAY), GATEWAY, a_floating_ip(3, "203.0.113.50", EXTERNAL, WEB))

    assert plan.public_addresses == {
        (1, ip("203.0.113.50")): PublicAddressPlan(ifname="p109", private=IPv4Address("10.0.1.5"))
    }
    assert plan.floating_ips[3].key == (1, ip("203.0.113.50"))


def test_a_range_of_forwarded_ports_is_one_entry_for_each() -> None:
    floating = a_floating_ip(3, "203.0.113.50", EXTERNAL, router_id=a_router(1).id)

    plan = compiled(
        a_router(1, GATEWAY), GATEWAY, floating, a_forwarding(1, 3, WEB, range(8000, 8002), 80)
    )

    (address,) = plan.public_addresses.values()
    assert address.private is None
    assert sorted(address.forwardings) == [
        ForwardingPlan(
            protocol=6, external_port=8000 + n, address=IPv4Address("10.0.1.5"), port=80 + n
        )
        for n in (0, 1)
    ]


@pytest.mark.covers("H108")
def test_a_nat_gateway_is_a_small_router_that_knows_the_way_back() -> None:
    nat_port = a_nat_port(120, 5, 1, (1, "10.0.1.200"))
    floating = a_floating_ip(3, "203.0.113.50", EXTERNAL)
    outer = a_service_port(2_000_003, EXTERNAL, (9, "203.0.113.50"))
    to_nat = a_route(1, 1, "0.0.0.0/0", kind=HopKind.NAT_GATEWAY, target=nat_port.device_id)

    plan = compiled(
        a_router(1, cidrs=VPC),
        nat_port,
        a_nat_gateway(5, 1, nat_port, 3),
        floating,
        outer,
        to_nat,
    )

    assert routes(plan)["0.0.0.0/0"] == via("p101", "10.0.1.200")
    assert plan.routers[5].snat == ip("203.0.113.50")
    assert routes(plan, FIRST_TABLE, router=5) == {
        "10.0.0.0/16": via("p120", "10.0.1.1"),
        "10.0.2.0/24": via("p120", "10.0.1.1"),
        "10.0.1.0/24": via("p120"),
        "203.0.113.0/24": via("p2000003"),
        "0.0.0.0/0": via("p2000003", "203.0.113.1"),
    }
    assert plan.router_revisions.keys() == {1}


def test_an_active_peering_joins_two_routers_by_the_routes_of_each_side() -> None:
    other = (
        a_network(3),
        a_subnet(3, "10.3.0.0/24", network_id=a_network(3).id),
        an_interface(103, 2, 3, (3, "10.3.0.1")),
        a_router(2),
        a_route_table(2, 2),
        an_instance(3),
        in_subnet(3, 3, "10.3.0.5"),
    )
    peering = a_peering(4, 1, 2)
    across = a_route(1, 1, "10.3.0.0/24", kind=HopKind.PEERING, target=peering.id)

    joined = compiled(a_router(1), *other, peering, across)
    pending = replace(peering, status=PeeringStatus.PENDING_ACCEPTANCE)
    apart = compiled(a_router(1), *other, pending, across)

    (hop,) = routes(joined)["10.3.0.0/24"].hops
    assert hop.ifname == "peer4"
    assert routes(apart)["10.3.0.0/24"] == BLACKHOLE
    assert joined.peerings[4].routers == (1, 2)
    assert RulePlan(priority=300, version=4, ifname="peer4", table=INSIDE_TABLE) in (
        joined.routers[2].rules
    )


def test_router_advertisements_come_from_the_router_once_it_has_an_ipv6_address() -> None:
    six = a_subnet(3, "fd00:1::/64", network_id=a_network(1).id)
    server = a_service_port(50, 1, (1, "10.0.1.2"), device_owner="network:dhcp", device_id="dhcp")

    alone = compiled(six, server)
    routed = compiled(six, server, a_router(), an_interface(104, 1, 1, (3, "fd00:1::1")))

    assert alone.dhcp[1].advertises
    assert not routed.dhcp[1].advertises
    leg = next(leg for leg in routed.routers[1].legs if leg.port_number == 104)
    assert [(str(one.cidr), one.mode) for one in leg.advertised] == [
        ("fd00:1::/64", "dhcpv6-stateful")
    ]


@pytest.mark.covers("H169")
def test_one_changed_route_of_ten_thousand_changes_that_one() -> None:
    lan = (*a_lan(), a_router())
    many = [
        a_route(
            number,
            1,
            f"172.{16 + number // 65536}.{number // 256 % 256}.{number % 256}/32",
            "10.0.2.9",
        )
        for number in range(1, 10_001)
    ]
    memo = Memo()
    before = compile_host(a_topology(*lan, *many), HOST, memo)
    many[500] = replace(many[500], address=ip("10.0.1.9"))

    after = compile_host(a_topology(*lan, *many), HOST, memo)

    change = delta(after.routes, before.routes)
    assert change.put == {(1, FIRST_TABLE + 1, many[500].destination): via("p101", "10.0.1.9")}
    assert not change.remove
