"""The guard's packets as routes treat them: by which interface each leaves, and what is dropped.

Pure. A packet of a connection must leave where it leaves now, or where the other end's come in:
only there the network is known to let it through.
"""

from collections.abc import Callable
from functools import cache
from typing import Final

from portlight.guest.guard.flows import LOOPBACK, Network, Probe, end
from portlight.guest.guard.proof import Judge, Outcome
from portlight.guest.routes.lookup import find_interfaces
from portlight.guest.routes.values import IpAddress, Snapshot

_STRICT: Final = 1
_LOOSE: Final = 2
"""Values of rp_filter (RFC 3704; Linux, ip-sysctl)."""
_PASSES: Final = Outcome(passes=True, why="", basis="")

Search = Callable[[IpAddress, IpAddress | None, str], frozenset[str]]
"""Interfaces by which a packet may leave: of its destination, source, and where it came in."""


def judge_by_routes(now: Snapshot, then: Snapshot) -> Judge:
    """Return a judge of packets under routes that will be, beside those of now."""
    leaves_now, leaves_then = _search(now), _search(then)

    def judge(probe: Probe) -> Outcome:
        came, goes = _interfaces(probe)
        if LOOPBACK in (came, goes) or not (came or goes) or probe.message:
            return _PASSES
        source, destination = (one[0] for one in probe.ends)
        packet = " -> ".join(end(*one) for one in probe.ends)
        back = leaves_then(source, destination, LOOPBACK) if came else frozenset()
        if came and source.version == 4 and (why := _filtered(then, came, back)):  # noqa: PLR2004 -- IPv6 has no such filter
            return _judged(f"{packet} would be dropped when it comes in by {came}: {why}")
        if came and not goes:
            return _PASSES
        if came and not then.forwarding.get(source.version):
            return _judged(f"{packet} would not be forwarded")
        asked = (destination, None if _is_free(probe) else source, came or LOOPBACK)
        return _left(packet, goes, leaves_now(*asked), leaves_then(*asked))

    return judge


def edges_of_routes(now: Snapshot, then: Snapshot) -> tuple[Network, ...]:
    """Return the prefixes that routes tell apart, those of changed routes first."""
    kept = set(now.routes) & set(then.routes)
    routes = sorted((*then.routes, *now.routes), key=kept.__contains__)
    named = (one.destination for one in (*then.rules, *now.rules) if one.destination)
    return tuple(dict.fromkeys((*(one.destination for one in routes), *named)))


def _search(snapshot: Snapshot) -> Search:
    @cache
    def search(destination: IpAddress, source: IpAddress | None, came: str) -> frozenset[str]:
        return find_interfaces(snapshot, destination, source, came)

    return search


def _interfaces(probe: Probe) -> tuple[str, str]:
    """Return by which interface a packet comes in, and by which it should leave."""
    flow = probe.flow
    near = flow.interface or flow.likely_interface or ""
    if flow.way == "through":
        ways = (near, flow.out_interface or "")
        return ways if probe.from_opener else ways[::-1]
    return (near, "") if probe.comes_in else ("", near)


def _is_free(probe: Probe) -> bool:
    """Whether the kernel still has to choose the source address."""
    return probe.flow.way == "out" and not probe.flow.is_live


def _filtered(then: Snapshot, came: str, back: frozenset[str]) -> str:
    """Say why the reverse path filter drops a packet; "" when it does not."""
    card = then.interface(came)
    mode = card.settings.get("ipv4/rp_filter", 0) if card else 0
    if mode == _STRICT and came not in back:
        return f"rp_filter is 1 there, and the way back leaves by {_names(back)}"
    return "rp_filter is 2, and there is no way back" if mode == _LOOSE and not back else ""


def _left(packet: str, goes: str, now: frozenset[str], then: frozenset[str]) -> Outcome:
    if not then:
        return _judged(f"{packet} would find no route")
    if then in (now, {goes}):
        return _PASSES
    words = f"leave by {_names(then)}; the other end is behind {goes}"
    if goes in then or then < now:
        return _judged(f"{packet} may {words}", passes=None)
    return _judged(f"{packet} would {words}")


def _judged(why: str, *, passes: bool | None = False) -> Outcome:
    return Outcome(passes=passes, why=why, basis=why)


def _names(interfaces: frozenset[str]) -> str:
    return " or ".join(sorted(interfaces)) or "no interface"
