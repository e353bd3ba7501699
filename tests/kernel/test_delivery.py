"""What a guest is given, and the straight way to it: sections 4 and 7, by the loaded program."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from scapy.layers.inet import TCP
from scapy.layers.inet6 import ICMPv6ND_RA
from scapy.packet import Raw
from tests.support import frames
from tests.support.frames import End
from tests.support.programs import ProgramLab, assert_allowed, assert_dropped
from tests.support.scene import ANYTHING, NETWORK, WEB, Guest, guest

from portlight.dataplane.bpf.abi import Direction
from portlight.dataplane.bpf.port_table import Service
from portlight.dataplane.bpf.testrun import TC_ACT_OK, TC_ACT_REDIRECT
from portlight.plan.host import PortPlan
from portlight.values.addresses import MacAddress
from portlight.values.verdict import DropReason

SERVER = End(mac=MacAddress(0x02_00_00_00_00_FD), ip=ip_address("10.0.0.253"))
SERVER6 = End(mac=SERVER.mac, ip=ip_address("fe80::fd"))
STRANGER = End(mac=MacAddress(0x02_00_00_00_00_99), ip=ip_address("10.0.0.99"))


@pytest.fixture
def sender(lab: ProgramLab) -> Guest:
    return guest(lab, 1)


@pytest.fixture
def receiver(lab: ProgramLab) -> Guest:
    return guest(lab, 2, egress=(), ingress=(WEB,))


def count(lab: ProgramLab, guest: Guest, direction: str, reason: DropReason | None) -> int:
    return sum(
        each.packets
        for each in lab.tables.counters.read()
        if (each.port, each.direction, each.reason) == (guest.port.number, direction, reason)
    )


@pytest.mark.covers("N11")
def test_a_frame_to_a_guest_of_this_host_goes_straight_to_it(
    lab: ProgramLab, sender: Guest, receiver: Guest
) -> None:
    run = lab.sends(sender.port, frames.tcp(sender.end, receiver.end))
    assert run.action == TC_ACT_REDIRECT
    run = lab.sends(receiver.port, frames.tcp(receiver.end, sender.end, by=80, to=40000))
    assert run.action == TC_ACT_REDIRECT


@pytest.mark.covers("N11")
def test_the_receivers_groups_are_asked_on_the_straight_way(
    lab: ProgramLab, sender: Guest, receiver: Guest
) -> None:
    before = count(lab, receiver, "ingress", DropReason.NO_INGRESS_RULE)
    run = lab.sends(sender.port, frames.tcp(sender.end, receiver.end, to=22))
    assert_dropped(run, DropReason.NO_INGRESS_RULE, receiver.port, Direction.INGRESS)
    assert count(lab, receiver, "ingress", DropReason.NO_INGRESS_RULE) == before + 1


def test_broadcasts_and_unknown_macs_take_the_bridge(lab: ProgramLab, sender: Guest) -> None:
    for frame in (
        frames.tcp(sender.end, STRANGER),
        frames.arp(sender.end, STRANGER.ip),
        frames.tcp(sender.end, sender.end),
    ):
        assert lab.sends(sender.port, frame).action == TC_ACT_OK


def test_a_receiver_that_is_down_gets_nothing(lab: ProgramLab, sender: Guest) -> None:
    down = guest(lab, 2, up=False)
    run = lab.sends(sender.port, frames.tcp(sender.end, down.end))
    assert_dropped(run, DropReason.PORT_DOWN, down.port, Direction.INGRESS)


@pytest.mark.covers("N12")
def test_an_open_receiver_gets_everything(lab: ProgramLab, sender: Guest) -> None:
    open_port = guest(lab, 2, secured=False)
    run = lab.sends(sender.port, frames.tcp(sender.end, open_port.end, to=22))
    assert run.action == TC_ACT_REDIRECT


@pytest.mark.covers("N11", "N12")
def test_a_secured_receiver_judges_what_an_open_sender_sends(
    lab: ProgramLab, receiver: Guest
) -> None:
    open_port = guest(lab, 3, secured=False)
    broken = frames.tcp(STRANGER, receiver.end)[:40]
    assert_dropped(
        lab.sends(open_port.port, broken), DropReason.MALFORMED, receiver.port, Direction.INGRESS
    )
    run = lab.sends(open_port.port, frames.tcp(STRANGER, receiver.end, to=22))
    assert_dropped(run, DropReason.NO_INGRESS_RULE, receiver.port)


def test_a_frame_larger_than_the_receivers_link_is_dropped(lab: ProgramLab, sender: Guest) -> None:
    small = guest(lab, 2, ingress=ANYTHING, mtu=1280)
    fits = frames.udp(sender.end, small.end, to=9, payload=1280 - 28)
    too_large = frames.udp(sender.end, small.end, to=9, payload=1281 - 28)
    assert_allowed(lab.sends(sender.port, fits))
    run = lab.sends(sender.port, too_large)
    assert_dropped(run, DropReason.MTU_EXCEEDED, small.port, Direction.INGRESS)


def test_a_super_packet_is_measured_by_its_segments(lab: ProgramLab, sender: Guest) -> None:
    small = guest(lab, 2, ingress=ANYTHING, mtu=1280)
    head = frames.between(sender.end, small.end) / TCP(sport=40000, dport=80, flags="A")
    frame = frames.raw(head / Raw(bytes(3500)))
    assert_allowed(lab.sends(sender.port, frame, gso_size=1240))
    run = lab.sends(sender.port, frame, gso_size=1241)
    assert_dropped(run, DropReason.MTU_EXCEEDED, small.port)


@pytest.mark.covers("N11")
def test_arp_and_neighbour_discovery_reach_a_guest_without_a_rule(
    lab: ProgramLab, receiver: Guest
) -> None:
    for frame in (
        frames.arp(STRANGER, receiver.end.ip),
        frames.solicitation(SERVER6, receiver.end6.ip),
    ):
        assert lab.receives(receiver.port, frame).action == TC_ACT_OK


def service(lab: ProgramLab, kind: Service = Service.DHCP) -> None:
    """The network's own DHCP server (or a router), on a link of its own."""
    plan = PortPlan(
        network=NETWORK,
        scope=NETWORK,
        mac=SERVER.mac,
        mtu=1500,
        up=True,
        secured=False,
        egress=0,
        ingress=0,
    )
    lab.port(6, plan, service=kind)


@pytest.mark.covers("N10")
def test_router_advertisements_come_from_the_networks_router_only(
    lab: ProgramLab, receiver: Guest
) -> None:
    frame = frames.raw(frames.between(SERVER6, receiver.end6, hlim=255) / ICMPv6ND_RA())
    run = lab.receives(receiver.port, frame)
    assert_dropped(run, DropReason.ROGUE_ROUTER_ADVERTISEMENT, receiver.port, Direction.INGRESS)
    service(lab)
    assert_allowed(lab.receives(receiver.port, frame))


@pytest.mark.covers("N10", "H113")
def test_a_router_advertises_itself_but_carries_no_advertisement_and_no_dhcp_answer(
    lab: ProgramLab, receiver: Guest
) -> None:
    service(lab, Service.ROUTER)
    own = frames.raw(frames.between(SERVER6, receiver.end6, hlim=255) / ICMPv6ND_RA())
    assert_allowed(lab.receives(receiver.port, own))
    carried = frames.raw(frames.between(SERVER6, receiver.end6, hlim=63) / ICMPv6ND_RA())
    run = lab.receives(receiver.port, carried)
    assert_dropped(run, DropReason.ROGUE_ROUTER_ADVERTISEMENT, receiver.port, Direction.INGRESS)
    offer = frames.udp(SERVER, receiver.end, by=67, to=68)
    assert_dropped(lab.receives(receiver.port, offer), DropReason.NO_INGRESS_RULE, receiver.port)


@pytest.mark.covers("N10")
def test_dhcp_answers_need_no_rule_from_the_networks_server_only(
    lab: ProgramLab, receiver: Guest
) -> None:
    offer = frames.udp(SERVER, receiver.end, by=67, to=68)
    assert_dropped(lab.receives(receiver.port, offer), DropReason.NO_INGRESS_RULE, receiver.port)
    service(lab)
    assert_allowed(lab.receives(receiver.port, offer))
    forged = frames.udp(replace(SERVER, mac=STRANGER.mac), receiver.end, by=67, to=68)
    assert_dropped(lab.receives(receiver.port, forged), DropReason.NO_INGRESS_RULE, receiver.port)


@pytest.mark.covers("N10")
def test_allowed_frames_are_counted_as_well(
    lab: ProgramLab, sender: Guest, receiver: Guest
) -> None:
    sent, got = count(lab, sender, "egress", None), count(lab, receiver, "ingress", None)
    lab.sends(sender.port, frames.tcp(sender.end, receiver.end))
    assert count(lab, sender, "egress", None) == sent + 1
    assert count(lab, receiver, "ingress", None) == got + 1
