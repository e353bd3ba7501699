"""Copies on real links: across networks of a router, and while sessions and sources change."""

from collections.abc import Iterator

import pytest
from tests.support.builders import (
    a_mirror_filter,
    a_mirror_rule,
    a_mirror_session,
    a_network,
    a_port,
    a_rule,
    a_subnet,
    an_instance,
    group_id,
    ip,
    ports,
)
from tests.support.captures import captured, inner, number_at
from tests.support.mirror_scene import (
    OTHER,
    PEER,
    SOURCE,
    TARGET,
    a_cloud,
    addresses,
    mirror_host,
    mirrors,
    outcomes,
    running,
    send,
)
from tests.support.plan_host import PlanHost
from tests.support.routing_builders import (
    a_peering,
    a_route,
    a_route_table,
    a_router,
    an_interface,
)

from portlight.core.port import FixedIp
from portlight.core.route_table import HopKind
from portlight.core.topology import Entity
from portlight.dataplane.bpf.abi import MirrorOutcome

UDP = a_mirror_rule(1, protocol=17)
MOVER = 5
FAR_NETWORK, FAR_SUBNET, FAR_ADDRESS = 2, 3, "10.0.2.13"
NEAR_LEG = an_interface(101, 1, 1, (1, "10.0.0.1"))
FAR_LEG = an_interface(102, 1, FAR_NETWORK, (FAR_SUBNET, "10.0.2.1"))

SWAPS = 12
STREAM = f"""
import socket, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("bound", flush=True)
while True:
    for port in (8000, 8001):
        sender.sendto(bytes(1000), ({addresses(PEER)[0]!r}, port))
    time.sleep(0.0002)
"""
FILTERS = (
    a_mirror_filter(1),
    a_mirror_rule(1, 1, protocol=17, destination_ports=ports(8000)),
    a_mirror_filter(2),
    a_mirror_rule(2, 2, protocol=17, destination_ports=ports(8001)),
)
TARGET_RULES = (a_rule(7, 2, protocol=17, ports=ports(4789)),)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlanHost]:
    with mirror_host(tmp_path_factory.mktemp("objects")) as made:
        yield made


def session(number: int, target: int) -> Entity:
    """Return the session in one of its two states; its VNI is the number of its filter."""
    filters = (a_mirror_filter(number).id,)
    length = {1: 0, 2: 60}[number]
    return a_mirror_session(
        1, (SOURCE,), target, mirror_filter_ids=filters, vni=number, packet_length=length
    )


@pytest.mark.covers("H51", "H116", "H119", "H120", "X7")
def test_filter_target_vni_and_length_change_for_each_packet_at_once(host: PlanHost) -> None:
    """The first state is the first session of this host at all: it finds its device and its way."""
    states = (session(1, TARGET), session(2, OTHER))
    host.show(a_cloud())
    before = outcomes(host)
    with (
        captured(host, TARGET, "udp port 4789") as first,
        captured(host, OTHER, "udp port 4789") as second,
        running(host, SOURCE, "python3", "-c", STREAM),
    ):
        for _ in range(SWAPS):
            for state in states:
                host.show(a_cloud(*FILTERS, state, target_rules=TARGET_RULES))

    assert kinds(first) == {(1, 8000, 42 + 1000)}
    assert kinds(second) == {(2, 8001, 60)}
    after = outcomes(host)
    changed = {outcome for outcome in after if after[outcome] != before.get(outcome)}
    assert changed == {MirrorOutcome.COPIED, MirrorOutcome.TRUNCATED}


def kinds(copies: list[bytes]) -> set[tuple[int, int, int]]:
    """Return what there is of VNI, inner destination port and inner length."""
    return {
        (int.from_bytes(copy[46:49], "big"), number_at(inner(copy), 36), len(inner(copy)))
        for copy in copies
    }


def far_target() -> tuple[Entity, ...]:
    """Return what puts the target into another network, behind a router."""
    network = a_network(FAR_NETWORK)
    fixed = FixedIp(subnet_id=a_subnet(FAR_SUBNET).id, address=ip(FAR_ADDRESS))
    groups = (group_id(2),)
    target = a_port(TARGET, network_id=network.id, fixed_ips=(fixed,), security_groups=groups)
    subnet = a_subnet(FAR_SUBNET, "10.0.2.0/24", network_id=network.id)
    return (
        network,
        subnet,
        target,
        NEAR_LEG,
        FAR_LEG,
        a_router(),
        a_route_table(1),
    )


def settle_far_target(host: PlanHost) -> None:
    host.inside(TARGET, "ip", "address", "flush", "dev", "eth0")
    host.address(TARGET, f"{FAR_ADDRESS}/24")


@pytest.mark.covers("H1", "H47")
def test_a_copy_crosses_the_source_s_router_to_a_target_in_another_network(host: PlanHost) -> None:
    far = (*far_target(), *mirrors(UDP, packet_length=0))
    host.show(a_cloud(*far))
    settle_far_target(host)
    with captured(host, TARGET, "udp port 4789") as copies:
        send(host, SOURCE, addresses(PEER)[0], 8000)

    (copy,) = copies
    assert copy[0:6] == a_port(TARGET).mac.packed
    assert copy[6:12] == FAR_LEG.mac.packed
    assert (copy[26:30], copy[30:34]) == (ip(addresses(SOURCE)[0]).packed, ip(FAR_ADDRESS).packed)
    assert inner(copy)[6:12] == a_port(SOURCE).mac.packed

    before = outcomes(host).get(MirrorOutcome.NO_TARGET, 0)
    host.show(a_cloud(*far, a_route(1, 1, f"{FAR_ADDRESS}/32")))
    send(host, SOURCE, addresses(PEER)[0], 8000)
    assert outcomes(host)[MirrorOutcome.NO_TARGET] == before + 1


@pytest.mark.covers("H125")
def test_a_copy_crosses_a_peering_to_a_target_of_another_vpc(host: PlanHost) -> None:
    peering = a_peering(7, 1, 2)
    leg = an_interface(102, 2, FAR_NETWORK, (FAR_SUBNET, "10.0.2.1"))
    apart = (*far_target(), leg, a_router(2), a_route_table(2, 2), peering)
    whole = mirrors(UDP, packet_length=0)
    to_peer = a_route(1, 1, "10.0.2.0/24", kind=HopKind.PEERING, target=peering.id)

    host.show(a_cloud(*apart, *whole))
    before = outcomes(host).get(MirrorOutcome.NO_TARGET, 0)
    settle_far_target(host)
    send(host, SOURCE, addresses(PEER)[0], 8000)
    assert outcomes(host)[MirrorOutcome.NO_TARGET] == before + 1

    host.show(a_cloud(*apart, *whole, to_peer))
    with captured(host, TARGET, "udp port 4789") as copies:
        send(host, SOURCE, addresses(PEER)[0], 8000)

    (copy,) = copies
    assert copy[6:12] == leg.mac.packed
    assert (copy[26:30], copy[30:34]) == (ip(addresses(SOURCE)[0]).packed, ip(FAR_ADDRESS).packed)
    assert inner(copy)[6:12] == a_port(SOURCE).mac.packed


@pytest.mark.covers("H1")
def test_a_source_that_moves_to_another_instance_keeps_its_sessions(host: PlanHost) -> None:
    mirrored = mirrors(UDP, packet_length=0)
    host.show(a_cloud(*mirrored))
    fields = {"device_id": an_instance(MOVER).id, "security_groups": (group_id(1),)}
    moved = a_port(SOURCE, *addresses(SOURCE), **fields)
    host.show(a_cloud(*mirrored, an_instance(MOVER), moved))
    host.address(TARGET, f"{addresses(TARGET)[0]}/24")
    host.address(MOVER, f"{addresses(SOURCE)[0]}/24")

    with captured(host, TARGET, "udp port 4789") as copies:
        send(host, MOVER, addresses(PEER)[0], 8000)

    assert [inner(copy)[6:12] for copy in copies] == [a_port(SOURCE).mac.packed]
