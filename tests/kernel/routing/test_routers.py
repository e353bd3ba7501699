"""Routers on real links: docs/design/routing.md, from the plan to the packet."""

from ipaddress import IPv4Address

import pytest
from tests.support.builders import a_network, a_subnet, an_instance
from tests.support.captures import captured
from tests.support.plan_host import PlanHost, run
from tests.support.routed_lan import (
    ADDRESS,
    ADDRESS_IPV6,
    DATABASE,
    EXTERNAL,
    GATEWAY,
    GUEST,
    STRANGER,
    WEB,
    a_guest,
    a_lan,
    reaches,
)
from tests.support.routed_views import OUTSIDE, PUBLIC, counted, ping, the_host_reaches
from tests.support.routing_builders import (
    a_floating_ip,
    a_forwarding,
    a_nat_gateway,
    a_nat_port,
    a_peering,
    a_route,
    a_route_table,
    a_router,
    a_service_port,
    an_interface,
)

from portlight.core.route_table import HopKind
from portlight.core.topology import Entity
from portlight.values.verdict import DropReason


def test_two_subnets_reach_each_other_in_both_families(host: PlanHost) -> None:
    assert reaches(host, WEB, ADDRESS[DATABASE])
    assert reaches(host, DATABASE, ADDRESS_IPV6[WEB])


def test_a_packet_that_dies_of_age_is_answered_by_the_router(host: PlanHost) -> None:
    assert "From 10.0.1.1" in ping(host, WEB, "-t1", ADDRESS[DATABASE])
    assert "Time to live exceeded" in ping(host, WEB, "-t1", ADDRESS[DATABASE])
    assert "From fd00:1::1" in ping(host, WEB, "-t1", ADDRESS_IPV6[DATABASE])


def test_a_packet_too_large_for_the_other_network_is_answered_with_its_size(
    host: PlanHost,
) -> None:
    answer = ping(host, WEB, "-Mdo", "-s1420", ADDRESS[DATABASE])
    answer_ipv6 = ping(host, WEB, "-Mdo", "-s1420", ADDRESS_IPV6[DATABASE])

    assert "mtu = 1400" in answer or "mtu=1400" in answer
    assert "mtu: 1400" in answer_ipv6 or "mtu = 1400" in answer_ipv6 or "mtu=1400" in answer_ipv6


def test_the_sender_is_told_that_there_is_no_route_and_it_is_counted(host: PlanHost) -> None:
    host.show(a_lan(router=a_router(1, GATEWAY, cidrs=(a_subnet(1, "10.0.0.0/16").cidr,))))

    with counted(host, 101, DropReason.NO_ROUTE):
        assert "Destination Net Unreachable" in ping(host, WEB, "192.0.2.1")
    assert "No route" in ping(host, WEB, "2001:db8::1")


@pytest.mark.covers("H109")
def test_a_blackhole_says_nothing_and_is_counted(host: PlanHost) -> None:
    host.show(a_lan(a_route(1, 1, "192.0.2.0/24")))

    with counted(host, 101, DropReason.ROUTE_BLACKHOLE):
        assert "nreachable" not in ping(host, WEB, "192.0.2.1")


def test_a_route_that_the_tool_cannot_read_takes_no_other_with_it(host: PlanHost) -> None:
    hops = (f"10.0.{2 + n // 200}.{10 + n % 200}" for n in range(100))
    too_many = (a_route(20 + n, 1, "192.0.2.0/24", hop) for n, hop in enumerate(hops))
    others = (a_route(1, 1, "191.0.2.0/24"), a_route(2, 1, "193.0.2.0/24", ADDRESS[DATABASE]))

    with pytest.raises(RuntimeError, match=r"192\.0\.2\.0/24.*Too many arguments"):
        host.show(a_lan(*others, *too_many))

    assert "193.0.2.0/24 via" in host.in_router(1, "ip", "route", "show", "table", "all")
    assert "191.0.2.0/24 dev" in host.in_router(1, "ip", "route", "show", "table", "all")
    assert host.differing()["routes"], "it says what is not there"


def test_a_longer_prefix_wins_over_a_shorter_one(host: PlanHost) -> None:
    host.show(a_lan(a_route(1, 1, "10.0.2.5/32")))

    assert not reaches(host, WEB, ADDRESS[DATABASE])
    assert reaches(host, WEB, "10.0.2.1")


@pytest.mark.covers("H108")
def test_a_nat_gateway_takes_a_private_subnet_out_with_its_own_address(host: PlanHost) -> None:
    nat_port = a_nat_port(120, 5, 1, (1, "10.0.1.200"))
    to_nat = a_route(1, 1, "0.0.0.0/0", kind=HopKind.NAT_GATEWAY, target=nat_port.device_id)
    vpc = a_router(1, None, cidrs=(a_subnet(1, "10.0.0.0/16").cidr,))
    host.show(
        a_lan(
            nat_port,
            a_nat_gateway(5, 1, nat_port, 3),
            a_floating_ip(3, PUBLIC, EXTERNAL),
            a_service_port(2_000_003, EXTERNAL, (9, PUBLIC)),
            to_nat,
            router=vpc,
        )
    )

    with captured(host, STRANGER, "icmp") as seen:
        assert reaches(host, DATABASE, ADDRESS[STRANGER])
    assert IPv4Address(PUBLIC).packed in seen[0]
    assert reaches(host, WEB, OUTSIDE)


def other_vpc(cidr: str, address: str) -> tuple[Entity, ...]:
    """Return router 2 with one subnet and a guest, number 4, at an address."""
    return (
        a_network(3),
        a_subnet(3, cidr, network_id=a_network(3).id),
        an_interface(103, 2, 3, (3, str(a_subnet(3, cidr).gateway_ip))),
        a_router(2),
        a_route_table(2, 2),
        an_instance(4),
        a_guest(4, 3, address),
    )


def test_two_routers_with_the_same_addresses_never_meet(host: PlanHost) -> None:
    host.show(a_lan(*other_vpc("10.0.2.0/24", "10.0.2.77")))
    host.address(4, "10.0.2.77/24")
    host.inside(4, "ip", "route", "replace", "default", "via", "10.0.2.1")

    assert not reaches(host, WEB, "10.0.2.77")
    assert not reaches(host, 4, ADDRESS[WEB])
    assert reaches(host, 4, "10.0.2.1")


def test_peered_routers_reach_each_other_by_routes_on_both_sides(host: PlanHost) -> None:
    peering = a_peering(7, 1, 2)
    other = other_vpc("10.3.0.0/24", "10.3.0.5")
    there = a_route(1, 1, "10.3.0.0/24", kind=HopKind.PEERING, target=peering.id)
    back = a_route(2, 2, "10.0.1.0/24", kind=HopKind.PEERING, target=peering.id)
    host.show(a_lan(*other, peering, there))
    host.address(4, "10.3.0.5/24")
    host.inside(4, "ip", "route", "replace", "default", "via", "10.3.0.1")

    assert not reaches(host, WEB, "10.3.0.5")
    host.show(a_lan(*other, peering, there, back))
    assert reaches(host, WEB, "10.3.0.5")
    assert not reaches(host, 4, ADDRESS[DATABASE])


def test_what_comes_across_a_peering_and_leads_nowhere_is_counted(host: PlanHost) -> None:
    peering = a_peering(7, 1, 2)
    other = other_vpc("10.3.0.0/24", "10.3.0.5")
    there = a_route(1, 1, "10.3.0.0/16", kind=HopKind.PEERING, target=peering.id)
    host.show(a_lan(*other, peering, there))

    with counted(host, 103, DropReason.NO_ROUTE):
        ping(host, WEB, "10.3.9.9")


def test_of_a_router_that_goes_nothing_is_left(host: PlanHost) -> None:
    host.show(a_lan(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])))

    host.show(a_lan(router=a_router(1, GATEWAY, admin_state_up=False)))

    assert host.names.router(1) not in run("ip", "netns", "list")
    assert host.names.port(101) not in run("ip", "-n", host.names.fabric, "-br", "link")
    assert not reaches(host, WEB, ADDRESS[DATABASE])


def test_what_is_in_place_is_read_back_by_a_fresh_agent(host: PlanHost) -> None:
    host.show(
        a_lan(
            a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB]),
            a_forwarding(1, 3, GUEST[WEB], range(8000, 8002), 80),
            a_route(1, 1, "192.0.2.0/24", "10.0.1.9"),
            a_route(2, 1, "192.0.2.0/24", "10.0.2.9"),
            a_route(3, 1, "2001:db8::/32", "fd00:1::9"),
            a_route(4, 1, "2001:db8:1::/48"),
        )
    )

    assert host.differing() == {}
    assert host.differing_for_a_fresh_agent() == {}


@pytest.mark.parametrize(
    "damage",
    [
        "ip rule del priority 100",
        "ip address flush dev p101",
        "ip link set p101 down",
        "ip link del unreachable",
        "ip route flush table 1001",
        "ip -6 route flush table 1001",
        "ip route add 198.51.100.0/24 dev p101 table 1001 proto 80",
        "ip address del {public}/32 dev p109",
        "nft flush chain inet portlight to_public",
        "nft flush map inet portlight floating",
        "nft delete table inet portlight",
        "sysctl -qw net.ipv4.ip_forward=0",
        "sysctl -qw net.ipv4.conf.p101.rp_filter=1",
    ],
)
def test_what_somebody_else_breaks_in_a_router_is_seen_and_repaired(
    host: PlanHost, damage: str
) -> None:
    lan = a_lan(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB]))
    host.show(lan)

    host.in_router(1, *damage.format(public=PUBLIC).split())

    assert host.repair()
    assert host.differing() == {}
    assert the_host_reaches(PUBLIC)
    assert reaches(host, WEB, ADDRESS[DATABASE])


def test_a_router_whose_name_was_taken_away_gets_it_back(host: PlanHost) -> None:
    run("ip", "netns", "delete", host.names.router(1))

    host.repair()
    assert host.differing() == {}
    assert reaches(host, WEB, ADDRESS[DATABASE])


def test_an_uplink_that_somebody_took_is_made_again(host: PlanHost) -> None:
    run("ip", "link", "delete", host.names.uplink(EXTERNAL))

    host.repair()

    assert reaches(host, STRANGER, OUTSIDE)


def test_the_host_keeps_what_it_reaches_by_another_link(host: PlanHost) -> None:
    taken = a_subnet(8, "127.1.0.0/16", network_id=a_network(EXTERNAL).id)
    run("ip", "route", "add", "127.1.0.0/16", "dev", "lo")

    try:
        with pytest.raises(RuntimeError, match=r"127\.1\.0\.0/16, which this host reaches by lo"):
            host.show(a_lan(taken))
        assert reaches(host, WEB, ADDRESS[DATABASE])
    finally:
        run("ip", "route", "del", "127.1.0.0/16", "dev", "lo")
    assert "127.1.0.1" not in run("ip", "address", "show", "dev", host.names.uplink(EXTERNAL))
