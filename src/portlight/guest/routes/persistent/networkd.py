"""systemd-networkd: a .network file for each interface, before those of others. Pure."""

from collections.abc import Iterable, Iterator

from portlight.guest.routes.persistent.config import InterfaceConfig, RenderedFile
from portlight.guest.routes.values import MAIN_TABLE, Route, Rule


def render_networkd(configs: Iterable[InterfaceConfig]) -> tuple[RenderedFile, ...]:
    """Return one file for each interface; the first that matches an interface is the one."""
    return tuple(
        RenderedFile(
            path=f"/etc/systemd/network/05-portlight-{config.name}.network",
            text="\n".join(_sections(config)),
        )
        for config in configs
    )


def _sections(config: InterfaceConfig) -> Iterator[str]:
    yield from ("[Match]", f"Name={config.name}", "")
    if config.mtu is not None:
        yield from ("[Link]", f"MTUBytes={config.mtu}", "")
    yield from ("[Network]", f"DHCP={_DHCP[config.dynamic]}")
    yield f"IPv6AcceptRA={'yes' if config.accept_advertisements else 'no'}"
    yield from (f"Address={address}" for address in config.addresses)
    if config.brings_dns:
        yield from (f"DNS={address}" for address in config.resolvers)
    yield ""
    for family, section in ((4, "DHCPv4"), (6, "DHCPv6"), (6, "IPv6AcceptRA")):
        lines = list(_lease(config, family, section))
        if lines:
            yield from (f"[{section}]", *lines, "")
    for route in config.routes:
        yield from ("[Route]", *_route(route), "")
    for rule in config.rules:
        yield from ("[RoutingPolicyRule]", *_rule(rule), "")


_DHCP = {
    frozenset[int](): "no",
    frozenset({4}): "ipv4",
    frozenset({6}): "ipv6",
    frozenset({4, 6}): "yes",
}


def _lease(config: InterfaceConfig, family: int, section: str) -> Iterator[str]:
    if family in config.no_routes_from and section != "DHCPv6":
        yield "UseGateway=no"
    if family in config.dynamic and not config.brings_dns:
        yield "UseDNS=no"


def _route(route: Route) -> Iterator[str]:
    hop = route.hops[0]
    yield f"Destination={route.destination}"
    if hop.gateway is not None:
        yield f"Gateway={hop.gateway}"
    elif route.family == 4:  # noqa: PLR2004 -- IPv4; IPv6 has no scopes of routes
        yield "Scope=link"
    if hop.onlink:
        yield "GatewayOnLink=yes"
    if route.metric:
        yield f"Metric={route.metric}"
    if route.mtu:
        yield f"MTUBytes={route.mtu}"
    if route.table != MAIN_TABLE:
        yield f"Table={route.table}"


def _rule(rule: Rule) -> Iterator[str]:
    yield f"From={rule.source}"
    yield f"Table={rule.table}"
    yield f"Priority={rule.priority}"
