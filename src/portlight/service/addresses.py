"""Which addresses a port gets: those asked for, or one of each family."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from portlight.core.drafts import FixedIpRequest, Unset
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_network import (
    AutoAddressSubnetError,
    InvalidIpForNetworkError,
    InvalidIpForSubnetError,
    NoServiceSubnetError,
)
from portlight.core.ipam import auto_address, is_auto_address, is_for, is_host_address
from portlight.core.network import Network, Subnet
from portlight.core.port import (
    OWNER_ROUTER_GATEWAY,
    OWNER_ROUTER_INTERFACE,
    SERVICE_OWNERS,
    FixedIp,
    Port,
)
from portlight.service import ipam
from portlight.service.work import Work
from portlight.store.protocol import Reading, Writing
from portlight.values.addresses import IpAddress, MacAddress
from portlight.values.ids import NetworkId, PortId, SubnetId

_CHOSEN_BY_US = (OWNER_ROUTER_INTERFACE, OWNER_ROUTER_GATEWAY)
"""Owners of ports that make no address of their own accord where guests do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeker:
    """The port that wants addresses, and where they can come from."""

    port_id: PortId
    mac: MacAddress
    network: Network
    subnets: tuple[Subnet, ...]
    """All subnets of the network, by time of creation."""
    device_owner: str = ""

    @property
    def open_subnets(self) -> tuple[Subnet, ...]:
        """The subnets that are for such ports, those for nobody else first."""
        found = [subnet for subnet in self.subnets if is_for(subnet, self.device_owner)]
        return tuple(sorted(found, key=lambda subnet: not subnet.service_types))

    @property
    def auto_subnets(self) -> tuple[Subnet, ...]:
        """The subnets in which the guest makes an address of its own accord, asked or not."""
        if self.device_owner.startswith(SERVICE_OWNERS):
            return ()
        return tuple(subnet for subnet in self.open_subnets if is_auto_address(subnet))


def subnets_of(tx: Reading, network_id: NetworkId) -> tuple[Subnet, ...]:
    """Return the subnets of a network, by time of creation."""
    found = tx.find(Subnet, {"network_id": [network_id]})
    return tuple(sorted(found, key=lambda subnet: subnet.meta.created_at))


def seeker(work: Work, network: Network, port: Port, mac: MacAddress, owner: str) -> Seeker:
    """Return a port that will have this MAC and this owner, with the subnets of its network."""
    subnets = subnets_of(work.tx, network.id)
    return Seeker(port_id=port.id, mac=mac, network=network, subnets=subnets, device_owner=owner)


def take_for_all(
    tx: Writing, seekers: Sequence[Seeker], asked: Sequence[Sequence[FixedIpRequest] | Unset]
) -> list[tuple[FixedIp, ...]]:
    """Hold the addresses of new ports: those asked for, or one of each family.

    Who asks is served first, so that no other port gets what he asks for by chance.
    """
    found: dict[PortId, tuple[FixedIp, ...]] = {}
    content: dict[tuple[NetworkId, str], list[Seeker]] = {}
    for who, requests in zip(seekers, asked, strict=True):
        if isinstance(requests, Unset):
            content.setdefault((who.network.id, who.device_owner), []).append(who)
        else:
            found[who.port_id] = take_requested(tx, who, requests)
    for group in content.values():
        found.update(take_default(tx, group))
    return [found[who.port_id] for who in seekers]


def take_default(tx: Writing, group: Sequence[Seeker]) -> dict[PortId, tuple[FixedIp, ...]]:
    """Hold for ports of one network and owner an address of each family, and the automatic ones.

    Raise NoServiceSubnetError when all of the network's subnets are for others.
    """
    subnets = group[0].open_subnets
    if group[0].subnets and not subnets:
        raise NoServiceSubnetError(group[0].network.id, group[0].device_owner)
    ports = [who.port_id for who in group]
    columns: list[list[FixedIp]] = []
    for version in (4, 6):
        plain = [s for s in subnets if s.cidr.version == version and not is_auto_address(s)]
        if plain:
            columns.append(ipam.take_lowest(tx, plain, ports))
    columns += [
        [ipam.take_auto(tx, subnet, who.mac, who.port_id) for who in group]
        for subnet in group[0].auto_subnets
    ]
    return {port_id: tuple(column[n] for column in columns) for n, port_id in enumerate(ports)}


def take_requested(
    tx: Writing, who: Seeker, requests: Sequence[FixedIpRequest], present: Iterable[FixedIp] = ()
) -> tuple[FixedIp, ...]:
    """Hold the addresses asked for, in the order of the requests, and the automatic ones.

    Addresses in `present` are kept where they fit; nothing is released here. Exact addresses are
    taken first, so that an open request beside them cannot get one of them.
    """
    left = list(present)
    lent = {fixed_ip.subnet_id for fixed_ip in left}
    places = [_place(who, request, lent) for request in requests]
    named = {subnet.id for subnet, _ in places}
    places += [
        (subnet, auto_address(subnet, who.mac))
        for subnet in who.auto_subnets
        if subnet.id not in named
    ]
    chosen: dict[int, FixedIp] = {}
    for index, (subnet, address) in enumerate(places):
        if address is None:
            continue
        wanted = FixedIp(subnet_id=subnet.id, address=address)
        if wanted in left:
            left.remove(wanted)
        else:
            ipam.take_exact(tx, subnet, address, who.port_id)
        chosen[index] = wanted
    for index, (subnet, address) in enumerate(places):
        if address is not None:
            continue
        old = next((ip for ip in left if ip.subnet_id == subnet.id), None)
        if old is not None:
            left.remove(old)
        chosen[index] = old or ipam.take_any(tx, subnet, who.mac, who.port_id)
    return tuple(chosen[index] for index in range(len(places)))


def follow_mac(tx: Writing, who: Seeker, port: Port) -> tuple[FixedIp, ...]:
    """Return the port's addresses with the automatic ones made from its new MAC."""
    by_id = {subnet.id: subnet for subnet in who.subnets}
    return tuple(
        ipam.take_auto(tx, by_id[ip.subnet_id], who.mac, port.id)
        if is_auto_address(by_id[ip.subnet_id])
        else ip
        for ip in port.fixed_ips
    )


def release(tx: Writing, fixed_ips: Iterable[FixedIp]) -> None:
    """Let go of addresses, each in its subnet."""
    subnets: dict[SubnetId, Subnet | None] = {}
    for fixed_ip in fixed_ips:
        if fixed_ip.subnet_id not in subnets:
            subnets[fixed_ip.subnet_id] = tx.get(Subnet, fixed_ip.subnet_id)
        subnet = subnets[fixed_ip.subnet_id]
        if subnet is not None:
            ipam.release(tx, subnet, [fixed_ip.address])


def _place(
    who: Seeker, request: FixedIpRequest, lent: AbstractSet[SubnetId]
) -> tuple[Subnet, IpAddress | None]:
    """Return the subnet of a request, and the address when that is decided already."""
    subnet = _subnet(who, request, lent)
    if request.address is None:
        return subnet, auto_address(subnet, who.mac) if is_auto_address(subnet) else None
    if not is_host_address(subnet.cidr, request.address):
        raise InvalidIpForSubnetError(request.address, subnet.cidr)
    made = is_auto_address(subnet) and who.device_owner not in _CHOSEN_BY_US
    if made and request.address != auto_address(subnet, who.mac):
        raise AutoAddressSubnetError(request.address, subnet.id)
    return subnet, request.address


def _subnet(who: Seeker, request: FixedIpRequest, lent: AbstractSet[SubnetId]) -> Subnet:
    """Return the subnet of a request: for such ports, or one that the port is in already."""
    known = (*who.open_subnets, *(subnet for subnet in who.subnets if subnet.id in lent))
    if request.subnet_id is not None:
        for subnet in known:
            if subnet.id == request.subnet_id:
                return subnet
        raise InvalidRequestError(
            "fixed_ips",
            f"network {who.network.id} has no subnet {request.subnet_id} to take an address from",
        )
    if request.address is None:
        raise InvalidRequestError("fixed_ips", "IP allocation requires subnet_id or ip_address")
    for subnet in known:
        if request.address in subnet.cidr:
            return subnet
    raise InvalidIpForNetworkError(request.address, who.network.id)
