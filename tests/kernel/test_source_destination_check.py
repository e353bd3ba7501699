"""The source and destination check of a port, on and off: by the loaded program."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from tests.support import frames
from tests.support.frames import End
from tests.support.programs import ProgramLab, assert_allowed, assert_dropped
from tests.support.scene import ANYTHING, NETWORK, Guest, binding, guest

from portlight.dataplane.bpf.abi import Direction
from portlight.plan.host import SourceBinding, VirtualIpMemberPlan, VirtualIpPlan
from portlight.values.addresses import MacAddress
from portlight.values.verdict import DropReason

FAR = End(mac=MacAddress(0x02_00_00_00_00_FE), ip=ip_address("192.0.2.7"))
FAR6 = replace(FAR, ip=ip_address("2001:db8::7"))
BROADCAST = MacAddress(0xFF_FF_FF_FF_FF_FF)


@pytest.fixture
def checked(lab: ProgramLab) -> Guest:
    return guest(lab, 1, ingress=ANYTHING)


@pytest.fixture
def unchecked(lab: ProgramLab) -> Guest:
    one = guest(lab, 1, ingress=ANYTHING)
    lab.change(one.port, checked=False)
    return one


def through(one: Guest) -> tuple[End, End]:
    """Return the guest as if it had an address of the world behind it, in each family."""
    return one.end.at(ip_address("10.9.0.9")), one.end6.at(ip_address("fd00:9::9"))


@pytest.mark.covers("N21")
def test_a_checked_port_gets_nothing_for_addresses_that_are_not_its_own(
    lab: ProgramLab, checked: Guest
) -> None:
    for far, near in zip((FAR, FAR6), through(checked), strict=True):
        run = lab.receives(checked.port, frames.tcp(far, near))
        assert_dropped(run, DropReason.DESTINATION_NOT_OWN, checked.port, Direction.INGRESS)
    assert_allowed(lab.receives(checked.port, frames.tcp(FAR, checked.end)))
    assert_allowed(lab.receives(checked.port, frames.ping6(FAR6, checked.end6)))


@pytest.mark.covers("N21", "N22")
def test_an_unchecked_port_sends_and_receives_for_others(lab: ProgramLab, unchecked: Guest) -> None:
    near, near6 = through(unchecked)
    for source, destination in ((near, FAR), (near6, FAR6)):
        assert_allowed(lab.sends(unchecked.port, frames.tcp(source, destination)))
        assert_allowed(lab.receives(unchecked.port, frames.tcp(destination, source, to=22)))


@pytest.mark.covers("N21")
def test_an_unchecked_port_still_has_its_mac_and_answers_for_no_foreign_address(
    lab: ProgramLab, unchecked: Guest
) -> None:
    stranger = replace(unchecked.end, mac=MacAddress(0x02_00_00_00_00_99))
    run = lab.sends(unchecked.port, frames.tcp(stranger, FAR))
    assert_dropped(run, DropReason.SPOOFED_MAC, unchecked.port, Direction.EGRESS)
    near, _ = through(unchecked)
    run = lab.sends(unchecked.port, frames.arp(near, FAR.ip))
    assert_dropped(run, DropReason.SPOOFED_ARP, unchecked.port, Direction.EGRESS)


@pytest.mark.covers("N21")
def test_the_groups_of_an_unchecked_port_go_on_judging(lab: ProgramLab) -> None:
    one = guest(lab, 1, egress=(), ingress=())
    lab.change(one.port, checked=False)
    near, _ = through(one)
    run = lab.sends(one.port, frames.tcp(near, FAR))
    assert_dropped(run, DropReason.NO_EGRESS_RULE, one.port, Direction.EGRESS)
    run = lab.receives(one.port, frames.tcp(FAR, near))
    assert_dropped(run, DropReason.NO_INGRESS_RULE, one.port, Direction.INGRESS)


@pytest.mark.covers("N21")
def test_a_flow_of_an_unchecked_port_ends_with_the_check_on(
    lab: ProgramLab, unchecked: Guest
) -> None:
    near, _ = through(unchecked)
    assert_allowed(lab.receives(unchecked.port, frames.tcp(FAR, near)))
    lab.change(unchecked.port, checked=True)
    lab.tables.bump_epoch()
    run = lab.receives(unchecked.port, frames.tcp(FAR, near))
    assert_dropped(run, DropReason.DESTINATION_NOT_OWN, unchecked.port, Direction.INGRESS)


@pytest.mark.covers("N21")
def test_what_is_sent_to_all_is_for_a_checked_port_too(lab: ProgramLab, checked: Guest) -> None:
    everyone = End(mac=BROADCAST, ip=ip_address("10.0.0.255"))
    assert_allowed(lab.receives(checked.port, frames.tcp(FAR, everyone)))


@pytest.mark.covers("N21", "N26")
def test_an_address_pair_is_received_for_as_well(lab: ProgramLab, checked: Guest) -> None:
    near, _ = through(checked)
    pair = SourceBinding(port=1, mac=FAR.mac, prefix=ip_network("10.9.0.0/16"))
    lab.bind(pair)
    assert_allowed(lab.receives(checked.port, frames.tcp(FAR, near)))
    lab.unbind(pair)
    lab.tables.bump_epoch()
    run = lab.receives(checked.port, frames.tcp(FAR, near))
    assert_dropped(run, DropReason.DESTINATION_NOT_OWN, checked.port, Direction.INGRESS)


@pytest.mark.covers("H63")
def test_a_member_of_a_virtual_ip_keeps_its_check_and_receives_for_that_address_only(
    lab: ProgramLab, checked: Guest
) -> None:
    address = ip_address("10.0.0.100")
    lab.bind(binding(1, checked.end.mac, address))
    plan = VirtualIpPlan(members=(VirtualIpMemberPlan(port=1),), claim_policy="latest")
    lab.virtual_ip(NETWORK, address, plan)
    assert_allowed(lab.receives(checked.port, frames.tcp(FAR, checked.end.at(address))))
    other = checked.end.at(ip_address("10.0.0.101"))
    run = lab.receives(checked.port, frames.tcp(FAR, other))
    assert_dropped(run, DropReason.DESTINATION_NOT_OWN, checked.port, Direction.INGRESS)


@pytest.mark.covers("N10")
def test_a_mac_of_zeros_is_no_way_around_the_binding(lab: ProgramLab, checked: Guest) -> None:
    nobody = replace(checked.end, mac=MacAddress(0))
    run = lab.sends(checked.port, frames.tcp(nobody, FAR))
    assert_dropped(run, DropReason.SPOOFED_MAC, checked.port, Direction.EGRESS)
