"""What is no packet is dropped before any rule is asked: section 1, by the loaded program."""

import struct
from ipaddress import ip_address

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw
from tests.support import frames
from tests.support.frames import End
from tests.support.programs import LabPort, ProgramLab, assert_allowed, assert_dropped
from tests.support.scene import ANYTHING, Guest, guest

from portlight.values.addresses import MacAddress
from portlight.values.verdict import DropReason

PEER = End(mac=MacAddress(0x02_00_00_00_00_FE), ip=ip_address("10.0.0.254"))
PEER6 = End(mac=PEER.mac, ip=ip_address("fd00::fe"))


@pytest.fixture
def one(lab: ProgramLab) -> Guest:
    return guest(lab, 1, ingress=ANYTHING)


def test_a_link_without_entry_passes_nothing(lab: ProgramLab, one: Guest) -> None:
    unknown = LabPort(number=0, ifindex=one.port.ifindex + 1, plan=one.port.plan)
    frame = frames.tcp(one.end, PEER)
    for run in (lab.sends(unknown, frame), lab.receives(unknown, frame)):
        assert_dropped(run, DropReason.PORT_UNKNOWN, unknown)


def test_a_port_that_is_down_passes_nothing(lab: ProgramLab) -> None:
    down = guest(lab, 2, up=False)
    for run in (
        lab.sends(down.port, frames.tcp(down.end, PEER)),
        lab.receives(down.port, frames.tcp(PEER, down.end)),
    ):
        assert_dropped(run, DropReason.PORT_DOWN, down.port)


def assert_malformed(lab: ProgramLab, one: Guest, frame: bytes) -> None:
    for run in (lab.sends(one.port, frame), lab.receives(one.port, frame)):
        assert_dropped(run, DropReason.MALFORMED, one.port)


def test_vlan_tags_and_foreign_ethertypes_are_refused(lab: ProgramLab, one: Guest) -> None:
    head = Ether(src=str(one.end.mac), dst=str(PEER.mac))
    for kind in (0x8100, 0x88A8):
        tagged = head.copy() / Dot1Q(vlan=5) / IP(src=str(one.end.ip)) / UDP()
        tagged.type = kind
        run = lab.sends(one.port, frames.raw(tagged))
        assert_dropped(run, DropReason.VLAN_TAGGED, one.port)
    head.type = 0x88CC
    run = lab.sends(one.port, frames.raw(head / Raw(bytes(40))))
    assert_dropped(run, DropReason.ETHERTYPE_REFUSED, one.port)


@pytest.mark.parametrize(
    "fields",
    [{"version": 5}, {"ihl": 4}, {"ihl": 15}, {"len": 19}, {"len": 1000}],
    ids=str,
)
def test_a_wrong_ipv4_header_is_malformed(
    lab: ProgramLab, one: Guest, fields: dict[str, int]
) -> None:
    assert_malformed(
        lab, one, frames.raw(frames.between(one.end, PEER, **fields) / UDP(sport=1, dport=2))
    )


@pytest.mark.parametrize("fields", [{"version": 4}, {"plen": 500}], ids=str)
def test_a_wrong_ipv6_header_is_malformed(
    lab: ProgramLab, one: Guest, fields: dict[str, int]
) -> None:
    assert_malformed(lab, one, frames.raw(frames.between(one.end6, PEER6, **fields) / UDP()))


@pytest.mark.parametrize(
    "upper",
    [
        TCP(dataofs=4),
        TCP(dataofs=15),
        UDP(len=0),
        UDP(len=7),
        UDP(len=100),
    ],
    ids=repr,
)
def test_a_wrong_upper_header_is_malformed(lab: ProgramLab, one: Guest, upper: Packet) -> None:
    assert_malformed(lab, one, frames.raw(frames.between(one.end, PEER) / upper))


@pytest.mark.parametrize(("protocol", "needed"), [(6, 20), (17, 8), (132, 12), (33, 12), (136, 8)])
def test_a_truncated_upper_header_is_malformed(
    lab: ProgramLab, one: Guest, protocol: int, needed: int
) -> None:
    short = frames.between(one.end, PEER, proto=protocol) / Raw(bytes(needed - 1))
    assert_malformed(lab, one, frames.raw(short) + bytes(30))


def test_padding_after_the_ip_packet_does_not_count(lab: ProgramLab, one: Guest) -> None:
    assert_allowed(lab.sends(one.port, frames.tcp(one.end, PEER) + bytes(6)))


def test_ipv4_options_are_skipped(lab: ProgramLab, one: Guest) -> None:
    packet = frames.between(one.end, PEER)
    packet[IP].options = [b"\x94\x04\x00\x00"]
    assert_allowed(lab.sends(one.port, frames.raw(packet / UDP(sport=1, dport=2))))


def test_extension_headers_are_walked_up_to_eight(lab: ProgramLab, one: Guest) -> None:
    head = frames.between(one.end6, PEER6) / IPv6ExtHdrHopByHop()
    for _ in range(7):
        head = head / IPv6ExtHdrDestOpt()
    assert_allowed(lab.sends(one.port, frames.raw(head / ICMPv6EchoRequest())))
    assert_malformed(lab, one, frames.raw(head / IPv6ExtHdrDestOpt() / ICMPv6EchoRequest()))


def test_an_extension_header_that_reaches_too_far_is_malformed(lab: ProgramLab, one: Guest) -> None:
    head = frames.between(one.end6, PEER6)
    head[IPv6].nh = 60
    assert_malformed(lab, one, frames.raw(head / Raw(bytes([58, 1]) + bytes(8))))


def test_two_fragment_headers_are_malformed(lab: ProgramLab, one: Guest) -> None:
    head = frames.between(one.end6, PEER6)
    twice = head / IPv6ExtHdrFragment() / IPv6ExtHdrFragment() / UDP()
    assert_malformed(lab, one, frames.raw(twice))


def test_an_atomic_fragment_is_a_whole_packet(lab: ProgramLab, one: Guest) -> None:
    atomic = frames.between(one.end6, PEER6) / IPv6ExtHdrFragment(id=9) / UDP(sport=1, dport=2)
    assert_allowed(lab.sends(one.port, frames.raw(atomic)))
    assert not dict(lab.fragments.items())


@pytest.mark.parametrize(
    ("fields", "payload"),
    [
        ({"flags": 1}, 17),
        ({"frag": 1, "proto": 6}, 16),
        ({"frag": 2, "proto": 6}, 16),
        ({"frag": 8191}, 16),
    ],
    ids=str,
)
def test_fragments_that_only_an_attack_sends_are_malformed(
    lab: ProgramLab, one: Guest, fields: dict[str, int], payload: int
) -> None:
    fields = {"proto": 17} | fields
    packet = frames.between(one.end, PEER, **fields) / Raw(bytes(payload))
    assert_malformed(lab, one, frames.raw(packet))


def test_arp_of_another_kind_is_malformed(lab: ProgramLab, one: Guest) -> None:
    frame = frames.arp(one.end, PEER.ip)
    for offset, value in ((14, 6), (16, 0x86DD), (18, 0x0806)):
        wrong = frame[:offset] + struct.pack("!H", value) + frame[offset + 2 :]
        assert_malformed(lab, one, wrong)
    assert_malformed(lab, one, frame[:41])


def test_a_short_icmp_header_is_malformed(lab: ProgramLab, one: Guest) -> None:
    short = frames.raw(frames.between(one.end, PEER, proto=1) / Raw(bytes(ICMP(type=8))[:7]))
    assert_malformed(lab, one, short)
    head = frames.between(one.end6, PEER6, nh=58)
    assert_malformed(lab, one, frames.raw(head / Raw(b"\x80\x00\x00\x00\x00\x00\x00")))
    assert_allowed(lab.sends(one.port, frames.raw(head / Raw(b"\x8b\x00\x00\x00"))))
