"""What a network's dnsmasq reads."""

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

import pytest

from portlight.dataplane.dhcp.render import render_server
from portlight.plan.host import DhcpHost, DhcpOption, DhcpPlan, DhcpSubnet
from portlight.values.addresses import MacAddress

FOLDER = Path("/run/portlight/abcd/dhcp/7")
IPV4 = DhcpSubnet(cidr=IPv4Network("192.0.2.0/24"), gateway_ip=ip_address("192.0.2.1"))
IPV6 = DhcpSubnet(cidr=IPv6Network("fd00:7::/64"), ipv6_mode="slaac")


def a_host(*addresses: str, options: tuple[DhcpOption, ...] = ()) -> DhcpHost:
    return DhcpHost(
        port_number=5,
        mac=MacAddress(0x020000000005),
        hostname="host-5",
        addresses=tuple(map(ip_address, addresses)),
        options=options,
    )


def a_plan(*hosts: DhcpHost, subnets: tuple[DhcpSubnet, ...] = (IPV4,)) -> DhcpPlan:
    return DhcpPlan(
        port_number=100,
        mac=MacAddress(0x0200000000FF),
        addresses=((ip_address("192.0.2.2"), 24),),
        subnets=subnets,
        hosts=hosts,
    )


@pytest.mark.covers("H146")
def test_a_port_has_its_address_written_down_and_no_lease_is_kept() -> None:
    server = render_server(a_plan(a_host("192.0.2.10")), FOLDER)

    assert server.hosts == {"02:00:00:00:00:05,set:p5,192.0.2.10,host-5"}
    assert "leasefile-ro\n" in server.config
    assert ",static," in server.config


def test_every_address_is_answered_for_by_its_name_within_the_domain_or_whole() -> None:
    here, there = ip_address("192.0.2.10"), ip_address("fd00:7::a")
    host = replace(a_host(), names=((here, "db"), (there, "db.other.example.")))
    plan = a_plan(host)

    bare = render_server(plan, FOLDER)
    named = render_server(replace(plan, domain="cloud.example"), FOLDER)

    assert bare.names == {"192.0.2.10 db", "fd00:7::a db.other.example"}
    assert named.names == {"192.0.2.10 db.cloud.example db", "fd00:7::a db.other.example"}
    assert f"hostsdir={FOLDER}/names\n" in named.config


def test_an_unknown_mac_is_ignored() -> None:
    assert "dhcp-ignore=tag:!known\n" in render_server(a_plan(), FOLDER).config


def test_a_host_has_one_line_for_each_subnet_and_its_name_once() -> None:
    other = replace(IPV4, cidr=IPv4Network("198.51.100.0/24"))

    server = render_server(
        a_plan(a_host("192.0.2.10", "192.0.2.11", "198.51.100.9"), subnets=(IPV4, other)), FOLDER
    )

    assert server.hosts == {
        "02:00:00:00:00:05,set:p5,192.0.2.10,host-5",
        "02:00:00:00:00:05,set:p5,198.51.100.9",
    }


def test_ipv6_addresses_are_handed_out_only_where_the_mode_is_stateful() -> None:
    stateful = replace(IPV6, ipv6_mode="dhcpv6-stateful")
    host = a_host("192.0.2.10", "fd00:7::9")

    assert not any(
        "fd00" in line for line in render_server(a_plan(host, subnets=(IPV4, IPV6)), FOLDER).hosts
    )
    assert "02:00:00:00:00:05,set:p5,[fd00:7::9]" in (
        render_server(a_plan(host, subnets=(IPV4, stateful)), FOLDER).hosts
    )


def test_without_a_gateway_no_router_is_sent() -> None:
    config = render_server(a_plan(subnets=(replace(IPV4, gateway_ip=None),)), FOLDER).config

    assert "dhcp-option=tag:s0,option:router\n" in config


def test_classless_routes_carry_the_default_route_too() -> None:
    routes = ((IPv4Network("203.0.113.0/24"), ip_address("192.0.2.9")),)

    config = render_server(a_plan(subnets=(replace(IPV4, host_routes=routes),)), FOLDER).config

    wanted = "203.0.113.0/24,192.0.2.9,0.0.0.0/0,192.0.2.1"
    assert f"dhcp-option=tag:s0,option:classless-static-route,{wanted}\n" in config
    assert f"dhcp-option=tag:s0,249,{wanted}\n" in config


@pytest.mark.covers("N19")
def test_guests_are_told_to_ask_again_every_minute() -> None:
    assert "dhcp-option=tag:s0,option:T1,60\n" in render_server(a_plan(), FOLDER).config


@pytest.mark.covers("N33")
def test_options_of_a_port_are_for_that_port_alone() -> None:
    options = (
        DhcpOption(name="ntp-server", value="192.0.2.3"),
        DhcpOption(name="121", value="198.51.100.0/24,192.0.2.4"),
        DhcpOption(name="dns-server", value="[fd00::1]", ip_version=6),
    )

    assert render_server(a_plan(a_host("192.0.2.10", options=options)), FOLDER).options == {
        "tag:p5,option:ntp-server,192.0.2.3",
        "tag:p5,121,198.51.100.0/24,192.0.2.4",
        "tag:p5,option6:dns-server,[fd00::1]",
    }


def test_a_value_cannot_add_a_line_of_its_own() -> None:
    evil = DhcpOption(name="domain-name", value="a\nport=0")

    (line,) = render_server(a_plan(a_host("192.0.2.10", options=(evil,))), FOLDER).options

    assert "\n" not in line


@pytest.mark.parametrize(
    ("mode", "word"),
    [
        ("slaac", "ra-only"),
        ("dhcpv6-stateless", "ra-stateless"),
        ("dhcpv6-stateful", "static"),
    ],
)
def test_each_ipv6_mode_has_its_range_and_the_server_is_no_router(mode: str, word: str) -> None:
    subnets = (replace(IPV6, ipv6_mode=mode),)

    config = render_server(a_plan(subnets=subnets), FOLDER).config

    assert f"dhcp-range=set:s0,fd00:7::,{word},64,86400\n" in config
    assert "ra-param=dhcp0,mtu:1500,60,0\n" in config


def test_without_a_mode_nothing_is_advertised() -> None:
    config = render_server(a_plan(subnets=(replace(IPV6, ipv6_mode=None),)), FOLDER).config

    assert "enable-ra" not in config
    assert "dhcp-range" not in config
