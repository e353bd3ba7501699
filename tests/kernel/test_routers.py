"""Routers on real links: docs/design/routing.md, from the plan to the packet."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from tests.kernel.lab import wait_until
from tests.support.builders import a_network, a_subnet, an_instance
from tests.support.captures import captured
from tests.support.plan_host import PlanHost, plan_host, run
from tests.support.programs import build_programs
from tests.support.routed_lan import (
    ADDRESS,
    ADDRESS_IPV6,
    DATABASE,
    EXTERNAL,
    GATEWAY,
    GUEST,
    STRANGER,
    WEB,
    WORLD,
    a_guest,
    a_lan,
    reaches,
    settle_guests,
    without_snat,
)
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

PUBLIC = f"{WORLD}.50"
OUTSIDE = f"{WORLD}.1"
"""The host itself."""


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


def drops(host: PlanHost, leg: int, reason: DropReason) -> int:
    """Return how many packets from a leg a router dropped for a reason."""
    found = host.leg_drops.read()
    return sum(one.packets for one in found if (one.port, one.reason) == (leg, reason))


@contextmanager
def counted(host: PlanHost, leg: int, reason: DropReason) -> Iterator[None]:
    """Assert that the router counts a drop meanwhile."""
    before = drops(host, leg, reason)
    yield
    assert drops(host, leg, reason) > before


def ping(host: PlanHost, number: int, *options: str) -> str:
    return host.inside(number, "ping", "-n", "-c1", "-W1", *options, check=False)


def the_host_reaches(address: str) -> bool:
    return "1 received" in run("ping", "-nc1", "-W1", address, check=False)


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


def test_a_longer_prefix_wins_over_a_shorter_one(host: PlanHost) -> None:
    host.show(a_lan(a_route(1, 1, "10.0.2.5/32")))

    assert not reaches(host, WEB, ADDRESS[DATABASE])
    assert reaches(host, WEB, "10.0.2.1")


@pytest.mark.covers("H147")
def test_a_floating_ip_leads_to_its_port_and_is_the_port_to_the_outside(host: PlanHost) -> None:
    host.show(a_lan(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])))

    assert the_host_reaches(PUBLIC)
    assert reaches(host, STRANGER, PUBLIC)
    with captured(host, STRANGER, "icmp") as seen:
        assert reaches(host, WEB, ADDRESS[STRANGER])
    assert IPv4Address(PUBLIC).packed in seen[0]


def test_a_public_address_is_reached_from_inside_and_even_from_itself(host: PlanHost) -> None:
    other = f"{WORLD}.51"
    host.show(
        a_lan(
            a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB]),
            a_floating_ip(4, other, EXTERNAL, GUEST[DATABASE]),
        )
    )

    assert reaches(host, DATABASE, PUBLIC)
    assert reaches(host, WEB, other)
    assert reaches(host, WEB, PUBLIC)


def test_without_a_public_address_of_its_own_a_guest_leaves_with_the_gateways(
    host: PlanHost,
) -> None:
    with captured(host, STRANGER, "icmp") as seen:
        assert reaches(host, DATABASE, ADDRESS[STRANGER])

    assert IPv4Address(f"{WORLD}.5").packed in seen[0]


def test_past_the_public_address_nobody_gets_in_while_addresses_are_translated(
    host: PlanHost,
) -> None:
    host.inside(STRANGER, "ip", "route", "replace", "10.0.0.0/8", "via", f"{WORLD}.5")

    with counted(host, 109, DropReason.NOT_TRANSLATED):
        assert not reaches(host, STRANGER, ADDRESS[WEB])
    host.show(a_lan(router=without_snat()))
    assert reaches(host, STRANGER, ADDRESS[WEB])


def test_a_forwarded_port_leads_to_another_port_of_a_guest(host: PlanHost) -> None:
    floating = a_floating_ip(3, PUBLIC, EXTERNAL, router_id=a_router(1).id)
    host.show(a_lan(floating, a_forwarding(1, 3, GUEST[WEB], range(8000, 8002), 80)))
    listener = host.start(WEB, "nc", "-lk", "81")

    try:
        wait_until(lambda: _connects(host, PUBLIC, 8001))
        assert not _connects(host, PUBLIC, 8000)
    finally:
        listener.terminate()
        listener.communicate()


def _connects(host: PlanHost, address: str, port: int) -> bool:
    command = ("nc", "-z", "-w1", address, str(port))
    return not host.inside(STRANGER, "sh", "-c", f"{' '.join(command)}; echo $?").strip("0\n")


@pytest.mark.covers("H148")
def test_a_floating_ips_own_way_out_wins_over_a_default_route_but_not_over_a_longer_one(
    host: PlanHost,
) -> None:
    floating = a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])
    host.show(a_lan(floating, a_route(1, 1, "0.0.0.0/0")))
    before = drops(host, 101, DropReason.ROUTE_BLACKHOLE)

    with counted(host, 102, DropReason.ROUTE_BLACKHOLE):
        ping(host, DATABASE, "192.0.2.1")
    ping(host, WEB, "192.0.2.1")
    assert the_host_reaches(PUBLIC)
    assert drops(host, 101, DropReason.ROUTE_BLACKHOLE) == before
    host.show(a_lan(floating, a_route(1, 1, "192.0.2.0/24")))
    with counted(host, 101, DropReason.ROUTE_BLACKHOLE):
        ping(host, WEB, "192.0.2.1")


@pytest.mark.covers("K6")
def test_a_released_address_answers_nobody_and_its_flows_are_cut(host: PlanHost) -> None:
    host.show(a_lan(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])))
    asking = host.start(STRANGER, "ping", "-n", "-i0.05", "-W1", PUBLIC)
    wait_until(lambda: PUBLIC in host.in_router(1, "conntrack", "-L", check=False))

    host.show(a_lan())

    assert PUBLIC not in host.in_router(1, "conntrack", "-L", check=False)
    assert not reaches(host, STRANGER, PUBLIC)
    asking.terminate()
    asking.communicate()


def test_an_address_moves_to_another_port_in_one_step(host: PlanHost) -> None:
    first = a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])
    host.show(a_lan(first))
    assert the_host_reaches(PUBLIC)

    host.show(a_lan(replace(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[DATABASE]), cuts=1)))

    with captured(host, DATABASE, "icmp") as seen:
        assert the_host_reaches(PUBLIC)
    assert len(seen) == 2


def test_flows_drain_when_an_address_moves_without_a_cut(host: PlanHost) -> None:
    host.show(a_lan(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])))
    listener = host.start(WEB, "nc", "-lk", "81")
    wait_until(lambda: _connects(host, PUBLIC, 81))
    held = host.start(STRANGER, "nc", "-d", PUBLIC, "81")
    wait_until(lambda: "ESTAB" in host.inside(WEB, "ss", "-tn"))

    host.show(a_lan(a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[DATABASE])))

    assert f"dport=81 src={ADDRESS[WEB]}" in host.in_router(1, "conntrack", "-L", check=False)
    for process in (held, listener):
        process.terminate()
        process.communicate()


@pytest.mark.covers("K4")
def test_an_address_that_drains_serves_what_was_there_and_nothing_new(host: PlanHost) -> None:
    taken = a_floating_ip(3, PUBLIC, EXTERNAL, GUEST[WEB])
    host.show(a_lan(taken))
    asking = host.start(STRANGER, "ping", "-n", "-i0.05", "-W1", PUBLIC)
    wait_until(lambda: PUBLIC in host.in_router(1, "conntrack", "-L", check=False))

    off = a_floating_ip(3, PUBLIC, EXTERNAL)
    host.show(a_lan(replace(off, draining_router_id=a_router().id)))

    answered = _answers_to(host, STRANGER)
    wait_until(lambda: _answers_to(host, STRANGER) > answered + 4)
    assert not reaches(host, STRANGER, PUBLIC)

    host.show(a_lan(off))

    assert PUBLIC not in host.in_router(1, "conntrack", "-L", check=False)
    asking.terminate()
    asking.communicate()


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


def _answers_to(host: PlanHost, number: int) -> int:
    """Return how many echo replies a guest has received."""
    names, values = [
        line.split()
        for line in host.inside(number, "cat", "/proc/net/snmp").splitlines()
        if line.startswith("Icmp:")
    ]
    return int(values[names.index("InEchoReps")])
