"""What `ip -json` prints, and the files of keepalived and the resolver, as values. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, Final

from portlight.guest.routes.values import (
    MAIN_TABLE,
    Address,
    Hop,
    Interface,
    IpInterface,
    IpNetwork,
    Neighbour,
    Resolver,
    Route,
    Rule,
)

Json = dict[str, Any]

_NEVER_ENDS: Final = 0xFFFFFFFF
_KINDS: Final = {
    "1": "unicast",
    "2": "local",
    "3": "broadcast",
    "4": "anycast",
    "5": "multicast",
    "6": "blackhole",
    "7": "unreachable",
    "8": "prohibit",
    "9": "throw",
}
"""Numbers of rtnetlink.h."""
_SELECTORS: Final = ("fwmark", "oif", "tos", "ipproto", "sport", "dport", "uid_start", "tun_id")
_REFUSALS: Final = frozenset({"6", "7", "8"})
_SERVERS: Final = re.compile(
    r"^\s*nameserver\s+([0-9A-Fa-f.:]+)"  # resolv.conf
    r"|^DNS=([0-9A-Fa-f.: ]+)"  # what networkd keeps of a link
    r"|^\s*option\s+(?:domain-name-servers|dhcp6\.name-servers)\s+([0-9A-Fa-f.:, ]+);",  # dhclient
    re.MULTILINE,
)


def decode_interfaces(text: str) -> Iterator[Interface]:
    """Yield what `ip -json address show` lists."""
    for one in _list(text):
        flags = one["flags"]
        yield Interface(
            name=one["ifname"],
            index=one["ifindex"],
            mac=one.get("address", ""),
            mtu=one["mtu"],
            up="UP" in flags,
            carrier="NO-CARRIER" not in flags and one.get("operstate") != "LOWERLAYERDOWN",
            loopback="LOOPBACK" in flags,
            master=one.get("master", ""),
            addresses=tuple(_address(a) for a in one.get("addr_info", []) if "local" in a),
        )


def _address(one: Json) -> Address:
    return Address(
        value=ip_interface(f"{one['local']}/{one['prefixlen']}"),
        scope=one["scope"],
        dynamic=one.get("valid_life_time", _NEVER_ENDS) != _NEVER_ENDS,
    )


def decode_routes(text: str, family: int) -> Iterator[Route]:
    """Yield what `ip -N -json route show table all` lists.

    Routes of IPv6 with several hops are several routes, as they are to the kernel.
    """
    for one in _list(text):
        ways = [_hop(hop) for hop in one.get("nexthops", [one] if "dev" in one else [])]
        groups = [(way,) for way in ways] if family == 6 and ways else [tuple(ways)]  # noqa: PLR2004 -- IPv6
        for hops in groups:
            yield _route(one, family, hops)


def _route(one: Json, family: int, hops: tuple[Hop, ...]) -> Route:
    source = one.get("prefsrc")
    metrics = one.get("metrics", [])
    return Route(
        destination=_network(one["dst"], family),
        hops=hops,
        table=int(one.get("table", MAIN_TABLE)),
        kind=_KINDS[one.get("type", "1")],
        metric=one.get("metric", 0),
        protocol=int(one.get("protocol", 3)),
        scope=one.get("scope", ""),
        source=ip_address(source) if source else None,
        mtu=metrics[0].get("mtu", 0) if metrics else 0,
        dead="dead" in one["flags"] or "linkdown" in one["flags"],
    )


def _hop(one: Json) -> Hop:
    gateway = one.get("gateway") or one.get("via", {}).get("host")
    return Hop(
        interface=one["dev"],
        gateway=ip_address(gateway) if gateway else None,
        onlink="onlink" in one["flags"],
        weight=one.get("weight", 1),
    )


def _network(text: str, family: int) -> IpNetwork:
    if text == "default":
        text = "0.0.0.0/0" if family == 4 else "::/0"  # noqa: PLR2004 -- IPv4
    return ip_network(text)


def decode_rules(text: str, family: int) -> Iterator[Rule]:
    """Yield what `ip -N -json -details rule show` lists."""
    for one in _list(text):
        table = one.get("table")
        yield Rule(
            family=family,
            priority=one["priority"],
            table=int(table) if table else None,
            source=_selected(one, "src", family),
            destination=_selected(one, "dst", family),
            in_interface=one.get("iif", ""),
            protocol=int(one.get("protocol", 0)),
            suppressed_length=one.get("suppress_prefixlen"),
            opaque="not" in one or "goto" in one or any(word in one for word in _SELECTORS),
            refuses=one.get("action") in _REFUSALS,
        )


def _selected(one: Json, side: str, family: int) -> IpNetwork | None:
    address = one.get(side, "all")
    if address == "all":
        return None
    length = one.get(f"{side}len", 32 if family == 4 else 128)  # noqa: PLR2004 -- IPv4
    # The kernel keeps `from 10.0.0.5/24` as it was said, and looks at 24 bits.
    return ip_network(f"{address}/{length}", strict=False)


def decode_neighbours(text: str) -> Iterator[Neighbour]:
    """Yield what `ip -json neighbour show` lists."""
    for one in _list(text):
        yield Neighbour(
            address=ip_address(one["dst"]),
            interface=one["dev"],
            mac=one.get("lladdr", ""),
            states=frozenset(one.get("state", [])),
        )


def _list(text: str) -> list[Json]:
    """Return the objects of a listing; some versions print `{}` for what does not apply."""
    parsed = json.loads(text or "[]")
    return [one for one in parsed if one]


def decode_resolvers(texts: Mapping[str, str]) -> Iterator[Resolver]:
    """Yield the servers that files name, by interface; the key "" is `/etc/resolv.conf`."""
    for interface, text in texts.items():
        words = " ".join(" ".join(found) for found in _SERVERS.findall(text))
        for word in dict.fromkeys(re.split(r"[\s,]+", words.strip())):
            with suppress(ValueError):  # the resolver too passes over what is no address
                yield Resolver(address=ip_address(word), interface=interface)


def decode_virtual_ips(text: str) -> Iterator[IpInterface]:
    """Yield the addresses of a keepalived.conf that move between its members.

    What is none of itself is passed over: a `$VARIABLE`, the `@CONDITION` before an address.
    """
    plain = re.sub(r"[#!].*", "", text)
    for block in re.findall(r"\bvirtual_ipaddress(?:_excluded)?\s*\{([^}]*)\}", plain):
        for line in block.splitlines():
            words = [word for word in line.split() if not word.startswith("@")]
            with suppress(ValueError):
                yield from map(ip_interface, words[:1])
