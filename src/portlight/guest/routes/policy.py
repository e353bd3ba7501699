"""Policy routing: one table for each interface, one rule for each address. Pure.

A table holds what the main table says about its interface, so that a packet from an address of the
interface sees that interface only. All rules stand at the last priority before the main table:
every rule of the server's owner comes first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import pairwise
from typing import Final

from portlight.guest.routes.spell import ip_words, route_words, rule_words
from portlight.guest.routes.values import (
    FAMILIES,
    IPV6_METRIC,
    MAIN_TABLE,
    Command,
    Interface,
    Route,
    Rule,
    Snapshot,
)

PROTOCOL: Final = 74
"""Marks our routes and rules (rtnetlink's `protocol`); used by no other software we know."""
PRIORITY: Final = 32765
FIRST_TABLE: Final = 7400
LAST_TABLE: Final = 7499
_IPV6: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Tables and rules, wanted or present."""

    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()


def present_policy(snapshot: Snapshot) -> Policy:
    """Return what is ours in the kernel."""
    return Policy(
        routes=tuple(one for one in snapshot.routes if is_ours(one)),
        rules=tuple(one for one in snapshot.rules if one.protocol == PROTOCOL),
    )


def is_ours(route: Route) -> bool:
    """Whether we made a route."""
    return route.protocol == PROTOCOL and FIRST_TABLE <= route.table <= LAST_TABLE


def wanted_policy(snapshot: Snapshot) -> Policy:
    """Return the tables and rules that bring every reply back the way its request came."""
    cards = [one for one in snapshot.cards() if _has_addresses(one)]
    if len(cards) < 2:  # noqa: PLR2004 -- a single interface has nothing to choose from
        return Policy()
    tables = assign_tables(snapshot, cards)
    return Policy(
        routes=tuple(
            route
            for card in cards
            for family in FAMILIES
            for route in _table(snapshot, card, family, tables[card.name])
        ),
        rules=tuple(rule for card in cards for rule in _rules(card, tables[card.name])),
    )


def assign_tables(snapshot: Snapshot, cards: Iterable[Interface]) -> dict[str, int]:
    """Return a table for each interface: the one it has, else the first that nobody uses."""
    present = present_policy(snapshot)
    foreign = {route.table for route in snapshot.routes if not is_ours(route)}
    foreign |= {one.table for one in snapshot.rules if one.table and one.protocol != PROTOCOL}
    tables = {
        hop.interface: route.table
        for route in present.routes
        for hop in route.hops
        if route.table not in foreign
    }
    taken = foreign | set(tables.values())
    free = (number for number in range(FIRST_TABLE, LAST_TABLE + 1) if number not in taken)
    for card in sorted(cards, key=lambda one: one.name):
        if card.name not in tables:
            tables[card.name] = next(free)
    return tables


def _has_addresses(card: Interface) -> bool:
    return card.up and any(card.of(family) for family in FAMILIES)


def _table(snapshot: Snapshot, card: Interface, family: int, table: int) -> Iterator[Route]:
    """Yield the routes of the main table over an interface, the best for each destination.

    The default that the table has already stays when the main table has none any more: an
    interface keeps its gateway though it is not the server's.
    """
    ways = [
        (route, hop)
        for route in snapshot.routes
        if route.family == family and route.kind == "unicast" and not route.dead
        if (hop := route.by(card.name)) is not None and not _is_link_local(route)
        if route.table == MAIN_TABLE or (is_ours(route) and route.is_default)
    ]
    ways.sort(key=lambda way: (way[0].table != MAIN_TABLE, way[0].metric))
    best = {route.destination: (route, hop) for route, hop in reversed(ways)}
    # What is on the link first: gateways are looked for there.
    ordered = sorted(best.values(), key=lambda way: way[1].gateway is not None)
    for route, hop in ordered if card.of(family) else ():
        yield Route(
            destination=route.destination,
            hops=(replace(hop, weight=1),),
            table=table,
            # IPv6 knows no metric 0; IPv4 needs none, each destination being there once.
            metric=IPV6_METRIC if family == _IPV6 else 0,
            protocol=PROTOCOL,
            mtu=route.mtu,
        )


def _is_link_local(route: Route) -> bool:
    return route.destination.is_link_local or route.destination.is_multicast


def _rules(card: Interface, table: int) -> Iterator[Rule]:
    for family in FAMILIES:
        for address in card.of(family):
            yield Rule(
                family=family,
                priority=PRIORITY,
                table=table,
                source=ip_network(address.value.ip),
                protocol=PROTOCOL,
            )


def policy_commands(present: Policy, wanted: Policy) -> Iterator[Command]:
    """Yield what turns the one into the other; no packet is without its route in between.

    First new routes, then new rules, then old rules, then old routes.
    """
    old, new = _routes_by_place(present), _routes_by_place(wanted)
    changed = [route for place, route in new.items() if old.get(place) != route]
    steps = (
        ("route", "replace", changed),
        ("rule", "add", [rule for rule in wanted.rules if rule not in present.rules]),
        ("rule", "delete", [rule for rule in present.rules if rule not in wanted.rules]),
        ("route", "delete", [route for place, route in old.items() if place not in new]),
    )
    for thing, verb, objects in steps:
        for one in objects:
            words = route_words(one) if isinstance(one, Route) else rule_words(one)
            yield (*ip_words(one.family, thing, verb), *words)


def is_of_policy(command: Command) -> bool:
    """Whether a command is about a table or rule of ours."""
    marks = (("proto", str(PROTOCOL)), ("protocol", str(PROTOCOL)))
    return any(pair in marks for pair in pairwise(command))


def _routes_by_place(policy: Policy) -> dict[tuple[int, object], Route]:
    """Return routes by what makes two of them the same place in the kernel."""
    return {
        (one.table, one.destination): replace(one, scope="", dead=False) for one in policy.routes
    }
