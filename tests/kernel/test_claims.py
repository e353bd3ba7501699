"""Who owns a virtual IP, as its members claim it: section 3, by the loaded program."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.support import frames
from tests.support.frames import End
from tests.support.programs import ProgramLab, assert_allowed, assert_dropped
from tests.support.scene import ANYTHING, NETWORK, Guest, binding, guest

from portlight.dataplane.bpf.abi import Direction
from portlight.dataplane.bpf.testrun import TC_ACT_REDIRECT
from portlight.plan.host import VirtualIpMemberPlan, VirtualIpPlan
from portlight.values.addresses import IpAddress, MacAddress
from portlight.values.verdict import DropReason

VIP, VIP6 = ip_address("10.0.0.100"), ip_address("fd00::100")
VIRTUAL_MAC = MacAddress(0x00_00_5E_00_01_09)
OLD_MAC = MacAddress(0x02_00_00_00_00_77)
SOMEBODY = ip_address("10.0.0.9")


def member(lab: ProgramLab, number: int, *, virtual_mac: MacAddress | None = None) -> Guest:
    made = guest(lab, number, ingress=ANYTHING)
    for mac in (made.end.mac, virtual_mac):
        if mac is not None:
            lab.bind(*(binding(number, mac, address) for address in (VIP, VIP6)))
    return made


def virtual_ip(
    lab: ProgramLab,
    *members: Guest,
    policy: str = "latest",
    address: IpAddress = VIP,
    pinned: int = 0,
    virtual_mac: MacAddress | None = None,
) -> None:
    plan = VirtualIpPlan(
        members=tuple(
            VirtualIpMemberPlan(port=each.port.number, virtual_mac=virtual_mac) for each in members
        ),
        claim_policy=policy,
        pinned_owner=pinned,
    )
    lab.virtual_ip(NETWORK, address, plan)


def gratuitous(one: Guest) -> bytes:
    return frames.arp(one.end.at(VIP), VIP)


def answer(one: Guest) -> bytes:
    return frames.arp(one.end.at(VIP), SOMEBODY, reply=True)


@pytest.fixture
def pair(lab: ProgramLab) -> tuple[Guest, Guest]:
    return member(lab, 1), member(lab, 2)


@pytest.mark.covers("N23")
def test_the_first_claim_takes_an_address_that_nobody_owns(
    lab: ProgramLab, pair: tuple[Guest, Guest]
) -> None:
    virtual_ip(lab, *pair)
    assert lab.owner(NETWORK, VIP) == 0
    assert_allowed(lab.sends(pair[0].port, answer(pair[0])))
    assert lab.owner(NETWORK, VIP) == 1
    (claim,) = lab.tables.claims.poll()
    assert (claim.port, claim.accepted) == (1, True)


@pytest.mark.covers("N23")
def test_the_latest_announcement_moves_the_address(
    lab: ProgramLab, pair: tuple[Guest, Guest]
) -> None:
    virtual_ip(lab, *pair)
    for one in (*pair, *pair):
        assert_allowed(lab.sends(one.port, gratuitous(one)))
        assert lab.owner(NETWORK, VIP) == one.port.number


@pytest.mark.covers("N23")
def test_an_answer_wins_nothing_back(lab: ProgramLab, pair: tuple[Guest, Guest]) -> None:
    virtual_ip(lab, *pair)
    for one in pair:
        assert_allowed(lab.sends(one.port, gratuitous(one)))
    lab.tables.claims.poll()
    run = lab.sends(pair[0].port, answer(pair[0]))
    assert_dropped(run, DropReason.VIRTUAL_IP_NOT_OWNER, pair[0].port, Direction.EGRESS)
    assert lab.owner(NETWORK, VIP) == 2
    assert not lab.tables.claims.poll()


@pytest.mark.covers("N23", "X3")
def test_first_keeps_the_owner_until_it_is_silent(
    lab: ProgramLab, pair: tuple[Guest, Guest]
) -> None:
    virtual_ip(lab, *pair, policy="first")
    assert_allowed(lab.sends(pair[0].port, gratuitous(pair[0])))
    run = lab.sends(pair[1].port, gratuitous(pair[1]))
    assert_dropped(run, DropReason.VIRTUAL_IP_NOT_OWNER, pair[1].port)
    assert [claim.accepted for claim in lab.tables.claims.poll()] == [True, False]
    lab.age(3.6)
    assert_allowed(lab.sends(pair[1].port, gratuitous(pair[1])))
    assert lab.owner(NETWORK, VIP) == 2


@pytest.mark.covers("N23")
def test_the_owners_claims_keep_it_from_being_silent(
    lab: ProgramLab, pair: tuple[Guest, Guest]
) -> None:
    virtual_ip(lab, *pair, policy="first")
    assert_allowed(lab.sends(pair[0].port, gratuitous(pair[0])))
    lab.age(3)
    assert_allowed(lab.sends(pair[0].port, answer(pair[0])))
    lab.age(3)
    run = lab.sends(pair[1].port, gratuitous(pair[1]))
    assert_dropped(run, DropReason.VIRTUAL_IP_NOT_OWNER, pair[1].port)


@pytest.mark.covers("N23", "X3")
@pytest.mark.parametrize("version", [2, 3])
def test_the_higher_vrrp_priority_takes_the_address(
    lab: ProgramLab, pair: tuple[Guest, Guest], version: int
) -> None:
    virtual_ip(lab, *pair, policy="priority")
    for one, priority, owner in ((0, 100, 1), (1, 50, 1), (1, 100, 1), (1, 150, 2), (0, 149, 2)):
        frame = frames.vrrp(pair[one].end, [VIP], priority=priority, version=version)
        assert_allowed(lab.sends(pair[one].port, frame))
        assert lab.owner(NETWORK, VIP) == owner
    run = lab.sends(pair[0].port, gratuitous(pair[0]))
    assert_dropped(run, DropReason.VIRTUAL_IP_NOT_OWNER, pair[0].port)


@pytest.mark.covers("N23")
def test_a_member_that_resigns_claims_nothing(lab: ProgramLab, pair: tuple[Guest, Guest]) -> None:
    virtual_ip(lab, *pair)
    assert_allowed(lab.sends(pair[0].port, frames.vrrp(pair[0].end, [VIP], priority=0)))
    assert lab.owner(NETWORK, VIP) == 0


@pytest.mark.covers("N23")
def test_every_address_of_an_advertisement_is_claimed(
    lab: ProgramLab, pair: tuple[Guest, Guest]
) -> None:
    others = [ip_address(f"10.0.0.{100 + index}") for index in range(20)]
    for address in others:
        virtual_ip(lab, *pair, address=address)
    frame = frames.vrrp(pair[0].end, others, priority=100)
    assert_allowed(lab.sends(pair[0].port, frame))
    assert {lab.owner(NETWORK, address) for address in others} == {1}
    more = frames.vrrp(pair[1].end, [*others, SOMEBODY], priority=200)
    assert_allowed(lab.sends(pair[1].port, more))
    assert {lab.owner(NETWORK, address) for address in others} == {1}


@pytest.mark.covers("N23")
def test_ipv6_addresses_are_claimed_by_vrrp_and_advertisements(
    lab: ProgramLab, pair: tuple[Guest, Guest]
) -> None:
    virtual_ip(lab, *pair, address=VIP6)
    sender = pair[0].end6.at(pair[0].end.mac.link_local)
    frame = frames.vrrp(sender, [sender.ip, VIP6], priority=100)
    assert_allowed(lab.sends(pair[0].port, frame))
    assert lab.owner(NETWORK, VIP6) == 1
    solicited = frames.advertisement(pair[1].end6.at(VIP6), VIP6, solicited=True)
    run = lab.sends(pair[1].port, solicited)
    assert_dropped(run, DropReason.VIRTUAL_IP_NOT_OWNER, pair[1].port)
    assert_allowed(lab.sends(pair[1].port, frames.advertisement(pair[1].end6.at(VIP6), VIP6)))
    assert lab.owner(NETWORK, VIP6) == 2


@pytest.mark.covers("N23", "X3")
def test_a_frozen_address_belongs_to_the_pinned_member(
    lab: ProgramLab, pair: tuple[Guest, Guest]
) -> None:
    virtual_ip(lab, *pair, policy="frozen", pinned=1)
    assert lab.owner(NETWORK, VIP) == 1
    lab.age(100)
    run = lab.sends(pair[1].port, gratuitous(pair[1]))
    assert_dropped(run, DropReason.VIRTUAL_IP_NOT_OWNER, pair[1].port)
    assert_allowed(lab.sends(pair[0].port, gratuitous(pair[0])))


@pytest.mark.covers("N24")
def test_who_is_no_member_claims_nothing(lab: ProgramLab, pair: tuple[Guest, Guest]) -> None:
    virtual_ip(lab, pair[0])
    assert_allowed(lab.sends(pair[1].port, gratuitous(pair[1])))
    assert lab.owner(NETWORK, VIP) == 0


@pytest.mark.covers("N24")
def test_only_the_owner_sends_from_the_address(lab: ProgramLab, pair: tuple[Guest, Guest]) -> None:
    other = guest(lab, 3, ingress=ANYTHING)
    virtual_ip(lab, *pair)
    assert_allowed(lab.sends(pair[0].port, gratuitous(pair[0])))
    frame = frames.udp(pair[0].end.at(VIP), other.end, to=9)
    assert_allowed(lab.sends(pair[0].port, frame))
    assert_allowed(lab.sends(pair[1].port, gratuitous(pair[1])))
    run = lab.sends(pair[0].port, frame)
    assert_dropped(run, DropReason.VIRTUAL_IP_NOT_OWNER, pair[0].port, Direction.EGRESS)


@pytest.mark.covers("N23")
def test_a_former_owner_is_given_nothing_for_the_address(
    lab: ProgramLab, pair: tuple[Guest, Guest]
) -> None:
    virtual_ip(lab, *pair)
    frame = frames.udp(End(mac=OLD_MAC, ip=SOMEBODY), pair[0].end.at(VIP), to=9)
    assert_allowed(lab.receives(pair[0].port, frame))
    assert_allowed(lab.sends(pair[1].port, gratuitous(pair[1])))
    run = lab.receives(pair[0].port, frame)
    assert_dropped(run, DropReason.VIRTUAL_IP_NOT_OWNER, pair[0].port, Direction.INGRESS)


@pytest.mark.covers("N23")
def test_packets_follow_the_owner_whatever_mac_the_sender_remembers(
    lab: ProgramLab, pair: tuple[Guest, Guest]
) -> None:
    sender = guest(lab, 3)
    virtual_ip(lab, *pair)
    for one in pair:
        assert_allowed(lab.sends(one.port, gratuitous(one)))
        for mac in (OLD_MAC, pair[0].end.mac, pair[1].end.mac):
            target = End(mac=mac, ip=VIP)
            run = lab.sends(sender.port, frames.udp(sender.end, target, to=9))
            assert run.action == TC_ACT_REDIRECT
            assert run.frame[:6] == one.end.mac.packed


@pytest.mark.covers("N30")
def test_the_owners_groups_judge_what_comes_for_the_address(
    lab: ProgramLab, pair: tuple[Guest, Guest]
) -> None:
    sender = guest(lab, 3)
    virtual_ip(lab, *pair)
    assert_allowed(lab.sends(pair[0].port, gratuitous(pair[0])))
    lab.change(pair[0].port, ingress=0)
    lab.tables.bump_epoch()
    target = End(mac=OLD_MAC, ip=VIP)
    run = lab.sends(sender.port, frames.udp(sender.end, target, to=9))
    assert_dropped(run, DropReason.NO_INGRESS_RULE, pair[0].port, Direction.INGRESS)


@pytest.mark.covers("N23")
def test_the_virtual_mac_is_learned_and_moves_with_the_address(lab: ProgramLab) -> None:
    pair = (
        member(lab, 1, virtual_mac=VIRTUAL_MAC),
        member(lab, 2, virtual_mac=VIRTUAL_MAC),
    )
    sender = guest(lab, 3)
    virtual_ip(lab, *pair, virtual_mac=VIRTUAL_MAC)
    for one in pair:
        assert_allowed(lab.sends(one.port, frames.vrrp(one.end, [VIP], priority=100)))
        other_address = End(mac=VIRTUAL_MAC, ip=one.end.ip)
        for target in (End(mac=OLD_MAC, ip=VIP), other_address):
            run = lab.sends(sender.port, frames.udp(sender.end, target, to=9))
            assert run.action == TC_ACT_REDIRECT
            assert run.frame[:6] == VIRTUAL_MAC.packed
    assert lab.owner(NETWORK, VIP) == 2


@pytest.mark.covers("N23")
def test_a_claimed_mac_never_takes_the_mac_of_a_port(
    lab: ProgramLab, pair: tuple[Guest, Guest]
) -> None:
    victim, sender = guest(lab, 3, ingress=()), guest(lab, 4)
    lab.bind(binding(1, victim.end.mac, VIP))
    virtual_ip(lab, *pair)
    thief = replace(pair[0].end, mac=victim.end.mac, ip=VIP)
    assert_allowed(lab.sends(pair[0].port, frames.arp(thief, VIP)))
    run = lab.sends(sender.port, frames.udp(sender.end, victim.end, to=9))
    assert_dropped(run, DropReason.NO_INGRESS_RULE, victim.port, Direction.INGRESS)


@pytest.mark.covers("X3")
@pytest.mark.parametrize("policy", ["latest", "first", "priority"])
def test_two_members_that_announce_in_turn_are_a_split_brain(
    lab: ProgramLab, pair: tuple[Guest, Guest], policy: str
) -> None:
    virtual_ip(lab, *pair, policy=policy)
    for one in (*pair, *pair):
        lab.sends(one.port, frames.vrrp(one.end, [VIP], priority=100))
    claims = lab.tables.claims.poll()
    assert any(claim.split_brain for claim in claims)


@pytest.mark.covers("X3")
def test_an_ordered_take_over_is_no_split_brain(lab: ProgramLab, pair: tuple[Guest, Guest]) -> None:
    virtual_ip(lab, *pair)
    for one in (pair[0], pair[0], pair[0], pair[1], pair[1], pair[1]):
        lab.sends(one.port, gratuitous(one))
    claims = lab.tables.claims.poll()
    assert [claim.split_brain for claim in claims] == [False, False]
