"""DHCP, DNS and router advertisements end to end: real dnsmasq, real clients, real links."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

import pytest
from tests.kernel.lab import (
    inside,
    passing_programs,
    private_fabric,
    private_names,
    run,
    wait_until,
)

from portlight.dataplane.dhcp.driver import DhcpDriver
from portlight.dataplane.dhcp.render import render_server
from portlight.dataplane.instances.driver import InstanceDriver
from portlight.dataplane.instances.values import guests
from portlight.dataplane.links.bridges import BridgeDriver
from portlight.dataplane.links.fabric import Fabric
from portlight.dataplane.links.links import GateDriver, LinkDriver
from portlight.dataplane.links.programs import Hooks, ProgramHooks
from portlight.dataplane.links.values import veth_links
from portlight.dataplane.names import HostNames
from portlight.dataplane.processes import mark_of
from portlight.plan.delta import delta
from portlight.plan.host import (
    BridgePlan,
    DhcpHost,
    DhcpOption,
    DhcpPlan,
    DhcpSubnet,
    HostPlan,
    InstancePlan,
    LinkPlan,
)
from portlight.values.addresses import MacAddress
from portlight.values.ids import InstanceId, PortId

NETWORK = 7
WEB = InstanceId("0000beef-0000-4000-8000-000000000001")
SERVER_MAC = MacAddress(0x02000000FF00)


@dataclass
class Host:
    """All drivers of devices of one deployment."""

    names: HostNames
    fabric: Fabric
    programs: Hooks
    dhcp: DhcpDriver

    def converge(self, plan: HostPlan) -> None:
        bridges = BridgeDriver(self.fabric)
        links = LinkDriver(self.fabric, ProgramHooks(self.fabric, self.programs))
        gates, instances = GateDriver(self.fabric), InstanceDriver(self.names)
        wanted = veth_links(plan, self.names)
        servers = {
            number: render_server(one, self.names.dhcp_folder(number))
            for number, one in plan.dhcp.items()
        }
        failures = [
            bridges.apply(delta(plan.bridges, bridges.read())),
            links.apply(delta(wanted, links.read())),
            self.dhcp.apply(delta(servers, self.dhcp.read())),
            instances.apply(delta(guests(plan), instances.read())),
            gates.apply(delta(dict.fromkeys(wanted, True), gates.read())),
        ]
        assert failures == [{}, {}, {}, {}, {}]
        assert self.dhcp.read() == servers

    def guest(self, *command: str, check: bool = True) -> str:
        pid = InstanceDriver(self.names).states()[WEB].init_pid
        return run("nsenter", "-t", str(pid), "-n", "-p", "-m", "-u", *command, check=check)

    def has(self, text: str, *command: str) -> bool:
        return text in self.guest(*command, check=False)

    def addresses(self) -> str:
        return self.guest("ip", "-o", "address", "show", "scope", "global")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    with passing_programs(tmp_path_factory.mktemp("programs")) as loaded:
        yield loaded


@pytest.fixture
def host(programs: Hooks) -> Iterator[Host]:
    with private_names() as names, private_fabric(names) as fabric:
        made = Host(names, fabric, programs, DhcpDriver(names))
        try:
            yield made
        finally:
            instances = InstanceDriver(names)
            instances.apply(delta({}, instances.read()))
            made.dhcp.apply(delta({}, made.dhcp.read()))
            made.dhcp.close()


IPV4 = DhcpSubnet(
    cidr=IPv4Network("192.0.2.0/24"),
    gateway_ip=ip_address("192.0.2.1"),
    dns_nameservers=(ip_address("198.51.100.53"),),
)
IPV6 = DhcpSubnet(cidr=IPv6Network("fd00:7::/64"), ipv6_mode="slaac")


def a_host(number: int, *addresses: str, options: tuple[DhcpOption, ...] = ()) -> DhcpHost:
    return DhcpHost(
        port_number=number,
        mac=MacAddress(0x020000000000 + number),
        hostname=f"host-{number}",
        addresses=tuple(map(ip_address, addresses)),
        options=options,
    )


def a_plan(
    *hosts: DhcpHost, subnets: tuple[DhcpSubnet, ...] = (IPV4,), mtu: int = 1500
) -> HostPlan:
    """One instance that holds every host's port as eth0, eth1, ..."""
    return HostPlan(
        bridges={NETWORK: BridgePlan(mtu=mtu)},
        links={
            host.port_number: LinkPlan(
                port_id=PortId(str(host.port_number)),
                network=NETWORK,
                instance=WEB,
                guest_ifname=f"eth{index}",
                mac=host.mac,
                mtu=mtu,
            )
            for index, host in enumerate(hosts)
        },
        dhcp={
            NETWORK: DhcpPlan(
                port_number=100,
                mac=SERVER_MAC,
                addresses=tuple(
                    (subnet.cidr.network_address + 2, subnet.cidr.prefixlen) for subnet in subnets
                ),
                subnets=subnets,
                hosts=hosts,
                mtu=mtu,
            )
        },
        instances={
            WEB: InstancePlan(
                hostname="web",
                running=True,
                boot=1,
                ports=tuple(host.port_number for host in hosts),
            )
        },
    )


@pytest.mark.extension("net-mtu")
def test_a_guest_gets_address_router_names_and_size(host: Host) -> None:
    host.converge(a_plan(a_host(1, "192.0.2.10"), mtu=1400))

    wait_until(lambda: "192.0.2.10/24" in host.addresses(), host.addresses)
    wait_until(lambda: host.has("198.51.100.53", "cat", "/etc/resolv.conf"))
    wait_until(lambda: host.has("default via 192.0.2.1", "ip", "route"))
    wait_until(lambda: host.has("mtu 1400", "ip", "link", "show", "eth0"))


@pytest.mark.extension("extra_dhcp_opt")
def test_classless_routes_and_options_of_a_port_reach_the_guest(host: Host) -> None:
    subnet = replace(IPV4, host_routes=((IPv4Network("203.0.113.0/24"), ip_address("192.0.2.9")),))
    mine = DhcpOption(name="mtu", value="1300")

    host.converge(a_plan(a_host(1, "192.0.2.10", options=(mine,)), subnets=(subnet,)))

    wait_until(lambda: host.has("203.0.113.0/24 via 192.0.2.9", "ip", "route"))
    wait_until(lambda: host.has("default via 192.0.2.1", "ip", "route"))
    wait_until(lambda: host.has("mtu 1300", "ip", "link", "show", "eth0"))


def test_an_option_that_the_server_does_not_know_harms_nobody(host: Host) -> None:
    odd = DhcpOption(name="no-such-option", value="1\nport=1")

    host.converge(a_plan(a_host(1, "192.0.2.10", options=(odd,))))

    wait_until(lambda: "192.0.2.10/24" in host.addresses(), host.addresses)


def test_an_unknown_mac_gets_no_address(host: Host) -> None:
    known, unknown = a_host(1, "192.0.2.10"), a_host(2, "192.0.2.11")
    plan = a_plan(known, unknown)
    server = replace(plan.dhcp[NETWORK], hosts=(known,))

    host.converge(replace(plan, dhcp={NETWORK: server}))

    wait_until(lambda: "192.0.2.10/24" in host.addresses(), host.addresses)
    refused = host.guest("udhcpc", "-i", "eth1", "-n", "-q", "-t", "2", "-T", "1", check=False)
    assert "eth1" not in host.addresses(), refused


@pytest.mark.covers("N16", "H68")
def test_an_attached_interface_gets_its_address_and_a_detached_one_is_gone(host: Host) -> None:
    host.converge(a_plan(a_host(1, "192.0.2.10")))
    wait_until(lambda: "192.0.2.10/24" in host.addresses(), host.addresses)

    host.converge(a_plan(a_host(1, "192.0.2.10"), a_host(2, "192.0.2.11")))

    wait_until(lambda: "192.0.2.11/24" in host.addresses(), host.addresses)
    host.converge(a_plan(a_host(1, "192.0.2.10")))
    assert "eth1" not in host.guest("ip", "link")


@pytest.mark.covers("N19")
def test_a_changed_address_reaches_the_guest_at_its_next_renewal(host: Host) -> None:
    host.converge(a_plan(a_host(1, "192.0.2.10")))
    wait_until(lambda: "192.0.2.10/24" in host.addresses(), host.addresses)
    plan = a_plan(a_host(1, "192.0.2.99"))
    host.converge(plan)

    asked = replace(plan, instances={WEB: replace(plan.instances[WEB], renewals=1)})
    host.converge(asked)

    wait_until(lambda: "192.0.2.99/24" in host.addresses(), host.addresses)
    assert "192.0.2.10/24" not in host.addresses()


@pytest.mark.covers("N19")
def test_the_guest_is_told_to_ask_again_every_minute(host: Host) -> None:
    host.converge(a_plan(a_host(1, "192.0.2.10")))
    wait_until(lambda: "192.0.2.10/24" in host.addresses(), host.addresses)

    wait_until(lambda: host.has("sleep 60", "ps", "ax"))


def test_an_address_goes_to_another_port_at_once(host: Host) -> None:
    host.converge(a_plan(a_host(1, "192.0.2.10")))
    wait_until(lambda: "192.0.2.10/24" in host.addresses(), host.addresses)

    host.converge(a_plan(a_host(2, "192.0.2.10")))

    wait_until(lambda: "192.0.2.10/24" in host.addresses(), host.addresses)


def test_a_guest_makes_its_own_ipv6_address_from_the_advertised_prefix(host: Host) -> None:
    host.converge(a_plan(a_host(1, "192.0.2.10"), subnets=(IPV4, IPV6)))

    wait_until(lambda: "fd00:7::ff:fe00:1/64" in host.addresses(), host.addresses)
    assert not host.has("default", "ip", "-6", "route")


def test_a_guest_asks_for_its_ipv6_address_where_the_network_says_so(host: Host) -> None:
    stateful = replace(IPV6, ipv6_mode="dhcpv6-stateful")

    host.converge(a_plan(a_host(1, "192.0.2.10", "fd00:7::abc"), subnets=(IPV4, stateful)))

    wait_until(lambda: "fd00:7::abc/" in host.addresses(), host.addresses, seconds=15)


def test_a_fresh_agent_adopts_a_running_server(host: Host) -> None:
    plan = a_plan(a_host(1, "192.0.2.10"))
    host.converge(plan)
    before = (host.names.dhcp_folder(NETWORK) / "pid").read_text()

    host.dhcp.close()
    host.dhcp = DhcpDriver(host.names)
    host.converge(plan)

    assert (host.names.dhcp_folder(NETWORK) / "pid").read_text() == before


@pytest.mark.parametrize("damage", ["process", "link", "address", "name", "files"])
def test_a_damaged_server_is_seen_and_repaired(host: Host, damage: str) -> None:
    plan = a_plan(a_host(1, "192.0.2.10"))
    host.converge(plan)
    good = host.dhcp.read()
    namespace, folder = host.names.dhcp(NETWORK), host.names.dhcp_folder(NETWORK)
    match damage:
        case "process":
            os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
        case "link":
            inside(namespace, "ip", "link", "delete", "dhcp0")
        case "address":
            inside(namespace, "ip", "address", "flush", "dev", "dhcp0")
        case "name":
            run("ip", "netns", "delete", namespace)
        case _:
            (folder / "hosts" / "0").unlink()

    wait_until(lambda: host.dhcp.read() != good)

    host.converge(plan)
    host.guest("sh", "/run/guest/renew.sh", "eth0")
    wait_until(lambda: "192.0.2.10/24" in host.addresses(), host.addresses)
    wait_until(lambda: host.has("bytes from 192.0.2.2", "ping", "-c1", "-W2", "192.0.2.2"))


def test_a_server_that_is_no_longer_wanted_leaves_nothing(host: Host) -> None:
    host.converge(a_plan(a_host(1, "192.0.2.10")))
    pid = int((host.names.dhcp_folder(NETWORK) / "pid").read_text())

    host.converge(HostPlan())

    assert mark_of(pid) is None
    assert not host.names.dhcp_folder(NETWORK).exists()
    assert not (Path("/run/netns") / host.names.dhcp(NETWORK)).exists()
