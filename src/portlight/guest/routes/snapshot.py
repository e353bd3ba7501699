"""Reads the network of this server, once. Changes nothing."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from portlight.guest.routes.decode import (
    decode_interfaces,
    decode_neighbours,
    decode_resolvers,
    decode_routes,
    decode_rules,
    decode_virtual_ips,
)
from portlight.guest.routes.values import FAMILIES, Hop, Interface, Probe, RoutesError, Snapshot

_SETTINGS: Final = {
    "ipv4": ("rp_filter", "arp_ignore", "arp_announce", "forwarding"),
    "ipv6": ("accept_ra", "accept_ra_defrtr", "forwarding", "disable_ipv6", "mtu"),
}
_STRICTER_OF_BOTH: Final = frozenset({"rp_filter", "arp_ignore", "arp_announce"})
"""Where the kernel takes the larger of the interface's value and that of `all` (ip-sysctl)."""
_SYSCTL: Final = Path("/proc/sys/net")
_RESOLVER: Final = Path("/etc/resolv.conf")
_KEEPALIVED: Final = Path("/etc/keepalived/keepalived.conf")
_HEADERS: Final = {4: 28, 6: 48}
"""Bytes that IP and ICMP put before what ping sends."""
_TOOL_SECONDS: Final = 20


class ToolError(RoutesError):
    """A tool of the system refused what we asked for."""

    def __init__(self, command: Iterable[str], said: str) -> None:
        super().__init__(f"{' '.join(command)}: {said.strip()}")


def run_tool(*command: str) -> str:
    """Run a tool and return what it printed; raise ToolError when it fails, hangs or is missing."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TOOL_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise ToolError(command, "not installed") from None
    except subprocess.TimeoutExpired:
        raise ToolError(command, f"no answer within {_TOOL_SECONDS} s") from None
    if done.returncode:
        raise ToolError(command, done.stderr or done.stdout)
    return done.stdout


def read_snapshot(*, keepalived: Path = _KEEPALIVED, probe: bool = False) -> Snapshot:
    """Read everything; with `probe`, ask the gateways before (takes up to a second)."""
    shared = {
        f"ipv4/{name}": _number(_SYSCTL / "ipv4/conf/all" / name) for name in _STRICTER_OF_BOTH
    }
    interfaces = tuple(
        _with_settings(one, shared)
        for one in decode_interfaces(run_tool("ip", "-json", "address", "show"))
    )
    read = Snapshot(
        interfaces=interfaces,
        routes=tuple(
            route
            for family in FAMILIES
            for route in decode_routes(
                run_tool("ip", f"-{family}", "-N", "-json", "route", "show", "table", "all"), family
            )
        ),
        rules=tuple(
            rule
            for family in FAMILIES
            for rule in decode_rules(
                run_tool("ip", f"-{family}", "-N", "-json", "-details", "rule", "show"), family
            )
        ),
        forwarding={
            4: _number(_SYSCTL / "ipv4/ip_forward") == 1,
            6: _number(_SYSCTL / "ipv6/conf/all/forwarding") == 1,
        },
        shared_settings=shared,
        resolvers=tuple(decode_resolvers(_resolver_files(interfaces))),
        virtual_ips=tuple(decode_virtual_ips(_text(keepalived))),
    )
    probes = _probe(read) if probe else ()
    # After the probes: they are what makes the kernel look for the gateways.
    neighbours = tuple(decode_neighbours(run_tool("ip", "-json", "neighbour", "show")))
    return replace(read, probes=probes, neighbours=neighbours)


def _with_settings(interface: Interface, shared: Mapping[str, int]) -> Interface:
    own = {
        f"{family}/{name}": _number(_SYSCTL / family / "conf" / interface.name / name)
        for family, names in _SETTINGS.items()
        for name in names
    }
    counts = {name: max(own[name], value) for name, value in shared.items()}
    return replace(interface, own_settings=own, settings={**own, **counts})


def _number(path: Path) -> int:
    """Return the number in a file of the kernel; 0 where this kernel has no such setting."""
    text = _text(path).strip()
    return int(text) if text.lstrip("-").isdigit() else 0


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def _resolver_files(interfaces: tuple[Interface, ...]) -> dict[str, str]:
    """Return the text of every file that names DNS servers, by the interface it is about."""
    found = {"": _text(_RESOLVER)}
    for one in interfaces:
        places = (
            *sorted(Path("/run").glob(f"resolv.{one.name}*")),
            Path(f"/run/systemd/netif/links/{one.index}"),
            *sorted(Path("/var/lib/dhcp").glob(f"dhclient*.{one.name}.leases")),
        )
        found[one.name] = "\n".join(_text(path) for path in places)
    return found


def _probe(snapshot: Snapshot) -> tuple[Probe, ...]:
    """Ask every gateway, all at once."""
    asked = [
        (hop, interface, family)
        for family in FAMILIES
        for route in snapshot.routes
        if route.family == family and route.is_default and not route.dead
        for hop in route.hops
        if hop.gateway is not None and (interface := snapshot.interface(hop.interface)) is not None
    ]
    unique = {(hop.gateway, hop.interface): (hop, one, family) for hop, one, family in asked}
    if not unique:
        return ()
    with ThreadPoolExecutor(len(unique)) as pool:
        return tuple(pool.map(lambda one: _ask(*one), unique.values()))


def _ask(hop: Hop, interface: Interface, family: int) -> Probe:
    if hop.gateway is None:
        raise ValueError(hop)
    short = _ping(hop, family, 8)
    return Probe(
        gateway=hop.gateway,
        interface=hop.interface,
        answers=short,
        answers_long=short and _ping(hop, family, interface.mtu - _HEADERS[family]),
    )


def _ping(hop: Hop, family: int, size: int) -> bool:
    try:
        run_tool(
            *("ping", f"-{family}", "-n", "-q", "-c", "1", "-W", "1", "-M", "do"),
            *("-I", hop.interface, "-s", str(max(size, 0)), str(hop.gateway)),
        )
    except ToolError:
        return False
    return True
