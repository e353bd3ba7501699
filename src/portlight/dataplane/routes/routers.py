"""Driver of routers: namespace, settings, addresses of the legs, rules, the frame of translation.

The legs themselves are made by the driver of links. Here a leg is set up last of all, when rules
and translation are in place, and its host end later still: before that nothing passes.
"""

import contextlib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from portlight.dataplane.attempts import attempt_each
from portlight.dataplane.namespaces import (
    create_namespace,
    delete_namespace,
    do_inside,
    write_sysctls,
)
from portlight.dataplane.nft.ruleset import read_digest
from portlight.dataplane.room import Topic
from portlight.dataplane.routes.rooms import PROTOCOL, RouterRooms, ask_ip
from portlight.dataplane.routes.values import Router
from portlight.plan.delta import Delta
from portlight.plan.routers import BLACKHOLE, UNREACHABLE, leg_number

_SETTINGS = {
    # First: the kernel resets others when it changes.
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv4/conf/all/accept_redirects": "0",
    # It answers ARP only for addresses of the interface that was asked.
    "net/ipv4/conf/all/arp_ignore": "1",
    "net/ipv4/conf/all/arp_announce": "2",
    # An address that moves is believed at once.
    "net/ipv4/neigh/default/locktime": "0",
    "net/ipv4/fib_multipath_hash_policy": "1",
    "net/ipv6/fib_multipath_hash_policy": "1",
    "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/all/accept_redirects": "0",
    "net/ipv6/conf/all/forwarding": "1",
}
_LEG_SETTINGS = {
    "net/ipv4/conf/{}/rp_filter": "0",
    "net/ipv4/conf/{}/send_redirects": "0",
    "net/ipv4/neigh/{}/locktime": "0",
    "net/ipv6/conf/{}/accept_ra": "0",
    "net/ipv6/conf/{}/accept_dad": "0",
    "net/ipv6/conf/{}/disable_ipv6": "0",
}
_KERNEL_RULES = {0, 32766, 32767}
"""Priorities of those that every namespace begins with."""
_TOPICS = (Topic.LINKS, Topic.ADDRESSES, Topic.RULES, Topic.SETTINGS, Topic.TRANSLATION)


class RouterDriver:
    """Reads and writes the routers of this host, by number."""

    def __init__(self, rooms: RouterRooms) -> None:
        self._rooms = rooms
        self._seen: dict[int, tuple[object, Router]] = {}

    def read(self) -> Mapping[int, Router]:
        """Return the routers that are there, as they are."""
        return {number: self._read_one(number) for number in self._rooms.numbers()}

    def apply(self, delta: Delta[int, Router]) -> Mapping[int, Exception]:
        """Make, change and remove routers; return the failures by number."""
        failures = attempt_each(self._remove, delta.remove)
        return failures | attempt_each(lambda key: self._put(key, delta.put[key]), delta.put)

    def _read_one(self, number: int) -> Router:
        room = self._rooms.find(number)
        if room is None:
            return _NOTHING
        edition = room.edition(*_TOPICS)
        known = self._seen.get(number)
        if known is None or known[0] != edition:
            known = (edition, self._look(number))
            self._seen[number] = known
        return known[1]

    def _look(self, number: int) -> Router:
        room = self._rooms.enter(number)
        links = self._rooms.links(number)
        legs = {name: link for name, link in links.items() if leg_number(name) is not None}
        nowhere = all(name in links and links[name].up for name in (UNREACHABLE, BLACKHOLE))
        # Of what somebody else did to nftables nothing is believed.
        trusted = self._rooms.trusts_translation(number)
        return Router(
            legs={name: link.addresses for name, link in legs.items()},
            rules=frozenset(_read_rules(room.name)),
            frame=read_digest(room.name) if trusted else 0,
            intact=(
                nowhere
                and all(link.up for link in legs.values())
                and do_inside(room.name, lambda: _are_set(_settings(legs)))
            ),
        )

    def _put(self, number: int, wanted: Router) -> None:
        name = self._rooms.names.router(number)
        self._rooms.ensure()
        create_namespace(name)
        before = self._read_one(number)
        missing = wanted.legs.keys() - before.legs.keys()
        write_sysctls(name, _settings(wanted.legs))
        if before.frame != wanted.frame:
            self._rooms.translate(number, wanted.frame_text, is_frame=True)
        for family in ("-4", "-6"):
            self._rooms.change(number, _rule_lines(family, before, wanted), family)
        links = self._rooms.links(number).keys()
        self._rooms.change(number, _link_lines(before, wanted, links))
        if missing:
            raise LookupError(f"router {number} has no {', '.join(sorted(missing))} yet")

    def _remove(self, number: int) -> None:
        self._rooms.forget(number)
        self._seen.pop(number, None)
        delete_namespace(self._rooms.names.router(number))


_NOTHING = Router(legs={}, rules=frozenset(), frame=0, intact=False)


def _rule_lines(family: str, before: Router, wanted: Router) -> Iterator[str]:
    """Yield the rules to add and then those to delete: packets are never without one."""
    for verb, rules in (
        ("add", wanted.rules - before.rules),
        ("del", before.rules - wanted.rules),
    ):
        for rule in sorted(rules):
            version, words = rule.split(" ", 1)
            if version == family:
                yield f"rule {verb} {words} protocol {PROTOCOL}"


def _link_lines(before: Router, wanted: Router, links: AbstractSet[str]) -> Iterator[str]:
    """Yield the addresses to take and to give; a leg is set up last."""
    if UNREACHABLE not in links or BLACKHOLE not in links:
        yield from (f"link del {one}" for one in (UNREACHABLE, BLACKHOLE) if one in links)
        yield f"link add {UNREACHABLE} type veth peer name {BLACKHOLE}"
    yield from (f"link set {one} addrgenmode none up" for one in (UNREACHABLE, BLACKHOLE))
    for ifname in sorted(wanted.legs.keys() & before.legs.keys()):
        there, addresses = before.legs[ifname], wanted.legs[ifname]
        for one in sorted(addresses - there):
            yield f"address add {one} dev {ifname}{' nodad' if ':' in one else ''}"
        yield from (f"address del {one} dev {ifname}" for one in sorted(there - addresses))
        yield f"link set {ifname} up"


def _read_rules(namespace: str) -> Iterator[str]:
    for family in ("-4", "-6"):
        for entry in ask_ip(namespace, family, "rule", "show"):
            if entry["priority"] not in _KERNEL_RULES:
                yield _rule_text(family, entry)


def _rule_text(family: str, entry: Any) -> str:  # noqa: ANN401 -- the JSON of ip(8)
    """Return a rule as `values.rule_text` writes it."""
    words = [family, f"priority {entry['priority']}"]
    if "srclen" in entry or entry["src"] != "all":
        length = entry.get("srclen", 32 if family == "-4" else 128)
        words.append(f"from {entry['src']}/{length}")
    words += [f"iif {entry['iif']}"] if "iif" in entry else []
    words += [f"fwmark {int(entry['fwmark'], 16)}"] if "fwmark" in entry else []
    words.append(f"table {entry['table']}")
    words += ["suppress_prefixlength 0"] if entry.get("suppress_prefixlen") == 0 else []
    return " ".join(words)


def _settings(legs: Mapping[str, object]) -> dict[str, str]:
    own = {key.format(leg): value for leg in sorted(legs) for key, value in _LEG_SETTINGS.items()}
    return _SETTINGS | own


def _are_set(settings: Mapping[str, str]) -> bool:
    return all(_value(key) in (value, None) for key, value in settings.items())


def _value(key: str) -> str | None:
    """Return a setting; None when this kernel does not have it."""
    with contextlib.suppress(FileNotFoundError):
        return Path("/proc/sys", key).read_text().strip()
    return None
