"""Routes and rules as words of `ip`. Pure."""

from portlight.guest.routes.values import MAIN_TABLE, Command, Hop, Route, Rule


def ip_words(family: int, thing: str, verb: str) -> Command:
    """Return the first words of a command."""
    return ("ip", f"-{family}", thing, verb)


def route_words(route: Route) -> Command:
    """Return a route in full, so that the words make the same route again."""
    kind = () if route.kind == "unicast" else (route.kind,)
    destination = "default" if route.is_default else str(route.destination)
    hops = hop_words(route.hops[0], route.family) if len(route.hops) == 1 else ()
    return (
        *kind,
        destination,
        *hops,
        *(("table", str(route.table)) if route.table != MAIN_TABLE else ()),
        *("proto", str(route.protocol)),
        *(("scope", route.scope) if route.scope else ()),
        *(("metric", str(route.metric)) if route.metric else ()),
        *(("src", str(route.source)) if route.source else ()),
        *(("mtu", str(route.mtu)) if route.mtu else ()),
        *(
            word
            for hop in route.hops
            if len(route.hops) > 1
            for word in _nexthop(hop, route.family)
        ),
    )


def hop_words(hop: Hop, family: int) -> Command:
    """Return where a route of a family leads; a gateway of the other is named with its own."""
    other = hop.gateway is not None and hop.gateway.version != family
    kind = ("inet6",) if other else ()
    via = ("via", *kind, str(hop.gateway)) if hop.gateway else ()
    return (*via, "dev", hop.interface, *(("onlink",) if hop.onlink else ()))


def _nexthop(hop: Hop, family: int) -> Command:
    return ("nexthop", *hop_words(hop, family), "weight", str(hop.weight))


def rule_words(rule: Rule) -> Command:
    """Return a rule that looks at nothing but the source."""
    return (
        *("from", str(rule.source.network_address) if rule.source else "all"),
        *("table", str(rule.table)),
        *("priority", str(rule.priority)),
        *("protocol", str(rule.protocol)),
    )
