"""By which interface and with which address the kernel sends, as `ip` tells it now."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from portlight.guest.guard.flows import LOOPBACK
from portlight.guest.guard.sockets import Address, plain

Own = Mapping[Address, str]
"""Own addresses, each with its interface."""
Question = tuple[Address, Address | None]
"""Where a packet goes, and from which own address; None: the kernel chooses one."""
_TOOL_SECONDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a packet leaves."""

    interface: str
    source: Address | None
    gateway: Address | None = None
    """None: the receiver is on the link."""
    is_advertised: bool = False
    """Whether a router's advertisements made this way, and end it when they stay away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An interface that is up and leads out of this server."""

    kind: str
    """What makes it: `wireguard`, `tun`; empty for a card."""
    asks_neighbours: bool
    """False: whatever is sent there has one receiver only."""


def own_addresses() -> Own:
    """Return this server's addresses, each with its interface."""
    return {
        plain(ip_address(address["local"])): link["ifname"]
        for link in _told("address", "show")
        for address in link.get("addr_info", ())
        if "local" in address
    }


def links_up() -> Mapping[str, Link]:
    """Return the interfaces by which packets of others may come."""
    return {
        link["ifname"]: Link(
            kind=link.get("linkinfo", {}).get("info_kind", ""),
            asks_neighbours="NOARP" not in link["flags"],
        )
        for link in _told("-details", "link", "show", "up")
        if link.get("ifname", LOOPBACK) != LOOPBACK  # those that are down are empty here
    }


def has_mark_rules() -> bool:
    """Whether the mark of a packet has a say in its route."""
    return any("fwmark" in rule for family in "46" for rule in _told(f"-{family}", "rule", "show"))


def ways_to(questions: Iterable[Question]) -> dict[Question, Way]:
    """Return how packets leave; a question without a way has no answer. All are asked at once."""
    asked = dict.fromkeys(questions)
    text = "".join(f"route get {to}{f' from {source}' if source else ''}\n" for to, source in asked)
    answers = _ip("-force", "-batch", "-", stdin=text).splitlines() if asked else ()
    return dict(_answer(json.loads(line)[0]) for line in answers if line.startswith("[{"))


def _answer(route: dict[str, Any]) -> tuple[Question, Way]:
    said = ip_address(route.get("from", "0.0.0.0"))  # noqa: S104 -- as IPv6 says it: from nowhere
    source = None if said.is_unspecified else said
    chosen = ip_address(route["prefsrc"]) if "prefsrc" in route else None
    way = Way(
        interface=route["dev"],
        source=source or chosen,
        gateway=ip_address(route["gateway"]) if "gateway" in route else None,
        is_advertised=route.get("protocol") == "ra",
    )
    return (ip_address(route["dst"]), source), way


def _told(*arguments: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(_ip(*arguments) or "[]")
    return told


def _ip(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ("ip", "-json", *arguments),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TOOL_SECONDS,
    )
    return done.stdout
