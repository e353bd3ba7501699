"""Entities with defaults: a test names only what matters to it."""

# ruff: noqa: ANN401 -- a builder takes any field of its entity by keyword

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from portlight.core.address_group import AddressGroup
from portlight.core.instance import Instance
from portlight.core.meta import Meta
from portlight.core.network import Network, Subnet
from portlight.core.port import AddressPair, FixedIp, Port
from portlight.core.security_group import (
    Direction,
    IcmpSelector,
    SecurityGroup,
    SecurityGroupRule,
)
from portlight.core.topology import KIND_OF, Entity, Topology
from portlight.core.virtual_ip import VirtualIp, VirtualIpMember
from portlight.values.addresses import (
    AddressRange,
    IpAddress,
    IpPrefix,
    MacAddress,
    parse_mac,
)
from portlight.values.ids import (
    AddressGroupId,
    HostName,
    InstanceId,
    NetworkId,
    PortId,
    ProjectId,
    SecurityGroupId,
    SecurityGroupRuleId,
    SubnetId,
    VirtualIpId,
)
from portlight.values.ranges import PortRange

HOST = HostName("here")
ELSEWHERE = HostName("elsewhere")
META = Meta(project_id=ProjectId("9d4e9a1c-0000-4000-8000-000000000001"))


def an_id(kind: int, number: int) -> str:
    """Return UUID text whose first 8 bytes differ by number."""
    return f"{number:08x}-0000-4000-8000-{kind:012x}"


def ip(text: str) -> IpAddress:
    return ip_address(text)


def net(text: str) -> IpPrefix:
    return ip_network(text)


def mac(value: int | str) -> MacAddress:
    """Return a MAC from its text, or a local one by number."""
    return parse_mac(value) if isinstance(value, str) else MacAddress(0xFA163E000000 + value)


def a_network(number: int = 1, **fields: Any) -> Network:
    return replace(Network(id=NetworkId(an_id(1, number)), number=number, meta=META), **fields)


def a_subnet(number: int = 1, cidr: str = "10.0.0.0/24", **fields: Any) -> Subnet:
    """Return a subnet of network 1 with the first address as gateway and all others in the pool."""
    prefix = net(cidr)
    subnet = Subnet(
        id=SubnetId(an_id(2, number)),
        network_id=NetworkId(an_id(1, 1)),
        meta=META,
        cidr=prefix,
        gateway_ip=prefix[1],
        allocation_pools=(AddressRange(first=prefix[2], last=prefix[-2]),),
    )
    return replace(subnet, **fields)


def a_port(number: int = 1, *addresses: str, **fields: Any) -> Port:
    """Return a port of network 1, with these addresses of subnet 1 (subnet 2 for IPv6).

    It is held by instance `number` unless `device_id` says otherwise.
    """
    fixed = tuple(
        FixedIp(subnet_id=SubnetId(an_id(2, 1 if ip(text).version == 4 else 2)), address=ip(text))
        for text in addresses
    )
    port = Port(
        id=PortId(an_id(3, number)),
        number=number,
        network_id=NetworkId(an_id(1, 1)),
        meta=META,
        mac=mac(number),
        fixed_ips=fixed,
        device_id=an_id(7, number),
        device_owner="compute:portlight",
        device_index=0,
    )
    return replace(port, **fields)


def a_pair(prefix: str, address: MacAddress | None = None) -> AddressPair:
    return AddressPair(prefix=net(prefix), mac=address)


def a_group(number: int = 1, **fields: Any) -> SecurityGroup:
    return replace(
        SecurityGroup(id=SecurityGroupId(an_id(4, number)), number=number, meta=META), **fields
    )


def group_id(number: int) -> SecurityGroupId:
    return SecurityGroupId(an_id(4, number))


def port_id(number: int) -> PortId:
    return PortId(an_id(3, number))


def an_address_group(number: int, *prefixes: str) -> AddressGroup:
    return AddressGroup(
        id=address_group_id(number), meta=META, addresses=tuple(net(text) for text in prefixes)
    )


def address_group_id(number: int) -> AddressGroupId:
    return AddressGroupId(an_id(8, number))


def a_rule(number: int = 1, group: int = 1, **fields: Any) -> SecurityGroupRule:
    """Return an ingress rule of a group that allows all IPv4, unless fields say otherwise."""
    rule = SecurityGroupRule(
        id=SecurityGroupRuleId(an_id(5, number)),
        security_group_id=group_id(group),
        meta=META,
        direction=Direction.INGRESS,
    )
    return replace(rule, **fields)


def ports(first: int, last: int | None = None) -> PortRange:
    return PortRange(first=first, last=first if last is None else last)


def icmp(kind: int, code: int | None = None) -> IcmpSelector:
    return IcmpSelector(type=kind, code=code)


def a_virtual_ip(
    number: int, address: str, members: dict[int, int | None], **fields: Any
) -> VirtualIp:
    """Return a virtual IP of network 1; `members` are port numbers with virtual router ids."""
    vip = VirtualIp(
        id=VirtualIpId(an_id(6, number)),
        meta=META,
        network_id=NetworkId(an_id(1, 1)),
        subnet_id=SubnetId(an_id(2, 1 if ip(address).version == 4 else 2)),
        port_id=PortId(an_id(3, 1_000_000 + number)),
        address=ip(address),
        members=tuple(
            sorted(
                (
                    VirtualIpMember(port_id=port_id(member), virtual_router_id=router)
                    for member, router in members.items()
                ),
                key=lambda member: member.port_id,
            )
        ),
    )
    return replace(vip, **fields)


def an_instance(number: int = 1, **fields: Any) -> Instance:
    return replace(Instance(id=InstanceId(an_id(7, number)), meta=META, host=HOST), **fields)


def a_topology(*entities: Entity) -> Topology:
    """Return a topology of these entities, in this order."""
    kinds: dict[str, dict[str, Entity]] = {kind: {} for kind in KIND_OF.values()}
    for entity in entities:
        kinds[KIND_OF[type(entity)]][entity.id] = entity
    return Topology(**kinds)  # type: ignore[arg-type] # each mapping holds its own kind


def entities_of(topology: Topology) -> tuple[Entity, ...]:
    """Return every entity of a topology."""
    return tuple(entity for kind in KIND_OF.values() for entity in getattr(topology, kind).values())
