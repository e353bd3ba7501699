"""Which addresses of a subnet are free: arithmetic on ranges.

Pure. The store keeps the free ranges and who holds which address; this says how they change.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from portlight.core.network import Ipv6Mode, Subnet
from portlight.values.addresses import AddressRange, IpAddress, IpPrefix, MacAddress

_AUTO_MODES = (Ipv6Mode.SLAAC, Ipv6Mode.DHCPV6_STATELESS)
_POINT_TO_POINT_BITS = 1
"""Prefixes that leave at most this many host bits have no network or broadcast address."""


def step(address: IpAddress, by: int) -> IpAddress:
    """Return the address `by` further; raise ipaddress.AddressValueError beyond the family."""
    number = int(address) + by
    return IPv4Address(number) if address.version == 4 else IPv6Address(number)  # noqa: PLR2004


def host_range(cidr: IpPrefix) -> AddressRange:
    """Return the addresses of a prefix that hosts may have.

    Without the network address and, for IPv4, the broadcast address; point-to-point prefixes
    (RFC 3021, RFC 6164) have neither.
    """
    if cidr.max_prefixlen - cidr.prefixlen <= _POINT_TO_POINT_BITS:
        return AddressRange(first=cidr[0], last=cidr[-1])
    last = cidr[-2] if cidr.version == 4 else cidr[-1]  # noqa: PLR2004
    return AddressRange(first=cidr[1], last=last)


def default_pools(cidr: IpPrefix, gateway: IpAddress | None) -> tuple[AddressRange, ...]:
    """Return every host address but the gateway."""
    hosts = host_range(cidr)
    return (hosts,) if gateway is None or gateway not in hosts else without(hosts, gateway)


def without(free: AddressRange, address: IpAddress) -> tuple[AddressRange, ...]:
    """Return what is left of a free range when one of its addresses is taken."""
    left = []
    if int(free.first) < int(address):
        left.append(AddressRange(first=free.first, last=step(address, -1)))
    if int(address) < int(free.last):
        left.append(AddressRange(first=step(address, 1), last=free.last))
    return tuple(left)


def lowest(
    free: AddressRange, count: int
) -> tuple[tuple[IpAddress, ...], tuple[AddressRange, ...]]:
    """Return the lowest addresses of a free range, `count` or all, and what is left of it."""
    size = int(free.last) - int(free.first) + 1
    taken = tuple(step(free.first, by) for by in range(min(count, size)))
    rest = (AddressRange(first=step(free.first, count), last=free.last),) if count < size else ()
    return taken, rest


def joined(
    below: AddressRange | None, address: IpAddress, above: AddressRange | None
) -> AddressRange:
    """Return the free range that a released address makes with the ranges that touch it."""
    return AddressRange(
        first=address if below is None else below.first,
        last=address if above is None else above.last,
    )


def touches_below(free: AddressRange | None, address: IpAddress) -> bool:
    """Whether the range ends right before the address."""
    return free is not None and int(free.last) + 1 == int(address)


def free_ranges(
    pools: Iterable[AddressRange], held: Iterable[IpAddress]
) -> tuple[AddressRange, ...]:
    """Return the free ranges of pools in which some addresses are held; sorted.

    Pools that touch give one range, so that the answer is the same as after takes and releases.
    """
    taken = sorted({int(address): address for address in held}.items())
    found: list[AddressRange] = []
    for pool in merged(pools):
        rest = pool
        alive = True
        for number, address in taken:
            if not alive or not int(rest.first) <= number <= int(rest.last):
                continue
            parts = without(rest, address)
            if parts and int(parts[0].first) < number:
                found.append(parts[0])
            alive = bool(parts) and int(parts[-1].first) > number
            rest = parts[-1] if alive else rest
        if alive:
            found.append(rest)
    return tuple(found)


def merged(pools: Iterable[AddressRange]) -> tuple[AddressRange, ...]:
    """Return the pools sorted, those that touch as one."""
    result: list[AddressRange] = []
    for pool in sorted(pools, key=lambda pool: int(pool.first)):
        if result and int(result[-1].last) + 1 == int(pool.first):
            result[-1] = AddressRange(first=result[-1].first, last=pool.last)
        else:
            result.append(pool)
    return tuple(result)


def is_host_address(cidr: IpPrefix, address: IpAddress) -> bool:
    """Whether a port may have this address in this prefix."""
    return address in host_range(cidr)


def is_in_pools(subnet: Subnet, address: IpAddress) -> bool:
    """Whether the address is one that is given out without being asked for."""
    return any(address in pool for pool in subnet.allocation_pools)


def is_auto_address(subnet: Subnet) -> bool:
    """Whether guests of the subnet make their own address from their MAC (RFC 4862)."""
    return subnet.ipv6_address_mode in _AUTO_MODES or subnet.ipv6_ra_mode in _AUTO_MODES


def served_mode(subnet: Subnet) -> Ipv6Mode | None:
    """Return how guests of the subnet learn their IPv6 addresses from us; None: not at all.

    In Neutron one of the two modes alone leaves the other half to somebody outside. Here nobody
    else may speak (docs/design/packet-path.md, 2.3), so we do both. A subnet that wants DHCP and
    has no mode gives its addresses by DHCP, like an IPv4 subnet.
    """
    if subnet.cidr.version == 4 or not subnet.enable_dhcp:  # noqa: PLR2004 -- the family
        return None
    return subnet.ipv6_ra_mode or subnet.ipv6_address_mode or Ipv6Mode.DHCPV6_STATEFUL


def is_for(subnet: Subnet, device_owner: str) -> bool:
    """Whether ports of this owner get addresses of the subnet without being anybody special."""
    return not subnet.service_types or device_owner in subnet.service_types


def auto_address(subnet: Subnet, mac: MacAddress) -> IpAddress:
    """Return the EUI-64 address of a MAC in a /64 subnet."""
    interface = int(mac.link_local) & (1 << 64) - 1
    return IPv6Address(int(subnet.cidr.network_address) | interface)
