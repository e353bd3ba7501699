"""From network to network of one router without asking it: by the loaded program."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw
from tests.support import frames
from tests.support.frames import End
from tests.support.programs import ProgramLab, assert_dropped
from tests.support.scene import ANYTHING, NETWORK, Guest, binding, guest

from portlight.dataplane.bpf.abi import Direction
from portlight.dataplane.bpf.shortcut_tables import StationEntry
from portlight.dataplane.bpf.testrun import TC_ACT_OK, TC_ACT_REDIRECT, TC_ACT_SHOT, TestRun
from portlight.plan.delta import Delta
from portlight.plan.host import VirtualIpMemberPlan, VirtualIpPlan
from portlight.plan.shortcuts import ShortcutPlan
from portlight.values.addresses import MacAddress
from portlight.values.verdict import DropReason

ROUTER = MacAddress(0x02_00_00_00_01_01)
FAR_ROUTER = MacAddress(0x02_00_00_00_02_02)
FAR_NETWORK, TABLE = NETWORK + 1, 77
VIRTUAL, BEYOND = ip_address("10.0.1.100"), ip_address("192.0.2.9")
VIRTUAL_MAC = MacAddress(0x02_00_00_00_09_09)
"""The virtual IP's own, not that of a member."""


@pytest.fixture
def near(lab: ProgramLab) -> Guest:
    return guest(lab, 1)


@pytest.fixture
def far(lab: ProgramLab, near: Guest) -> Guest:
    """A guest of another network, and a router between the two."""
    assert near.port.plan.network == NETWORK
    put(lab.tables.router_legs, (NETWORK, ROUTER), TABLE)
    way = ShortcutPlan(network=FAR_NETWORK, router_mac=FAR_ROUTER)
    for prefix in ("10.0.1.0/24", "fd00:1::/64"):
        put(lab.tables.shortcuts, (TABLE, ip_network(prefix)), way)
    return station(lab, guest(lab, 2, ingress=ANYTHING, network=FAR_NETWORK))


def station(lab: ProgramLab, one: Guest) -> Guest:
    entry = StationEntry(ifindex=one.port.ifindex, mac=one.end.mac)
    for address in (one.end.ip, one.end6.ip):
        put(lab.tables.stations, (FAR_NETWORK, address), entry)
    return one


def put(table: object, key: object, value: object) -> None:
    failures = table.apply(Delta(put={key: value}, remove=frozenset()))  # type: ignore[attr-defined]
    assert not failures, failures


def by_router(end: End) -> End:
    """Return the end as a sender of another network reaches it."""
    return replace(end, mac=ROUTER)


def arrived(run: TestRun) -> Packet:
    """Ask that a frame went straight into the receiver's link; return it as it is there."""
    found = DropReason(run.cb[0]).name if run.action == TC_ACT_SHOT else run.action
    assert found == TC_ACT_REDIRECT, found
    return Ether(run.frame)


@pytest.mark.covers("H113")
def test_a_packet_to_another_network_arrives_as_the_router_would_have_sent_it(
    lab: ProgramLab, near: Guest, far: Guest
) -> None:
    frame = arrived(lab.sends(near.port, frames.tcp(near.end, by_router(far.end))))
    assert (frame.src, frame.dst) == (str(FAR_ROUTER), str(far.end.mac))
    assert frame[IP].ttl == 63
    sum_as_sent = frame[IP].chksum
    del frame[IP].chksum
    assert Ether(bytes(frame))[IP].chksum == sum_as_sent

    frame = arrived(lab.sends(near.port, frames.ping6(near.end6, by_router(far.end6))))
    assert (frame.src, frame.dst) == (str(FAR_ROUTER), str(far.end.mac))
    assert frame[IPv6].hlim == 63


def test_the_receivers_rules_judge_it_and_count_it_there(
    lab: ProgramLab, near: Guest, far: Guest
) -> None:
    lab.change(far.port, ingress=0)
    run = lab.sends(near.port, frames.tcp(near.end, by_router(far.end)))
    assert_dropped(run, DropReason.NO_INGRESS_RULE, far.port, Direction.INGRESS)


def test_an_answer_belongs_to_the_flow_whichever_way_it_comes(
    lab: ProgramLab, near: Guest, far: Guest
) -> None:
    arrived(lab.sends(near.port, frames.tcp(near.end, by_router(far.end))))
    back = frames.tcp(replace(far.end, mac=ROUTER), near.end, to=40000, by=80, flags="SA")
    assert lab.receives(near.port, back).action == TC_ACT_OK


def left_to_the_router(lab: ProgramLab, near: Guest, frame: bytes) -> bool:
    """Whether a frame goes on as it is, to whoever has its destination MAC."""
    run = lab.sends(near.port, frame)
    return run.action == TC_ACT_OK and run.frame == frame


def test_what_needs_a_router_is_left_to_it(lab: ProgramLab, near: Guest, far: Guest) -> None:
    ether = Ether(src=str(near.end.mac), dst=str(ROUTER))
    ip6 = IPv6(src=str(near.end6.ip), dst=str(far.end6.ip))
    tcp = TCP(sport=1, dport=80, flags="S")
    for packet in (
        ether / IP(src=str(near.end.ip), dst=str(far.end.ip), ttl=1) / tcp,
        ether / IPv6(src=str(near.end6.ip), dst=str(far.end6.ip), hlim=1) / tcp,
        ether / IP(src=str(near.end.ip), dst=str(far.end.ip), options=[b"\x01" * 4]) / tcp,
        ether / ip6 / IPv6ExtHdrHopByHop() / tcp,
        ether / IP(src=str(near.end.ip), dst="10.0.1.77") / UDP(dport=5),
        ether / IP(src=str(near.end.ip), dst="192.0.2.1") / ICMP(),
    ):
        assert left_to_the_router(lab, near, bytes(packet))


def test_a_packet_too_large_for_the_receiver_is_left_to_the_router_which_says_so(
    lab: ProgramLab, near: Guest, far: Guest
) -> None:
    lab.change(far.port, mtu=1280)
    body = Raw(bytes(1300))
    ether = Ether(src=str(near.end.mac), dst=str(ROUTER))
    large = ether / IP(src=str(near.end.ip), dst=str(far.end.ip)) / UDP(dport=5) / body
    assert left_to_the_router(lab, near, bytes(large))


def test_a_longer_prefix_that_leads_elsewhere_is_left_to_the_router(
    lab: ProgramLab, near: Guest, far: Guest
) -> None:
    put(lab.tables.shortcuts, (TABLE, ip_network("10.0.1.0/28")), ShortcutPlan())
    assert left_to_the_router(lab, near, frames.tcp(near.end, by_router(far.end)))


def test_another_table_knows_nothing_of_the_way(lab: ProgramLab, near: Guest, far: Guest) -> None:
    put(lab.tables.router_legs, (NETWORK, ROUTER), TABLE + 1)
    assert left_to_the_router(lab, near, frames.tcp(near.end, by_router(far.end)))


@pytest.mark.covers("N27")
def test_a_virtual_ip_of_another_network_is_where_its_owner_is(
    lab: ProgramLab, near: Guest, far: Guest
) -> None:
    other = station(lab, guest(lab, 3, ingress=ANYTHING, network=FAR_NETWORK))
    a_pair(lab, far, other)
    to_it = frames.tcp(near.end, End(mac=ROUTER, ip=VIRTUAL))
    assert left_to_the_router(lab, near, to_it)

    for one in (far, other):
        claim(lab, one)
        assert arrived(lab.sends(near.port, to_it)).dst == str(one.end.mac)


def a_pair(lab: ProgramLab, *guests: Guest) -> None:
    """Make guests members of a virtual IP of the far network; nobody owns it yet."""
    members = tuple(VirtualIpMemberPlan(port=one.port.number) for one in guests)
    plan = VirtualIpPlan(members=members, claim_policy="latest")
    lab.virtual_ip(FAR_NETWORK, VIRTUAL, plan)
    put(lab.tables.virtual_macs, (FAR_NETWORK, VIRTUAL_MAC), (FAR_NETWORK, VIRTUAL))
    for one in guests:
        lab.bind(binding(one.port.number, one.end.mac, VIRTUAL))
        # What it forwards for others is not for itself.
        lab.change(one.port, checked=False)


def claim(lab: ProgramLab, one: Guest) -> None:
    lab.sends(one.port, frames.arp(one.end.at(VIRTUAL), VIRTUAL))


@pytest.mark.covers("N7", "X2")
def test_a_virtual_ip_that_is_the_next_hop_is_whoever_owns_it_now(
    lab: ProgramLab, near: Guest, far: Guest
) -> None:
    other = station(lab, guest(lab, 3, ingress=ANYTHING, network=FAR_NETWORK))
    a_pair(lab, far, other)
    way = ShortcutPlan(network=FAR_NETWORK, router_mac=FAR_ROUTER, hop=VIRTUAL)
    put(lab.tables.shortcuts, (TABLE, ip_network("192.0.2.0/24")), way)
    beyond = frames.tcp(near.end, End(mac=ROUTER, ip=BEYOND))
    assert left_to_the_router(lab, near, beyond)

    for one in (far, other):
        claim(lab, one)
        frame = arrived(lab.sends(near.port, beyond))
        assert (frame.src, frame.dst) == (str(FAR_ROUTER), str(one.end.mac))
        assert (frame[IP].dst, frame[IP].ttl) == (str(BEYOND), 63)


@pytest.mark.covers("N7", "X2")
def test_what_a_router_sends_to_the_mac_of_a_virtual_ip_goes_to_whoever_owns_it_now(
    lab: ProgramLab, near: Guest, far: Guest
) -> None:
    other = guest(lab, 3, ingress=ANYTHING, network=FAR_NETWORK)
    router = guest(lab, 4, network=FAR_NETWORK)
    lab.change(router.port, secured=False)
    a_pair(lab, far, other)
    beyond = frames.tcp(near.end, End(mac=VIRTUAL_MAC, ip=BEYOND))
    run = lab.sends(router.port, beyond)
    assert_dropped(run, DropReason.VIRTUAL_IP_NOT_OWNER, router.port, Direction.EGRESS)

    for one in (far, other):
        claim(lab, one)
        assert arrived(lab.sends(router.port, beyond)).dst == str(one.end.mac)


@pytest.mark.parametrize("address", ["::1", "::ffff:10.0.1.5", "ff02::1", "fe80::1"])
def test_what_no_router_passes_on_is_left_to_it_with_a_route_to_everything(
    lab: ProgramLab, near: Guest, far: Guest, address: str
) -> None:
    a_pair(lab, far)
    claim(lab, far)
    way = ShortcutPlan(network=FAR_NETWORK, router_mac=FAR_ROUTER, hop=VIRTUAL)
    put(lab.tables.shortcuts, (TABLE, ip_network("::/0")), way)
    to_it = frames.ping6(near.end6, End(mac=ROUTER, ip=ip_address(address)))
    assert left_to_the_router(lab, near, to_it)
