"""Which route a packet takes: the kernel's own search, over a snapshot. Pure."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from portlight.guest.routes.values import (
    LOCAL_TABLE,
    MAIN_TABLE,
    NO_HOP_KINDS,
    IpAddress,
    Route,
    Rule,
    Snapshot,
)

_FAR: Final = {
    4: ("192.0.2.1", "198.51.100.1", "203.0.113.1", "8.8.8.8"),
    6: ("2001:db8:ffff::1", "2600::1", "2a00::1"),
}
"""Addresses that are nobody's neighbour (RFC 5737, RFC 3849), then some of the Internet."""


def find_route(
    snapshot: Snapshot,
    destination: IpAddress,
    source: IpAddress | None = None,
    in_interface: str = "lo",
) -> Route | None:
    """Return the route of a packet; None when the kernel would refuse it.

    Without `in_interface` it is a packet of the server's own.
    """
    for rule in sorted(snapshot.rules, key=lambda one: one.priority):
        if not _matches(rule, destination, source, in_interface):
            continue
        if rule.refuses:
            return None
        found = _in_table(snapshot, rule, destination)
        if found is not None and found.kind in NO_HOP_KINDS:
            return None
        if found is not None and found.kind != "throw" and not _is_suppressed(rule, found):
            return found
    return None


def find_interfaces(
    snapshot: Snapshot,
    destination: IpAddress,
    source: IpAddress | None = None,
    in_interface: str = "lo",
) -> frozenset[str]:
    """Return the interfaces by which a packet may leave: several where the kernel shares flows."""
    found = find_route(snapshot, destination, source, in_interface)
    if found is None:
        return frozenset()
    return frozenset(
        hop.interface
        for route in snapshot.routes
        if route is found or _is_sibling(route, found)
        for hop in route.hops
    )


def _is_sibling(route: Route, found: Route) -> bool:
    """Whether two routes of IPv6 are one to the kernel."""
    return (
        found.family == 6  # noqa: PLR2004 -- IPv6
        and (route.table, route.destination, route.metric, route.kind, route.dead)
        == (found.table, found.destination, found.metric, found.kind, False)
    )


def _matches(
    rule: Rule, destination: IpAddress, source: IpAddress | None, in_interface: str
) -> bool:
    return (
        rule.family == destination.version
        and not rule.opaque
        and (rule.table is not None or rule.refuses)
        and (rule.source is None or (source is not None and source in rule.source))
        and (rule.destination is None or destination in rule.destination)
        and rule.in_interface in ("", in_interface)
    )


def _in_table(snapshot: Snapshot, rule: Rule, destination: IpAddress) -> Route | None:
    """Return the longest prefix of a table, of these the least metric, of these the first."""
    fitting = (
        route
        for route in snapshot.routes
        if route.table == rule.table
        and route.family == destination.version
        and not route.dead
        and destination in route.destination
    )
    return min(fitting, key=lambda r: (-r.destination.prefixlen, r.metric), default=None)


def _is_suppressed(rule: Rule, found: Route) -> bool:
    length = rule.suppressed_length
    return length is not None and found.destination.prefixlen <= length


def far_address(snapshot: Snapshot, family: int) -> IpAddress:
    """Return an address that only a default route leads to, as a peer far away."""
    known = [
        route.destination
        for route in snapshot.routes
        if route.family == family and not route.is_default
    ]
    candidates = [ip_address(text) for text in _FAR[family]]
    return next(
        (one for one in candidates if not any(one in network for network in known)), candidates[0]
    )


def own_rules(snapshot: Snapshot, address: IpAddress) -> Iterator[Rule]:
    """Yield the rules that choose a table by this very source."""
    for rule in snapshot.rules:
        chosen = rule.table not in (None, MAIN_TABLE, LOCAL_TABLE)
        if chosen and not rule.opaque and rule.source is not None and address in rule.source:
            yield rule
