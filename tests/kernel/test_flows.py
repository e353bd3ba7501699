"""Connection tracking and groups: section 5 of the packet path, by the loaded program."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig
from scapy.layers.sctp import SCTP
from scapy.packet import Raw
from tests.support import frames
from tests.support.frames import End
from tests.support.programs import ProgramLab, assert_allowed, assert_dropped
from tests.support.scene import ANYTHING, WEB, Guest, guest

from portlight.dataplane.bpf.abi import Direction, FlowFlag
from portlight.plan.classifier import Action, ClassifierRule, Family, RuleFlag
from portlight.values.addresses import MacAddress
from portlight.values.ranges import PortRange
from portlight.values.verdict import DropReason

PEER = End(mac=MacAddress(0x02_00_00_00_00_FE), ip=ip_address("10.0.0.254"))
PEER6 = End(mac=PEER.mac, ip=ip_address("fd00::fe"))
ROUTER = End(mac=PEER.mac, ip=ip_address("192.0.2.1"))
ECHO = ClassifierRule(family=Family.IPV4, protocol=1, icmp=PortRange(first=8 << 8, last=8 << 8))
ANY_UDP = ClassifierRule(family=Family.IPV4, protocol=17)


@pytest.fixture
def server(lab: ProgramLab) -> Guest:
    """Answers to port 80 and to nothing else; opens nothing itself."""
    return guest(lab, 1, egress=(), ingress=(WEB,))


@pytest.fixture
def client(lab: ProgramLab) -> Guest:
    """Opens everything; nobody may open anything to it."""
    return guest(lab, 2)


def reply_to(frame_from: End, frame_to: End, flags: str = "SA") -> bytes:
    return frames.tcp(frame_from, frame_to, by=80, to=40000, flags=flags)


def change_rules(lab: ProgramLab, one: Guest, **keys: int) -> None:
    lab.change(one.port, **keys)
    lab.tables.bump_epoch()


@pytest.mark.covers("N11")
def test_what_no_rule_allows_is_dropped_in_either_direction(lab: ProgramLab, server: Guest) -> None:
    run = lab.receives(server.port, frames.tcp(PEER, server.end, to=22))
    assert_dropped(run, DropReason.NO_INGRESS_RULE, server.port, Direction.INGRESS)
    run = lab.sends(server.port, frames.tcp(server.end, PEER))
    assert_dropped(run, DropReason.NO_EGRESS_RULE, server.port, Direction.EGRESS)


@pytest.mark.covers("N11")
def test_an_answer_needs_no_rule(lab: ProgramLab, server: Guest, client: Guest) -> None:
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end)))
    assert_allowed(lab.sends(server.port, reply_to(server.end, PEER)))
    assert_allowed(lab.sends(client.port, frames.tcp(client.end, PEER)))
    assert_allowed(lab.receives(client.port, reply_to(PEER, client.end)))


@pytest.mark.covers("N11")
def test_an_answer_from_elsewhere_is_no_answer(lab: ProgramLab, client: Guest) -> None:
    assert_allowed(lab.sends(client.port, frames.tcp(client.end, PEER)))
    for frame in (
        reply_to(PEER.at(ip_address("10.0.0.253")), client.end),
        frames.tcp(PEER, client.end, by=81, to=40000, flags="SA"),
        frames.tcp(PEER, client.end, by=80, to=40001, flags="SA"),
    ):
        run = lab.receives(client.port, frame)
        assert_dropped(run, DropReason.NO_INGRESS_RULE, client.port)


@pytest.mark.covers("N11")
@pytest.mark.parametrize("protocol", [17, 132, 33, 136, 47, 0, 255])
def test_every_protocol_has_flows(lab: ProgramLab, client: Guest, protocol: int) -> None:
    body = Raw(bytes.fromhex("9c400035001000000000000000000000"))
    swapped = Raw(bytes.fromhex("00359c40001000000000000000000000"))
    back = frames.raw(frames.between(PEER, client.end, proto=protocol) / swapped)
    assert_dropped(lab.receives(client.port, back), DropReason.NO_INGRESS_RULE, client.port)
    out = frames.between(client.end, PEER, proto=protocol) / body
    assert_allowed(lab.sends(client.port, frames.raw(out)))
    assert_allowed(lab.receives(client.port, back))


@pytest.mark.covers("N11")
def test_sctp_is_judged_by_its_ports(lab: ProgramLab) -> None:
    ports = PortRange(first=80, last=80)
    rule = ClassifierRule(family=Family.IPV4, protocol=132, destination_ports=ports)
    one = guest(lab, 3, ingress=(rule,))
    good = frames.between(PEER, one.end) / SCTP(sport=9, dport=80)
    bad = frames.between(PEER, one.end) / SCTP(sport=9, dport=81)
    assert_allowed(lab.receives(one.port, frames.raw(good)))
    run = lab.receives(one.port, frames.raw(bad))
    assert_dropped(run, DropReason.NO_INGRESS_RULE, one.port)


@pytest.mark.covers("N11")
def test_a_deny_rule_before_an_allow_rule_wins(lab: ProgramLab) -> None:
    one = guest(lab, 3, ingress=(replace(WEB, action=Action.DENY), *ANYTHING))
    run = lab.receives(one.port, frames.tcp(PEER, one.end))
    assert_dropped(run, DropReason.NO_INGRESS_RULE, one.port)
    assert_allowed(lab.receives(one.port, frames.tcp(PEER, one.end, to=22)))


@pytest.mark.covers("N11")
def test_a_stateless_rule_makes_no_flow(lab: ProgramLab) -> None:
    one = guest(lab, 3, egress=(), ingress=(replace(ANY_UDP, flags=RuleFlag.STATELESS),))
    assert_allowed(lab.receives(one.port, frames.udp(PEER, one.end, to=53)))
    assert not dict(lab.flows.items())
    run = lab.sends(one.port, frames.udp(one.end, PEER, by=53, to=40000))
    assert_dropped(run, DropReason.NO_EGRESS_RULE, one.port)


@pytest.mark.covers("N11")
def test_a_flow_that_no_rule_allows_any_more_is_revoked(lab: ProgramLab, server: Guest) -> None:
    opening = frames.tcp(PEER, server.end)
    assert_allowed(lab.receives(server.port, opening))
    assert_allowed(lab.sends(server.port, reply_to(server.end, PEER)))
    change_rules(lab, server, ingress=0)
    later = frames.tcp(PEER, server.end, flags="A")
    run = lab.receives(server.port, later)
    assert_dropped(run, DropReason.FLOW_REVOKED, server.port, Direction.INGRESS)
    run = lab.sends(server.port, reply_to(server.end, PEER, flags="A"))
    assert_dropped(run, DropReason.FLOW_REVOKED, server.port, Direction.EGRESS)
    run = lab.receives(server.port, opening)
    assert_dropped(run, DropReason.NO_INGRESS_RULE, server.port)


@pytest.mark.covers("N11")
def test_the_answering_side_notices_the_revocation_as_well(lab: ProgramLab, server: Guest) -> None:
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end)))
    change_rules(lab, server, ingress=0)
    run = lab.sends(server.port, reply_to(server.end, PEER))
    assert_dropped(run, DropReason.FLOW_REVOKED, server.port, Direction.EGRESS)


@pytest.mark.covers("N11")
def test_a_revoked_flow_lives_again_with_its_rule(lab: ProgramLab, server: Guest) -> None:
    later = frames.tcp(PEER, server.end, flags="A")
    assert_allowed(lab.receives(server.port, later))
    change_rules(lab, server, ingress=0)
    assert_dropped(lab.receives(server.port, later), DropReason.FLOW_REVOKED, server.port)
    change_rules(lab, server, ingress=server.port.plan.ingress)
    assert_allowed(lab.receives(server.port, later))


@pytest.mark.covers("N11")
def test_a_new_connection_replaces_a_revoked_one(lab: ProgramLab, server: Guest) -> None:
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end)))
    change_rules(lab, server, ingress=0, egress=lab.rules(*ANYTHING))
    opening = frames.tcp(server.end, PEER, by=80, to=40000)
    run = lab.sends(server.port, reply_to(server.end, PEER))
    assert_dropped(run, DropReason.FLOW_REVOKED, server.port)
    assert_allowed(lab.sends(server.port, opening))
    assert lab.flow(server.port).flags == FlowFlag.INITIATOR_EGRESS


@pytest.mark.covers("N11")
def test_a_flow_may_be_kept_beyond_its_rule(lab: ProgramLab) -> None:
    one = guest(lab, 3, egress=(), ingress=(replace(WEB, flags=RuleFlag.KEEP),))
    assert_allowed(lab.receives(one.port, frames.tcp(PEER, one.end)))
    change_rules(lab, one, ingress=0)
    assert_allowed(lab.receives(one.port, frames.tcp(PEER, one.end, flags="A")))
    assert_allowed(lab.sends(one.port, reply_to(one.end, PEER)))
    run = lab.receives(one.port, frames.tcp(PEER, one.end, by=40001))
    assert_dropped(run, DropReason.NO_INGRESS_RULE, one.port)


@pytest.mark.covers("N11")
def test_an_old_epoch_costs_one_look_and_changes_nothing_that_is_allowed(
    lab: ProgramLab, server: Guest
) -> None:
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end)))
    epoch = lab.tables.bump_epoch()
    assert lab.flow(server.port).epoch != epoch
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end, flags="A")))
    assert lab.flow(server.port).epoch == epoch


@pytest.mark.covers("N11")
def test_a_reset_connection_is_over_after_ten_seconds(lab: ProgramLab, server: Guest) -> None:
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end)))
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end, flags="R")))
    lab.age(9)
    assert_allowed(lab.sends(server.port, reply_to(server.end, PEER, flags="A")))
    lab.age(11)
    run = lab.sends(server.port, reply_to(server.end, PEER, flags="A"))
    assert_dropped(run, DropReason.NO_EGRESS_RULE, server.port)


@pytest.mark.covers("N11")
def test_one_fin_is_a_half_closed_connection_and_two_are_the_end(
    lab: ProgramLab, server: Guest
) -> None:
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end)))
    assert_allowed(lab.sends(server.port, reply_to(server.end, PEER)))
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end, flags="FA")))
    lab.age(100_000)
    assert_allowed(lab.sends(server.port, reply_to(server.end, PEER, flags="FA")))
    lab.age(11)
    run = lab.sends(server.port, reply_to(server.end, PEER, flags="A"))
    assert_dropped(run, DropReason.NO_EGRESS_RULE, server.port)


@pytest.mark.covers("N11")
def test_a_new_connection_over_a_closing_one_is_judged_as_new(
    lab: ProgramLab, server: Guest
) -> None:
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end)))
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end, flags="R")))
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end)))
    assert lab.flow(server.port).flags == FlowFlag(0)
    assert_allowed(lab.receives(server.port, frames.tcp(PEER, server.end, flags="R")))
    run = lab.sends(server.port, frames.tcp(server.end, PEER, by=80, to=40000))
    assert_dropped(run, DropReason.NO_EGRESS_RULE, server.port)


Opening = Callable[[Guest], bytes]


@pytest.mark.covers("N11")
@pytest.mark.parametrize(
    ("opens", "alone", "answered"),
    [
        (lambda one: frames.tcp(one.end, PEER), 120, 432_000),
        (lambda one: frames.udp(one.end, PEER, to=53), 30, 180),
        (lambda one: frames.raw(frames.between(one.end, PEER) / SCTP(dport=5)), 120, 3600),
        (lambda one: frames.raw(frames.between(one.end, PEER, proto=47) / Raw(b"1")), 60, 600),
    ],
    ids=["tcp", "udp", "sctp", "gre"],
)
def test_a_flow_lives_as_long_as_its_protocol_says(
    lab: ProgramLab, client: Guest, opens: Opening, alone: int, answered: int
) -> None:
    opening = opens(client)
    backward = _reversed(opening)
    assert_allowed(lab.sends(client.port, opening))
    lab.age(alone + 1)
    assert_dropped(lab.receives(client.port, backward), DropReason.NO_INGRESS_RULE, client.port)
    assert_allowed(lab.sends(client.port, opening))
    lab.age(alone - 1)
    assert_allowed(lab.receives(client.port, backward))
    lab.age(answered - 1)
    assert_allowed(lab.receives(client.port, backward))
    lab.age(answered + 1)
    assert_dropped(lab.receives(client.port, backward), DropReason.NO_INGRESS_RULE, client.port)


def _reversed(frame: bytes) -> bytes:
    """The same frame from the other side: addresses and ports swapped."""
    ends = frame[6:12] + frame[:6] + frame[12:26] + frame[30:34] + frame[26:30]
    ports = frame[36:38] + frame[34:36] if len(frame) >= 38 else b""
    return ends + ports + frame[34 + len(ports) :]


@pytest.mark.covers("N11")
def test_an_echo_reply_belongs_to_the_request(lab: ProgramLab, client: Guest) -> None:
    reply = frames.ping(PEER, client.end, reply=True)
    assert_dropped(lab.receives(client.port, reply), DropReason.NO_INGRESS_RULE, client.port)
    assert_allowed(lab.sends(client.port, frames.ping(client.end, PEER)))
    assert_allowed(lab.receives(client.port, reply))
    other = frames.ping(PEER, client.end, reply=True, identifier=78)
    assert_dropped(lab.receives(client.port, other), DropReason.NO_INGRESS_RULE, client.port)


@pytest.mark.covers("N11")
def test_an_echo_flow_lets_no_request_back_in(lab: ProgramLab, client: Guest) -> None:
    assert_allowed(lab.sends(client.port, frames.ping(client.end, PEER)))
    run = lab.receives(client.port, frames.ping(PEER, client.end))
    assert_dropped(run, DropReason.NO_INGRESS_RULE, client.port)


@pytest.mark.covers("N11")
def test_both_sides_may_ping_with_one_identifier(lab: ProgramLab) -> None:
    one = guest(lab, 3, ingress=(ECHO,))
    assert_allowed(lab.sends(one.port, frames.ping(one.end, PEER)))
    assert_allowed(lab.receives(one.port, frames.ping(PEER, one.end)))
    assert_allowed(lab.receives(one.port, frames.ping(PEER, one.end, reply=True)))
    change_rules(lab, one, egress=0)
    assert_allowed(lab.sends(one.port, frames.ping(one.end, PEER, reply=True)))
    run = lab.receives(one.port, frames.ping(PEER, one.end, reply=True))
    assert_dropped(run, DropReason.FLOW_REVOKED, one.port)


@pytest.mark.covers("N11")
def test_an_echo_reply_opens_nothing(lab: ProgramLab, client: Guest) -> None:
    assert_allowed(lab.sends(client.port, frames.ping(client.end, PEER, reply=True)))
    assert not dict(lab.flows.items())


@pytest.mark.covers("N11")
def test_an_echo_lives_thirty_seconds(lab: ProgramLab, client: Guest) -> None:
    request = frames.between(client.end6, PEER6) / ICMPv6EchoRequest(id=3)
    reply = frames.raw(frames.between(PEER6, client.end6) / ICMPv6EchoReply(id=3))
    assert_allowed(lab.sends(client.port, frames.raw(request)))
    lab.age(29)
    assert_allowed(lab.receives(client.port, reply))
    lab.age(31)
    assert_dropped(lab.receives(client.port, reply), DropReason.NO_INGRESS_RULE, client.port)


@pytest.mark.covers("N11")
def test_an_error_about_a_flow_is_related(lab: ProgramLab, client: Guest) -> None:
    sent = frames.udp(client.end, PEER, to=53)
    error = frames.unreachable(ROUTER, client.end, sent)
    run = lab.receives(client.port, error)
    assert_dropped(run, DropReason.NO_INGRESS_RULE, client.port)
    assert_allowed(lab.sends(client.port, sent))
    assert_allowed(lab.receives(client.port, error))
    other = frames.unreachable(ROUTER, client.end, frames.udp(client.end, PEER, to=54))
    assert_dropped(lab.receives(client.port, other), DropReason.NO_INGRESS_RULE, client.port)


@pytest.mark.covers("N11")
def test_a_guest_may_answer_a_flow_with_an_error(lab: ProgramLab) -> None:
    one = guest(lab, 3, egress=(), ingress=(ANY_UDP,))
    received = frames.udp(PEER, one.end, to=9)
    error = frames.unreachable(one.end, PEER, received)
    assert_dropped(lab.sends(one.port, error), DropReason.NO_EGRESS_RULE, one.port)
    assert_allowed(lab.receives(one.port, received))
    assert_allowed(lab.sends(one.port, error))


@pytest.mark.covers("N11")
def test_an_error_about_an_echo_is_related(lab: ProgramLab, client: Guest) -> None:
    sent = frames.ping(client.end, PEER)
    assert_allowed(lab.sends(client.port, sent))
    assert_allowed(lab.receives(client.port, frames.unreachable(ROUTER, client.end, sent)))


@pytest.mark.covers("N11")
def test_an_ipv6_error_about_a_flow_is_related(lab: ProgramLab, client: Guest) -> None:
    sent = frames.udp(client.end6, PEER6, to=53)
    head = frames.between(PEER6, client.end6)
    error = frames.raw(head / ICMPv6PacketTooBig(mtu=1280) / Raw(sent[14 : 14 + 48]))
    assert_dropped(lab.receives(client.port, error), DropReason.NO_INGRESS_RULE, client.port)
    assert_allowed(lab.sends(client.port, sent))
    assert_allowed(lab.receives(client.port, error))


@pytest.mark.covers("N11")
def test_an_error_about_a_revoked_flow_is_not_related(lab: ProgramLab, client: Guest) -> None:
    sent = frames.udp(client.end, PEER, to=53)
    assert_allowed(lab.sends(client.port, sent))
    change_rules(lab, client, egress=0)
    assert_dropped(lab.sends(client.port, sent), DropReason.FLOW_REVOKED, client.port)
    error = frames.unreachable(ROUTER, client.end, sent)
    assert_dropped(lab.receives(client.port, error), DropReason.NO_INGRESS_RULE, client.port)


@pytest.mark.covers("N11")
def test_a_quoted_fragment_or_half_a_header_is_not_related(lab: ProgramLab, client: Guest) -> None:
    sent = frames.udp(client.end, PEER, to=53)
    assert_allowed(lab.sends(client.port, sent))
    quoted = sent[14 : 14 + 28]
    head = frames.between(ROUTER, client.end) / ICMP(type=3, code=3)
    for about in (quoted[:27], quoted[:6] + b"\x00\x01" + quoted[8:]):
        run = lab.receives(client.port, frames.raw(head / Raw(about)))
        assert_dropped(run, DropReason.NO_INGRESS_RULE, client.port)


def fragment(source: End, destination: End, offset: int, *, more: bool, identity: int) -> bytes:
    head = frames.between(source, destination, id=identity, frag=offset, flags=int(more))
    head[IP].proto = 17
    upper = bytes(UDP(sport=40000, dport=53, len=2000)) if not offset else b""
    return frames.raw(head / Raw(upper + bytes(16)))


@pytest.mark.covers("N11")
def test_later_fragments_follow_an_allowed_first_one(lab: ProgramLab, client: Guest) -> None:
    later = fragment(client.end, PEER, 3, more=False, identity=7)
    run = lab.sends(client.port, later)
    assert_dropped(run, DropReason.FRAGMENT_UNMATCHED, client.port, Direction.EGRESS)
    assert_allowed(lab.sends(client.port, fragment(client.end, PEER, 0, more=True, identity=7)))
    assert_allowed(lab.sends(client.port, later))
    other = fragment(client.end, PEER, 3, more=False, identity=8)
    assert_dropped(lab.sends(client.port, other), DropReason.FRAGMENT_UNMATCHED, client.port)
    lab.age(31)
    assert_dropped(lab.sends(client.port, later), DropReason.FRAGMENT_UNMATCHED, client.port)


@pytest.mark.covers("N11")
def test_fragments_of_a_refused_datagram_stay_outside(lab: ProgramLab, client: Guest) -> None:
    first = fragment(PEER, client.end, 0, more=True, identity=7)
    later = fragment(PEER, client.end, 3, more=False, identity=7)
    assert_dropped(lab.receives(client.port, first), DropReason.NO_INGRESS_RULE, client.port)
    assert_dropped(lab.receives(client.port, later), DropReason.FRAGMENT_UNMATCHED, client.port)


@pytest.mark.covers("N10")
def test_a_later_fragment_still_needs_its_source(lab: ProgramLab, client: Guest) -> None:
    assert_allowed(lab.sends(client.port, fragment(client.end, PEER, 0, more=True, identity=7)))
    forged = client.end.at(ip_address("10.0.0.99"))
    run = lab.sends(client.port, fragment(forged, PEER, 3, more=False, identity=7))
    assert_dropped(run, DropReason.SPOOFED_IPV4, client.port)


@pytest.mark.covers("N11")
def test_a_flow_is_refreshed_at_most_once_a_second(lab: ProgramLab, client: Guest) -> None:
    frame = frames.udp(client.end, PEER, to=53)
    assert_allowed(lab.sends(client.port, frame))
    first = lab.flow(client.port).seen_at
    assert_allowed(lab.sends(client.port, frame))
    assert lab.flow(client.port).seen_at == first
    lab.age(2)
    assert_allowed(lab.sends(client.port, frame))
    assert lab.flow(client.port).seen_at >= first
