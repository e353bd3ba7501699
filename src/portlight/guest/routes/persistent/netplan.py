"""Netplan: one YAML file that adds to, and overrides, what the server has. Pure."""

from collections.abc import Iterable, Iterator

from portlight.guest.routes.persistent.config import InterfaceConfig, RenderedFile, RenderError
from portlight.guest.routes.values import FAMILIES, MAIN_TABLE, Route, Rule

_PATH = "/etc/netplan/90-portlight.yaml"


def render_netplan(configs: Iterable[InterfaceConfig]) -> tuple[RenderedFile, ...]:
    """Return the file; netplan wants that only root reads it."""
    lines = ["network:", "  version: 2", "  ethernets:"]
    for config in configs:
        lines.append(f"    {config.name}:")
        lines.extend(f"      {line}" for line in _interface(config))
    return (RenderedFile(path=_PATH, text="\n".join((*lines, "")), mode=0o600),)


def _interface(config: InterfaceConfig) -> Iterator[str]:
    for family in FAMILIES:
        yield from _leases(config, family)
    if not config.accept_advertisements:
        yield "accept-ra: false"
    if config.mtu is not None:
        yield f"mtu: {config.mtu}"
    servers = config.resolvers if config.brings_dns else ()
    yield from _list("addresses:", ([f'"{address}"'] for address in config.addresses))
    yield from (("nameservers:",) if servers else ())
    yield from (f"  {line}" for line in _list("addresses:", ([f'"{one}"'] for one in servers)))
    yield from _list("routes:", map(_route, config.routes))
    yield from _list("routing-policy:", map(_rule, config.rules))


def _leases(config: InterfaceConfig, family: int) -> Iterator[str]:
    yield f"dhcp{family}: {'true' if family in config.dynamic else 'false'}"
    overrides = [
        *(["use-routes: false"] if family in _without_routes(config) else ()),
        *(["use-dns: false"] if family in config.dynamic and not config.brings_dns else ()),
    ]
    if overrides:
        yield f"dhcp{family}-overrides:"
        yield from (f"  {line}" for line in overrides)


def _without_routes(config: InterfaceConfig) -> frozenset[int]:
    """Return the families that take no routes from leases.

    networkd wants one answer for both and means IPv4 only: routes of IPv6 come from routers, not
    by DHCP, and netplan has no word for these.
    """
    if 6 in config.dynamic and config.ignores_routers:  # noqa: PLR2004 -- IPv6
        raise RenderError(
            f"{config.name} takes no default gateway from IPv6 routers, and netplan cannot say so:"
            " --format networkd can"
        )
    return config.dynamic if 4 in config.no_routes_from else frozenset()  # noqa: PLR2004 -- IPv4


def _list(name: str, entries: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield a list, of entries of several lines; nothing for an empty one."""
    lines = [line for entry in entries for line in _item(entry)]
    yield from ((name, *lines) if lines else ())


def _item(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of one entry of a list."""
    for number, line in enumerate(lines):
        yield f"  {'- ' if number == 0 else '  '}{line}"


def _route(route: Route) -> Iterator[str]:
    hop = route.hops[0]
    yield f'to: "{route.destination}"'
    if hop.gateway is not None:
        yield f'via: "{hop.gateway}"'
    else:
        yield "scope: link"
    if hop.onlink:
        yield "on-link: true"
    if route.metric:
        yield f"metric: {route.metric}"
    if route.mtu:
        yield f"mtu: {route.mtu}"
    if route.table != MAIN_TABLE:
        yield f"table: {route.table}"


def _rule(rule: Rule) -> Iterator[str]:
    yield f'from: "{rule.source}"'
    yield f"table: {rule.table}"
    yield f"priority: {rule.priority}"
