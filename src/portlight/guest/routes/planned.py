"""What a server's routes will be after commands of ours: their words, read back. Pure.

What changes no packet's way, such as an MTU, is left as it is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import pairwise
from typing import Final

from portlight.guest.routes.values import (
    IPV6_METRIC,
    MAIN_TABLE,
    Command,
    Hop,
    Interface,
    Route,
    Rule,
    Snapshot,
)

_KINDS: Final = frozenset(
    {"unicast", "local", "broadcast", "blackhole", "unreachable", "prohibit", "throw"}
)
_ANYWHERE: Final = {4: "0.0.0.0/0", 6: "::/0"}
_FORWARDING: Final = {"net/ipv4/ip_forward": 4, "net/ipv6/conf/all/forwarding": 6}


def planned(snapshot: Snapshot, commands: Iterable[Command]) -> Snapshot:
    """Return a server as it will be after commands that `remedies` made."""
    for command in commands:
        if command[0] == "sysctl":
            name, _, value = command[-1].partition("=")
            snapshot = _with_setting(snapshot, name, int(value))
            continue
        _, family, thing, verb, *words = command
        if thing == "route":
            route = parse_route(int(family[1:]), words)
            snapshot = replace(snapshot, routes=_ROUTE_VERBS[verb](snapshot.routes, route))
        elif thing == "rule":
            rule = parse_rule(int(family[1:]), words)
            others = tuple(one for one in snapshot.rules if one != rule)
            snapshot = replace(snapshot, rules=(*others, rule) if verb == "add" else others)
    return snapshot


def parse_route(family: int, words: Sequence[str]) -> Route:
    """Return the route that `spell.route_words` made words of."""
    kind, rest = (words[0], words[1:]) if words[0] in _KINDS else ("unicast", words)
    values: dict[str, str] = {}
    hops: list[dict[str, str]] = [{}]
    # The family of a gateway is seen from the gateway.
    following = (word for word in rest[1:] if word != "inet6")
    for word in following:
        if word == "nexthop":
            hops.append({})
        elif word == "onlink":
            hops[-1][word] = word
        else:
            (hops[-1] if word in {"via", "dev", "weight"} else values)[word] = next(following)
    source = values.get("src")
    return Route(
        destination=ip_network(_ANYWHERE[family] if rest[0] == "default" else rest[0]),
        hops=tuple(_hop(one) for one in hops if one),
        table=int(values.get("table", MAIN_TABLE)),
        kind=kind,
        metric=int(values.get("metric", 0)) or (IPV6_METRIC if family == 6 else 0),  # noqa: PLR2004 -- IPv6
        protocol=int(values["proto"]),
        scope=values.get("scope", ""),
        source=ip_address(source) if source else None,
        mtu=int(values.get("mtu", 0)),
    )


def _hop(words: dict[str, str]) -> Hop:
    return Hop(
        interface=words["dev"],
        gateway=ip_address(words["via"]) if "via" in words else None,
        onlink="onlink" in words,
        weight=int(words.get("weight", 1)),
    )


def parse_rule(family: int, words: Sequence[str]) -> Rule:
    """Return the rule that `spell.rule_words` made words of."""
    values = dict(list(pairwise(words))[::2])
    return Rule(
        family=family,
        priority=int(values["priority"]),
        table=int(values["table"]),
        source=None if values["from"] == "all" else ip_network(values["from"]),
        protocol=int(values["protocol"]),
    )


def _replaced(routes: tuple[Route, ...], route: Route) -> tuple[Route, ...]:
    """Put a route in the place of the first that has its destination and metric."""
    at = next((at for at, one in enumerate(routes) if _place(one) == _place(route)), None)
    return (*routes, route) if at is None else (*routes[:at], route, *routes[at + 1 :])


def _deleted(routes: tuple[Route, ...], route: Route) -> tuple[Route, ...]:
    return tuple(
        one
        for one in routes
        if (_place(one), _over(one), one.kind) != (_place(route), _over(route), route.kind)
    )


def _place(route: Route) -> tuple[object, ...]:
    """Return what makes two routes the same place in the kernel."""
    return (route.table, route.destination, route.metric)


def _over(route: Route) -> tuple[object, ...]:
    return tuple((hop.interface, hop.gateway) for hop in route.hops)


_ROUTE_VERBS: Final[dict[str, Callable[[tuple[Route, ...], Route], tuple[Route, ...]]]] = {
    "replace": _replaced,
    "delete": _deleted,
    "append": lambda routes, route: (*routes, route),
    "prepend": lambda routes, route: (route, *routes),
}


def _with_setting(snapshot: Snapshot, name: str, value: int) -> Snapshot:
    if name in _FORWARDING:
        forwarding = {**snapshot.forwarding, _FORWARDING[name]: value == 1}
        return replace(snapshot, forwarding=forwarding)
    _, family, _, card, setting = name.split("/")
    short = f"{family}/{setting}"
    return replace(
        snapshot,
        interfaces=tuple(
            _set(one, short, value, snapshot.shared_settings.get(short, 0))
            if one.name == card
            else one
            for one in snapshot.interfaces
        ),
    )


def _set(card: Interface, name: str, value: int, shared: int) -> Interface:
    return replace(
        card,
        own_settings={**card.own_settings, name: value},
        settings={**card.settings, name: max(value, shared)},
    )
