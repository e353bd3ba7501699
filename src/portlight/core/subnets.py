"""What a valid subnet is, and how drafts make and change one. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from portlight.core.changes import MAX_TEXT, Birth, first_meta, given, next_meta
from portlight.core.drafts import UNSET, SubnetDraft, Unset
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_network import (
    AllocationPoolOutOfBoundsError,
    AllocationPoolsOverlapError,
    GatewayInAllocationPoolError,
    SubnetOverlapError,
    SubnetServiceTypeError,
)
from portlight.core.ipam import default_pools, host_range, is_host_address
from portlight.core.network import Ipv6Mode, Network, Subnet
from portlight.core.networks import check_mtu, owner_for_others
from portlight.values.addresses import AddressRange, IpAddress, IpPrefix
from portlight.values.ids import SubnetId

MAX_DNS_NAMESERVERS = 16
MAX_HOST_ROUTES = 100
_AUTO_PREFIX_LENGTH = 64
_OWNER_PREFIXES = ("network:", "compute:", "baremetal:", "neutron:")
_IPV4, _IPV6 = 4, 6


def build_subnet(
    draft: SubnetDraft, *, network: Network, siblings: Sequence[Subnet], birth: Birth
) -> Subnet:
    """Return the new subnet; `siblings` are the other subnets of the network."""
    if isinstance(draft.cidr, Unset):
        raise InvalidRequestError("cidr", "it is required")
    cidr = draft.cidr
    gateway = _first_gateway(draft, cidr)
    pools = given(draft.allocation_pools, default_pools(cidr, gateway))
    subnet = Subnet(
        id=SubnetId(birth.id),
        network_id=network.id,
        meta=first_meta(draft, birth),
        network_owner=owner_for_others(network, birth),
        cidr=cidr,
        gateway_ip=gateway,
        allocation_pools=_sorted(pools),
        enable_dhcp=given(draft.enable_dhcp, default=True),
        dns_nameservers=given(draft.dns_nameservers, ()),
        host_routes=given(draft.host_routes, ()),
        ipv6_address_mode=given(draft.ipv6_address_mode, None),
        ipv6_ra_mode=given(draft.ipv6_ra_mode, None),
        subnetpool_id=given(draft.subnetpool_id, None),
        service_types=_service_types(given(draft.service_types, ())),
        dns_publish_fixed_ip=given(draft.dns_publish_fixed_ip, default=False),
    )
    check_subnet(subnet)
    check_no_overlap(subnet, siblings)
    check_mtu(network.mtu, (subnet,))
    return subnet


def change_subnet(subnet: Subnet, draft: SubnetDraft, *, now: float) -> Subnet:
    """Return the subnet after the change; raise when it touches what is fixed for ever."""
    fixed: tuple[tuple[str, object, object], ...] = (
        ("network_id", draft.network_id, subnet.network_id),
        ("cidr", draft.cidr, subnet.cidr),
        ("subnetpool_id", draft.subnetpool_id, subnet.subnetpool_id),
        ("ipv6_address_mode", draft.ipv6_address_mode, subnet.ipv6_address_mode),
        ("ipv6_ra_mode", draft.ipv6_ra_mode, subnet.ipv6_ra_mode),
    )
    for field, asked, present in fixed:
        if asked is not UNSET and asked != present:
            raise InvalidRequestError(field, "it cannot be changed")
    changed = replace(
        subnet,
        meta=next_meta(subnet.meta, draft, now),
        gateway_ip=given(draft.gateway_ip, subnet.gateway_ip),
        allocation_pools=_sorted(given(draft.allocation_pools, subnet.allocation_pools)),
        enable_dhcp=given(draft.enable_dhcp, subnet.enable_dhcp),
        dns_nameservers=given(draft.dns_nameservers, subnet.dns_nameservers),
        host_routes=given(draft.host_routes, subnet.host_routes),
        service_types=_service_types(given(draft.service_types, subnet.service_types)),
        dns_publish_fixed_ip=given(draft.dns_publish_fixed_ip, subnet.dns_publish_fixed_ip),
    )
    check_subnet(changed)
    return changed


def check_subnet(subnet: Subnet) -> None:
    """Raise a domain error when the subnet contradicts itself."""
    _check_cidr(subnet.cidr, dhcp=subnet.enable_dhcp)
    _check_gateway(subnet)
    _check_pools(subnet)
    _check_modes(subnet)
    _check_handed_out(subnet)


def check_no_overlap(subnet: Subnet, siblings: Sequence[Subnet]) -> None:
    """Raise SubnetOverlapError when two subnets of one network share addresses."""
    for other in siblings:
        if other.cidr.version == subnet.cidr.version and other.cidr.overlaps(subnet.cidr):
            raise SubnetOverlapError(subnet.cidr, other.id, other.cidr)


def _first_gateway(draft: SubnetDraft, cidr: IpPrefix) -> IpAddress | None:
    if not isinstance(draft.gateway_ip, Unset):
        return draft.gateway_ip
    return None if cidr.prefixlen == cidr.max_prefixlen else host_range(cidr).first


def _sorted(pools: Sequence[AddressRange]) -> tuple[AddressRange, ...]:
    return tuple(sorted(pools, key=lambda pool: (pool.first.version, int(pool.first))))


def _service_types(asked: Sequence[str]) -> tuple[str, ...]:
    for one in asked:
        if not one.startswith(_OWNER_PREFIXES) or len(one) > MAX_TEXT:
            raise SubnetServiceTypeError(one)
    return tuple(sorted(set(asked)))


def _check_cidr(cidr: IpPrefix, *, dhcp: bool) -> None:
    first = cidr.network_address
    if cidr.prefixlen == 0:
        raise InvalidRequestError("cidr", f"{cidr} has prefix length 0")
    if first.is_multicast or first.is_loopback or first.is_link_local or first.is_unspecified:
        raise InvalidRequestError("cidr", f"{cidr} holds no addresses that hosts may have")
    if dhcp and cidr.max_prefixlen - cidr.prefixlen <= 1:
        raise InvalidRequestError(
            "cidr", f"{cidr} has a prefix length that is incompatible with DHCP service enabled"
        )


def _check_gateway(subnet: Subnet) -> None:
    gateway = subnet.gateway_ip
    if gateway is None:
        return
    if gateway.version != subnet.cidr.version:
        raise InvalidRequestError("gateway_ip", f"{gateway} is of another family than the cidr")
    if gateway.version == _IPV6 and gateway.is_link_local:
        return
    if not is_host_address(subnet.cidr, gateway):
        raise InvalidRequestError(
            "gateway_ip", f"gateway {gateway} is not valid on subnet {subnet.cidr}"
        )


def _check_pools(subnet: Subnet) -> None:
    hosts = host_range(subnet.cidr)
    for pool in subnet.allocation_pools:
        if pool.first not in hosts or pool.last not in hosts:
            raise AllocationPoolOutOfBoundsError(pool, subnet.cidr)
        if subnet.gateway_ip is not None and subnet.gateway_ip in pool:
            raise GatewayInAllocationPoolError(subnet.gateway_ip, pool)
    for first, second in pairwise(subnet.allocation_pools):
        if first.overlaps(second):
            raise AllocationPoolsOverlapError(first, second)


def _check_modes(subnet: Subnet) -> None:
    address, advertised = subnet.ipv6_address_mode, subnet.ipv6_ra_mode
    if address is None and advertised is None:
        return
    if subnet.cidr.version == _IPV4:
        raise InvalidRequestError(
            "ipv6_address_mode", "ipv6_ra_mode or ipv6_address_mode cannot be set for IPv4"
        )
    if not subnet.enable_dhcp:
        raise InvalidRequestError(
            "ipv6_address_mode",
            "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False",
        )
    if address is not None and advertised is not None and address != advertised:
        raise InvalidRequestError(
            "ipv6_ra_mode",
            f"ipv6_ra_mode set to '{advertised}' with ipv6_address_mode set to '{address}' is "
            "not valid: if both are set, both must be the same",
        )
    auto = {address, advertised} - {None, Ipv6Mode.DHCPV6_STATEFUL}
    if auto and subnet.cidr.prefixlen != _AUTO_PREFIX_LENGTH:
        raise InvalidRequestError(
            "cidr", f"prefix length must be {_AUTO_PREFIX_LENGTH} when IPv6 addresses are automatic"
        )


def _check_handed_out(subnet: Subnet) -> None:
    if len(subnet.dns_nameservers) > MAX_DNS_NAMESERVERS:
        raise InvalidRequestError("dns_nameservers", f"more than {MAX_DNS_NAMESERVERS} of them")
    if len(set(subnet.dns_nameservers)) != len(subnet.dns_nameservers):
        raise InvalidRequestError("dns_nameservers", "one of them is given twice")
    if len(subnet.host_routes) > MAX_HOST_ROUTES:
        raise InvalidRequestError("host_routes", f"more than {MAX_HOST_ROUTES} of them")
    if len(set(subnet.host_routes)) != len(subnet.host_routes):
        raise InvalidRequestError("host_routes", "one of them is given twice")
    _check_families(subnet)


def _check_families(subnet: Subnet) -> None:
    for server in subnet.dns_nameservers:
        if server.version != subnet.cidr.version:
            raise InvalidRequestError(
                "dns_nameservers", f"{server} is of another family than the cidr"
            )
    for route in subnet.host_routes:
        if not route.destination.version == route.nexthop.version == subnet.cidr.version:
            raise InvalidRequestError(
                "host_routes",
                f"{route.destination} via {route.nexthop} is of another family than the cidr",
            )
