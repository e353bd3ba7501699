"""The drivers of bridges and links on a real kernel."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.kernel.lab import inside, passing_programs, private_fabric, private_names, run

from portlight.dataplane.links.bridges import BridgeDriver
from portlight.dataplane.links.fabric import Fabric
from portlight.dataplane.links.links import GateDriver, LinkDriver
from portlight.dataplane.links.programs import Hooks, ProgramHooks
from portlight.dataplane.links.values import VethLink
from portlight.dataplane.names import HostNames
from portlight.plan.delta import delta
from portlight.plan.host import BridgePlan
from portlight.values.addresses import MacAddress
from portlight.values.ids import InstanceId

BRIDGES = {5: BridgePlan(mtu=1500)}


@dataclass
class Host:
    """The drivers of links of one deployment."""

    fabric: Fabric
    bridges: BridgeDriver
    links: LinkDriver
    gates: GateDriver

    @property
    def names(self) -> HostNames:
        return self.fabric.names

    def converge(self, wanted: dict[int, VethLink]) -> None:
        bridged = self.bridges.apply(delta(BRIDGES, self.bridges.read()))
        linked = self.links.apply(delta(wanted, self.links.read()))
        opened = self.gates.apply(delta(dict.fromkeys(wanted, True), self.gates.read()))
        assert (bridged, linked, opened) == ({}, {}, {})

    def settled(self, wanted: dict[int, VethLink]) -> bool:
        return (
            self.bridges.read() == BRIDGES
            and self.links.read() == wanted
            and self.gates.read() == dict.fromkeys(wanted, True)
        )


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    with passing_programs(tmp_path_factory.mktemp("programs")) as loaded:
        yield loaded


@pytest.fixture
def host(programs: Hooks) -> Iterator[Host]:
    with private_names() as names, private_fabric(names) as fabric:
        yield a_host(fabric, programs)


def a_host(fabric: Fabric, programs: Hooks) -> Host:
    hooks = ProgramHooks(fabric, programs)
    return Host(fabric, BridgeDriver(fabric), LinkDriver(fabric, hooks), GateDriver(fabric))


def a_link(host: Host, number: int, mtu: int = 1500) -> VethLink:
    return VethLink(
        network=5,
        namespace=host.names.instance(InstanceId(f"{number:08d}-0000")),
        ifname="eth0",
        mac=MacAddress(0x020000000000 + number),
        mtu=mtu,
    )


def two_links(host: Host) -> dict[int, VethLink]:
    return {number: a_link(host, number) for number in (1, 2)}


def address_both(links: dict[int, VethLink]) -> None:
    for number, link in links.items():
        inside(link.namespace, "ip", "address", "add", f"192.0.2.{number}/24", "dev", "eth0")
        inside(link.namespace, "ip", "link", "set", "eth0", "up")


def ping(link: VethLink, number: int) -> str:
    return inside(link.namespace, "ping", "-c1", "-W2", f"192.0.2.{number}")


def test_two_guests_on_one_network_reach_each_other(host: Host) -> None:
    wanted = two_links(host)

    host.converge(wanted)
    address_both(wanted)

    assert " 0% packet loss" in ping(wanted[1], 2)


def test_applying_makes_actual_equal_to_wanted_and_a_second_delta_is_empty(host: Host) -> None:
    wanted = two_links(host)

    host.converge(wanted)

    assert host.settled(wanted)
    assert not delta(wanted, host.links.read())


def test_a_link_is_down_until_its_gate_is_opened(host: Host) -> None:
    wanted = two_links(host)
    host.bridges.apply(delta(BRIDGES, {}))

    host.links.apply(delta(wanted, {}))

    assert host.gates.read() == {}
    assert host.links.read() == wanted


def test_a_fresh_agent_reads_back_what_another_one_made(host: Host, programs: Hooks) -> None:
    wanted = two_links(host)
    host.converge(wanted)

    with private_fabric(host.names) as fabric:
        assert a_host(fabric, programs).settled(wanted)


@pytest.mark.parametrize(
    "damage",
    [
        "ip link del {port}",
        "tc qdisc del dev {port} clsact",
        "tc filter del dev {port} ingress",
        "tc filter del dev {port} egress",
        "ip link set {port} nomaster",
        "ip link set {port} down",
        "ip link set {port} mtu 1300",
        "ip link set {port} alias nonsense",
        "ip link del {bridge}",
        "ip link set {bridge} down",
        "ip link set {bridge} type bridge mcast_snooping 1",
    ],
)
def test_what_somebody_else_breaks_is_seen_and_repaired(host: Host, damage: str) -> None:
    wanted = two_links(host)
    host.converge(wanted)
    command = damage.format(port=host.names.port(1), bridge=host.names.bridge(5))

    inside(host.names.fabric, *command.split())

    assert not host.settled(wanted)
    host.converge(wanted)
    assert host.settled(wanted)
    address_both({number: link for number, link in wanted.items() if not addressed(link)})
    assert " 0% packet loss" in ping(wanted[1], 2)


def addressed(link: VethLink) -> bool:
    return "192.0.2" in inside(link.namespace, "ip", "address", "show", "dev", "eth0")


def test_a_removed_name_of_the_fabric_is_given_back_to_the_same_namespace(host: Host) -> None:
    wanted = two_links(host)
    host.converge(wanted)
    address_both(wanted)
    run("ip", "netns", "delete", host.names.fabric)

    missing = host.fabric.ensure()

    assert missing
    assert host.names.port(1) in inside(host.names.fabric, "ip", "link")
    assert " 0% packet loss" in ping(wanted[1], 2)


def test_links_of_other_names_are_never_touched(host: Host) -> None:
    inside(host.names.fabric, "ip", "link", "add", "plother0", "type", "bridge")
    host.converge(two_links(host))

    host.links.apply(delta({}, host.links.read()))
    host.bridges.apply(delta({}, host.bridges.read()))

    left = {link.name for link in host.fabric.links().values()}
    assert left == {"lo", "plother0"}


def test_a_changed_size_reaches_both_ends_without_a_new_pair(host: Host) -> None:
    host.converge({1: a_link(host, 1)})
    before = host.links.indexes()[1]

    host.converge({1: a_link(host, 1, mtu=1400)})

    assert host.links.indexes()[1] == before
    namespace = a_link(host, 1).namespace
    assert "mtu 1400" in inside(namespace, "ip", "link", "show", "eth0")
