"""What else meets on a server with several interfaces: names, and virtual addresses. Pure."""

from collections.abc import Iterator

from portlight.guest.routes.checks.fault import TOOL, Fault, fix
from portlight.guest.routes.lookup import find_route
from portlight.guest.routes.values import FAMILIES, IpAddress, Snapshot


def conflicting_resolvers(snapshot: Snapshot) -> Iterator[Fault]:
    """Find interfaces that bring different DNS servers: only the first that answers is heard."""
    brought: dict[str, list[IpAddress]] = {}
    for one in snapshot.resolvers:
        if one.interface:
            brought.setdefault(one.interface, []).append(one.address)
    if len({frozenset(servers) for servers in brought.values()}) > 1:
        yield Fault(
            name="dns-conflict",
            interface=",".join(brought),
            evidence="; ".join(
                f"{name} brings {', '.join(_asked(snapshot, name, one) for one in servers)}"
                for name, servers in brought.items()
            ),
            remedy=f"{TOOL} render --dns-from {next(iter(brought))}",
        )


def _asked(snapshot: Snapshot, interface: str, server: IpAddress) -> str:
    route = find_route(snapshot, server)
    if route is None:
        return f"{server} (no route)"
    ways = ",".join(hop.interface for hop in route.hops)
    return str(server) if ways == interface else f"{server} (asked by {ways})"


def forwarding_standby(snapshot: Snapshot) -> Iterator[Fault]:
    """Find a member of a virtual IP that forwards although it does not hold the address."""
    held = {a.value.ip for one in snapshot.interfaces for a in one.addresses}
    for family in FAMILIES:
        absent = [
            one.ip for one in snapshot.virtual_ips if one.version == family and one.ip not in held
        ]
        if absent and snapshot.forwarding.get(family):
            yield Fault(
                name="forwarding-on-standby",
                interface="",
                evidence=f"{', '.join(map(str, absent))} is held by another member,"
                f" and IPv{family} forwarding is on here",
                remedy=fix("forwarding"),
            )
