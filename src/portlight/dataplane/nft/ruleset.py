"""Reading a router's nftables table: which frame it is, its public addresses, its counters."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from portlight.dataplane.namespaces import ToolError, namespace_path, run_tool
from portlight.dataplane.nft.render import TABLE, Element, parse_counter_name
from portlight.values.verdict import DropReason

_NOBODY = "0.0.0.0"  # noqa: S104 -- no listener: an address that nobody has


@dataclass(frozen=True, slots=True, kw_only=True)
class LegCounter:
    """What a router dropped of what came in by one of its interfaces."""

    ifname: str
    reason: DropReason
    packets: int
    bytes: int


def read_digest(namespace: str) -> int:
    """Return which frame of ours is there; 0 when there is none."""
    for number in _listed(namespace, "set", "digest").get("digest", ()):
        return int(number)
    return 0


def read_elements(namespace: str) -> Mapping[IPv4Address, frozenset[Element]]:
    """Return the elements of a router's maps by public address; strays are at 0.0.0.0."""
    found: dict[IPv4Address, set[Element]] = {}
    listed = _listed(namespace, "table")
    owner_of: dict[str, str] = {}
    for one in listed.get("public", ()):
        address, comment = one["elem"]["val"], one["elem"].get("comment", "")
        _add(found, address, "public", f'{address} comment "{comment}"')
    for public, private in listed.get("floating", ()):
        _add(found, public, "floating", f"{public} : {private}")
    for private, public in listed.get("sources", ()):
        owner_of[private] = public
        _add(found, public, "sources", f"{private} : {public}")
    for private in listed.get("private", ()):
        _add(found, owner_of.get(private, _NOBODY), "private", private)
    for key, value in listed.get("forwardings", ()):
        outer, inner = (" . ".join(map(str, one["concat"])) for one in (key, value))
        _add(found, key["concat"][0], "forwardings", f"{outer} : {inner}")
    return {address: frozenset(elements) for address, elements in found.items()}


def read_counters(namespace: str) -> list[LegCounter]:
    """Return the counters of a router that are not zero."""
    return [
        LegCounter(ifname=name[1], reason=name[0], packets=entry["packets"], bytes=entry["bytes"])
        for entry in _objects(namespace, "counters", "table", TABLE)
        if entry.get("packets") and (name := parse_counter_name(entry["name"])) is not None
    ]


def _listed(namespace: str, what: str, name: str = "") -> dict[str, list[Any]]:
    """Return the elements of sets and maps by name."""
    entries = _objects(namespace, what, TABLE, *([name] if name else []))
    return {one["name"]: one.get("elem", []) for one in entries if "type" in one and "name" in one}


def _objects(namespace: str, *what: str) -> Iterator[Any]:
    words = [word for part in what for word in part.split()]
    enter = ("nsenter", f"--net={namespace_path(namespace)}")
    try:
        answer = run_tool(*enter, "nft", "-j", "list", *words)
    except ToolError as error:
        if "No such file" in str(error):
            return
        raise
    for entry in json.loads(answer)["nftables"]:
        yield from entry.values()


def _add(found: dict[IPv4Address, set[Element]], address: str, name: str, text: str) -> None:
    found.setdefault(IPv4Address(address), set()).add((name, text))
