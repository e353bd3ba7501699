"""Driver of uplinks: a veth pair from an external network's bridge to the host's own namespace.

The host's end has the network's gateway addresses. Nothing else of the host is changed: neither
its forwarding nor its firewall. What the host already reaches otherwise is not taken from it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.links.fabric import Fabric
from portlight.dataplane.names import HostNames
from portlight.dataplane.namespaces import run_tool
from portlight.dataplane.room import link_listener, received
from portlight.plan.delta import Delta
from portlight.plan.routers import UplinkPlan
from portlight.values.addresses import IpPrefix, parse_prefix

_SETTINGS = {
    "net/ipv6/conf/{}/accept_ra": "0",
    "net/ipv6/conf/{}/accept_dad": "0",
    "net/ipv6/conf/{}/disable_ipv6": "0",
    # A public address that moves is believed at once.
    "net/ipv4/neigh/{}/locktime": "0",
}
_EVERYTHING = "default"


class UplinkConflictError(Exception):
    """The host reaches addresses of the external network by another way already."""

    def __init__(self, prefix: IpPrefix, present: IpPrefix, ifname: str) -> None:
        super().__init__(f"{prefix} overlaps {present}, which this host reaches by {ifname}")
        self.prefix = prefix
        self.ifname = ifname


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """An uplink; its key is the network's number."""

    mtu: int
    addresses: frozenset[str]
    """Of the host's end, with prefix lengths."""
    intact: bool = True
    """False when it is down or not on its bridge. Never wanted."""


def uplink_of(plan: UplinkPlan) -> Uplink:
    """Return what the plan of an uplink means in the kernel's words."""
    addresses = frozenset(f"{address}/{length}" for address, length in plan.addresses)
    return Uplink(mtu=plan.mtu, addresses=addresses)


class UplinkDriver:
    """Reads and writes uplinks by network number. Lives in the host's namespace."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._events = link_listener()
        self._known: Mapping[int, Uplink] | None = None

    def close(self) -> None:
        """Let go; the links go on."""
        self._events.close()

    def read(self) -> Mapping[int, Uplink]:
        """Return the uplinks that are there; the half that is in the fabric counts as well."""
        if received(self._events) or self._known is None:
            self._known = self._look()
        links, names = self._fabric.links(), self._fabric.names
        found: dict[int, Uplink] = {}
        for name in {*links, *map(names.uplink, self._known)}:
            number = names.uplink_of(name)
            if number is None:
                continue
            there = self._known.get(number)
            end, bridge = links.get(name), links.get(names.bridge(number))
            joined = end is not None and bridge is not None and end.master == bridge.index
            whole = there is not None and end is not None and joined and end.up
            whole = whole and there is not None and end is not None and end.mtu == there.mtu
            found[number] = replace(there or _HALF, intact=whole)
        return found

    def apply(self, delta: Delta[int, Uplink]) -> Mapping[int, Exception]:
        """Make, change and remove uplinks; return the failures by network number."""
        failures = attempt_delta(delta, put=self._put, remove=self._remove)
        self._known = None
        return failures

    def _look(self) -> Mapping[int, Uplink]:
        found = {}
        for entry in _ask("address", "show"):
            number = self._fabric.names.uplink_of(entry["ifname"])
            if number is not None:
                found[number] = _half(entry)
        return found

    def _put(self, number: int, wanted: Uplink) -> None:
        name = self._fabric.names.uplink(number)
        there = self.read().get(number)
        held = there.addresses if there is not None else frozenset[str]()
        _check_free(name, wanted.addresses - held)
        bridge = self._fabric.links().get(self._fabric.names.bridge(number))
        if bridge is None:
            raise LookupError(f"network {number} has no bridge yet")
        if there is None or not there.intact:
            self._remove(number)
            held = frozenset()
            _do([f"link add {name} type veth peer name {name} netns {self._fabric.names.fabric}"])
        netlink, end = self._fabric.netlink, self._fabric.links()[name]
        netlink.link("set", index=end.index, mtu=wanted.mtu, master=bridge.index, state="up")
        for key, value in _SETTINGS.items():
            _set(key.format(name), value)
        lines = [f"link set {name} mtu {wanted.mtu}"]
        lines += [f"address del {one} dev {name}" for one in sorted(held - wanted.addresses)]
        lines += [
            f"address add {one} dev {name}{' nodad' if ':' in one else ''}"
            for one in sorted(wanted.addresses - held)
        ]
        _do([*lines, f"link set {name} up"])

    def _remove(self, number: int) -> None:
        """Delete both ends, of which one may be there alone (or in another namespace)."""
        name = self._fabric.names.uplink(number)
        if any(entry["ifname"] == name for entry in _ask("link", "show")):
            _do([f"link del {name}"])
        end = self._fabric.links().get(name)
        if end is not None:
            self._fabric.netlink.link("del", index=end.index)


_HALF = Uplink(mtu=0, addresses=frozenset(), intact=False)


def remove_uplinks(names: HostNames) -> None:
    """Remove every uplink of a deployment from the host."""
    for entry in _ask("link", "show"):
        if names.uplink_of(entry["ifname"]) is not None:
            _do([f"link del {entry['ifname']}"])


def _half(entry: Any) -> Uplink:  # noqa: ANN401 -- the JSON of ip(8)
    addresses = frozenset(
        f"{one['local']}/{one['prefixlen']}"
        for one in entry.get("addr_info", ())
        if not one["local"].startswith("fe80:")
    )
    is_up = "UP" in entry["flags"]
    return Uplink(mtu=entry["mtu"] if is_up else 0, addresses=addresses)


def _check_free(name: str, addresses: frozenset[str]) -> None:
    """Raise UplinkConflictError when the host reaches one of these subnets by another link."""
    present = [
        (parse_prefix(entry["dst"]), entry.get("dev", "another link"))
        for family in ("-4", "-6")
        for entry in _ask(family, "route", "show", "table", "main")
        if entry["dst"] != _EVERYTHING and entry.get("dev") != name
    ]
    for text in sorted(addresses):
        wanted = ip_interface(text).network
        for prefix, ifname in present:
            if prefix.version == wanted.version and prefix.overlaps(wanted):
                raise UplinkConflictError(wanted, prefix, ifname)


def _ask(*question: str) -> list[Any]:
    answer = run_tool("ip", "-json", "-N", *question)
    return [entry for entry in json.loads(answer or "[]") if entry]


def _do(lines: list[str]) -> None:
    run_tool("ip", "-batch", "-", text="".join(f"{line}\n" for line in lines))


def _set(key: str, value: str) -> None:
    path = Path("/proc/sys", key)
    if path.exists():
        path.write_text(value)
