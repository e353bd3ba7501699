"""The specification by example: what the model says about single frames and short exchanges."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from tests.support import wire_format as wire
from tests.support.builders import (
    a_group,
    a_network,
    a_pair,
    a_port,
    a_rule,
    a_subnet,
    a_topology,
    a_virtual_ip,
    entities_of,
    group_id,
    icmp,
    ip,
    mac,
    net,
    port_id,
    ports,
)

from portlight.core.claims import SILENCE_SECONDS
from portlight.core.path_state import PathState, Situation, remember
from portlight.core.security_group import Direction, EstablishedFlows, EtherType
from portlight.core.topology import Entity, Topology
from portlight.core.verdict import Frame, verdict
from portlight.core.virtual_ip import ClaimPolicy
from portlight.values.addresses import IpAddress, MacAddress, virtual_router_mac
from portlight.values.verdict import Drop

OPEN_OUT: dict[str, Any] = {"direction": Direction.EGRESS}
SYN, SYN_ACK, ACK, FIN, RST = 0x02, 0x12, 0x10, 0x11, 0x14
ME, PEER, STRANGER = ip("10.0.0.5"), ip("10.0.0.6"), ip("192.0.2.1")
ME6, PEER6 = ip("fd00::5"), ip("fd00::6")
GATEWAY_MAC = mac(200)
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806


class Guest:
    """Port 1 over time: what it sends and receives, and what becomes of it."""

    def __init__(self, *entities: Entity, **fields: object) -> None:
        groups = tuple(entity.id for entity in a_topology(*entities).security_groups.values())
        base: list[Entity] = [
            a_network(),
            a_subnet(),
            a_subnet(2, "fd00::/64"),
            a_port(1, str(ME), str(ME6), **({"security_groups": groups} | fields)),
            a_port(2, str(PEER), str(PEER6), security_groups=groups),
        ]
        self.topology = a_topology(*base, *entities)
        self.state = PathState()
        self.now, self.epoch = 1000.0, 1

    def becomes(self, *entities: Entity, without: tuple[str, ...] = ()) -> None:
        """Change the topology; flows are judged again."""
        kept = {entity.id: entity for entity in entities_of(self.topology)}
        fresh = kept | {entity.id: entity for entity in entities}
        self.topology = a_topology(*(one for key, one in fresh.items() if key not in without))
        self.epoch += 1

    def judge(self, direction: Direction, data: bytes, port: int = 1) -> str:
        """Return `allowed` or the drop reason, and remember what the packet leaves behind."""
        situation = Situation(state=self.state, now=self.now, epoch=self.epoch)
        judgement = verdict(self.topology, port_id(port), direction, Frame(data=data), situation)
        self.state = remember(self.state, judgement.writes)
        outcome = judgement.verdict
        return outcome.reason.label if isinstance(outcome, Drop) else "allowed"

    def sends(self, payload: bytes, source: MacAddress | None = None, kind: int = IPV4) -> str:
        return self.judge(Direction.EGRESS, wire.ethernet(source or mac(1), payload, kind))

    def receives(self, payload: bytes, source: MacAddress = GATEWAY_MAC, kind: int = IPV4) -> str:
        return self.judge(Direction.INGRESS, wire.ethernet(source, payload, kind, mac(1)))


def tcp(source: IpAddress, destination: IpAddress, to: int, flags: int = SYN) -> bytes:
    return wire.ip(source, destination, 6, wire.tcp(40000, to, flags))


def answer(source: IpAddress, destination: IpAddress, to: int, flags: int = SYN_ACK) -> bytes:
    """The other side of `tcp`: from the server's port to 40000."""
    return wire.ip(source, destination, 6, wire.tcp(to, 40000, flags))


def udp(source: IpAddress, destination: IpAddress, ends: tuple[int, int]) -> bytes:
    return wire.ip(source, destination, 17, wire.udp(*ends))


def test_a_port_that_nobody_knows_passes_nothing() -> None:
    assert Guest().judge(Direction.EGRESS, b"", port=9) == "port_unknown"


def test_a_port_of_a_network_that_is_down_passes_nothing() -> None:
    guest = Guest(a_group(), a_rule(1, **OPEN_OUT))
    guest.becomes(a_network(admin_state_up=False))

    assert guest.sends(tcp(ME, PEER, 80)) == "port_down"


@pytest.mark.covers("N12")
def test_without_port_security_everything_passes() -> None:
    guest = Guest(port_security_enabled=False, security_groups=())

    assert guest.sends(tcp(STRANGER, PEER, 80), source=mac(77)) == "allowed"
    assert guest.receives(tcp(STRANGER, ME, 22)) == "allowed"
    assert guest.sends(b"", kind=0x8100) == "allowed"


@pytest.mark.covers("N10")
def test_a_guest_cannot_send_as_somebody_else() -> None:
    guest = Guest(a_group(), a_rule(1, **OPEN_OUT))

    assert guest.sends(tcp(ME, PEER, 80)) == "allowed"
    assert guest.sends(tcp(PEER, STRANGER, 80)) == "spoofed_ipv4"
    assert guest.sends(tcp(ME, PEER, 80), source=mac(2)) == "spoofed_mac"
    assert guest.sends(tcp(PEER6, ME6, 80), kind=IPV6) == "spoofed_ipv6"
    assert guest.sends(udp(ME, PEER, (67, 68))) == "rogue_dhcp_server"


@pytest.mark.covers("N10")
def test_a_guest_announces_only_what_it_holds() -> None:
    guest = Guest()
    me, peer = IPv4Address(str(ME)), IPv4Address(str(PEER))
    me6, peer6 = IPv6Address(str(ME6)), IPv6Address(str(PEER6))

    def advert(target: IPv6Address, named: MacAddress) -> bytes:
        option = wire.link_layer_option(2, named)
        message = wire.neighbour(136, target, 0x20, option)
        return wire.ip(me6, ip("ff02::1"), 58, message, hop_limit=255)

    assert guest.sends(wire.arp(mac(1), me, me), kind=ARP) == "allowed"
    assert guest.sends(wire.arp(mac(1), IPv4Address(0), peer), kind=ARP) == "allowed"
    assert guest.sends(wire.arp(mac(1), peer, peer), kind=ARP) == "spoofed_arp"
    assert guest.sends(wire.arp(mac(2), me, me), kind=ARP) == "spoofed_arp"
    assert guest.sends(advert(me6, mac(1)), kind=IPV6) == "allowed"
    assert guest.sends(advert(peer6, mac(1)), kind=IPV6) == "spoofed_nd"
    assert guest.sends(advert(me6, mac(2)), kind=IPV6) == "spoofed_nd"
    router = wire.ip(mac(1).link_local, ip("ff02::1"), 58, wire.icmp(134, 0), hop_limit=255)
    assert guest.sends(router, kind=IPV6) == "rogue_router_advertisement"


def test_a_dhcp_client_needs_no_rule() -> None:
    guest = Guest()
    nowhere, everyone = IPv4Address(0), IPv4Address(0xFFFFFFFF)

    assert guest.sends(udp(nowhere, everyone, (68, 67))) == "allowed"
    assert guest.sends(udp(nowhere, PEER, (68, 67))) == "spoofed_ipv4"


def test_only_the_network_s_own_server_answers_without_a_rule() -> None:
    guest = Guest(a_port(50, "10.0.0.2", device_owner="network:dhcp", device_id="dhcp"))
    reply = udp(ip("10.0.0.2"), ME, (67, 68))

    assert guest.receives(reply, source=mac(50)) == "allowed"
    assert guest.receives(reply, source=mac(2)) == "no_ingress_rule"


@pytest.mark.covers("N26")
def test_an_allowed_address_pair_is_a_source_like_the_own_one() -> None:
    pairs = (a_pair("10.9.0.0/16"), a_pair("10.0.0.77/32", mac(90)))
    guest = Guest(a_group(), a_rule(1, **OPEN_OUT), allowed_address_pairs=pairs)

    assert guest.sends(tcp(ip("10.9.3.4"), PEER, 80)) == "allowed"
    assert guest.sends(tcp(ip("10.0.0.77"), PEER, 80), source=mac(90)) == "allowed"
    assert guest.sends(tcp(ip("10.0.0.77"), PEER, 80)) == "spoofed_ipv4"
    mine = IPv4Address("10.9.3.4")
    assert guest.sends(wire.arp(mac(1), mine, mine), kind=ARP) == "allowed"


@pytest.mark.covers("H87")
def test_the_default_group_lets_its_members_talk_and_nobody_else_in() -> None:
    guest = Guest(
        a_group(is_default=True),
        a_rule(1, **OPEN_OUT),
        a_rule(2, **OPEN_OUT, ethertype=EtherType.IPV6),
        a_rule(3, remote_group_id=group_id(1)),
        a_rule(4, remote_group_id=group_id(1), ethertype=EtherType.IPV6),
    )

    assert guest.sends(tcp(ME, STRANGER, 443)) == "allowed"
    assert guest.receives(tcp(PEER, ME, 22)) == "allowed"
    assert guest.receives(tcp(PEER6, ME6, 22), kind=IPV6) == "allowed"
    assert guest.receives(tcp(STRANGER, ME, 22)) == "no_ingress_rule"


@pytest.mark.covers("H88", "N11")
def test_a_web_server_is_reached_at_its_port_and_at_no_other() -> None:
    guest = Guest(a_group(), a_rule(1, protocol=6, ports=ports(80)))

    assert guest.receives(tcp(STRANGER, ME, 80)) == "allowed"
    assert guest.sends(answer(ME, STRANGER, 80)) == "allowed"
    assert guest.receives(tcp(STRANGER, ME, 22)) == "no_ingress_rule"
    assert guest.sends(tcp(ME, STRANGER, 80)) == "no_egress_rule"


@pytest.mark.covers("H88", "N13")
def test_the_rules_of_several_groups_add_up() -> None:
    guest = Guest(
        a_group(1),
        a_group(2),
        a_rule(1, 1, protocol=6, ports=ports(80)),
        a_rule(
            2,
            2,
            protocol=6,
            ports=ports(5000, 5010),
            remote_prefix=net("10.0.0.0/24"),
        ),
        a_rule(3, 2, protocol=1, icmp=icmp(8)),
    )

    assert guest.receives(tcp(STRANGER, ME, 80)) == "allowed"
    assert guest.receives(tcp(PEER, ME, 5005)) == "allowed"
    assert guest.receives(tcp(STRANGER, ME, 5005)) == "no_ingress_rule"
    assert guest.receives(wire.ip(STRANGER, ME, 1, wire.icmp(8, 0))) == "allowed"
    assert guest.receives(wire.ip(STRANGER, ME, 1, wire.icmp(13, 0))) == "no_ingress_rule"


@pytest.mark.covers("N32")
def test_a_virtual_ip_is_no_member_of_its_holder_s_groups() -> None:
    guest = Guest(
        a_group(),
        a_rule(1, remote_group_id=group_id(1)),
        a_virtual_ip(1, "10.0.0.100", {2: None}),
    )

    assert guest.receives(tcp(PEER, ME, 80)) == "allowed"
    assert guest.receives(tcp(ip("10.0.0.100"), ME, 80)) == "no_ingress_rule"


def test_a_flow_that_no_rule_allows_any_more_is_cut_and_comes_back_with_the_rule() -> None:
    rule = a_rule(1, protocol=6, ports=ports(80))
    guest = Guest(a_group(), rule)
    assert guest.receives(tcp(STRANGER, ME, 80)) == "allowed"
    assert guest.sends(answer(ME, STRANGER, 80)) == "allowed"

    guest.becomes(without=(rule.id,))
    assert guest.receives(tcp(STRANGER, ME, 80, ACK)) == "flow_revoked"
    assert guest.sends(answer(ME, STRANGER, 80, ACK)) == "flow_revoked"
    assert guest.receives(tcp(STRANGER, ME, 80)) == "no_ingress_rule"

    guest.becomes(rule)
    assert guest.receives(tcp(STRANGER, ME, 80, ACK)) == "allowed"


def test_a_group_may_keep_its_flows_and_a_stateless_one_has_none() -> None:
    rule = a_rule(1, protocol=6, ports=ports(80))
    keeper = Guest(a_group(established_flows=EstablishedFlows.KEEP), rule)
    assert keeper.receives(tcp(STRANGER, ME, 80)) == "allowed"
    keeper.becomes(without=(rule.id,))
    assert keeper.receives(tcp(STRANGER, ME, 80, ACK)) == "allowed"

    stateless = Guest(a_group(stateful=False), rule)
    assert stateless.receives(tcp(STRANGER, ME, 80)) == "allowed"
    assert stateless.sends(answer(ME, STRANGER, 80)) == "no_egress_rule"


def test_a_flow_is_forgotten_after_its_life_and_a_closed_one_sooner() -> None:
    guest = Guest(a_group(), a_rule(1, **OPEN_OUT, protocol=6))
    assert guest.sends(tcp(ME, STRANGER, 80)) == "allowed"
    guest.now += 121
    assert guest.receives(answer(STRANGER, ME, 80)) == "no_ingress_rule"

    assert guest.sends(tcp(ME, STRANGER, 80)) == "allowed"
    assert guest.receives(answer(STRANGER, ME, 80)) == "allowed"
    guest.now += 400_000
    assert guest.receives(answer(STRANGER, ME, 80, FIN)) == "allowed"
    assert guest.sends(tcp(ME, STRANGER, 80, FIN)) == "allowed"
    guest.now += 11
    assert guest.receives(answer(STRANGER, ME, 80, ACK)) == "no_ingress_rule"


def test_an_echo_is_answered_once_asked_and_an_answer_opens_nothing() -> None:
    guest = Guest(a_group(), a_rule(1, **OPEN_OUT, protocol=1), a_rule(2, protocol=1, icmp=icmp(0)))
    ask, reply = wire.icmp(8, 0, 7), wire.icmp(0, 0, 7)

    assert guest.receives(wire.ip(STRANGER, ME, 1, reply)) == "allowed"
    assert guest.receives(wire.ip(STRANGER, ME, 1, ask)) == "no_ingress_rule"
    assert guest.sends(wire.ip(ME, STRANGER, 1, ask)) == "allowed"
    assert guest.receives(wire.ip(STRANGER, ME, 1, ask)) == "no_ingress_rule"


def test_an_error_about_a_flow_passes_and_one_about_nothing_does_not() -> None:
    guest = Guest(a_group(), a_rule(1, **OPEN_OUT, protocol=17))
    sent = udp(ME, STRANGER, (5000, 53))

    def error(about: bytes) -> bytes:
        return wire.ip(ip("203.0.113.1"), ME, 1, wire.icmp(3, 3, 0, about))

    assert guest.receives(error(sent)) == "no_ingress_rule"
    assert guest.sends(sent) == "allowed"
    assert guest.receives(error(sent)) == "allowed"
    assert guest.receives(error(sent[:27])) == "no_ingress_rule"
    assert guest.receives(error(udp(ME, STRANGER, (5001, 53)))) == "no_ingress_rule"


def test_later_fragments_follow_the_first() -> None:
    guest = Guest(a_group(), a_rule(1, protocol=17, ports=ports(53)))

    def part(place: int, data: bytes, number: int = 9) -> bytes:
        return wire.ip(STRANGER, ME, 17, data, identification=number, fragment=place)

    assert guest.receives(part(2, bytes(8))) == "fragment_unmatched"
    assert guest.receives(part(0x2000, wire.udp(1, 53, bytes(8)))) == "allowed"
    assert guest.receives(part(2, bytes(8))) == "allowed"
    assert guest.receives(part(2, bytes(8), number=8)) == "fragment_unmatched"
    guest.now += 31
    assert guest.receives(part(2, bytes(8))) == "fragment_unmatched"


class Pair:
    """Two members of a virtual IP, and who holds it."""

    def __init__(self, policy: ClaimPolicy, router: int | None = None) -> None:
        vip = a_virtual_ip(1, "10.0.0.100", {1: router, 2: router}, claim_policy=policy)
        self.guest = Guest(a_group(), a_rule(1, **OPEN_OUT), vip)
        self.address = IPv4Address("10.0.0.100")
        self.key = (vip.network_id, vip.address)

    def announces(self, port: int, target: IPv4Address | None = None) -> str:
        payload = wire.arp(mac(port), self.address, target or self.address)
        return self.guest.judge(Direction.EGRESS, wire.ethernet(mac(port), payload, ARP), port)

    def adverts(self, port: int, priority: int) -> str:
        own = ME if port == 1 else PEER
        raw = wire.vrrp(3, 7, priority, [self.address])
        payload = wire.ip(own, ip("224.0.0.18"), 112, raw, hop_limit=255)
        return self.guest.judge(Direction.EGRESS, wire.ethernet(mac(port), payload, IPV4), port)

    @property
    def owner(self) -> str:
        return self.guest.state.owners[self.key].port_id


def test_the_latest_announcement_takes_a_virtual_ip_and_an_answer_does_not() -> None:
    pair = Pair(ClaimPolicy.LATEST)

    assert pair.announces(1) == "allowed"
    assert pair.announces(2) == "allowed"
    assert pair.owner == port_id(2)
    assert pair.announces(1, target=IPv4Address("10.0.0.9")) == "virtual_ip_not_owner"
    assert pair.guest.sends(tcp(ip("10.0.0.100"), STRANGER, 80)) == "virtual_ip_not_owner"
    assert pair.guest.receives(tcp(STRANGER, ip("10.0.0.100"), 80)) == "virtual_ip_not_owner"
    assert pair.owner == port_id(2)


def test_the_first_holder_keeps_a_virtual_ip_until_it_falls_silent() -> None:
    pair = Pair(ClaimPolicy.FIRST)

    assert pair.announces(1) == "allowed"
    assert pair.announces(2) == "virtual_ip_not_owner"
    pair.guest.now += SILENCE_SECONDS
    assert pair.announces(2) == "allowed"
    assert pair.owner == port_id(2)


@pytest.mark.covers("P15")
def test_the_higher_vrrp_priority_takes_a_virtual_ip_with_the_virtual_mac() -> None:
    pair = Pair(ClaimPolicy.PRIORITY, router=7)

    assert pair.adverts(1, 100) == "allowed"
    assert pair.announces(2) == "virtual_ip_not_owner"
    assert pair.adverts(2, 50) == "allowed"
    assert pair.owner == port_id(1)
    assert pair.adverts(2, 150) == "allowed"
    assert pair.owner == port_id(2)
    assert pair.guest.state.owners[pair.key].mac == virtual_router_mac(7, 4)
    assert pair.adverts(1, 0) == "allowed"
    assert pair.owner == port_id(2)


def test_a_frozen_virtual_ip_belongs_to_the_pinned_owner_alone() -> None:
    pair = Pair(ClaimPolicy.FROZEN)
    vip = next(iter(pair.guest.topology.virtual_ips.values()))
    assert pair.announces(1) == "virtual_ip_not_owner"

    pair.guest.becomes(replace(vip, pinned_owner=port_id(1)))

    assert pair.announces(1) == "allowed"
    assert pair.announces(2) == "virtual_ip_not_owner"


def test_a_frame_leaves_nothing_behind_in_the_state_that_it_was_judged_by() -> None:
    guest = Guest(a_group(), a_rule(1, **OPEN_OUT))
    before: Topology = guest.topology
    empty = PathState()
    situation = Situation(state=empty, now=1.0, epoch=1)
    frame = Frame(data=wire.ethernet(mac(1), tcp(ME, PEER, 80), IPV4))

    judgement = verdict(before, port_id(1), Direction.EGRESS, frame, situation)

    assert empty == PathState()
    assert len(judgement.writes) == 1
