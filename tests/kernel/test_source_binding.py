"""What a guest may say about who it is: section 2 of the packet path, by the loaded program."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from scapy.layers.dhcp import BOOTP
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6MLReport2, ICMPv6ND_RA, ICMPv6ND_Redirect, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from tests.support import frames
from tests.support.frames import End
from tests.support.programs import ProgramLab, assert_allowed, assert_dropped
from tests.support.scene import Guest, guest

from portlight.dataplane.bpf.abi import Direction
from portlight.plan.host import SourceBinding
from portlight.values.addresses import MacAddress
from portlight.values.verdict import DropReason

STRANGER = MacAddress(0x02_00_00_00_00_99)
GATEWAY = End(mac=MacAddress(0x02_00_00_00_00_FE), ip=ip_address("10.0.0.254"))
GATEWAY6 = replace(GATEWAY, ip=ip_address("fd00::fe"))
UNSPECIFIED4, UNSPECIFIED6 = ip_address(0), ip_address("::")


@pytest.fixture
def sender(lab: ProgramLab) -> Guest:
    return guest(lab, 1)


@pytest.mark.covers("N10")
def test_a_guest_sends_from_its_own_addresses(lab: ProgramLab, sender: Guest) -> None:
    assert_allowed(lab.sends(sender.port, frames.tcp(sender.end, GATEWAY)))
    assert_allowed(lab.sends(sender.port, frames.ping6(sender.end6, GATEWAY6)))


@pytest.mark.covers("N10")
def test_a_foreign_mac_is_dropped(lab: ProgramLab, sender: Guest) -> None:
    forged = replace(sender.end, mac=STRANGER)
    for frame in (frames.tcp(forged, GATEWAY), frames.arp(forged, GATEWAY.ip)):
        run = lab.sends(sender.port, frame)
        assert_dropped(run, DropReason.SPOOFED_MAC, sender.port, Direction.EGRESS)


@pytest.mark.covers("N10")
def test_a_multicast_mac_is_never_a_sender(lab: ProgramLab, sender: Guest) -> None:
    crowd = MacAddress(0x01_00_5E_00_00_01)
    lab.bind(SourceBinding(port=1, mac=crowd, prefix=ip_network("10.0.0.1/32")))
    run = lab.sends(sender.port, frames.tcp(replace(sender.end, mac=crowd), GATEWAY))
    assert_dropped(run, DropReason.SPOOFED_MAC, sender.port)


@pytest.mark.covers("N10")
def test_a_foreign_address_is_dropped(lab: ProgramLab, sender: Guest) -> None:
    run = lab.sends(sender.port, frames.tcp(sender.end.at(ip_address("10.0.0.2")), GATEWAY))
    assert_dropped(run, DropReason.SPOOFED_IPV4, sender.port)
    run = lab.sends(sender.port, frames.ping6(sender.end6.at(ip_address("fd00::2")), GATEWAY6))
    assert_dropped(run, DropReason.SPOOFED_IPV6, sender.port)


@pytest.mark.covers("N10", "N26")
def test_a_pair_opens_its_prefix_for_its_mac_only(lab: ProgramLab, sender: Guest) -> None:
    pair = SourceBinding(port=1, mac=STRANGER, prefix=ip_network("192.168.0.0/16"))
    lab.bind(pair)
    routed = End(mac=STRANGER, ip=ip_address("192.168.7.7"))
    assert_allowed(lab.sends(sender.port, frames.tcp(routed, GATEWAY)))
    own_mac = replace(routed, mac=sender.end.mac)
    run = lab.sends(sender.port, frames.tcp(own_mac, GATEWAY))
    assert_dropped(run, DropReason.SPOOFED_IPV4, sender.port)


@pytest.mark.covers("N10", "N26")
def test_a_pair_for_all_of_ipv6_opens_no_ipv4(lab: ProgramLab, sender: Guest) -> None:
    lab.bind(SourceBinding(port=1, mac=sender.end.mac, prefix=ip_network("::/0")))
    run = lab.sends(sender.port, frames.tcp(sender.end.at(ip_address("10.9.9.9")), GATEWAY))
    assert_dropped(run, DropReason.SPOOFED_IPV4, sender.port)
    assert_allowed(lab.sends(sender.port, frames.ping6(sender.end6.at(GATEWAY6.ip), GATEWAY6)))


@pytest.mark.covers("N10")
def test_a_removed_binding_stops_an_established_flow(lab: ProgramLab, sender: Guest) -> None:
    extra = ip_address("10.0.0.77")
    pair = SourceBinding(port=1, mac=sender.end.mac, prefix=ip_network("10.0.0.77/32"))
    lab.bind(pair)
    frame = frames.tcp(sender.end.at(extra), GATEWAY)
    assert_allowed(lab.sends(sender.port, frame))
    lab.unbind(pair)
    lab.tables.bump_epoch()
    assert_dropped(lab.sends(sender.port, frame), DropReason.SPOOFED_IPV4, sender.port)


@pytest.mark.covers("N10")
def test_another_mac_in_an_established_flow_is_dropped(lab: ProgramLab, sender: Guest) -> None:
    assert_allowed(lab.sends(sender.port, frames.tcp(sender.end, GATEWAY)))
    forged = replace(sender.end, mac=STRANGER)
    run = lab.sends(sender.port, frames.tcp(forged, GATEWAY, flags="A"))
    assert_dropped(run, DropReason.SPOOFED_MAC, sender.port)


@pytest.mark.covers("N10")
def test_arp_tells_only_what_is_bound(lab: ProgramLab, sender: Guest) -> None:
    own, other = sender.end, sender.end.at(ip_address("10.0.0.2"))
    assert_allowed(lab.sends(sender.port, frames.arp(own, GATEWAY.ip)))
    assert_allowed(lab.sends(sender.port, frames.arp(own.at(UNSPECIFIED4), own.ip)))
    for frame in (
        frames.arp(other, GATEWAY.ip),
        frames.arp(other, other.ip, reply=True),
        frames.arp(own, GATEWAY.ip, sender_mac=STRANGER),
    ):
        assert_dropped(lab.sends(sender.port, frame), DropReason.SPOOFED_ARP, sender.port)


@pytest.mark.covers("N10")
def test_a_guest_is_no_dhcp_server(lab: ProgramLab, sender: Guest) -> None:
    offer = frames.udp(sender.end, GATEWAY, by=67, to=68)
    offer6 = frames.udp(sender.end6, GATEWAY6, by=547, to=546)
    for frame in (offer, offer6):
        assert_dropped(lab.sends(sender.port, frame), DropReason.ROGUE_DHCP_SERVER, sender.port)


@pytest.mark.covers("N10")
def test_a_guest_is_no_router(lab: ProgramLab, sender: Guest) -> None:
    head = frames.between(sender.end6, GATEWAY6)
    for body in (ICMPv6ND_RA(), ICMPv6ND_Redirect()):
        run = lab.sends(sender.port, frames.raw(head / body))
        assert_dropped(run, DropReason.ROGUE_ROUTER_ADVERTISEMENT, sender.port)


@pytest.mark.covers("N10", "N11")
def test_a_dhcp_client_needs_neither_address_nor_rule(lab: ProgramLab) -> None:
    mute = guest(lab, 2, egress=())
    head = Ether(src=str(mute.end.mac), dst=frames.BROADCAST)
    discover = (
        head / IP(src=str(UNSPECIFIED4), dst="255.255.255.255") / UDP(sport=68, dport=67) / BOOTP()
    )
    assert_allowed(lab.sends(mute.port, frames.raw(discover)))
    assert_allowed(lab.sends(mute.port, frames.udp(mute.end, GATEWAY, by=68, to=67)))
    assert_allowed(lab.sends(mute.port, frames.udp(mute.end6, GATEWAY6, by=546, to=547)))
    run = lab.sends(mute.port, frames.udp(mute.end, GATEWAY, by=68, to=53))
    assert_dropped(run, DropReason.NO_EGRESS_RULE, mute.port)
    elsewhere = frames.udp(mute.end.at(UNSPECIFIED4), GATEWAY, by=68, to=67)
    assert_dropped(lab.sends(mute.port, elsewhere), DropReason.SPOOFED_IPV4, mute.port)


@pytest.mark.covers("N10")
def test_neighbour_discovery_tells_only_what_is_bound(lab: ProgramLab) -> None:
    mute = guest(lab, 2, egress=())
    own, other = mute.end6, ip_address("fd00::99")
    for frame in (
        frames.solicitation(own, other),
        frames.solicitation(own, other, option=own.mac),
        frames.solicitation(own.at(UNSPECIFIED6), own.ip),
        frames.advertisement(own, own.ip, option=own.mac),
    ):
        assert_allowed(lab.sends(mute.port, frame))
    for frame in (
        frames.solicitation(own.at(UNSPECIFIED6), other),
        frames.solicitation(own, other, option=STRANGER),
        frames.advertisement(own, other),
        frames.advertisement(own, own.ip, option=STRANGER),
    ):
        assert_dropped(lab.sends(mute.port, frame), DropReason.SPOOFED_ND, mute.port)
    for frame in (
        frames.solicitation(own.at(other), own.ip),
        frames.advertisement(own.at(UNSPECIFIED6), own.ip),
    ):
        assert_dropped(lab.sends(mute.port, frame), DropReason.SPOOFED_IPV6, mute.port)


@pytest.mark.covers("N10")
def test_neighbour_discovery_from_afar_is_an_ordinary_packet(lab: ProgramLab) -> None:
    mute = guest(lab, 2, egress=())
    frame = frames.solicitation(mute.end6, ip_address("fd00::99"), hop_limit=64)
    assert_dropped(lab.sends(mute.port, frame), DropReason.NO_EGRESS_RULE, mute.port)


@pytest.mark.covers("N10")
def test_a_broken_first_option_is_malformed(lab: ProgramLab, sender: Guest) -> None:
    head = Ether(src=str(sender.end.mac), dst=frames.EVERYBODY_IPV6)
    head /= IPv6(src=str(sender.end6.ip), dst="ff02::1", hlim=255, nh=58)
    fixed = bytes([135, 0, 0, 0, 0, 0, 0, 0]) + GATEWAY6.ip.packed
    for option in (b"\x01", b"\x01\x00" + bytes(6), b"\x01\x02" + bytes(6)):
        run = lab.sends(sender.port, frames.raw(head / Raw(fixed + option)))
        assert_dropped(run, DropReason.MALFORMED, sender.port)
    run = lab.sends(sender.port, frames.raw(head / Raw(fixed[:-1])))
    assert_dropped(run, DropReason.MALFORMED, sender.port)


@pytest.mark.covers("N10")
def test_multicast_listener_reports_pass_without_a_rule(lab: ProgramLab) -> None:
    mute = guest(lab, 2, egress=())
    own = mute.end6.at(mute.end.mac.link_local)
    report = frames.between(own, GATEWAY6, hlim=1) / ICMPv6MLReport2()
    assert_allowed(lab.sends(mute.port, frames.raw(report)))


@pytest.mark.covers("N12")
def test_without_port_security_everything_passes(lab: ProgramLab) -> None:
    open_port = guest(lab, 3, secured=False, egress=())
    forged = End(mac=STRANGER, ip=ip_address("203.0.113.9"))
    for frame in (
        frames.tcp(forged, GATEWAY),
        frames.udp(forged, GATEWAY, by=67, to=68),
        bytes(12) + b"\x12\x34" + bytes(40),
    ):
        assert_allowed(lab.sends(open_port.port, frame))
        assert_allowed(lab.receives(open_port.port, frame))
