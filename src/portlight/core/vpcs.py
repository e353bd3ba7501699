"""What the address space of a VPC and its subnets may be. Pure."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from typing import Final

from portlight.core.errors_routing import SubnetOutsideAddressSpaceError
from portlight.core.errors_vpc import (
    PeeringOverlapError,
    VpcCidrError,
)
from portlight.core.router import Router
from portlight.core.routers import is_within, overlap
from portlight.values.addresses import IpPrefix

PRIVATE: Final = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
)
"""RFC 1918: where an IPv4 block of a VPC lies."""
SPECIAL: Final = tuple(
    IPv4Network(one)
    for one in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")
)
"""No block of a VPC, secondary ones included."""
LONGEST_VPC: Final = 24
LONGEST_SUBNET: Final = 28
LONGEST_IPV6: Final = 64
MAX_CIDRS: Final = 64
_IPV4: Final = 4


def check_space(field: str, cidrs: Sequence[IpPrefix]) -> None:
    """Raise VpcCidrError when the blocks cannot be the address space of one VPC.

    The first block is private IPv4; the others may be public IPv4 that is one's own, or IPv6.
    """
    if not cidrs or len(cidrs) > MAX_CIDRS:
        first = IPv4Network("0.0.0.0/0") if not cidrs else cidrs[0]
        raise VpcCidrError(field, first, f"must be one of 1 to {MAX_CIDRS} blocks")
    if not _is_private(cidrs[0]):
        ranges = ", ".join(str(one) for one in PRIVATE)
        raise VpcCidrError(field, cidrs[0], f"is not within one of {ranges}")
    for place, cidr in enumerate(cidrs):
        _check_block(field, cidr)
        for other in cidrs[:place]:
            if overlap(cidr, other):
                raise VpcCidrError(field, cidr, f"overlaps with {other}")


def check_subnet_block(router: Router, cidr: IpPrefix, siblings: Iterable[IpPrefix]) -> None:
    """Raise a domain error when a VPC can have no subnet with this block beside the others."""
    if cidr.version != _IPV4:
        raise VpcCidrError("cidr", cidr, "is not IPv4")
    if cidr.prefixlen > LONGEST_SUBNET:
        raise VpcCidrError("cidr", cidr, f"is smaller than /{LONGEST_SUBNET}")
    if not any(is_within(cidr, block) for block in router.cidrs):
        raise SubnetOutsideAddressSpaceError(cidr, router.id, router.cidrs)
    for other in siblings:
        if overlap(cidr, other):
            raise VpcCidrError("cidr", cidr, f"overlaps with subnet {other}")


def check_no_overlap(own: Iterable[IpPrefix], others: Sequence[IpPrefix]) -> None:
    """Raise PeeringOverlapError when two address spaces share addresses."""
    for cidr in own:
        if any(overlap(cidr, other) for other in others):
            raise PeeringOverlapError(cidr)


def _is_private(cidr: IpPrefix) -> bool:
    return any(is_within(cidr, block) for block in PRIVATE)


def _check_block(field: str, cidr: IpPrefix) -> None:
    longest = LONGEST_VPC if cidr.version == _IPV4 else LONGEST_IPV6
    if cidr.prefixlen > longest:
        raise VpcCidrError(field, cidr, f"is smaller than /{longest}")
    for block in SPECIAL:
        if overlap(cidr, block):
            raise VpcCidrError(field, cidr, f"overlaps with {block}, which has a special meaning")
    if cidr.is_link_local or cidr.is_multicast or cidr.is_loopback:
        raise VpcCidrError(field, cidr, "has a special meaning")
