"""Driver of routes: our routes in the tables of every router, many at once.

Known as ours by the route protocol number. Looking is free while nobody else touches a table.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from portlight.dataplane.namespaces import ToolError
from portlight.dataplane.room import Topic
from portlight.dataplane.routes.rooms import PROTOCOL, RouterRooms, ask_ip
from portlight.plan.delta import Delta
from portlight.plan.routers import BLACKHOLE, HopPlan, RouteKey, RoutePlan
from portlight.values.addresses import IpPrefix, parse_ip, parse_prefix

_FAMILIES = {"-4": "0.0.0.0/0", "-6": "::/0"}
_FAILED = re.compile(r"^Command failed -:(\d+)$", re.MULTILINE)
_GONE = "No such process"


class RouteDriver:
    """Reads and writes routes by (router number, table, destination)."""

    def __init__(self, rooms: RouterRooms) -> None:
        self._rooms = rooms
        self._held: dict[int, tuple[object, dict[RouteKey, RoutePlan]]] = {}
        """The routes of each router, and the edition of them that was read or written."""

    def read(self) -> Mapping[RouteKey, RoutePlan]:
        """Return every route of ours in every router."""
        numbers = self._rooms.numbers()
        for number in numbers:
            edition = self._edition(number)
            if number not in self._held or self._held[number][0] != edition:
                self._held[number] = (edition, self._look(number))
        self._held = {number: self._held[number] for number in numbers}
        return {key: route for _, routes in self._held.values() for key, route in routes.items()}

    def is_intact(self) -> bool:
        """Whether nobody else changed a route since we last read or wrote."""
        seen = {number: edition for number, (edition, _) in self._held.items()}
        return seen == {number: self._edition(number) for number in self._rooms.numbers()}

    def apply(self, delta: Delta[RouteKey, RoutePlan]) -> Mapping[RouteKey, Exception]:
        """Replace and delete routes, all of one router at once; return the failures by key."""
        lines: dict[int, list[tuple[RouteKey, str]]] = {}
        for key in delta.remove:
            lines.setdefault(key[0], []).append((key, f"route del {_match(key)}"))
        for key, route in delta.put.items():
            lines.setdefault(key[0], []).append((key, f"route replace {_match(key)}{_ways(route)}"))
        failures: dict[RouteKey, Exception] = {}
        for number, some in lines.items():
            failures |= self._change(number, some)
            _, held = self._held.get(number, (None, {}))
            for key, _ in some:
                held.pop(key, None)
                if key in delta.put and key not in failures:
                    held[key] = delta.put[key]
        return failures

    def _change(
        self, number: int, lines: list[tuple[RouteKey, str]]
    ) -> Mapping[RouteKey, Exception]:
        if self._rooms.find(number) is None:
            # What is to be deleted went with the router.
            missing = LookupError(f"router {number} has no namespace yet")
            return {key: missing for key, line in lines if line.startswith("route replace")}
        was_ours = number in self._held and self._held[number][0] == self._edition(number)
        failures = self._run(number, lines)
        if was_ours and not failures:
            self._held[number] = (self._edition(number), self._held[number][1])
        return failures

    def _run(self, number: int, lines: Sequence[tuple[RouteKey, str]]) -> dict[RouteKey, Exception]:
        """Let `ip` do the lines; return the failures by key.

        A line that it cannot read ends it without a number, whatever follows: what is left is
        halved until that line is alone.
        """
        try:
            self._rooms.change(number, (line for _, line in lines), "-force")
        except ToolError as error:
            said = _Said(str(error))
        else:
            return {}
        failures: dict[RouteKey, Exception] = {}
        for place, why in said.failed:
            key, line = lines[place]
            if not (line.startswith("route del") and _GONE in why):
                failures[key] = RuntimeError(f"{line}: {why}")
        left = lines[said.failed[-1][0] + 1 :] if said.failed else lines
        if said.ended_by and len(left) == 1:
            failures[left[0][0]] = RuntimeError(f"{left[0][1]}: {said.ended_by}")
        elif said.ended_by:
            half = len(left) // 2
            failures |= self._run(number, left[:half]) | self._run(number, left[half:])
        return failures

    def _look(self, number: int) -> dict[RouteKey, RoutePlan]:
        room = self._rooms.find(number)
        if room is None:
            return {}
        return {(number, table, prefix): one for table, prefix, one in _read_routes(room.name)}

    def _edition(self, number: int) -> object:
        room = self._rooms.find(number)
        return room.edition(Topic.ROUTES, Topic.LINKS) if room is not None else None


def _match(key: RouteKey) -> str:
    _, table, prefix = key
    return f"{prefix} table {table} proto {PROTOCOL}"


def _ways(route: RoutePlan) -> str:
    if not route.hops:
        return f" dev {BLACKHOLE}"
    if len(route.hops) == 1:
        return _way(route.hops[0])
    return "".join(f" nexthop{_way(hop)}" for hop in route.hops)


def _way(hop: HopPlan) -> str:
    if hop.address is None:
        return f" dev {hop.ifname}"
    family = "inet" if hop.address.version == 4 else "inet6"  # noqa: PLR2004 -- the family
    # On the link whatever other routes say: a hop is in a subnet of that very interface.
    return f" via {family} {hop.address} dev {hop.ifname} onlink"


class _Said:
    """What `ip -force -batch` said of the lines that failed."""

    def __init__(self, text: str) -> None:
        self.failed: list[tuple[int, str]] = []
        """Their places (from 0), and why."""
        start = 0
        for match in _FAILED.finditer(text):
            self.failed.append((int(match[1]) - 1, text[start : match.start()].strip()))
            start = match.end()
        self.ended_by = text[start:].strip()
        """Why it did nothing more after the last of them; empty: it did."""


def _read_routes(namespace: str) -> Iterator[tuple[int, IpPrefix, RoutePlan]]:
    for family, everything in _FAMILIES.items():
        question = (family, "route", "show", "table", "all", "proto", str(PROTOCOL))
        for entry in ask_ip(namespace, *question):
            text = everything if entry["dst"] == "default" else entry["dst"]
            hops = tuple(_hop(one) for one in entry.get("nexthops", (entry,)))
            is_nowhere = len(hops) == 1 and hops[0].ifname == BLACKHOLE
            ordered = sorted(hops, key=lambda hop: (hop.ifname, str(hop.address)))
            yield (
                int(entry.get("table", 254)),
                parse_prefix(text),
                RoutePlan(hops=() if is_nowhere else tuple(ordered)),
            )


def _hop(entry: Any) -> HopPlan:  # noqa: ANN401 -- the JSON of ip(8)
    text = entry["via"]["host"] if "via" in entry else entry.get("gateway")
    return HopPlan(ifname=entry["dev"], address=parse_ip(text) if text is not None else None)
