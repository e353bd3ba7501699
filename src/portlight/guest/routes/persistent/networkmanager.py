"""NetworkManager: a keyfile for each interface (nm-settings-keyfile). Pure."""

from collections.abc import Iterable, Iterator

from portlight.guest.routes.persistent.config import InterfaceConfig, RenderedFile
from portlight.guest.routes.values import FAMILIES, MAIN_TABLE, Route


def render_networkmanager(configs: Iterable[InterfaceConfig]) -> tuple[RenderedFile, ...]:
    """Return the keyfiles; NetworkManager ignores one that others may read."""
    return tuple(
        RenderedFile(
            path=f"/etc/NetworkManager/system-connections/portlight-{config.name}.nmconnection",
            text="\n".join(_sections(config)),
            mode=0o600,
        )
        for config in configs
    )


def _sections(config: InterfaceConfig) -> Iterator[str]:
    yield from ("[connection]", f"id=portlight-{config.name}", "type=ethernet")
    yield from (f"interface-name={config.name}", "autoconnect-priority=100", "")
    if config.mtu is not None:
        yield from ("[ethernet]", f"mtu={config.mtu}", "")
    for family in FAMILIES:
        yield from (f"[ipv{family}]", *_family(config, family), "")


def _family(config: InterfaceConfig, family: int) -> Iterator[str]:
    yield f"method={_method(config, family)}"
    for number, address in enumerate(config.static(family), 1):
        yield f"address{number}={address}"
    servers = [str(one) for one in config.resolvers if one.version == family]
    if servers and config.brings_dns:
        yield f"dns={';'.join(servers)};"
    if family in config.dynamic and not config.brings_dns:
        yield "ignore-auto-dns=true"
    if family in config.no_routes_from:
        yield "never-default=true"
    for number, route in enumerate(config.routes_of(family), 1):
        yield f"route{number}={_route(route)}"
        options = list(_options(route))
        if options:
            yield f"route{number}_options={','.join(options)}"
    for number, rule in enumerate(config.rules_of(family), 1):
        yield f"routing-rule{number}=priority {rule.priority} from {rule.source} table {rule.table}"


def _method(config: InterfaceConfig, family: int) -> str:
    if family in config.dynamic or (
        family == 6 and config.accept_advertisements and not config.static(family)  # noqa: PLR2004 -- IPv6
    ):
        return "auto"
    return "manual" if config.static(family) else "disabled"


def _route(route: Route) -> str:
    gateway = route.hops[0].gateway
    if route.metric:
        return f"{route.destination},{gateway or ''},{route.metric}"
    return f"{route.destination},{gateway}" if gateway else str(route.destination)


def _options(route: Route) -> Iterator[str]:
    if route.table != MAIN_TABLE:
        yield f"table={route.table}"
    if route.hops[0].onlink:
        yield "onlink=true"
    if route.mtu:
        yield f"mtu={route.mtu}"
