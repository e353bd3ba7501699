"""Which rules of a port's security groups match a packet.

Written from section 6 of docs/design/packet-path.md, in the words of the API: it knows neither
classifiers nor an order of rules, because the rules only ever allow.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from portlight.core.packet import PORT_PROTOCOLS
from portlight.core.port import OWNER_VIRTUAL_IP, Port
from portlight.core.security_group import (
    Direction,
    EstablishedFlows,
    EtherType,
    SecurityGroup,
    SecurityGroupRule,
)
from portlight.core.topology import Topology
from portlight.values.addresses import IpAddress

_FAMILY = {EtherType.IPV4: 4, EtherType.IPV6: 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the rules are asked about a packet."""

    direction: Direction
    protocol: int
    remote: IpAddress
    destination_port: int = 0
    icmp: tuple[int, int] | None = None
    """Type and code, for ICMP within IPv4 and ICMPv6 within IPv6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """How the matching rules allow it."""

    is_stateful: bool
    keep: bool


def permission(topology: Topology, port: Port, question: Question) -> Permission | None:
    """Return how the groups of a port allow a packet; None when no rule does."""
    groups = [
        group for group in _groups_of(topology, port) if _allows(topology, port, group, question)
    ]
    if not groups:
        return None
    stateful = [group for group in groups if group.stateful]
    return Permission(
        is_stateful=bool(stateful),
        keep=any(group.established_flows is EstablishedFlows.KEEP for group in stateful),
    )


def _groups_of(topology: Topology, port: Port) -> Iterator[SecurityGroup]:
    for group in port.security_groups:
        if group in topology.security_groups:
            yield topology.security_groups[group]


def _allows(topology: Topology, port: Port, group: SecurityGroup, question: Question) -> bool:
    return any(
        _matches(rule, question) and _matches_remote(topology, port, rule, question.remote)
        for rule in topology.security_group_rules.values()
        if rule.security_group_id == group.id
    )


def _matches(rule: SecurityGroupRule, question: Question) -> bool:
    remote = question.remote
    return (
        rule.direction is question.direction
        and _FAMILY[rule.ethertype] == remote.version
        and rule.protocol in {None, question.protocol}
        and _matches_ports(rule, question)
        and _matches_icmp(rule, question)
        and (rule.remote_prefix is None or remote in rule.remote_prefix)
    )


def _matches_ports(rule: SecurityGroupRule, question: Question) -> bool:
    if rule.ports is None:
        return True
    named = rule.protocol == question.protocol and question.protocol in PORT_PROTOCOLS
    return named and question.destination_port in rule.ports


def _matches_icmp(rule: SecurityGroupRule, question: Question) -> bool:
    if rule.icmp is None:
        return True
    if rule.protocol != question.protocol or question.icmp is None:
        return False
    kind, code = question.icmp
    return rule.icmp.type == kind and rule.icmp.code in {None, code}


def _matches_remote(
    topology: Topology, port: Port, rule: SecurityGroupRule, remote: IpAddress
) -> bool:
    if rule.remote_address_group_id is not None:
        group = topology.address_groups.get(rule.remote_address_group_id)
        return group is not None and any(remote in prefix for prefix in group.addresses)
    return _matches_group(topology, port, rule, remote)


def _matches_group(
    topology: Topology, port: Port, rule: SecurityGroupRule, remote: IpAddress
) -> bool:
    """Whether the remote address is a fixed address of a member; virtual IPs are no members."""
    if rule.remote_group_id is None:
        return True
    if rule.remote_group_id not in topology.security_groups:
        return False
    return any(
        rule.remote_group_id in member.security_groups
        and member.network_id == port.network_id
        and member.device_owner != OWNER_VIRTUAL_IP
        and any(fixed.address == remote for fixed in member.fixed_ips)
        for member in topology.ports.values()
    )
