"""ifupdown of Debian: a file of interfaces(5) for each interface. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

from portlight.guest.routes.persistent.config import InterfaceConfig, RenderedFile
from portlight.guest.routes.spell import ip_words, route_words, rule_words
from portlight.guest.routes.values import FAMILIES

_WORDS: Final = {4: "inet", 6: "inet6"}


def render_ifupdown(configs: Iterable[InterfaceConfig]) -> tuple[RenderedFile, ...]:
    """Return the files."""
    return tuple(
        RenderedFile(
            path=f"/etc/network/interfaces.d/portlight-{config.name}",
            text="\n".join((f"auto {config.name}", *_stanzas(config), "")),
        )
        for config in configs
    )


def _stanzas(config: InterfaceConfig) -> Iterator[str]:
    for family in FAMILIES:
        methods = [f"static\n    address {address}" for address in config.static(family)]
        if family in config.dynamic:
            methods.insert(0, "dhcp" if family == 4 else "auto")  # noqa: PLR2004 -- IPv4
        for number, method in enumerate(methods):
            yield f"iface {config.name} {_WORDS[family]} {method}"
            if number == len(methods) - 1:
                # With the last address, so that every gateway is on a link.
                yield from (f"    {line}" for line in _options(config, family))


def _options(config: InterfaceConfig, family: int) -> Iterator[str]:
    if config.mtu is not None:
        yield f"up ip link set dev {config.name} mtu {config.mtu}"
    servers = [str(one) for one in config.resolvers if one.version == family]
    if servers and config.brings_dns:
        yield f"dns-nameservers {' '.join(servers)}"
    if family in config.no_routes_from:
        yield f"up ip -{family} route delete default dev {config.name} || true"
    for route in config.routes_of(family):
        words = (*ip_words(family, "route", "append"), *route_words(route))
        yield f"up {' '.join(words)} || true"
    for rule in config.rules_of(family):
        yield f"up {' '.join((*ip_words(family, 'rule', 'add'), *rule_words(rule)))} || true"
        yield f"down {' '.join((*ip_words(family, 'rule', 'delete'), *rule_words(rule)))} || true"
