"""All checks, in the order in which a person should look at their faults. Pure."""

from collections.abc import Callable, Iterator
from typing import Final

from portlight.guest.routes.checks import gateways, links, mtu, replies, services
from portlight.guest.routes.checks.fault import Fault
from portlight.guest.routes.values import Snapshot

CHECKS: Final[tuple[Callable[[Snapshot], Iterator[Fault]], ...]] = (
    links.dead_interfaces,
    links.twice_the_same_address,
    gateways.several_defaults,
    gateways.off_link_gateways,
    gateways.silent_gateways,
    gateways.ignored_advertisements,
    replies.lost_replies,
    replies.strict_filters,
    links.overlapping_subnets,
    links.arp_flux,
    mtu.mtu_mismatches,
    services.conflicting_resolvers,
    services.forwarding_standby,
)


def find_faults(snapshot: Snapshot) -> tuple[Fault, ...]:
    """Return every fault of a snapshot."""
    return tuple(fault for check in CHECKS for fault in check(snapshot))
