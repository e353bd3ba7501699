"""A server under iptables and a peer on its wire, in namespaces of their own.

The server is the namespace that the test's thread is in, so that tools and sockets of the test are
the server's; the peer has a name.
"""

import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path

from tests.kernel.lab import run
from tests.support.programs import private_network

from portlight.dataplane.namespaces import do_inside
from portlight.guest.iptables.names import PLAIN
from portlight.guest.iptables.tool import Tool

SERVER = ("10.9.1.1", "10.9.1.2", "10.9.1.3", "10.9.1.4", "10.9.1.5", "fd09::4", "fd09::5")
PEER = ("10.9.0.1", "10.9.0.2", "fd09::1")
SERVER_MAC, PEER_MAC = "02:00:00:00:09:01", "02:00:00:00:09:02"
SECONDS = 10.0
_SERIAL = count()


class Outcome(StrEnum):
    """What became of a try to connect."""

    OPEN = "open"
    REFUSED = "refused"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The server is here; the peer is in the namespace of this name."""

    peer: str

    def connect(self, tool: Tool, port: int, *, to: str = SERVER[0]) -> Outcome:
        """Try to connect from the peer, until it is open, refused or counted as dropped."""
        kind = socket.AF_INET if tool.family == 4 else socket.AF_INET6
        dropped = drops(tool)
        with closing(do_inside(self.peer, lambda: socket.socket(kind))) as client:
            client.settimeout(0)
            client.connect_ex((to, port))
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                if select.select([], [client], [], 0.05)[1]:
                    error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    return Outcome.REFUSED if error else Outcome.OPEN
                if drops(tool) > dropped:
                    return Outcome.DROPPED
        raise AssertionError(f"nothing became of a connection to {to}:{port}: {tool.save()}")


def drops(tool: Tool) -> int:
    """Return how many packets were counted where packets are dropped in the filter table."""
    table = tool.read(PLAIN).tables.get("filter")
    chains = table.chains.values() if table else ()
    by_policy = sum(chain.counters.packets for chain in chains if chain.policy == "DROP")
    return by_policy + sum(
        rule.counters.packets
        for chain in chains
        for rule in chain.rules
        if rule.target is not None and rule.target.name == "DROP"
    )


@contextmanager
def iptables_pair() -> Iterator[Pair]:
    """Yield a server and its peer; a wire leads from eth0 to eth0."""
    name = f"ipt-peer-{os.getpid()}-{next(_SERIAL)}"
    with private_network(), ExitStack() as undo:
        run("ip", "netns", "add", name)
        undo.callback(run, "ip", "netns", "delete", name)
        for where in ((), ("-n", name)):
            run("ip", *where, "link", "set", "lo", "up")
        link = ("link", "add", "eth0", "address", SERVER_MAC, "type", "veth")
        run("ip", *link, "peer", "name", "eth0", "address", PEER_MAC, "netns", name)
        for where, addresses in (((), SERVER), (("-n", name), PEER)):
            for address in addresses:
                length, flags = ("64", ("nodad",)) if ":" in address else ("16", ())
                run("ip", *where, "addr", "add", f"{address}/{length}", "dev", "eth0", *flags)
            run("ip", *where, "link", "set", "eth0", "up")
        Path("/proc/sys/net/ipv4/conf/all/rp_filter").write_text("0\n")
        yield Pair(peer=name)


@contextmanager
def listening(*ports: int, family: int = 4) -> Iterator[None]:
    """Listen at these ports of the server."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    with ExitStack() as opened:
        for port in ports:
            server = opened.enter_context(socket.socket(kind))
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("", port))
            server.listen(64)
        yield
