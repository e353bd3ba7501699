"""The network scripts of Red Hat's family: ifcfg-, route-, rule- files. Pure."""

from collections.abc import Iterable, Iterator

from portlight.guest.routes.persistent.config import InterfaceConfig, RenderedFile
from portlight.guest.routes.spell import route_words, rule_words
from portlight.guest.routes.values import FAMILIES

_FOLDER = "/etc/sysconfig/network-scripts"
_SUFFIXES = {4: "", 6: "6"}


def render_ifcfg(configs: Iterable[InterfaceConfig]) -> tuple[RenderedFile, ...]:
    """Return the files; those of routes and rules hold words of `ip`, a line each."""
    return tuple(one for config in configs for one in _files(config))


def _files(config: InterfaceConfig) -> Iterator[RenderedFile]:
    yield _file("ifcfg", config.name, _settings(config))
    for family in FAMILIES:
        routes = [" ".join(route_words(route)) for route in config.routes_of(family)]
        rules = [" ".join(rule_words(rule)) for rule in config.rules_of(family)]
        if routes:
            yield _file(f"route{_SUFFIXES[family]}", config.name, routes)
        if rules:
            yield _file(f"rule{_SUFFIXES[family]}", config.name, rules)


def _file(kind: str, interface: str, lines: Iterable[str]) -> RenderedFile:
    return RenderedFile(path=f"{_FOLDER}/{kind}-{interface}", text="".join(f"{x}\n" for x in lines))


def _settings(config: InterfaceConfig) -> Iterator[str]:
    yield from (f"DEVICE={config.name}", "TYPE=Ethernet", "ONBOOT=yes")
    yield f"BOOTPROTO={'dhcp' if 4 in config.dynamic else 'none'}"  # noqa: PLR2004 -- IPv4
    if config.mtu is not None:
        yield f"MTU={config.mtu}"
    for number, address in enumerate(config.static(4)):
        yield f"IPADDR{number or ''}={address.ip}"
        yield f"PREFIX{number or ''}={address.network.prefixlen}"
    first, *others = config.static(6) or (None,)
    yield f"IPV6INIT={_word(first is not None or 6 in config.dynamic)}"  # noqa: PLR2004 -- IPv6
    yield f"IPV6_AUTOCONF={_word(6 in config.dynamic)}"  # noqa: PLR2004 -- IPv6
    if first is not None:
        yield f"IPV6ADDR={first}"
    if others:
        yield f'IPV6ADDR_SECONDARIES="{" ".join(map(str, others))}"'
    # Default routes are in the route files, with their metric.
    yield f"DEFROUTE={_word(config.dynamic and 4 not in config.no_routes_from)}"  # noqa: PLR2004 -- IPv4
    yield f"PEERDNS={_word(config.brings_dns)}"
    for number, server in enumerate(config.resolvers if config.brings_dns else (), 1):
        yield f"DNS{number}={server}"


def _word(value: object) -> str:
    return "yes" if value else "no"
