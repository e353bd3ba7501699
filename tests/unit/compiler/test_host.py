"""What one host must be, from small topologies."""

from dataclasses import replace

import pytest
from tests.support.builders import (
    ELSEWHERE,
    HOST,
    a_group,
    a_network,
    a_pair,
    a_port,
    a_rule,
    a_subnet,
    a_topology,
    a_virtual_ip,
    an_instance,
    group_id,
    icmp,
    ip,
    mac,
    net,
    port_id,
    ports,
)

from portlight.compiler.host import compile_host
from portlight.compiler.memo import Memo
from portlight.core.network import Ipv6Mode
from portlight.core.port import ExtraDhcpOption, FixedIp, RetiredIp
from portlight.core.security_group import Direction, EstablishedFlows, EtherType
from portlight.core.virtual_ip import ClaimPolicy
from portlight.plan.classifier import RuleFlag
from portlight.plan.host import (
    DhcpOption,
    SourceBinding,
    VirtualIpMemberPlan,
    VirtualIpPlan,
)
from portlight.values.addresses import host_prefix, virtual_router_mac


def test_a_port_of_an_instance_of_this_host_gets_a_bridge_a_link_and_a_policy() -> None:
    topology = a_topology(
        a_network(mtu=1400), a_subnet(), an_instance(1), a_port(1, "10.0.0.5", device_index=2)
    )

    plan = compile_host(topology, HOST)

    assert plan.bridges[1].mtu == 1400
    assert plan.links[1].guest_ifname == "eth2"
    assert plan.ports[1].up
    assert plan.ports[1].secured
    assert next(iter(plan.instances.values())).ports == (1,)


def test_a_port_without_an_instance_and_one_of_another_host_get_nothing() -> None:
    topology = a_topology(
        a_network(),
        a_subnet(),
        a_port(1, "10.0.0.5", device_id="", device_index=None),
        an_instance(2, host=ELSEWHERE),
        a_port(2, "10.0.0.6"),
    )

    plan = compile_host(topology, HOST)

    assert plan == compile_host(a_topology(), HOST)


def test_a_network_that_is_down_takes_its_ports_down() -> None:
    topology = a_topology(
        a_network(admin_state_up=False), a_subnet(), an_instance(1), a_port(1, "10.0.0.5")
    )

    assert not compile_host(topology, HOST).ports[1].up


@pytest.mark.covers("N10", "N26", "P15")
def test_bindings_are_own_retired_paired_and_virtual_addresses_and_link_locals() -> None:
    port = a_port(
        1,
        "10.0.0.5",
        retired_ips=(
            RetiredIp(fixed_ip=FixedIp(subnet_id=a_subnet().id, address=ip("10.0.0.9")), until=0),
        ),
        allowed_address_pairs=(a_pair("10.1.0.0/16"), a_pair("10.2.0.1/32", mac(99))),
    )
    topology = a_topology(
        a_network(),
        a_subnet(),
        an_instance(1),
        port,
        a_virtual_ip(1, "10.0.0.100", {1: 7}),
        a_virtual_ip(2, "10.0.0.101", {1: None}),
    )

    bindings = compile_host(topology, HOST).bindings

    vrrp = virtual_router_mac(7, 4)
    local = host_prefix(port.mac.link_local)
    assert bindings == {
        SourceBinding(port=1, mac=sender, prefix=prefix)
        for sender, prefix in [
            (port.mac, net("10.0.0.5/32")),
            (port.mac, net("10.0.0.9/32")),
            (port.mac, net("10.1.0.0/16")),
            (mac(99), net("10.2.0.1/32")),
            (port.mac, net("10.0.0.100/32")),
            (port.mac, net("10.0.0.101/32")),
            (port.mac, local),
            (mac(99), host_prefix(mac(99).link_local)),
            (vrrp, net("10.0.0.100/32")),
            (vrrp, net("10.0.0.5/32")),
            (vrrp, net("10.0.0.9/32")),
            (vrrp, local),
            (vrrp, host_prefix(vrrp.link_local)),
        ]
    }


@pytest.mark.covers("N12")
def test_a_port_without_port_security_has_neither_bindings_nor_classifiers() -> None:
    topology = a_topology(
        a_network(),
        a_subnet(),
        an_instance(1),
        a_group(1),
        a_rule(1, 1),
        a_port(1, "10.0.0.5", port_security_enabled=False, security_groups=(group_id(1),)),
    )

    plan = compile_host(topology, HOST)

    assert not plan.ports[1].secured
    assert not plan.bindings
    assert not plan.classifiers


@pytest.mark.covers("N11", "N13")
def test_ports_with_the_same_sixteen_groups_share_one_classifier_of_all_their_rules() -> None:
    groups = [a_group(number) for number in range(1, 17)]
    rules = [a_rule(n, n, protocol=6, ports=ports(n)) for n in range(1, 17)]
    carried = tuple(group.id for group in groups)
    topology = a_topology(
        a_network(),
        a_subnet(),
        *groups,
        *rules,
        *(an_instance(n) for n in (1, 2)),
        *(a_port(n, f"10.0.0.{n + 4}", security_groups=carried) for n in (1, 2)),
    )

    plan = compile_host(topology, HOST)

    assert len(plan.classifiers) == 1
    assert plan.ports[1].ingress == plan.ports[2].ingress != 0
    assert plan.ports[1].egress == 0
    assert len(plan.classifiers[plan.ports[1].ingress].rules) == 16


def test_stateful_rules_come_before_stateless_ones_and_keeping_before_cutting() -> None:
    topology = a_topology(
        a_network(),
        a_subnet(),
        an_instance(1),
        a_group(1, stateful=False),
        a_group(2),
        a_group(3, established_flows=EstablishedFlows.KEEP),
        *(a_rule(n, n) for n in (1, 2, 3)),
        a_port(1, "10.0.0.5", security_groups=(group_id(1), group_id(2), group_id(3))),
    )

    [classifier] = compile_host(topology, HOST).classifiers.values()

    flags = [rule.flags for rule in classifier.rules]
    assert flags == [RuleFlag.KEEP, RuleFlag.NONE, RuleFlag.STATELESS]


def test_rules_that_match_no_packet_are_left_out_and_equal_ones_are_one() -> None:
    topology = a_topology(
        a_network(),
        a_subnet(),
        an_instance(1),
        a_group(1),
        a_rule(1, protocol=47, ports=ports(1)),
        a_rule(2, ports=ports(1)),
        a_rule(3, protocol=58, icmp=icmp(128)),
        a_rule(4, remote_prefix=net("fd00::/8")),
        a_rule(5, remote_group_id=group_id(77)),
        a_rule(6, protocol=6, ports=ports(0, 65535)),
        a_rule(7, protocol=6, remote_prefix=net("0.0.0.0/0")),
        a_port(1, "10.0.0.5", security_groups=(group_id(1),)),
    )

    [classifier] = compile_host(topology, HOST).classifiers.values()

    assert [rule.label >> 32 for rule in classifier.rules] == [6]


@pytest.mark.covers("N32")
def test_members_are_fixed_addresses_everywhere_but_no_virtual_ips_and_no_pairs() -> None:
    carried = (group_id(1),)
    topology = a_topology(
        a_network(),
        a_subnet(),
        a_group(1),
        a_rule(1, remote_group_id=group_id(1)),
        an_instance(1),
        a_port(1, "10.0.0.5", security_groups=carried),
        a_port(2, "10.0.0.6", security_groups=carried, device_id=""),
        a_port(
            3,
            "10.0.0.7",
            security_groups=carried,
            allowed_address_pairs=(a_pair("10.0.0.200/32"),),
        ),
        a_virtual_ip(1, "10.0.0.100", {1: None}),
        a_port(9, "10.0.0.100", security_groups=carried, device_owner="network:virtual_ip"),
    )

    members = compile_host(topology, HOST).members

    assert members == {(1, ip(text)): (1,) for text in ("10.0.0.5", "10.0.0.6", "10.0.0.7")}


def test_groups_that_no_rule_of_this_host_names_are_not_in_the_members() -> None:
    topology = a_topology(
        a_network(),
        a_subnet(),
        a_group(1),
        a_group(2),
        a_rule(1, 2, remote_group_id=group_id(1)),
        an_instance(1),
        a_port(1, "10.0.0.5", security_groups=(group_id(1),)),
    )

    assert not compile_host(topology, HOST).members


def test_dhcp_answers_ports_with_served_addresses_and_no_service_or_virtual_ip() -> None:
    topology = a_topology(
        a_network(),
        a_subnet(),
        a_subnet(2, "fd00::/64", ipv6_ra_mode=Ipv6Mode.DHCPV6_STATEFUL),
        a_subnet(3, "10.9.0.0/24", enable_dhcp=False),
        a_port(50, "10.0.0.2", "fd00::2", device_owner="network:dhcp", device_id="dhcp"),
        a_port(51, "10.0.0.100", device_owner="network:virtual_ip", device_id=""),
        an_instance(1),
        a_port(
            1,
            "fd00::5",
            "10.0.0.5",
            extra_dhcp_options=(ExtraDhcpOption(name="bootfile-name", value="x"),),
        ),
        a_port(2, "10.0.0.6", device_id=""),
    )

    plan = compile_host(topology, HOST).dhcp[1]

    assert plan.port_number == 50
    assert plan.addresses == ((ip("10.0.0.2"), 24), (ip("fd00::2"), 64))
    assert [str(subnet.cidr) for subnet in plan.subnets] == ["10.0.0.0/24", "fd00::/64"]
    assert plan.subnets[1].ipv6_mode == "dhcpv6-stateful"
    assert [host.hostname for host in plan.hosts] == ["host-10-0-0-5", "host-10-0-0-6"]
    assert plan.hosts[0].options == (DhcpOption(name="bootfile-name", value="x"),)


def test_a_virtual_ip_names_its_members_their_virtual_macs_and_its_pinned_owner() -> None:
    topology = a_topology(
        a_network(),
        a_subnet(),
        an_instance(1),
        a_port(1, "10.0.0.5"),
        a_port(2, "10.0.0.6"),
        a_virtual_ip(
            1,
            "10.0.0.100",
            {2: None, 1: 3},
            claim_policy=ClaimPolicy.FROZEN,
            pinned_owner=port_id(2),
        ),
    )

    plan = compile_host(topology, HOST)

    assert plan.virtual_ips[1, ip("10.0.0.100")] == VirtualIpPlan(
        members=(
            VirtualIpMemberPlan(port=1, virtual_mac=virtual_router_mac(3, 4)),
            VirtualIpMemberPlan(port=2),
        ),
        claim_policy="frozen",
        pinned_owner=2,
    )


def test_a_host_name_is_made_of_what_the_instance_is_called() -> None:
    named = an_instance(1)
    topology = a_topology(
        replace(named, meta=replace(named.meta, name="Web Server #1!")), an_instance(2)
    )

    names = {plan.hostname for plan in compile_host(topology, HOST).instances.values()}

    assert names == {"web-server-1", "instance-00000002"}


def test_a_change_with_a_memo_keeps_what_did_not_change_as_the_same_objects() -> None:
    memo = Memo()
    base = a_topology(
        a_network(),
        a_subnet(),
        a_group(1),
        a_rule(1, direction=Direction.EGRESS, ethertype=EtherType.IPV6),
        *(an_instance(n) for n in (1, 2)),
        *(a_port(n, f"10.0.0.{n}", security_groups=(group_id(1),)) for n in (1, 2)),
    )
    changed = replace(
        base, ports={**base.ports, port_id(2): replace(base.ports[port_id(2)], mac=mac(50))}
    )

    before = compile_host(base, HOST, memo)
    after = compile_host(changed, HOST, memo)

    assert after == compile_host(changed, HOST)
    assert after.ports[1] is before.ports[1]
    assert after.ports[2] != before.ports[2]
