"""A server with real interfaces in a namespace of its own, each cable ending in another world.

World `n` is a router at the far end of `ethN` with a host behind it that nobody else has: a ping
from that host comes back only if the reply leaves by the interface that the request came in by.
"""

import base64
import itertools
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.kernel.lab import inside, run, wait_until

from portlight.guest.routes.values import Snapshot

_SERIAL = itertools.count()
_SOURCES = Path(__file__).parents[2] / "src"
_READ = f"""
import base64, pickle, sys
sys.path.insert(0, {str(_SOURCES)!r})
from portlight.guest.routes.snapshot import read_snapshot
print(base64.b64encode(pickle.dumps(read_snapshot())).decode())
"""
METRICS = {4: 100, 6: 1024}
GATEWAYS = {4: "10.{n}.0.1", 6: "2001:db8:{n}::1"}
SERVERS = {4: "10.{n}.0.5", 6: "2001:db8:{n}::5"}
HOSTS = {4: "192.0.2.{n}", 6: "2001:db8:ffff::{n}"}
LENGTHS = {4: 24, 6: 64}


@dataclass(frozen=True, slots=True)
class Server:
    """One server; its state folder is that of one namespace."""

    namespace: str
    worlds: tuple[str, ...]
    state: Path

    def run(self, *command: str, check: bool = True) -> str:
        """Run a tool on the server."""
        return inside(self.namespace, *command, check=check)

    def guest(
        self, *arguments: str, under: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run `portlight-guest` on the server, below another command if wanted."""
        return subprocess.run(
            self._command(under, arguments),
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def start(self, *arguments: str, under: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """Start `portlight-guest` on the server, in the background."""
        return subprocess.Popen(self._command(under, arguments), env=self._environment())

    def _command(self, under: tuple[str, ...], arguments: Sequence[str]) -> tuple[str, ...]:
        enter = ("nsenter", f"--net=/run/netns/{self.namespace}", *under)
        return (*enter, sys.executable, "-m", "portlight.guest.entry", *arguments)

    def _environment(self) -> dict[str, str]:
        state = {"PORTLIGHT_GUEST_STATE": str(self.state), "PYTHONPATH": str(_SOURCES)}
        return {**os.environ, **state}

    def snapshot(self) -> Snapshot:
        """Return what our tool reads of the server."""
        read: Snapshot = pickle.loads(base64.b64decode(self.run(sys.executable, "-c", _READ)))  # noqa: S301 -- our own
        return read

    def must(self, *arguments: str) -> str:
        """Run `portlight-guest`; fail when it does."""
        done = self.guest(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def faults(self, *arguments: str, under: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
        """Return what `routes check` finds, by name; the last one of a name."""
        done = self.guest("routes", "check", "--json", "--no-probe", *arguments, under=under)
        assert done.returncode in (0, 1), done.stderr
        return {fault["name"]: fault for fault in json.loads(done.stdout)["faults"]}

    def answers(self, world: int, family: int) -> bool:
        """Whether the host behind `ethN` gets a reply from the server's address there."""
        ping = ("ping", f"-{family}", "-n", "-c", "1", "-W", "1")
        who = ("-I", HOSTS[family].format(n=world + 1), SERVERS[family].format(n=world))
        return "1 received" in inside(self.worlds[world], *ping, *who, check=False)

    def answered(self, families: Sequence[int] = (4, 6)) -> dict[tuple[int, int], bool]:
        """Return `answers` for every interface and family."""
        return {
            (world, family): self.answers(world, family)
            for world in range(len(self.worlds))
            for family in families
        }


@contextmanager
def server(folder: Path, cards: int, *, gateways: bool = True) -> Iterator[Server]:
    """Yield a server with so many interfaces, addresses on each, and default gateways."""
    base = f"pl-srv-{os.getpid()}-{next(_SERIAL)}"
    made = Server(base, tuple(f"{base}-w{n}" for n in range(cards)), folder / base)
    for name in (made.namespace, *made.worlds):
        run("ip", "netns", "add", name)
    try:
        _quick_ipv6(made.namespace)
        batch(made.namespace, "link set lo up")
        for number in range(cards):
            _settle(made, number)
            plug(made, number)
            _configure(made, number, gateways=gateways)
        for number, world in enumerate(made.worlds):
            # Before both ends know of each other, the first packets of IPv6 are lost.
            for end, link in ((made.namespace, f"eth{number}"), (world, "wire")):
                wait_until(partial(_is_up, end, link))
        yield made
    finally:
        for name in (made.namespace, *made.worlds):
            run("ip", "netns", "delete", name)


def _is_up(namespace: str, link: str) -> bool:
    shown = inside(namespace, "ip", "address", "show", "dev", link)
    return "state UP" in shown and "tentative" not in shown


def batch(namespace: str, *lines: str) -> None:
    """Run lines of `ip` in a namespace, in one go."""
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        ("ip", "-n", namespace, "-batch", "-"),
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 0, f"{text}{done.stderr}"


def _quick_ipv6(namespace: str) -> None:
    """Spare the waits of IPv6: nobody here has our addresses."""
    names = ("accept_dad", "router_solicitations")
    for scope in ("all", "default"):
        settings = [f"net/ipv6/conf/{scope}/{name}=0" for name in names]
        inside(namespace, "sysctl", "-qw", *settings)


def plug(made: Server, number: int) -> None:
    """Lay the cable between a world and the server's `ethN`, which is left as it comes."""
    batch(
        made.namespace, f"link add eth{number} type veth peer name wire netns {made.worlds[number]}"
    )
    batch(
        made.worlds[number],
        *(f"address add {a}/{LENGTHS[f]} dev wire" for f, a in _of(GATEWAYS, number)),
        "link set wire up",
    )


def _settle(made: Server, number: int) -> None:
    """Let a world have its host."""
    world = made.worlds[number]
    _quick_ipv6(world)
    batch(
        world,
        "link set lo up",
        *(f"address add {a} dev lo" for _, a in _of(HOSTS, number + 1)),
    )


def _configure(made: Server, number: int, *, gateways: bool) -> None:
    batch(
        made.namespace,
        *(f"address add {a}/{LENGTHS[f]} dev eth{number}" for f, a in _of(SERVERS, number)),
        f"link set eth{number} up",
    )
    if gateways:
        batch(
            made.namespace,
            *(
                f"route append default via {a} dev eth{number} metric {METRICS[f]}"
                for f, a in _of(GATEWAYS, number)
            ),
        )


def _of(templates: dict[int, str], number: int) -> list[tuple[int, str]]:
    return [(family, text.format(n=number)) for family, text in templates.items()]
