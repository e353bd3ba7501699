"""Two guests and a network between them: what every data-path measurement runs over.

A peer and Portlight differ only in who builds the pair, and in what enforces the rules.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.commands import inside, run

CLIENT_ADDRESS = "192.168.77.10"
SERVER_ADDRESS = "192.168.77.11"
PREFIX_LENGTH = 24
CLIENT_MAC = "02:00:00:00:77:10"
SERVER_MAC = "02:00:00:00:77:11"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A client that may open connections to a server, each a network namespace."""

    name: str
    client: str
    server: str
    server_address: str = SERVER_ADDRESS
    collector: str | None = None
    """Where copies of what the client sends and receives go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """A pair whose host ends lie in a third namespace, not yet connected to anything there."""

    pair: Pair
    fabric: str
    client_link: str = "client"
    server_link: str = "server"


def set_mtu(pair: Pair, size: int) -> None:
    """Give client and server another MTU."""
    for guest in (pair.client, pair.server):
        inside(guest, "ip", "link", "set", "eth0", "mtu", str(size))


@contextmanager
def namespaces(names: Sequence[str]) -> Iterator[None]:
    """Make network namespaces, and remove exactly these at the end."""
    made: list[str] = []
    try:
        for name in names:
            run("ip", "netns", "add", name)
            made.append(name)
            inside(name, "ip", "link", "set", "lo", "up")
        yield
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=False)


@contextmanager
def wired(name: str, prefix: str) -> Iterator[Wiring]:
    """Yield two guests with addresses, each with a veth whose other end is in the fabric."""
    fabric, client, server = (f"{prefix}-{part}" for part in ("fabric", "client", "server"))
    with namespaces((fabric, client, server)):
        attach(fabric, "client", client, f"{CLIENT_ADDRESS}/{PREFIX_LENGTH}", CLIENT_MAC)
        attach(fabric, "server", server, f"{SERVER_ADDRESS}/{PREFIX_LENGTH}", SERVER_MAC)
        yield Wiring(pair=Pair(name=name, client=client, server=server), fabric=fabric)


def add_bridge(wiring: Wiring) -> None:
    """Connect the two host ends with a Linux bridge."""
    inside(wiring.fabric, "ip", "link", "add", "bridge", "type", "bridge", "forward_delay", "0")
    inside(wiring.fabric, "ip", "link", "set", "bridge", "up")
    for link in (wiring.client_link, wiring.server_link):
        inside(wiring.fabric, "ip", "link", "set", link, "master", "bridge")


def attach(fabric: str, link: str, guest: str, address: str, mac: str) -> None:
    """Give a guest an eth0 with this address; the other end is in the fabric."""
    inside(
        fabric,
        *("ip", "link", "add", link, "type", "veth"),
        *("peer", "name", "eth0", "address", mac, "netns", guest),
    )
    inside(fabric, "ip", "link", "set", link, "up")
    inside(guest, "ip", "address", "add", address, "dev", "eth0")
    inside(guest, "ip", "link", "set", "eth0", "up")
